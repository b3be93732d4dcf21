/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Output from "../terminal/Output.js"
import * as Stdin from "../terminal/Stdin.js"
import * as Deadline from "../token/Deadline.js"
import * as HandedOut from "../token/HandedOut.js"
import * as Obtain from "../token/Obtain.js"
import * as Sources from "../token/Sources.js"
import * as TokenFormat from "../token/TokenFormat.js"

/**
 * What `lockstep token` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  readonly minTtl: Option.Option<Duration.Duration>
  readonly maxWait: Option.Option<Duration.Duration>
  readonly noRefresh: boolean
  readonly rejectedStdin: boolean
  readonly format: TokenFormat.TokenFormat
  /** `stored`, or a variable; the first that is there where none is named. */
  readonly source: Option.Option<string>
  /** The global options as they were given, for a detached refresh. */
  readonly globals: ReadonlyArray<string>
}

const peek = (options: Options, rejected: Option.Option<Redacted.Redacted>) =>
  Effect.flatMap(
    RefreshCoordinator,
    (coordinator) => coordinator.peek(options.tenant, Obtain.demandOf(options), Option.getOrUndefined(rejected))
  )

/**
 * Gets a usable access token, for the environment of a program, from the variable that stands in for the tenant, else
 * from the stored login.
 *
 * @since 0.1.0
 * @category combinators
 */
export const fromAnySource = (options: Pick<Options, "tenant" | "minTtl" | "source">) =>
  Effect.gen(function*() {
    const source = yield* Sources.choose(options.tenant, options.source)
    const token = Option.isSome(source)
      ? yield* Sources.token(options.tenant, source.value, Option.none())
      : yield* Obtain.get(options)
    yield* HandedOut.check(token, { form: "exec", variable: Option.map(source, ({ name }) => name) })
    return token
  })

/**
 * Prints a usable access token.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const rejected = options.rejectedStdin ? Option.some(yield* Stdin.readSecret("the rejected token")) : Option.none()
    const variable = yield* Sources.choose(options.tenant, options.source)
    const token = Option.isSome(variable)
      ? yield* Sources.token(options.tenant, variable.value, rejected)
      : options.noRefresh
      ? yield* peek(options, rejected)
      : Option.isSome(options.maxWait)
      ? yield* Deadline.get({ ...options, rejected, maxWait: options.maxWait.value })
      : yield* Obtain.get(options, rejected)
    yield* HandedOut.check(token, { form: options.format, variable: Option.map(variable, ({ name }) => name) })
    const store = yield* CredentialStore
    yield* Output.line(TokenFormat.render(token, {
      format: options.format,
      source: Option.match(variable, { onNone: () => Sources.STORED, onSome: ({ name }) => name }),
      store: Option.isNone(variable) ? Option.some(store.location) : Option.none(),
      now: yield* Clock.currentTimeMillis
    }))
  })
