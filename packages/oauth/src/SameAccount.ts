/**
 * A login that widens another one, and must not put another account in its place.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { isOtherAccount } from "@lockstep/core/Credential"
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialExists, type CredentialStoreError } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import type { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * Lets a credential pass unless it is known to be another account's than what is stored. One that is refused is revoked,
 * best effort, since only this process knows of it. Runs under the tenant's lock.
 *
 * @since 0.1.0
 * @category combinators
 */
export const check = (
  { endpoint, store, timeout }: {
    readonly store: CredentialStore["Type"]
    readonly endpoint: TokenEndpoint["Type"]
    /** Of the revocation. */
    readonly timeout: Duration.Duration
  },
  tenant: TenantId
) =>
(obtained: Credential): Effect.Effect<Credential, CredentialExists | CredentialStoreError> =>
  Effect.gen(function*() {
    const present = yield* store.get(tenant)
    const other = Option.filter(present, ({ credential }) => isOtherAccount(credential, obtained))
    if (Option.isNone(other)) return obtained
    yield* Effect.timeoutOption(endpoint.revoke(tenant, obtained), timeout)
    return yield* new CredentialExists({
      tenant,
      account: Option.flatMap(other.value.credential.account, ({ id, label }) => Option.orElse(label, () => id))
    })
  })
