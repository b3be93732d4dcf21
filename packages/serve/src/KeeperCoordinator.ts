/**
 * A `RefreshCoordinator` over a keeper, for agents that hold nothing: the same calls, the same errors. The transaction is the
 * keeper's.
 *
 * A keeper that is gone is told as a store that is not available.
 *
 * @since 0.1.0
 */
import { AccessToken } from "@lockstep/core/AccessToken"
import { CredentialStoreError, type RefreshError } from "@lockstep/core/Errors"
import { type Demand, RefreshCoordinator, type Refreshed, RefreshEvent } from "@lockstep/core/RefreshCoordinator"
import { TenantId } from "@lockstep/core/TenantId"
import * as UnderWay from "@lockstep/core/UnderWay"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as KeeperClient from "./KeeperClient.js"
import * as KeeperProblem from "./KeeperProblem.js"
import * as KeeperWire from "./KeeperWire.js"

const decode = Schema.decodeUnknownOption(KeeperProblem.RefreshError)

const unavailable = (location: string, detail: string, remedy: string): CredentialStoreError =>
  new CredentialStoreError({ reason: "Unavailable", location, detail, remedy })

const wishesOf = ({ margin, minTtl }: Demand): KeeperWire.Wishes => ({
  ...(margin === undefined ? {} : { margin: Duration.toMillis(margin) }),
  ...(minTtl === undefined ? {} : { minTtl: Duration.toMillis(minTtl) })
})

const tokenOf = (tenant: TenantId, answer: KeeperWire.TokenAnswer): AccessToken =>
  new AccessToken({
    tenant,
    token: Redacted.make(answer.access_token),
    tokenType: answer.token_type,
    scope: Option.fromNullable(answer.scope),
    resource: Option.fromNullable(answer.resource),
    expiresAt: Option.fromNullable(answer.expires_at),
    account: Option.map(Option.fromNullable(answer.account), ({ id, label }) => ({
      id: Option.fromNullable(id),
      label: Option.fromNullable(label)
    })),
    generation: answer.generation
  })

const isTenant = Schema.is(TenantId)

const eventOf = ({ data, event, tenant }: KeeperClient.KeeperNews): Option.Option<RefreshEvent> => {
  if (!isTenant(tenant)) return Option.none()
  const { generation, reason } = data
  switch (event) {
    case "rotated":
      return Option.some(
        RefreshEvent.Adopted({ tenant, generation: typeof generation === "number" ? generation : 0 })
      )
    case "login_needed":
      return Option.some(
        RefreshEvent.LoginRequired({ tenant, reason: typeof reason === "string" ? reason : "InvalidGrant" })
      )
    case "removed":
      return Option.some(RefreshEvent.Removed({ tenant }))
    // Which accounts they are the keeper does not tell.
    case "account_changed":
      return Option.none()
  }
}

/** Between two looks at a token that is kept fresh. The keeper's own sweep is what keeps it so. */
const KEPT = Duration.minutes(1)

/** Between two tries to hear what happens. */
const AGAIN = Schedule.jittered(Schedule.spaced("2 seconds"))

/**
 * Makes a coordinator over the keeper that the options or the environment name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: KeeperClient.ConnectOptions = {}
): Effect.Effect<RefreshCoordinator["Type"], KeeperClient.KeeperError, Scope.Scope> =>
  Effect.gen(function*() {
    const client = yield* Effect.acquireRelease(
      Effect.try({ try: () => KeeperClient.connect(options), catch: (cause) => cause as KeeperClient.KeeperError }),
      (one) => Effect.sync(one.close)
    )
    const location = "keeper"

    const ask = (
      question: KeeperClient.Question
    ): Effect.Effect<{ readonly status: number; readonly body: unknown }, RefreshError> =>
      Effect.tryPromise({
        try: (signal) => client.request({ ...question, signal }),
        catch: (cause) =>
          cause instanceof KeeperClient.KeeperError
            ? unavailable(location, cause.message, cause.advice)
            : unavailable(location, "the key cannot be read", "check the file of the key")
      })

    const failure = (body: unknown): RefreshError => {
      if (!KeeperWire.isProblemAnswer(body)) {
        return unavailable(location, "it answers what no keeper does", "check the address")
      }
      const { advice, message, source } = body.error
      return Option.getOrElse(decode(source), () => unavailable(location, message, advice))
    }

    const token = (tenant: TenantId, question: KeeperClient.Question): Effect.Effect<AccessToken, RefreshError> =>
      Effect.flatMap(
        ask(question),
        ({ body, status }) =>
          status === 200 && KeeperWire.isTokenAnswer(body)
            ? Effect.succeed(tokenOf(tenant, body))
            : Effect.fail(failure(body))
      )

    const accessToken: RefreshCoordinator["Type"]["accessToken"] = (tenant, demand = {}) =>
      token(tenant, { method: "GET", path: KeeperWire.tokenPath(tenant, wishesOf(demand)) })

    return RefreshCoordinator.of({
      accessToken,
      peek: (tenant, demand = {}) =>
        token(tenant, { method: "GET", path: KeeperWire.tokenPath(tenant, { ...wishesOf(demand), peek: true }) }),
      recover: (tenant, rejected, demand = {}) =>
        token(tenant, {
          method: "POST",
          path: KeeperWire.rejectedPath(tenant, wishesOf(demand)),
          body: { access_token: Redacted.value(rejected) }
        }),
      refresh: (tenant) =>
        Effect.flatMap(
          ask({ method: "POST", path: KeeperWire.refreshPath(tenant) }),
          ({ body, status }): Effect.Effect<Refreshed, RefreshError> => {
            const { by, previous_generation: previousGeneration, rotated, token: answer } =
              (typeof body === "object" && body !== null ? body : {}) as Readonly<Record<string, unknown>>
            return status === 200 && KeeperWire.isTokenAnswer(answer)
              ? Effect.succeed({
                token: tokenOf(tenant, answer),
                by: by === "redeemed" ? "redeemed" : "adopted",
                rotated: rotated === true,
                previousGeneration: typeof previousGeneration === "number" ? previousGeneration : 0
              })
              : Effect.fail(failure(body))
          }
        ),
      // What is kept is stored by the next request that the keeper makes of the login.
      storeKept: (tenant) => Effect.asVoid(accessToken(tenant)),
      keepFresh: (tenant, demand) =>
        Effect.asVoid(Effect.forkScoped(
          Effect.repeat(Effect.ignoreLogged(accessToken(tenant, demand)), Schedule.jittered(Schedule.spaced(KEPT)))
        )),
      changes: Stream.suspend(() => {
        const ending = new AbortController()
        return Stream.fromAsyncIterable(client.events({ signal: ending.signal }), (cause) => cause).pipe(
          Stream.ensuring(Effect.sync(() => ending.abort()))
        )
      }).pipe(
        Stream.filterMap(eventOf),
        // Until the stream is no longer wanted: a keeper may come back.
        Stream.concat(Stream.fail("ended" as const)),
        Stream.retry(AGAIN),
        Stream.catchAll(() => Stream.empty)
      ),
      underWay: UnderWay.make()
    })
  })

/**
 * A coordinator over the keeper that the options or the environment name.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: KeeperClient.ConnectOptions
): Layer.Layer<RefreshCoordinator, KeeperClient.KeeperError> => Layer.scoped(RefreshCoordinator, make(options))
