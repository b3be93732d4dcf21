/**
 * Handing out: the very calls of the library, with the caller's demand, and the errors in the words of the command.
 *
 * @since 0.1.0
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as DurationText from "@lockstep/core/DurationText"
import type { RefreshError } from "@lockstep/core/Errors"
import type { Demand } from "@lockstep/core/RefreshCoordinator"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Answers from "./Answers.js"
import * as Callers from "./Caller.js"
import { Exchange } from "./Exchange.js"
import { KeeperHost } from "./KeeperHost.js"
import * as KeeperProblem from "./KeeperProblem.js"
import * as KeeperWire from "./KeeperWire.js"
import * as TokenAnswer from "./TokenAnswer.js"
import { Usage } from "./Usage.js"

const OTHER_HOME = new KeeperProblem.KeeperRefused({
  reason: "OtherHome",
  message: "this keeper hands out the logins of another home, or of another store",
  advice: "ask the keeper of that home, or leave the home out"
})

/** Whether the client means this home and this store, where it says which. */
const isMeant = ({ headers }: HttpServerRequest.HttpServerRequest, host: KeeperHost["Type"]): boolean => {
  const home = headers[KeeperWire.HOME]
  const store = headers[KeeperWire.STORE]
  try {
    return (home === undefined || decodeURIComponent(home) === host.home) &&
      (store === undefined || store === host.store.kind)
  } catch {
    return false
  }
}

/**
 * What a query says of the token that is wanted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wishes {
  readonly min_ttl?: string | undefined
  readonly margin?: string | undefined
}

/**
 * Reads a query whose spans of time were checked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const demandOf = ({ margin, min_ttl: minTtl }: Wishes): Demand => ({
  ...(minTtl === undefined ? {} : { minTtl: DurationText.millis(minTtl)! }),
  ...(margin === undefined ? {} : { margin: DurationText.millis(margin)! })
})

type Answer = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  Exchange | HttpServerRequest.HttpServerRequest
>

/**
 * Hands out what a caller may have.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandOut {
  /** Answers where the client means this home. */
  readonly inThisHome: (answer: Answer) => Answer
  /** Asks on behalf of a caller that may use the tenant, and answers with what is rendered or with the error. */
  readonly ofTenant: <A>(
    tenant: TenantId,
    ask: Effect.Effect<A, RefreshError>,
    render: (answer: A) => Effect.Effect<unknown, never, Exchange>
  ) => Answer
  /** The same, with a response of the caller's own. */
  readonly respondOfTenant: <A>(
    tenant: TenantId,
    ask: Effect.Effect<A, RefreshError>,
    respond: (answer: A) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, Exchange>
  ) => Answer
  /** Renders a token, and notes that it leaves. */
  readonly token: (token: AccessToken) => Effect.Effect<KeeperWire.TokenAnswer, never, Exchange>
}

/**
 * Makes what hands out the logins of this home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<HandOut, never, KeeperHost | RefreshPolicy | Usage> = Effect.gen(function*() {
  const policy = yield* RefreshPolicy
  const host = yield* KeeperHost
  const usage = yield* Usage

  /** Words an error. An agent is told nothing of what it may not use, nor what else there is. */
  const failed = (
    tenant: TenantId,
    error: RefreshError
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Exchange> =>
    Effect.gen(function*() {
      const { caller, note } = yield* Exchange
      const reason = "reason" in error ? error.reason : null
      note({ error: reason === null ? error._tag : `${error._tag}(${reason})` })
      const isAbsent = error._tag === "ReauthorizationRequired" && (reason === "NotFound" || reason === "Removed")
      if (isAbsent && caller._tag === "Agent") return Answers.problem(Answers.absentForAgent(tenant))
      return Answers.problem({ ...yield* host.word(error), source: KeeperProblem.sourceOf(error) })
    })

  const token: HandOut["token"] = (token) =>
    Effect.gen(function*() {
      const { caller, note } = yield* Exchange
      note({ token: TokenAnswer.fingerprint(token.token) })
      return TokenAnswer.make(token, {
        now: yield* Clock.currentTimeMillis,
        store: caller._tag === "User" ? host.store.location : undefined
      })
    })

  /** Waits for a refresh to its end, however late: the client says how long it waits. */
  const toItsEnd = <A>(self: Effect.Effect<A, RefreshError>): Effect.Effect<A, RefreshError> =>
    Effect.retry(self, {
      while: (error) => error._tag === "ProviderTimeout" && error.reason === "StillRunning",
      schedule: Schedule.recurUpTo(policy.redeemLimit)
    })

  const inThisHome: HandOut["inThisHome"] = (answer) =>
    Effect.flatMap(
      HttpServerRequest.HttpServerRequest,
      (request): Answer => isMeant(request, host) ? answer : Effect.succeed(Answers.refused(OTHER_HOME))
    )

  const respondOfTenant: HandOut["respondOfTenant"] = (tenant, ask, respond) =>
    inThisHome(Effect.flatMap(Exchange, ({ caller, note }): Answer => {
      note({ tenant })
      if (!Callers.mayUse(caller, tenant)) {
        note({ error: "NotOpened" })
        return Effect.succeed(Answers.problem(Answers.absentForAgent(tenant)))
      }
      return Effect.matchEffect(toItsEnd(ask), {
        onFailure: (error) => failed(tenant, error),
        onSuccess: (answer) => Effect.zipRight(usage.note(tenant), respond(answer))
      })
    }))

  return {
    inThisHome,
    token,
    respondOfTenant,
    ofTenant: (tenant, ask, render) =>
      respondOfTenant(tenant, ask, (answer) => Effect.map(render(answer), (body) => Answers.json(body)))
  }
})
