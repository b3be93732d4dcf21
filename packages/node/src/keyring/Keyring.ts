/**
 * The operating system's keyring: small secrets under names, kept by another program that may be missing, locked, slow,
 * or gone in the middle.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import type { Home } from "../Home.js"
import * as KeyringTimeout from "./KeyringTimeout.js"

/**
 * Why the keyring did not do what it was asked. An entry that is not there is `None`, and no error.
 *
 * - `Absent`: this machine, or this session, has no keyring. Nothing can be stored in it, so nothing is.
 * - `Locked`: there is one, and it wants to be unlocked first.
 * - `Unavailable`: there is one, and it failed, or gave back something that Lockstep did not write.
 * - `Timeout`: there is one, and it did not answer in time. A write may still arrive.
 * - `TooLarge`: it cannot hold an entry of that size.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyringError extends Data.TaggedError("KeyringError")<{
  readonly reason: "Absent" | "Locked" | "Unavailable" | "Timeout" | "TooLarge"
  /** Never a secret. */
  readonly detail: string
}> {}

/**
 * Asks the keyring of this user's session.
 *
 * No call outlasts `timeout`, but for the time that it is given to start, and none holds up the event loop or the end of the process. Once a call has timed
 * out, nothing of it is still on its way from this process.
 *
 * @since 0.1.0
 * @category services
 */
export class Keyring extends Context.Tag("@lockstep/node/keyring/Keyring")<Keyring, {
  /** What messages call it: `the keyring (Secret Service)`. */
  readonly name: string

  /** Bytes that one entry can hold. */
  readonly limit: Option.Option<number>

  /** How long one call may take, and one step of a store that needs several. */
  readonly timeout: Duration.Duration

  /**
   * Reads an entry. `starting` is how long what asks the keyring may take to start before `timeout` begins; where it is left
   * out, that time counts, too.
   */
  readonly get: (
    account: string,
    options?: { readonly starting?: Duration.Duration }
  ) => Effect.Effect<Option.Option<Redacted.Redacted>, KeyringError>

  /** Writes an entry, in place of an earlier one of that name. */
  readonly set: (account: string, secret: Redacted.Redacted) => Effect.Effect<void, KeyringError>

  /** Removes an entry. Answers whether there was one. */
  readonly remove: (account: string) => Effect.Effect<boolean, KeyringError>

  /** Names the entries whose names begin like that. For repair; may take long. */
  readonly find: (prefix: string) => Effect.Effect<ReadonlyArray<string>, KeyringError>

  /** Writes, reads and removes an entry of no value, to find out whether a real one would be kept. */
  readonly probe: Effect.Effect<void, KeyringError>
}>() {}

/**
 * Names a home in the names of its entries, in 16 hex digits: two homes have two lock domains, so they never share one.
 *
 * @since 0.1.0
 * @category getters
 */
export const homeName = (home: Pick<Home["Type"], "file">): string =>
  Crypto.createHash("sha256").update(Path.dirname(home.file)).digest("hex").slice(0, 16)

const REASONS = {
  Absent: "Unavailable",
  Locked: "Locked",
  Unavailable: "Unavailable",
  Timeout: "Unavailable",
  TooLarge: "TooLarge"
} as const

/**
 * The error of a store that needs the keyring.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toStoreError = (keyring: Keyring["Type"]) => (error: KeyringError): CredentialStoreError =>
  new CredentialStoreError({ reason: REASONS[error.reason], location: keyring.name, detail: error.detail })

/**
 * One call of a keyring.
 *
 * @since 0.1.0
 * @category testing
 */
export interface Call {
  readonly operation: "get" | "set" | "remove" | "find"
  /** The account, or the prefix. */
  readonly account: string
}

/**
 * How the keyring in memory differs from one that works, for tests.
 *
 * @since 0.1.0
 * @category testing
 */
export interface MemoryFaults {
  /** Bytes that one entry can hold; any number where it is left out. */
  readonly limit?: number
  /** How long a step of a store may take; 5 s where it is left out. */
  readonly timeout?: Duration.Duration
  /** The entries by account: two keyrings over the same ones behave like those of two processes. */
  readonly entries?: Map<string, string>
  /** Runs before each call. When it fails, the call has no effect. */
  readonly before?: (call: Call) => Effect.Effect<void, KeyringError>
  /** Runs after each call has had its effect. When it fails, so does the call. */
  readonly after?: (call: Call) => Effect.Effect<void, KeyringError>
}

const CANARY = "canary"

/**
 * Makes a keyring that lives in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (faults: MemoryFaults = {}): Keyring["Type"] => {
  const entries = faults.entries ?? new Map<string, string>()
  const limit = Option.fromNullable(faults.limit)
  const call = <A>(operation: Call["operation"], account: string, run: () => A) =>
    Effect.suspend(() => faults.before?.({ operation, account }) ?? Effect.void).pipe(
      Effect.zipRight(Effect.sync(run)),
      Effect.zipLeft(Effect.suspend(() => faults.after?.({ operation, account }) ?? Effect.void))
    )
  const set = (account: string, secret: Redacted.Redacted) =>
    Effect.suspend(() => {
      const text = Redacted.value(secret)
      return Buffer.byteLength(text) > Option.getOrElse(limit, () => Infinity)
        ? new KeyringError({ reason: "TooLarge", detail: `more than ${Option.getOrNull(limit)} bytes` })
        : Effect.asVoid(call("set", account, () => entries.set(account, text)))
    })
  const get = (account: string) =>
    call("get", account, () => Option.map(Option.fromNullable(entries.get(account)), Redacted.make))
  const remove = (account: string) => call("remove", account, () => entries.delete(account))
  return Keyring.of({
    name: "the keyring (memory)",
    limit,
    timeout: faults.timeout ?? KeyringTimeout.defaultTimeout,
    get,
    set,
    remove,
    find: (prefix) => call("find", prefix, () => [...entries.keys()].filter((account) => account.startsWith(prefix))),
    probe: set(CANARY, Redacted.make(CANARY)).pipe(
      Effect.zipRight(get(CANARY)),
      Effect.zipRight(remove(CANARY)),
      Effect.asVoid
    )
  })
}

/**
 * A keyring that lives in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (faults: MemoryFaults = {}): Layer.Layer<Keyring> =>
  Layer.sync(Keyring, () => makeMemory(faults))
