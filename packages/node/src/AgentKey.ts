/**
 * The key by which an agent that is not the user asks the keeper of a home: what it looks like, and which tenants it opens.
 * Only its digest is kept.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

/**
 * What is kept of a key. Times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentKey {
  /** How the agent is called. */
  readonly name: string
  /** Tells one key of an agent from the next. Public: it stands in the audit. */
  readonly id: string
  /** SHA-256 of the whole key, in hex. */
  readonly digest: string
  /** Names of tenants, in which `*` stands for any text. */
  readonly tenants: ReadonlyArray<string>
  readonly createdAt: number
  readonly expiresAt: number | undefined
  /** Whether the agent may begin logins of its tenants. */
  readonly login: boolean
}

const PREFIX = "lsk"
const ID_BYTES = 6
/** 256 bits cannot be guessed, so that a plain digest keeps them. */
const SECRET_BYTES = 32

const KEY = /^lsk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/

const digestOf = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

/**
 * Makes a key and what is kept of it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Omit<AgentKey, "digest" | "id">
): { readonly key: AgentKey; readonly secret: Redacted.Redacted } => {
  const id = Crypto.randomBytes(ID_BYTES).toString("hex")
  const secret = `${PREFIX}_${id}_${Crypto.randomBytes(SECRET_BYTES).toString("base64url")}`
  return { key: { ...options, id, digest: digestOf(secret) }, secret: Redacted.make(secret) }
}

/**
 * Whether a name is one that an agent can have: it stands on lines and in file names.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)

/**
 * Whether a pattern is one of tenants.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPattern = (text: string): boolean => /^[^\p{Cc}\p{Cs}]{1,512}$/u.test(text)

/**
 * Finds the key that was shown. What is compared takes the same time whatever was shown.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (keys: ReadonlyArray<AgentKey>, shown: string): AgentKey | undefined => {
  const id = KEY.exec(shown)?.[1]
  const key = id === undefined ? undefined : keys.find((one) => one.id === id)
  return key !== undefined && Crypto.timingSafeEqual(Buffer.from(digestOf(shown)), Buffer.from(key.digest))
    ? key
    : undefined
}

/**
 * Whether the time of a key is over. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasExpired = (key: AgentKey, now: number): boolean =>
  key.expiresAt !== undefined && now >= key.expiresAt * 1000

/**
 * Whether a key opens a tenant.
 *
 * @since 0.1.0
 * @category predicates
 */
export const opens = (key: Pick<AgentKey, "tenants">, tenant: string): boolean =>
  key.tenants.some((pattern) => matches(pattern.normalize("NFC"), tenant))

// By hand: of a pattern with many stars a regular expression would make a search without an end.
const matches = (pattern: string, text: string): boolean => {
  const [first = "", ...rest] = pattern.split("*")
  if (rest.length === 0) return text === pattern
  if (!text.startsWith(first)) return false
  const last = rest.pop()!
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}

/**
 * The only tenant that a key opens, where it is named and no pattern stands beside it.
 *
 * @since 0.1.0
 * @category getters
 */
export const onlyTenant = ({ tenants: [tenant, ...more] }: Pick<AgentKey, "tenants">): string | undefined =>
  tenant !== undefined && more.length === 0 && !tenant.includes("*") ? tenant : undefined
