/**
 * @since 0.1.0
 */
import * as AgentKey from "@lockstep/node/AgentKey"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as FileAgentKeys from "@lockstep/node/FileAgentKeys"
import { Home } from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"
import * as Times from "../terminal/Times.js"

const keys = Effect.flatMap(
  NativeHome,
  ({ home, lock }) => FileAgentKeys.make.pipe(Effect.provideService(Home, home), Effect.provideService(FileLock, lock))
)

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

/**
 * What `lockstep agent add` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface AddOptions {
  readonly name: string
  readonly tenants: ReadonlyArray<string>
  readonly expires: Option.Option<Duration.Duration>
  readonly allowLogin: boolean
  /** A file that does not exist, or `-`. */
  readonly out: string
  readonly json: boolean
}

const jsonOf = ({ createdAt, expiresAt, id, login, name, tenants }: AgentKey.AgentKey) => ({
  name,
  id,
  tenants,
  login,
  created_at: createdAt,
  expires_at: expiresAt ?? null
})

const seconds = (millis: number): number => Math.floor(millis / 1000)

/**
 * Makes a key and writes it where it was told; only its digest is kept.
 *
 * @since 0.1.0
 * @category commands
 */
export const add = (options: AddOptions) =>
  Effect.gen(function*() {
    if (!AgentKey.isName(options.name)) {
      return yield* usage(
        "an agent's name is 1 to 64 letters, digits, dots, underscores and dashes",
        "choose another name"
      )
    }
    if (options.tenants.length === 0) {
      return yield* usage(
        "--tenant is missing: which logins the key opens",
        "name a login, or a pattern in quotes: `--tenant 'mcp:*'`"
      )
    }
    if (!options.tenants.every(AgentKey.isPattern)) {
      return yield* usage(
        "--tenant: a name of 1 to 512 characters is expected, none of them a control character",
        "name a login"
      )
    }
    if (options.out === "-" && options.json) {
      return yield* usage("--out - and --json exclude each other", "name a file for the key")
    }
    const now = yield* Clock.currentTimeMillis
    const { key, secret } = AgentKey.make({
      name: options.name,
      tenants: options.tenants.map((one) => one.normalize("NFC")),
      createdAt: seconds(now),
      expiresAt: Option.getOrUndefined(
        Option.map(options.expires, (span) => seconds(now + Duration.toMillis(span)))
      ),
      login: options.allowLogin
    })
    // The file first: a key that opens something and is nowhere would have to be looked for and removed. No line ends it:
    // clients that are given the file of a container's key send what is in it as it is, and a field must not hold a line break.
    const path = options.out === "-" ? undefined : Path.resolve(options.out)
    if (path !== undefined && !(yield* AtomicFile.create(path, Redacted.value(secret)))) {
      return yield* usage(
        "--out: a file is there already",
        "name one that does not exist: a key is not written over another"
      )
    }
    const store = yield* keys
    yield* store.add(key).pipe(
      Effect.tapErrorCause(() => path === undefined ? Effect.void : Effect.ignore(AtomicFile.remove(path)))
    )
    if (path === undefined) return yield* Output.line(Redacted.value(secret))
    yield* options.json
      ? Output.json({ ...jsonOf(key), out: path })
      : Output.line(
        `${key.name} (${key.id}) may ask for ${Style.printable(key.tenants.join(", "))}: key in ${
          Style.printable(path)
        }`
      )
  })

/**
 * Lists what keys there are, and no key.
 *
 * @since 0.1.0
 * @category commands
 */
export const list = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function*() {
    const all = yield* Effect.flatMap(keys, (store) => store.list)
    if (json) return yield* Output.json({ agents: all.map(jsonOf) })
    if (all.length === 0) {
      const { note } = yield* Output.Output
      return yield* note("No agent has a key; `lockstep agent add NAME --tenant PATTERN --out FILE` makes one.\n")
    }
    const now = yield* Clock.currentTimeMillis
    const { data, dataStyle: style } = yield* Output.Output
    yield* data(Table.render(
      ["AGENT", "KEY", "TENANTS", "LOGINS", "EXPIRY"],
      all.map((key) => [
        style.bold(key.name),
        key.id,
        Style.printable(key.tenants.join(", ")),
        key.login ? "may begin" : "",
        key.expiresAt === undefined
          ? "never"
          : AgentKey.hasExpired(key, now)
          ? "expired"
          : Times.relative(key.expiresAt * 1000, now)
      ]),
      style
    ))
  })

/**
 * Removes the keys of an agent, or one by its id. A keeper that runs refuses them from then on.
 *
 * @since 0.1.0
 * @category commands
 */
export const remove = ({ json, name }: { readonly name: string; readonly json: boolean }) =>
  Effect.gen(function*() {
    const removed = yield* Effect.flatMap(keys, (store) => store.remove(name))
    if (removed.length === 0) {
      return yield* usage("there is no agent, and no key, of that name", "see `lockstep agent list`")
    }
    yield* json
      ? Output.json({ removed: removed.map(jsonOf) })
      : Effect.forEach(removed, (key) => Output.line(`${key.name} (${key.id}) may ask for nothing any more`))
  })
