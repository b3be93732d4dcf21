/**
 * Logins that a client in a sandbox begins: it gets the address to show, and brings back what the person was given. The
 * verifier and the tokens stay with the keeper.
 *
 * Each caller has attempts of its own at a tenant: none can end or replace another's.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { LOCAL_USER } from "@lockstep/core/PendingLogins"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Answers from "./Answers.js"
import * as Bodies from "./Bodies.js"
import * as Callers from "./Caller.js"
import { Exchange } from "./Exchange.js"
import { KeeperApi } from "./KeeperApi.js"
import { KeeperHost } from "./KeeperHost.js"
import { KeeperRefused } from "./KeeperProblem.js"

const NOT_ALLOWED = new KeeperRefused({
  reason: "NotForAgents",
  message: "this key begins no logins",
  advice: "on the host, make one that does: `lockstep agent add NAME --tenant PATTERN --allow-login --out FILE`"
})

const Wish = Schema.Struct({
  target: Schema.NonEmptyString,
  tenant: Schema.optional(Schema.NonEmptyString),
  profile: Schema.optional(Schema.NonEmptyString),
  device: Schema.optional(Schema.Boolean)
})

/** Whose attempt it is: the user's own are those of the command. */
const userOf = (caller: Callers.Caller): string =>
  caller._tag === "User" ? LOCAL_USER : `agent:${caller.key.name}:${caller.key.id}`

type Respond = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  Exchange | HttpServerRequest.HttpServerRequest
>

/**
 * The endpoints of logins.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = HttpApiBuilder.group(KeeperApi, "logins", (handlers) =>
  Effect.gen(function*() {
    const host = yield* KeeperHost

    const allowed = (answer: (caller: Callers.Caller) => Respond): Respond =>
      Effect.flatMap(Exchange, ({ caller, note }) => {
        if (Callers.mayLogIn(caller)) return answer(caller)
        note({ error: "NotForAgents" })
        return Effect.succeed(Answers.refused(NOT_ALLOWED))
      })

    const worded = <A>(self: Effect.Effect<A, unknown>, status: number): Respond =>
      Effect.matchEffect(self, {
        onFailure: (error) =>
          Effect.gen(function*() {
            const { note } = yield* Exchange
            const problem = yield* host.word(error)
            note({ error: problem.reason === null ? problem._tag : `${problem._tag}(${problem.reason})` })
            return Answers.problem(problem)
          }),
        onSuccess: (body) => Effect.succeed(Answers.json(body, status))
      })

    const ofTenant = (tenant: TenantId, answer: (user: string) => Respond): Respond =>
      allowed((caller) =>
        Effect.flatMap(Exchange, ({ note }) => {
          note({ tenant })
          return Callers.mayUse(caller, tenant)
            ? answer(userOf(caller))
            : Effect.succeed(Answers.problem(Answers.absentForAgent(tenant)))
        })
      )

    return handlers
      .handleRaw("begin", () =>
        allowed((caller) =>
          Bodies.read(Wish, "{\"target\": \"…\"}", (wish) =>
            Effect.flatMap(Exchange, ({ note }) =>
              worded(
                Effect.tap(
                  host.beginLogin({
                    target: wish.target,
                    tenant: wish.tenant,
                    profile: wish.profile,
                    device: wish.device === true,
                    user: userOf(caller),
                    permits: (tenant) =>
                      Callers.mayUse(caller, tenant)
                  }),
                  ({ tenant }) => Effect.sync(() => note({ tenant }))
                ),
                201
              )))
        ))
      .handleRaw("complete", ({ path: { tenant } }) =>
        ofTenant(tenant, (user) =>
          Bodies.member("code", (code) =>
            worded(host.completeLogin(tenant, user, Redacted.make(code)), 200))))
      .handleRaw("poll", ({ path: { tenant } }) =>
        ofTenant(tenant, (user) =>
          worded(host.pollLogin(tenant, user), 200)))
  }))
