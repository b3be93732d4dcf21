/**
 * The keyring of this machine: Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.
 *
 * @since 0.1.0
 */
import * as Trace from "@lockstep/core/Trace"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { classify } from "../internal/keyringFailure.js"
import * as KeyringHelper from "../internal/keyringHelper.js"
import { Keyring, KeyringError } from "./Keyring.js"
import * as KeyringTimeout from "./KeyringTimeout.js"

/**
 * How the keyring is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Bound of one call, the wait for the one before included. */
  readonly timeout: Duration.Duration
  /** The program that asks, and its arguments: the helper of this package, run by this very Node. */
  readonly command?: readonly [program: string, ...args: ReadonlyArray<string>]
  /** What the helper gets. The environment of this process, without what would change how Node starts. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** The service under which all entries of all homes lie. */
const SERVICE = "lockstep"

const NAMES: Partial<Record<NodeJS.Platform, string>> = {
  darwin: "the keyring (Keychain)",
  win32: "the keyring (Credential Manager)"
}

/** Windows: CRED_MAX_CREDENTIAL_BLOB_SIZE of wincred.h. */
const LIMIT = process.platform === "win32" ? Option.some(2_560) : Option.none<number>()

/** A bundle that brings no helper may lie in a program that has this package beside it. */
const besideUs = (): string =>
  Path.join(Path.dirname(createRequire(import.meta.url).resolve("@lockstep/node/package.json")), "bin", "keyring.cjs")

/**
 * In `bin` of the nearest folder above that has it: of this package for the sources and for what is built of them, of
 * whatever a program was bundled into for a bundle that brings the helper along.
 */
const helperPath = (): string => {
  for (let folder = Path.dirname(fileURLToPath(import.meta.url));; folder = Path.dirname(folder)) {
    const path = Path.join(folder, "bin", "keyring.cjs")
    if (Fs.existsSync(path)) return path
    if (Path.dirname(folder) === folder) return besideUs()
  }
}

const environment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")))

const locate = ({ command, env }: Options): Option.Option<KeyringHelper.Command> => {
  const own = env ?? environment()
  if (command !== undefined) return Option.some({ program: command[0], args: command.slice(1), env: own })
  return Option.map(
    Option.liftThrowable(helperPath)(),
    (path) => ({ program: process.execPath, args: [path], env: own })
  )
}

const noBinding = new KeyringError({ reason: "Absent", detail: "its native module is not installed for this platform" })

const garbage = new KeyringError({
  reason: "Unavailable",
  detail: "it gave back something that Lockstep did not write"
})

const isText = (value: unknown): value is string => typeof value === "string"

const decodeSecret = (base64: string): Option.Option<Redacted.Redacted> =>
  Option.map(
    Option.liftThrowable((text: string) =>
      new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(text, "base64"))
    )(
      base64
    ),
    Redacted.make
  )

/**
 * Makes the keyring of this machine; starts nothing before the first call. The helper ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Keyring["Type"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const command = locate(options)
    const helper = Option.isSome(command) ? yield* KeyringHelper.make(command.value) : undefined
    const oneAtATime = yield* Effect.makeSemaphore(1)
    const patience = Duration.toMillis(options.timeout)

    const late = new KeyringError({
      reason: "Timeout",
      detail: `it did not answer within ${Duration.format(options.timeout)}`
    })

    const call = (
      operation: "get" | "set" | "remove" | "find",
      question: KeyringHelper.Message,
      starting = 0
    ): Effect.Effect<KeyringHelper.Message, KeyringError> =>
      Effect.suspend(() => {
        if (helper === undefined) return noBinding
        const deadline = performance.now() + patience + starting
        // The calls before this one began before it, and so have ended when its time is over.
        return oneAtATime.withPermits(1)(Effect.suspend(() => {
          const left = deadline - performance.now()
          if (left <= 0) return late
          const answering = Math.min(patience, left)
          return helper.ask({ operation, service: SERVICE, ...question }, answering, left - answering)
        })).pipe(
          Effect.mapError((error) => error.reason === "Timeout" ? late : error),
          Effect.flatMap((answer) => {
            if (answer["failure"] === undefined) return Effect.succeed(answer)
            return isText(answer["message"]) ? classify(answer["message"]) : noBinding
          }),
          Trace.withSpan(`lockstep.keyring.${operation}`)
        )
      })

    const set = (account: string, secret: Redacted.Redacted) =>
      Effect.suspend(() => {
        const bytes = Buffer.from(Redacted.value(secret), "utf8")
        if (Option.isSome(LIMIT) && bytes.length > LIMIT.value) {
          return new KeyringError({ reason: "TooLarge", detail: `it holds at most ${LIMIT.value} bytes in an entry` })
        }
        return Effect.asVoid(call("set", { account, secret: bytes.toString("base64") }))
      })

    const get: Keyring["Type"]["get"] = (account, { starting = Duration.zero } = {}) =>
      Effect.flatMap(
        call("get", { account }, Duration.toMillis(starting)),
        ({ secret }): Effect.Effect<Option.Option<Redacted.Redacted>, KeyringError> => {
          if (secret === null) return Effect.succeedNone
          const decoded = isText(secret) ? decodeSecret(secret) : Option.none()
          return Option.isSome(decoded) ? Effect.succeed(decoded) : garbage
        }
      )

    const remove = (account: string) =>
      Effect.flatMap(
        call("remove", { account }),
        ({ removed }) => typeof removed === "boolean" ? Effect.succeed(removed) : garbage
      )

    return Keyring.of({
      name: NAMES[process.platform] ?? "the keyring (Secret Service)",
      limit: LIMIT,
      timeout: options.timeout,
      get,
      set,
      remove,
      find: (prefix) =>
        Effect.flatMap(
          call("find", { account: prefix }),
          ({ accounts }) => Array.isArray(accounts) && accounts.every(isText) ? Effect.succeed(accounts) : garbage
        ),
      probe: Effect.suspend(() => {
        // The name is its own: another process may be probing.
        const account = `probe|${Crypto.randomBytes(8).toString("hex")}`
        const check = Effect.flatMap(get(account), (found) =>
          Option.isSome(found) && Redacted.value(found.value) === "probe" ? Effect.void : garbage)
        return Effect.zipRight(
          set(account, Redacted.make("probe")),
          Effect.ensuring(check, Effect.ignore(remove(account)))
        )
      })
    })
  })

/**
 * The keyring of this machine, each call bounded by `LOCKSTEP_KEYRING_TIMEOUT`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Keyring, ConfigError.ConfigError> = Layer.scoped(
  Keyring,
  Effect.flatMap(KeyringTimeout.config, (timeout) => make({ timeout }))
)
