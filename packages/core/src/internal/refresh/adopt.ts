/** Taking over what another process stored, in place of redeeming. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Stored } from "../../Credential.js"
import * as Credential from "../../Credential.js"
import * as Demand from "../../Demand.js"
import type { RefreshError } from "../../Errors.js"
import * as Metrics from "../../Metrics.js"
import * as Verdict from "../../Verdict.js"
import type { Obtained, Request, Transaction } from "./services.js"

export const make = ({ custody, endpoint, policy, store }: Transaction) => {
  /** A refresh that only finds what it set out with adopts nothing. */
  const adopted = (request: Request, stored: Stored, how: "Locked" | "Waiting"): Effect.Effect<Obtained> =>
    Effect.as(
      Effect.unless(
        Metrics.adopted(request.tenant, how),
        () => Credential.isSameSecret(request.hint.accessToken, stored.credential.accessToken)
      ),
      { stored, by: "adopted", rotated: false }
    )

  /** Looks, while waiting for the tenant, whether another process stored what is demanded: N waiters want no turn each. */
  const lookFor = (request: Request): Effect.Effect<Option.Option<Obtained>, RefreshError> =>
    Effect.gen(function*() {
      // What a wait cannot read, the locked read reports.
      const found = yield* Effect.orElseSucceed(store.get(request.tenant), () => Option.none<Stored>())
      if (Option.isNone(found)) return Option.none()
      const stored = found.value
      const { credential } = stored
      if (Credential.isOtherAccount(request.hint, credential)) {
        return yield* Verdict.otherAccount(custody.location, Verdict.accounts(request.hint, credential))
      }
      const now = yield* Clock.currentTimeMillis
      const margin = Demand.margin(request.demand, endpoint.traits(request.tenant, credential), policy)
      if (!Demand.isMetBy(request.demand, credential, { now, margin })) return Option.none()
      // Before this wait is wound up: every caller of the process has been waiting for nothing else.
      yield* request.publish(Exit.succeed({ stored, by: "adopted", rotated: false }))
      return Option.some(yield* adopted(request, stored, "Waiting"))
    })

  return { adopted, lookFor }
}
