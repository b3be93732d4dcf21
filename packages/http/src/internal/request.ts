/**
 * One request with a token: what may carry it, what happens when it is rejected, where redirects lead. Written once, for
 * every kind of client.
 *
 * The order argues: an address that may not have the token is refused before there is one; a refresh that fails is the
 * caller's error, since a stale token would only turn it into a 401 that says less; and nothing is ever sent twice but
 * what was answered 401, which is not acted on.
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import {
  type BearerError,
  InsufficientScope,
  RequestNotReplayed,
  RequestRefused,
  ResponseTimeout
} from "../BearerError.js"
import type { BearerOptions, Target } from "../BearerOptions.js"
import * as Binding from "./binding.js"
import * as Brake from "./brake.js"
import * as Redirect from "./redirect.js"
import * as Scopes from "./scopes.js"
import * as Verdict from "./verdict.js"

/** How one kind of client sends. */
export interface Wire<Request, Response, E, R> {
  readonly target: (request: Request) => Target
  readonly hasAuthorization: (request: Request) => boolean
  /** Whether the caller wants redirects followed. */
  readonly follows: (request: Request) => boolean
  readonly body: (request: Request) => { readonly isEmpty: boolean; readonly isReplayable: boolean }
  /** Sends once, follows nothing. */
  readonly send: (request: Request, token: Option.Option<Redacted.Redacted>) => Effect.Effect<Response, E, R>
  readonly redirected: (request: Request, redirect: Redirect.Redirect) => Request
  readonly status: (response: Response) => number
  readonly header: (response: Response, name: string) => string | null | undefined
  /** Lets go of a response that is not read. */
  readonly release: (response: Response) => Effect.Effect<void>
}

interface Course<Request> {
  readonly request: Request
  /** None after a redirect to another origin, for good. */
  readonly token: Option.Option<AccessToken>
  readonly redirects: number
  /** The token came from a recovery: it is not recovered from. */
  readonly isFresh: boolean
}

const MAX_REDIRECTS = 20

