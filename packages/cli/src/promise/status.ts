/**
 * @since 0.1.0
 */
import type * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as State from "../views/State.js"
import * as Survey from "../views/Survey.js"
import type { Damaged, Status } from "./Lockstep.js"
import { accountOf, dateOf } from "./tokens.js"
import { fromError } from "./translate.js"

const statusOf = (found: Survey.Tenant): Status => {
  const { credential } = found
  const text = Option.getOrUndefined
  return {
    tenant: found.tenant,
    state: found.state,
    reason: text(State.loginReason(found, credential.expiresAt)),
    waitsUntil: dateOf(Option.map(State.waitsUntil(found), (millis) => millis / 1000)),
    expiresAt: dateOf(credential.expiresAt),
    loginExpiresAt: dateOf(credential.loginExpiresAt),
    account: accountOf(credential.account),
    vendor: text(credential.vendor),
    issuer: text(credential.issuer),
    resource: text(credential.resource),
    generation: credential.generation,
    holder: Option.getOrUndefined(
      Option.map(found.holder, ({ command, pid, stopped }) => ({ pid, command: text(command), stopped }))
    )
  }
}

/**
 * Tells how one login stands.
 *
 * @since 0.1.0
 * @category combinators
 */
export const one = (tenant: TenantId.TenantId) => Effect.map(Survey.one(tenant), statusOf)

/**
 * Tells how all of them stand. A damaged one hides no other.
 *
 * @since 0.1.0
 * @category combinators
 */
export const all = Effect.map(
  Survey.each(Option.none(), Survey.one),
  (found): ReadonlyArray<Status | Damaged> =>
    found.map(Either.match({
      onLeft: ({ error, tenant }): Status | Damaged => ({ tenant, state: "damaged", error: fromError(error) }),
      onRight: statusOf
    }))
)
