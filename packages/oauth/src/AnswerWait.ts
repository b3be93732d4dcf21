/**
 * Waiting for the answer to an authorization request: on a port of this machine, and for what a person pastes. Whichever
 * comes first ends the wait, and with it the other.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as AuthorizationResponse from "./AuthorizationResponse.js"
import type { Callback, CallbackListener, CallbackPage } from "./Callback.js"
import type { Invitation, LoginRequest, Person } from "./Login.js"
import type { LoginError } from "./LoginError.js"
import { LoginFailed, LoginUnavailable } from "./LoginError.js"

/**
 * An open port, and how to open it once more.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenPort {
  readonly listener: CallbackListener
  readonly again: Effect.Effect<CallbackListener, LoginUnavailable>
}

/**
 * An answer, and the page that its sender waits for.
 *
 * @since 0.1.0
 * @category models
 */
export interface BroughtAnswer {
  /** Whether a person pasted it, who can paste another one. */
  readonly isPasted: boolean
  readonly response: AuthorizationResponse.AuthorizationResponse
  readonly respond: (page: CallbackPage) => Effect.Effect<void>
}

/**
 * Opens a port that the vendor allows, until the scope ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (
  callback: Callback["Type"],
  { port, tenant, vendor: { name, redirect } }: LoginRequest,
  accepts: (query: URLSearchParams) => boolean
): Effect.Effect<OpenPort, LoginUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const open = (ports: readonly [number, ...Array<number>]) =>
      callback.listen({ ports, path: redirect.path, accepts }).pipe(
        Effect.mapError(({ ports: taken }) =>
          new LoginUnavailable({
            tenant,
            reason: "PortsTaken",
            message: `every port to which ${name} sends its answers is taken on this machine: ${taken.join(", ")}`,
            advice: "end the program that listens there, or log in with --no-browser"
          })
        ),
        Scope.extend(scope)
      )
    const listener = yield* open(Option.match(port, { onNone: () => redirect.ports, onSome: (one) => [one] }))
    return { listener, again: open([listener.port]) }
  })

const NOT_OURS: CallbackPage = {
  outcome: "Failed",
  title: "This is not the answer",
  detail: "What arrived does not belong to the login that waits here. The login goes on."
}

/**
 * Reads what the page says at the end of a login.
 *
 * @since 0.1.0
 * @category getters
 */
export const pageOf = (tenant: TenantId, exit: Exit.Exit<unknown, LoginError>): CallbackPage => {
  if (Exit.isSuccess(exit)) {
    return {
      outcome: "Done",
      title: "You are logged in",
      detail: `The login of ${tenant} is stored.\nYou can close this page.`
    }
  }
  const detail = Option.match(Cause.failureOption(exit.cause), {
    onNone: () => "The login was given up.",
    onSome: ({ advice, message }) => `${message}.\n${advice}.`
  })
  return { outcome: "Failed", title: "The login failed", detail }
}

const fromPort = (
  listener: CallbackListener,
  port: OpenPort,
  isOurs: (response: AuthorizationResponse.AuthorizationResponse) => Effect.Effect<boolean>
): Effect.Effect<BroughtAnswer, LoginError> =>
  Effect.gen(function*() {
    const { query, respond } = yield* listener.answer
    const response = AuthorizationResponse.fromQuery(query)
    if (yield* isOurs(response)) return { isPasted: false, response, respond }
    // The port closes with its page; the person's own answer is still on its way to it.
    yield* respond(NOT_OURS)
    return yield* fromPort(yield* port.again, port, isOurs)
  })

/** A wrong line is told, and the next one is waited for: the browser's own answer may still be on its way. */
const fromPerson = (
  person: Person,
  check: (response: AuthorizationResponse.AuthorizationResponse) => Effect.Effect<void, LoginFailed>,
  tenant: TenantId
): Effect.Effect<BroughtAnswer> =>
  person.pasted.pipe(
    Effect.flatMap((pasted) =>
      Effect.mapError(
        AuthorizationResponse.fromPaste(pasted),
        () => new LoginFailed({ tenant, reason: "CodeUnreadable" })
      )
    ),
    Effect.tap(check),
    Effect.map((response) => ({ isPasted: true, response, respond: () => Effect.void })),
    Effect.catchAll((error) => Effect.zipRight(tellWrong(error), fromPerson(person, check, tenant)))
  )

/**
 * Tells a person that what was pasted is not the answer, while the login waits on.
 *
 * @since 0.1.0
 * @category combinators
 */
export const tellWrong = ({ _tag: error, advice, message, reason, tenant }: LoginFailed): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(message), { tenant, error, reason, advice })

/**
 * Invites the person and waits for the first answer. What another program sends to the port is answered with a page and
 * changes nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const forAnswer = (options: {
  readonly port: OpenPort
  readonly person: Person
  readonly tenant: TenantId
  readonly invitation: Invitation
  readonly isOurs: (response: AuthorizationResponse.AuthorizationResponse) => Effect.Effect<boolean>
  /** Looks at what a person pasted, who can be told what is wrong with it. */
  readonly check: (response: AuthorizationResponse.AuthorizationResponse) => Effect.Effect<void, LoginFailed>
}): Effect.Effect<BroughtAnswer, LoginError> =>
  Effect.scoped(Effect.gen(function*() {
    const { check, invitation, isOurs, person, port, tenant } = options
    const first = yield* Deferred.make<BroughtAnswer, LoginError>()
    yield* Effect.forkScoped(Effect.intoDeferred(fromPort(port.listener, port, isOurs), first))
    yield* Effect.forkScoped(Effect.intoDeferred(fromPerson(person, check, tenant), first))
    yield* Effect.forkScoped(person.invite(invitation))
    return yield* Deferred.await(first)
  }))
