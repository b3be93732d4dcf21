/**
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { RefreshError } from "@lockstep/core/Errors"
import { type Demand, RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Deadline from "../Deadline.js"
import * as HandedOut from "../HandedOut.js"
import * as Output from "../Output.js"
import * as Sources from "../Sources.js"
import * as Stdin from "../Stdin.js"
import * as TokenFormat from "../TokenFormat.js"
import * as Unstored from "../Unstored.js"

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

/**
 * Gets a usable access token. Waits for the running request to the end, however late: this process has no later caller for
 * whom a late token could be kept.
 *
 * @since 0.1.0
 * @category combinators
 */
export const get = (
  options: Pick<Options, "tenant" | "minTtl">,
  rejected: Option.Option<Redacted.Redacted> = Option.none()
): Effect.Effect<
  AccessToken,
  RefreshError,
  RefreshCoordinator | RefreshPolicy | Output.Output
> =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const policy = yield* RefreshPolicy
    const demand = demandOf(options)
    const ask = Option.match(rejected, {
      onNone: () => coordinator.accessToken(options.tenant, demand),
      onSome: (token) => coordinator.recover(options.tenant, token, demand)
    })
    return yield* ask.pipe(
      Effect.retry({
        while: (error) => error._tag === "ProviderTimeout" && error.reason === "StillRunning",
        schedule: Schedule.recurUpTo(policy.redeemLimit)
      }),
      Unstored.heldOn
    )
  })

const demandOf = (options: Pick<Options, "minTtl">): Demand =>
  Option.match(options.minTtl, { onNone: () => ({}), onSome: (minTtl) => ({ minTtl }) })

const peek = (options: Options) =>
  Effect.flatMap(RefreshCoordinator, (coordinator) => coordinator.peek(options.tenant, demandOf(options)))

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
      : yield* get(options)
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
      ? yield* peek(options)
      : Option.isSome(options.maxWait)
      ? yield* Deadline.get({ ...options, rejected, maxWait: options.maxWait.value })
      : yield* get(options, rejected)
    yield* HandedOut.check(token, { form: options.format, variable: Option.map(variable, ({ name }) => name) })
    const store = yield* CredentialStore
    yield* Output.line(TokenFormat.render(token, {
      format: options.format,
      source: Option.match(variable, { onNone: () => Sources.STORED, onSome: ({ name }) => name }),
      store: Option.isNone(variable) ? Option.some(store.location) : Option.none(),
      now: yield* Clock.currentTimeMillis
    }))
  })
