/**
 * The tokens that requests are sent with: of one tenant, for one origin, and such as a header field can carry.
 *
 * Asking for one is an effect that a token in memory answers at once, and still the dearest part of an exchange that is
 * not the system's. Requests of a few milliseconds share the answer; what a rejected token was replaced by is shared at
 * once.
 *
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import type { RefreshError } from "@lockstep/core/Errors"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as TokenSyntax from "@lockstep/core/TokenSyntax"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ProxyProblem from "./ProxyProblem.js"
import * as ProxyTarget from "./ProxyTarget.js"

/**
 * Runs an effect and says how it ended, at once where nothing had to be waited for. Answers with what interrupts it.
 *
 * @since 0.1.0
 * @category models
 */
export type Run = <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) => () => void

/**
 * What is asked for, or the answer to the client in its place.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = Either.Either<AccessToken, ProxyProblem.ProxyProblem>

/**
 * Where tokens come from.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyTokens {
  readonly current: (run: Run, done: (answer: Answer) => void) => () => void
  readonly renewed: (run: Run, rejected: Redacted.Redacted, done: (answer: Answer) => void) => () => void
}

/** Milliseconds by which a token may be older than the store. */
const SHARED = 10

/**
 * Makes tokens of a tenant for a target. The login may become another one than it was when the proxy began, so that each
 * is looked at.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly tenant: TenantId
  readonly target: ProxyTarget.ProxyTarget
  readonly coordinator: Pick<RefreshCoordinator["Type"], "accessToken" | "recover">
  /** Words the advice of an error; its own where nothing is said. */
  readonly advise?: ((error: RefreshError) => string) | undefined
}): ProxyTokens => {
  const { advise, coordinator, target, tenant } = options
  let shared: Answer | undefined

  const check = (token: AccessToken): Answer => {
    if (!ProxyTarget.isFor(target, token.resource)) return Either.left(ProxyProblem.otherOrigin(tenant))
    const fault = TokenSyntax.faultOf(Redacted.value(token.token), token.tokenType)
    return fault === undefined ? Either.right(token) : Either.left(ProxyProblem.tokenMalformed(tenant, fault))
  }

  const answerOf = (exit: Exit.Exit<AccessToken, RefreshError>): Answer =>
    Exit.isSuccess(exit)
      ? check(exit.value)
      : Either.left(Option.match(Cause.failureOption(exit.cause), {
        onNone: () => ProxyProblem.UNEXPECTED,
        onSome: (error) => ProxyProblem.fromRefreshError(error, advise?.(error))
      }))

  const share = (answer: Answer): void => {
    shared = Either.isRight(answer) ? answer : undefined
    if (shared === undefined) return
    setTimeout(() => {
      if (shared === answer) shared = undefined
    }, SHARED).unref()
  }

  return {
    current: (run, done) => {
      if (shared !== undefined) {
        done(shared)
        return () => {}
      }
      return run(coordinator.accessToken(tenant), (exit) => {
        const answer = answerOf(exit)
        if (shared === undefined) share(answer)
        done(answer)
      })
    },
    renewed: (run, rejected, done) =>
      run(coordinator.recover(tenant, rejected), (exit) => {
        const answer = answerOf(exit)
        share(answer)
        done(answer)
      })
  }
}
