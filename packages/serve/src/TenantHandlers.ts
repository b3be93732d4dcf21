/**
 * What a keeper answers about the logins that it hands out.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Answers from "./Answers.js"
import * as Bodies from "./Bodies.js"
import * as Callers from "./Caller.js"
import { Exchange } from "./Exchange.js"
import * as HandOut from "./HandOut.js"
import { KeeperApi } from "./KeeperApi.js"
import { KeeperHost } from "./KeeperHost.js"
import { KeeperRefused } from "./KeeperProblem.js"

const USER_ONLY = new KeeperRefused({
  reason: "NotForAgents",
  message: "this is for the user of the home, and not for agents",
  advice: "ask for a token: it is refreshed where that is necessary"
})

/**
 * The endpoints of tenants.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = HttpApiBuilder.group(KeeperApi, "tenants", (handlers) =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const host = yield* KeeperHost
    const { inThisHome, ofTenant, token } = yield* HandOut.make

    return handlers
      .handle("list", () =>
        inThisHome(Effect.flatMap(Exchange, ({ caller }) =>
          Effect.matchEffect(host.survey, {
            onFailure: (error) => Effect.map(host.word(error), (problem) => Answers.problem(problem)),
            onSuccess: (tenants) =>
              Effect.succeed(Answers.json({ tenants: tenants.filter(({ tenant }) => Callers.mayUse(caller, tenant)) }))
          }))))
      .handle("token", ({ path: { tenant }, urlParams }) => {
        const demand = HandOut.demandOf(urlParams)
        return ofTenant(
          tenant,
          urlParams.refresh === "false" ? coordinator.peek(tenant, demand) : coordinator.accessToken(tenant, demand),
          token
        )
      })
      .handleRaw("rejected", ({ path: { tenant }, urlParams }) =>
        Bodies.member("access_token", (rejected) =>
          ofTenant(tenant, coordinator.recover(tenant, Redacted.make(rejected), HandOut.demandOf(urlParams)), token)))
      .handle("refresh", ({ path: { tenant } }) =>
        Effect.flatMap(Exchange, ({ caller }) =>
          caller._tag === "Agent"
            ? Effect.succeed(Answers.refused(USER_ONLY))
            : ofTenant(tenant, coordinator.refresh(tenant), (done) =>
              Effect.map(token(done.token), (one) => ({
                token: one,
                by: done.by,
                rotated: done.rotated,
                previous_generation: done.previousGeneration
              })))))
  }))
