/**
 * The keys that the rows are sealed with, the same on every host: those of a file that each host has, or those that the
 * database holds wrapped and a command of the operator's unwraps, which is how a key management service is asked.
 *
 * The keyring of a user is no such place: each host would make a key of its own, and read no row of another.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as ChildEnvironment from "@lockstep/node/ChildEnvironment"
import type { Home } from "@lockstep/node/Home"
import * as KeyFile from "@lockstep/node/secrets/KeyFile"
import * as SealingKeys from "@lockstep/node/secrets/SealingKeys"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

type SealingKey = SealingKeys.SealingKey

/** Milliseconds. */
const COMMAND_LIMIT = 20_000
const FRESH = 60_000

/** Text that a command may answer with. */
const ANSWER_LIMIT = 64 * 1024

const LIST = "select id, wrapped from lockstep.sealing_key order by since desc, id limit 1"
const FIND = "select id, wrapped from lockstep.sealing_key where id = $1"
const INSERT = "insert into lockstep.sealing_key (id, wrapped) values ($1, $2) on conflict (id) do nothing"

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

/**
 * Asks a command: `COMMAND wrap` reads a key in base64 and answers with what is stored of it; `COMMAND unwrap` the other
 * way round. Both by standard input and output: arguments are seen by every user of the machine.
 */
const ask = (
  command: string,
  verb: "wrap" | "unwrap",
  text: Redacted.Redacted
): Effect.Effect<Redacted.Redacted, CredentialStoreError> =>
  Effect.async<Redacted.Redacted, CredentialStoreError>((resume) => {
    const refuse = (detail: string) =>
      resume(
        new CredentialStoreError({
          reason: "Unavailable",
          location: command,
          detail,
          remedy: `see that \`${command} ${verb}\` reads standard input, answers on standard output and ends with 0`
        })
      )
    const child = spawn(command, [verb], {
      stdio: ["pipe", "pipe", "ignore"],
      env: ChildEnvironment.of(process.env),
      timeout: COMMAND_LIMIT
    })
    const chunks: Array<Buffer> = []
    let size = 0
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > ANSWER_LIMIT) child.kill()
      else chunks.push(chunk)
    })
    // One that does not read its input ends with an error of its own.
    child.stdin.on("error", () => {})
    child.once("error", (error: NodeJS.ErrnoException) => refuse(error.code ?? "could not be started"))
    child.once("close", (code, signal) =>
      code === 0
        ? resume(Effect.succeed(Redacted.make(Buffer.concat(chunks).toString("utf8").trim())))
        : refuse(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`))
    child.stdin.end(`${Redacted.value(text)}\n`)
  })

/**
 * Keys that the database holds wrapped. An old one stays: what it sealed may be in a backup, and wrapped it is no secret.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofCommand = (
  command: string
): Effect.Effect<SealingKeys.SealingKeys["Type"], never, PostgresSession> =>
  Effect.map(PostgresSession, (session) => {
    const known = new Map<string, SealingKey>()
    let current: { readonly key: SealingKey; readonly at: number } | undefined

    const query = (text: string, values: ReadonlyArray<unknown> = []) =>
      Effect.mapError(session.query(text, values), toStoreError(session.location, "Read"))

    const unwrap = (id: string, wrapped: string) =>
      Effect.gen(function*() {
        const present = known.get(id)
        if (present !== undefined) return present
        const text = yield* ask(command, "unwrap", Redacted.make(wrapped))
        const bytes = Buffer.from(Redacted.value(text), "base64")
        const key = bytes.length === SealingKeys.KEY_LENGTH ? SealingKeys.fromBytes(bytes) : undefined
        if (key?.id !== id) {
          return yield* new CredentialStoreError({
            reason: "Locked",
            location: command,
            detail: `what it unwrapped is not key ${id}`,
            remedy: "see that it asks for the key that wrapped it"
          })
        }
        known.set(id, key)
        return key
      })

    const renew = Effect.gen(function*() {
      const key = yield* SealingKeys.generate
      const wrapped = yield* ask(command, "wrap", Redacted.make(base64(Redacted.value(key.key))))
      // What cannot be unwrapped again must seal nothing.
      yield* unwrap(key.id, Redacted.value(wrapped))
      yield* query(INSERT, [key.id, Redacted.value(wrapped)])
      known.set(key.id, key)
      current = { key, at: performance.now() }
      return key
    })

    const load = Effect.gen(function*() {
      const { rows: [row] } = yield* query(LIST)
      if (row === undefined) return yield* renew
      const key = yield* unwrap(String(row["id"]), String(row["wrapped"]))
      current = { key, at: performance.now() }
      return key
    })

    return SealingKeys.SealingKeys.of({
      location: `the keys that ${command} unwraps`,
      current: Effect.suspend(() =>
        current !== undefined && performance.now() - current.at < FRESH
          ? Effect.succeed(current.key)
          // Once loaded, a service that does not answer for a moment keeps no process from sealing.
          : Effect.catchAll(load, (error) => current === undefined ? error : Effect.succeed(current.key))
      ),
      find: (id) =>
        Effect.suspend(() =>
          known.has(id)
            ? Effect.succeedSome(known.get(id)!)
            : Effect.flatMap(query(FIND, [id]), ({ rows: [row] }) =>
              row === undefined ? Effect.succeedNone : Effect.asSome(unwrap(id, String(row["wrapped"]))))
        ),
      renew,
      retire: Effect.void
    })
  })

const variable = (name: string) =>
  Config.option(Config.string(name)).pipe(Config.map(Option.filter((text) => text.trim() !== "")))

const environment = Config.all({
  command: variable("LOCKSTEP_KEY_COMMAND"),
  file: variable("LOCKSTEP_SECRETS_KEY_FILE"),
  credentials: variable("CREDENTIALS_DIRECTORY")
})

const missing = new CredentialStoreError({
  reason: "Unavailable",
  location: "the sealing key of the fleet",
  detail: "no host may make one of its own",
  remedy:
    "make one with `openssl rand -base64 32`, give it to every host, and set LOCKSTEP_SECRETS_KEY_FILE to its path"
})

/** The keys where nothing names any: reading and sealing say what is missing, before anything is spent. */
const none = SealingKeys.SealingKeys.of({
  location: missing.location,
  current: missing,
  find: () => Effect.succeedNone,
  renew: missing,
  retire: Effect.void
})

/**
 * The keys that the environment decides on: `LOCKSTEP_KEY_COMMAND`, else the file that `LOCKSTEP_SECRETS_KEY_FILE` names,
 * else the credential `lockstep.key` of systemd. Building it opens nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<SealingKeys.SealingKeys, ConfigError.ConfigError, PostgresSession | Home> = Layer
  .unwrapEffect(
    Effect.map(
      environment,
      ({ command, credentials, file }): Layer.Layer<SealingKeys.SealingKeys, never, PostgresSession | Home> => {
        if (Option.isSome(command)) return Layer.effect(SealingKeys.SealingKeys, ofCommand(command.value))
        if (Option.isSome(file)) return KeyFile.layer(file.value)
        const credential = Option.map(credentials, (path) => Path.join(path, "lockstep.key"))
        return Option.isSome(credential) && Fs.existsSync(credential.value)
          ? KeyFile.layer(credential.value, { systemd: true })
          : Layer.succeed(SealingKeys.SealingKeys, none)
      }
    )
  )
