/**
 * `lockstep git-credential`: a helper of git's, as `git help credentials` describes it. git writes what it knows of the
 * request to standard input, a line `name=value` each, and reads what it lacks from standard output.
 *
 * - `get` prints the name, the token for a password, and when that ends.
 * - `erase` brings the password that a server has just refused. Where that is the stored token, whatever the clock says of
 *   it, another one is fetched now, and the next `get` has it; an outdated one is only compared.
 * - `store` and whatever a later git may ask is no concern of ours, and no error.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Stdin from "../terminal/Stdin.js"
import * as Deadline from "../token/Deadline.js"
import * as Obtain from "../token/Obtain.js"
import * as Sources from "../token/Sources.js"
import * as TokenFormat from "../token/TokenFormat.js"

/**
 * What git asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  readonly operation: string
  readonly maxWait: Option.Option<Duration.Duration>
  readonly username: Option.Option<string>
  /** The global options as they were given, for a detached refresh. */
  readonly globals: ReadonlyArray<string>
}

type Attributes = ReadonlyMap<string, Redacted.Redacted>

/** Bytes. git allows 64 KiB a line, and asks with a dozen. */
const LIMIT = 1024 * 1024

const parse = (text: string): Attributes =>
  new Map(
    text.split("\n").flatMap((line) => {
      const equals = line.indexOf("=")
      return equals < 1 ? [] : [[line.slice(0, equals), Redacted.make(line.slice(equals + 1))] as const]
    })
  )

const read: Effect.Effect<Attributes, UsageError, Stdin.Stdin> = Effect.gen(function*() {
  const stdin = yield* Stdin.Stdin
  const refused = (message: string) =>
    new UsageError({
      reason: "Input",
      message,
      advice: "this command is for git: `git config credential.https://HOST.helper '!lockstep git-credential TENANT'`"
    })
  if (stdin.isTerminal) return yield* refused("what git asks is not read from a terminal")
  const text = yield* stdin.read(LIMIT)
  return text === undefined ? yield* refused("what git asks is longer than 1 MiB") : parse(Redacted.value(text))
})

const valueOf = (attributes: Attributes, name: string): Option.Option<string> =>
  Option.filter(Option.map(Option.fromNullable(attributes.get(name)), Redacted.value), (value) => value !== "")

/** As git writes it: a name and perhaps a port. */
const isOwn = (host: string): boolean =>
  URL.canParse(`http://${host}`) && LoopbackAddress.isLoopback(new URL(`http://${host}`).hostname)

/** A token in the clear can be read by anyone on the way, also where a person set up this helper for such a server. */
const isInTheClear = (attributes: Attributes): boolean =>
  Option.contains(valueOf(attributes, "protocol"), "http") &&
  !Option.exists(valueOf(attributes, "host"), isOwn)

const get = (options: Options, attributes: Attributes) =>
  Effect.gen(function*() {
    if (isInTheClear(attributes)) {
      return yield* new UsageError({
        reason: "Input",
        message: "git asks for a token to send in the clear",
        advice: "use the https address of that server"
      })
    }
    const { tenant } = options
    const demand = { tenant, minTtl: Option.none<Duration.Duration>() }
    const variable = yield* Sources.choose(tenant, Option.none())
    const token = Option.isSome(variable)
      ? yield* Sources.token(tenant, variable.value, Option.none())
      : Option.isSome(options.maxWait)
      ? yield* Deadline.get({
        ...demand,
        globals: options.globals,
        rejected: Option.none(),
        maxWait: options.maxWait.value
      })
      : yield* Obtain.get(demand)
    yield* Output.line(TokenFormat.render(token, {
      format: "git",
      source: Sources.STORED,
      store: Option.none(),
      now: yield* Clock.currentTimeMillis,
      username: Option.orElse(options.username, () => valueOf(attributes, "username"))
    }))
  })

const erase = ({ tenant }: Options, attributes: Attributes) =>
  Option.match(valueOf(attributes, "password"), {
    // git forgets a name without knowing a password.
    onNone: () => Effect.void,
    onSome: (password) =>
      Effect.gen(function*() {
        // A variable cannot be refreshed, and a tenant without a login has nothing that could have been refused.
        if (Option.isSome(yield* Sources.choose(tenant, Option.none()))) return
        const store = yield* CredentialStore
        if (Option.isNone(yield* store.get(tenant))) return
        yield* Obtain.get({ tenant, minTtl: Option.none() }, Option.some(Redacted.make(password)))
      })
  })

/**
 * Answers git.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.flatMap(read, (attributes) => {
    switch (options.operation) {
      case "get":
        return get(options, attributes)
      case "erase":
        return erase(options, attributes)
      default:
        return Effect.void
    }
  })