export const make = (options: BearerOptions) =>
  Effect.map(RefreshCoordinator, (coordinator) => {
    const { demand, tenant } = options
    const binding = Binding.make(options)
    /** One per origin: that one resource server takes a token says nothing about another one. */
    const brakes = new Map<string, Brake.Brake>()
    const limit = Option.map(Option.fromNullable(options.timeout), Duration.toMillis)

    const isBackground = (target: Target): boolean =>
      typeof options.background === "function" ? options.background(target) : options.background === true

    const brakeOf = ({ url }: Target): Brake.Brake => {
      const known = brakes.get(url.origin) ?? Brake.make()
      brakes.set(url.origin, known)
      return known
    }

    const told = (event: string, message: string, target: Target) =>
      Effect.annotateLogs(Effect.logWarning(`${target.url.origin} ${message}`), {
        event,
        tenant,
        method: target.method
      })

    const recover = (rejected: AccessToken, brake: Brake.Brake) =>
      coordinator.recover(tenant, rejected.token, demand).pipe(
        Effect.tapError((error) =>
          error._tag === "ProviderRejected" && error.reason === "FreshTokenRejected"
            ? brake.pull(rejected.token)
            : Effect.void
        ),
        Effect.withSpan("lockstep.bearer.recover", { attributes: { tenant } })
      )

    return <Request, Response, E, R>(wire: Wire<Request, Response, E, R>) =>
    (
      first: Request
    ): Effect.Effect<Response, E | BearerError, R> =>
      Effect.suspend(() => {
        const background = isBackground(wire.target(first))
        /** Milliseconds spent on sending, all of this call's requests together. */
        let spent = 0

        const send = ({ request, token }: Course<Request>): Effect.Effect<Response, E | ResponseTimeout, R> => {
          const sent = wire.send(request, Option.map(token, (one) => one.token))
          if (Option.isNone(limit)) return sent
          const { method, url } = wire.target(request)
          return Effect.gen(function*() {
            const from = yield* Clock.currentTimeNanos
            const response = yield* Effect.timeoutFail(sent, {
              duration: Math.max(0, limit.value - spent),
              onTimeout: () => new ResponseTimeout({ tenant, method, origin: url.origin, waited: limit.value })
            })
            spent += Number((yield* Clock.currentTimeNanos) - from) / 1e6
            return response
          })
        }

        const permit = (target: Target, token: AccessToken): Effect.Effect<void, RequestRefused> =>
          Option.match(binding.ofToken(target, token), { onNone: () => Effect.void, onSome: Effect.fail })

        const rejected = (
          course: Course<Request>,
          token: AccessToken,
          response: Response
        ): Effect.Effect<Response, E | BearerError, R> =>
          Effect.gen(function*() {
            const target = wire.target(course.request)
            const brake = brakeOf(target)
            if (background) {
              yield* told("lockstep.bearer.rejected", `rejected the token of ${tenant} in the background`, target)
              return response
            }
            if (course.isFresh) {
              const pause = yield* brake.pull(token.token)
              if (pause !== undefined) {
                const message = `rejects fresh tokens of ${tenant}; the next recovery is not before ${pause / 1_000} s`
                yield* told("lockstep.bearer.braked", message, target)
              }
              return response
            }
            if (yield* brake.holds(token.token)) return response
            yield* wire.release(response)
            const fresh = yield* recover(token, brake)
            if (!wire.body(course.request).isReplayable) {
              return yield* new RequestNotReplayed({ tenant, method: target.method, origin: target.url.origin })
            }
            // Another login may have come meanwhile, for another resource.
            yield* permit(target, fresh)
            return yield* follow({ ...course, token: Option.some(fresh), isFresh: true })
          })

        const judge = (
          course: Course<Request>,
          token: AccessToken,
          response: Response
        ): Effect.Effect<Response, E | BearerError, R> => {
          const verdict = Verdict.of(wire.status(response), wire.header(response, "www-authenticate"))
          if (verdict._tag === "Rejected") return rejected(course, token, response)
          if (wire.status(response) < 400) brakeOf(wire.target(course.request)).release()
          if (verdict._tag === "Theirs" || options.stepUp === "respond") return Effect.succeed(response)
          const { resourceMetadata, scope } = verdict.challenge
          return Effect.zipRight(
            wire.release(response),
            new InsufficientScope({
              tenant,
              origin: wire.target(course.request).url.origin,
              required: scope === undefined ? undefined : Scopes.parse(scope).join(" "),
              granted: Option.getOrUndefined(token.scope),
              resourceMetadata
            })
          )
        }

        const follow = (course: Course<Request>): Effect.Effect<Response, E | BearerError, R> =>
          Effect.flatMap(send(course), (response) => {
            const answer = { status: wire.status(response), location: wire.header(response, "location") }
            const mayFollow = wire.follows(first) && course.redirects < (options.maxRedirects ?? MAX_REDIRECTS)
            const redirect = mayFollow
              ? Redirect.next(wire.target(course.request), answer, wire.body(course.request))
              : undefined
            if (redirect === undefined) {
              return Option.match(course.token, {
                onNone: () => Effect.succeed(response),
                onSome: (token) => judge(course, token, response)
              })
            }
            return Effect.zipRight(
              wire.release(response),
              follow({
                ...course,
                request: wire.redirected(course.request, redirect),
                token: redirect.crossesOrigin ? Option.none() : course.token,
                redirects: course.redirects + 1
              })
            )
          })

        return Effect.gen(function*() {
          const target = wire.target(first)
          const refusal = wire.hasAuthorization(first)
            ? Option.some(new RequestRefused({ tenant, reason: "AuthorizationPresent", origin: target.url.origin }))
            : binding.ofRequest(target)
          if (Option.isSome(refusal)) return yield* refusal.value
          const token = yield* (background
            ? coordinator.peek(tenant, demand)
            : coordinator.accessToken(tenant, demand))
          yield* permit(target, token)
          return yield* follow({ request: first, token: Option.some(token), redirects: 0, isFresh: false })
        })
      })
  })
