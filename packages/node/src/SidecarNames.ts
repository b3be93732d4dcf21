/**
 * The names of what lies beside a store file: `auth.json.global.lock`, `auth.json.refresh.<tenant>.lock`, `.json`,
 * `.answer`. Other programs that lock the same store build the same names.
 *
 * @since 0.1.0
 */
import * as TenantId from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LockTarget } from "./locks/LockTarget.js"

/** Longest encoded name. With its prefix and a temp file's suffix it stays below 143 bytes, eCryptfs' limit. */
const MAX_LENGTH = 80

/** Room for the readable start of a name whose rest became a hash: 39 + `~` + 40 hex digits. */
const HEAD_LENGTH = 39

const SAFE = /^[a-z0-9._@-]$/

const hexByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`

const encodePoint = (point: string): string => {
  if (SAFE.test(point)) return point
  const code = point.codePointAt(0)!
  // UTF-8 has no lone surrogates: all of them would become the same replacement character.
  if (code >= 0xd800 && code <= 0xdfff) return `%u${code.toString(16).toUpperCase()}`
  return [...Buffer.from(point, "utf8")].map(hexByte).join("")
}

/**
 * Encodes any text as a file name that no other text has, not even where names differ in case only.
 *
 * Everything outside `[a-z0-9._@-]` is percent-encoded; what gets long keeps its start and ends in a hash.
 *
 * @since 0.1.0
 * @category constructors
 */
export const encode = (text: string): string => {
  const points = [...text].map(encodePoint)
  const encoded = points.join("")
  if (encoded.length <= MAX_LENGTH) return encoded
  let head = ""
  for (const point of points) {
    if (head.length + point.length > HEAD_LENGTH) break
    head += point
  }
  // Few names are long, and every start of the command that waits for a refresh builds one.
  const { createHash } = process.getBuiltinModule("node:crypto")
  // `~` is never left unencoded, so a shortened name equals no other one.
  return `${head}~${createHash("sha256").update(encoded).digest("hex").slice(0, 40)}`
}

/**
 * Decodes what `encode` made of a tenant. `None` where the name was shortened, or is not one of ours.
 *
 * @since 0.1.0
 * @category getters
 */
export const decode = (name: string): Option.Option<TenantId.TenantId> => {
  const bytes = name.replace(
    /%u([0-9A-F]{4})|((?:%[0-9A-F]{2})+)/g,
    (_, surrogate: string | undefined, escaped: string | undefined) =>
      surrogate !== undefined
        ? String.fromCharCode(Number.parseInt(surrogate, 16))
        : Buffer.from(escaped!.replaceAll("%", ""), "hex").toString("utf8")
  )
  return Option.filter(Either.getRight(TenantId.fromString(bytes)), (tenant) => encode(tenant) === name)
}

/**
 * Names the lock that guards one read-modify-write of the store.
 *
 * @since 0.1.0
 * @category constructors
 */
export const aggregateLock = (store: string): string => `${store}.global.lock`

/**
 * Names the lock that spans the refresh of one tenant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tenantLock = (store: string, tenant: TenantId.TenantId): string =>
  `${store}.refresh.${encode(tenant)}.lock`

/**
 * Names the lock of logins that revoke each other.
 *
 * @since 0.1.0
 * @category constructors
 */
export const groupLock = (store: string, group: string): string => `${store}.group.${encode(group)}.lock`

/**
 * Names the lock of a target.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lock = (store: string, target: LockTarget): string =>
  LockTarget.$match(target, {
    RotationGroup: ({ group }) => groupLock(store, group),
    Tenant: ({ tenant }) => tenantLock(store, tenant),
    Aggregate: () => aggregateLock(store)
  })

/** A bind mount gives a directory another path, and the same device and inode. */
const directoryKey = (path: string): string => {
  const stat = Fs.statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? "0-0" : `${stat.dev}-${stat.ino}`
}

const LINE = ".line"

/**
 * Names the lock that the first of those has that wait for a lock, of the path of that lock.
 *
 * @since 0.1.0
 * @category getters
 */
export const line = (path: string): string => `${path}${LINE}`

/**
 * Whether a file is such a lock.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLine = (name: string): boolean => name.endsWith(LINE)

/**
 * The path of a lock file: beside the store, or in a directory of locks that several stores may share. Links of the
 * store's path are resolved.
 *
 * @since 0.1.0
 * @category getters
 */
export const lockPath = (store: string, lockDirectory: string, name: string): string => {
  const directory = Path.dirname(store)
  return Path.join(lockDirectory, lockDirectory === directory ? name : `${directoryKey(directory)}.${name}`)
}

/**
 * Names the journal of one tenant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const journal = (store: string, tenant: TenantId.TenantId): string => `${store}.refresh.${encode(tenant)}.json`

/**
 * Names the file that keeps a rotation's answer between redeem and persist.
 *
 * @since 0.1.0
 * @category constructors
 */
export const answer = (store: string, tenant: TenantId.TenantId): string => `${store}.refresh.${encode(tenant)}.answer`

/**
 * Names the directory of what hands the entries of a keyring on, of the path of its index.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handovers = (index: string): string => `${index}.next`

/**
 * Names what lets the next entry of one tenant be read without the keyring, of the path of the keyring's index.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handover = (index: string, tenant: TenantId.TenantId): string =>
  Path.join(handovers(index), encode(tenant))

/**
 * Names the lock of one of the turns in which entries of a keyring are read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const turnLock = (store: string, turn: number): string => Path.join(`${store}.keyring.turns`, `${turn}.lock`)

/**
 * What a file beside a store is, by its name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sidecar {
  readonly kind: "lock" | "json" | "answer"
  /** `None` where the name was shortened: the journal's content tells. */
  readonly tenant: Option.Option<TenantId.TenantId>
}

/**
 * Reads the name of a tenant's sidecar, for listings.
 *
 * @since 0.1.0
 * @category getters
 */
export const parse = (store: string, name: string): Option.Option<Sidecar> => {
  const prefix = `${store}.refresh.`
  const match = /^(.+)\.(lock|json|answer)$/s.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "")
  return match === null
    ? Option.none()
    : Option.some({ kind: match[2] as Sidecar["kind"], tenant: decode(match[1]!) })
}
