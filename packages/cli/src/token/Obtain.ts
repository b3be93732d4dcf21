/**
 * How the command gets a token.
 *
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import type { RefreshError } from "@lockstep/core/Errors"
import { type Demand, RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Unstored from "../errors/Unstored.js"
import type * as Output from "../terminal/Output.js"

/**
 * Which token is wanted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  readonly minTtl: Option.Option<Duration.Duration>
}

/**
 * Gets a usable access token. Waits for the running request to the end, however late: this process has no later caller for
 * whom a late token could be kept.
 *
 * @since 0.1.0
 * @category combinators
 */
export const get = (
  options: Options,
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

/**
 * What a line asks of the token, for the coordinator.
 *
 * @since 0.1.0
 * @category getters
 */
export const demandOf = (options: Pick<Options, "minTtl">): Demand =>
  Option.match(options.minTtl, { onNone: () => ({}), onSome: (minTtl) => ({ minTtl }) })
