/**
 * @since 0.1.0
 */
import type { Account } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { ReauthorizationRequired, type RefreshError } from "@lockstep/core/Errors"
import { RefreshCoordinator, type Refreshed } from "@lockstep/core/RefreshCoordinator"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Advice from "../errors/Advice.js"
import * as Advised from "../errors/Advised.js"
import * as Unstored from "../errors/Unstored.js"
import * as Output from "../terminal/Output.js"
import * as Question from "../terminal/Question.js"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"
import * as Sources from "../token/Sources.js"

/**
 * What `lockstep refresh` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  readonly acceptRisk: boolean
  readonly json: boolean
}

const RISK =
  "Two refresh requests of this login were sent and no new token came back. The server may have exchanged the " +
  "token already; it would then take one more attempt for theft and may end other logins of this client, too."

const name = (account: Option.Option<Account>): string | null =>
  Option.getOrNull(Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id)))

const print = (refreshed: Refreshed, options: Options) =>
  Effect.gen(function*() {
    const { token } = refreshed
    yield* Sources.warnWhereShadowed(token.tenant)
    if (options.json) {
      return yield* Output.json({
        tenant: token.tenant,
        by: refreshed.by,
        rotated: refreshed.rotated,
        previous_generation: refreshed.previousGeneration,
        generation: token.generation,
        expires_at: Option.getOrNull(token.expiresAt),
        account: name(token.account)
      })
    }
    const { dataStyle } = yield* Output.Output
    const now = yield* Clock.currentTimeMillis
    const parts = [
      `generation ${refreshed.previousGeneration} ${dataStyle.glyphs.arrow} ${token.generation}`,
      ...Option.toArray(Option.map(token.expiresAt, (at) => `expires ${Times.relative(at * 1000, now)}`)),
      ...Option.toArray(Option.fromNullable(name(token.account))),
      refreshed.rotated ? "refresh token rotated" : "refresh token kept"
    ]
    const verb = refreshed.by === "redeemed" ? "refreshed" : "refreshed by another process"
    yield* Output.line(
      `${dataStyle.bold(Style.printable(token.tenant))} ${verb}: ${Style.printable(parts.join(", "))}`
    )
  })

/** The error of a login that cannot be refreshed, in words that fit one whose access token is still good. */
const notRefreshable = (tenant: TenantId, error: RefreshError | Advised.Advised) =>
  Effect.gen(function*() {
    if (!(error instanceof ReauthorizationRequired)) return error
    const store = yield* CredentialStore
    const stored = yield* Effect.orElseSucceed(store.get(tenant), () => Option.none())
    const now = yield* Clock.currentTimeMillis
    const expiry = Option.flatMap(stored, ({ credential }) => credential.expiresAt)
    if (Option.isNone(stored) || Option.exists(expiry, (at) => at * 1000 <= now)) return error
    const until = Option.match(expiry, {
      onNone: () => "until the server refuses it",
      onSome: (at) => `and ends ${Times.relative(at * 1000, now)}`
    })
    return new Advised.Advised({
      error,
      nearest: [],
      text: `${tenant} has no refresh token, so that it cannot be refreshed; its access token is good ${until}`,
      advice: Advice.of(error, yield* Advised.beginningOf(tenant))
    })
  })

/**
 * Redeems now, and prints what changed.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const policy = yield* RefreshPolicy
    const { tenant } = options
    const refresh = (acceptRisk: boolean) =>
      Effect.retry(coordinator.refresh(tenant, { acceptRisk }), {
        while: (error) => error._tag === "ProviderTimeout" && error.reason === "StillRunning",
        schedule: Schedule.recurUpTo(policy.redeemLimit)
      }).pipe(Unstored.heldOn)
    const refreshed = yield* refresh(options.acceptRisk).pipe(
      Effect.catchIf(
        (error) => error._tag === "ReauthorizationRequired" && error.reason === "OutcomeUnknown" && !options.acceptRisk,
        (error) =>
          Effect.if(Question.confirm(RISK, "Send it once more?"), {
            onTrue: () => refresh(true),
            onFalse: () => Effect.fail(error)
          })
      ),
      Effect.catchIf(
        (error) => error._tag === "ReauthorizationRequired" && error.reason === "NoRefreshToken",
        (error) => Effect.flatMap(notRefreshable(tenant, error), Effect.fail)
      )
    )
    yield* print(refreshed, options)
  })
