/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { ProviderRejected, ReauthorizationRequired } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Nearest from "./Nearest.js"

/**
 * An error, in words that only the command can find.
 *
 * @since 0.1.0
 * @category errors
 */
export class Advised extends Data.TaggedError("Advised")<{
  readonly error: ReauthorizationRequired | ProviderRejected
  /** In place of the error's own. */
  readonly text?: string
  readonly advice: string
  readonly nearest: ReadonlyArray<string>
}> {}

const isNotFound = <E>(error: E): error is Extract<E, ReauthorizationRequired> =>
  Predicate.isTagged(error, "ReauthorizationRequired") && Predicate.hasProperty(error, "reason") &&
  error.reason === "NotFound"

/**
 * Adds to an error that says that a tenant is not logged in where it was looked for, and the nearest known tenants: a
 * program that was started without its user's environment looks in another home than the user does.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withNearest = (tenant: TenantId) =>
<A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Advised, R | CredentialStore> =>
  Effect.catchAll(self, (error) =>
    Effect.gen(function*() {
      if (!isNotFound(error)) return yield* Effect.fail(error)
      const store = yield* CredentialStore
      const tenants = yield* Effect.orElseSucceed(store.list, () => [])
      const nearest = Nearest.find(tenant, tenants)
      const names = nearest.map((name) => `\`${name}\``).join(" or ")
      return yield* new Advised({
        error,
        nearest,
        text: `${error.message} (looked in ${store.location})`,
        advice: nearest.length === 0 ? error.advice : `did you mean ${names}? Otherwise ${error.advice}`
      })
    }))
