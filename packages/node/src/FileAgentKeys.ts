/**
 * The keys of agents, in `agents.json` of the home: written under the lock of the home and read without
 * any.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Trace from "@lockstep/core/Trace"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { AgentKey } from "./AgentKey.js"
import * as AgentKeys from "./AgentKey.js"
import * as AtomicFile from "./AtomicFile.js"
import { Home } from "./Home.js"
import * as Aggregate from "./internal/aggregate.js"
import type { FileLock } from "./locks/FileLock.js"
import * as WholeFile from "./WholeFile.js"

const FILE = "agents.json"

type Json = Readonly<Record<string, unknown>>

/** A file whose known members are sound. What else is in it is kept. */
interface Document {
  readonly rest: Json
  readonly keys: ReadonlyArray<AgentKey>
}

const EMPTY: Document = { rest: {}, keys: [] }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const isTime = (value: unknown): value is number => typeof value === "number" && value > 0 && Number.isFinite(value)

const keyOf = (value: unknown): AgentKey | undefined => {
  if (!isObject(value)) return undefined
  const { created_at: createdAt, digest, expires_at: expiresAt, id, login, name, tenants } = value
  return typeof name === "string" && AgentKeys.isName(name) &&
      typeof id === "string" && /^[0-9a-f]{12}$/.test(id) &&
      typeof digest === "string" && /^[0-9a-f]{64}$/.test(digest) &&
      Array.isArray(tenants) && tenants.every((one) => typeof one === "string" && AgentKeys.isPattern(one)) &&
      isTime(createdAt) && (expiresAt === null || isTime(expiresAt)) && typeof login === "boolean"
    ? { name, id, digest, tenants, createdAt, expiresAt: expiresAt ?? undefined, login }
    : undefined
}

const parse = (text: string): Document | undefined => {
  try {
    const file: unknown = JSON.parse(text)
    if (!isObject(file) || file["version"] !== 1 || !Array.isArray(file["agents"])) return undefined
    const keys = file["agents"].map(keyOf)
    return keys.every((key) => key !== undefined) ? { rest: file, keys } : undefined
  } catch {
    return undefined
  }
}

const render = ({ keys, rest }: Document): string =>
  `${
    JSON.stringify(
      {
        ...rest,
        version: 1,
        agents: keys.map(({ createdAt, digest, expiresAt, id, login, name, tenants }) => ({
          name,
          id,
          digest,
          tenants,
          created_at: createdAt,
          expires_at: expiresAt ?? null,
          login
        }))
      },
      null,
      2
    )
  }\n`

const load = (location: string): Either.Either<Document, CredentialStoreError> =>
  Either.flatMap(
    WholeFile.readNow(location),
    Option.match({
      onNone: () => Either.right(EMPTY),
      onSome: ({ bytes }) =>
        Either.flatMap(WholeFile.decodeText(location, bytes), (text) => {
          const document = parse(text)
          return document === undefined
            ? Either.left(
              new CredentialStoreError({ reason: "Decode", location, detail: "not a list of agents' keys" })
            )
            : Either.right(document)
        })
    })
  )

/**
 * The keys of a home.
 *
 * @since 0.1.0
 * @category models
 */
export interface FileAgentKeys {
  readonly list: Effect.Effect<ReadonlyArray<AgentKey>, CredentialStoreError>
  /** Adds a key. A name that is there already keeps its key beside the new one, until that is removed. */
  readonly add: (key: AgentKey) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>
  /** Removes the key of that id, or every key of that name. Answers with what was removed. */
  readonly remove: (
    nameOrId: string
  ) => Effect.Effect<ReadonlyArray<AgentKey>, CredentialStoreError | LockTimeout | LockUnavailable>
}

/**
 * Makes the keys of a home. Readers take no lock and create nothing; Lockstep does not write a damaged file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<FileAgentKeys, never, Home | FileLock | RefreshPolicy> = Effect.gen(function*() {
  const home = yield* Home
  const exclusively = yield* Aggregate.make
  const path = AtomicFile.resolve(Path.join(home.directory, FILE))
  const modify = <A>(edit: (keys: ReadonlyArray<AgentKey>) => readonly [ReadonlyArray<AgentKey>, A]) =>
    exclusively(FILE, () =>
      Effect.gen(function*() {
        const location = yield* path
        const document = yield* load(location)
        const [keys, answer] = edit(document.keys)
        if (keys !== document.keys) {
          yield* AtomicFile.sweep(location)
          yield* AtomicFile.replace(location, render({ ...document, keys }))
        }
        return answer
      })).pipe(Trace.withSpan("lockstep.agents.modify"))
  return {
    list: Effect.flatMap(path, (location) => Effect.map(load(location), ({ keys }) => keys)),
    add: (key) => modify((keys) => [[...keys, key], undefined]),
    remove: (nameOrId) =>
      modify((keys) => {
        const isMeant = (one: AgentKey) => one.id === nameOrId || one.name === nameOrId
        const removed = keys.filter(isMeant)
        return [removed.length === 0 ? keys : keys.filter((one) => !isMeant(one)), removed]
      })
  }
})

/**
 * Reads the keys of a home as they are now, without an effect: one `stat` where nothing changed. Fails where they cannot be
 * read; then no key opens anything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reader = (directory: string): () => Either.Either<ReadonlyArray<AgentKey>, CredentialStoreError> => {
  const location = AtomicFile.follow(Path.join(directory, FILE))
  let known: { readonly state: string; readonly keys: ReadonlyArray<AgentKey> } | undefined
  return () => {
    const stat = Fs.lstatSync(location, { bigint: true, throwIfNoEntry: false })
    const state = stat === undefined ? "" : `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
    if (known?.state === state) return Either.right(known.keys)
    return Either.map(load(location), ({ keys }) => {
      // File times advance with the kernel's tick: what changed just now may change again and look the same.
      const isSettled = stat === undefined || Date.now() - Number(stat.ctimeNs / 1_000_000n) > WholeFile.COARSE
      known = isSettled ? { state, keys } : undefined
      return keys
    })
  }
}
