/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { ReauthorizationRequired } from "@lockstep/core/Errors"
import { TenantId } from "@lockstep/core/TenantId"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Nearest from "../line/Nearest.js"
import * as Beginning from "../login/Beginning.js"
import * as Advice from "./Advice.js"

/**
 * An error, in words that only the command can find.
 *
 * @since 0.1.0
 * @category errors
 */
export class Advised extends Data.TaggedError("Advised")<{
  readonly error: unknown
  /** In place of the error's own. */
  readonly text?: string
  readonly advice: string
  readonly nearest: ReadonlyArray<string>
}> {}

/**
 * The command that begins the login of a tenant: what its record says, where there is one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const beginningOf = (
  tenant: string
): Effect.Effect<Advice.Words, never, CredentialStore | VendorRegistry> =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const registry = yield* VendorRegistry
    const stored = Schema.is(TenantId)(tenant)
      ? Option.flatten(yield* Effect.option(store.get(tenant)))
      : Option.none()
    return Option.match(stored, {
      onNone: () => Beginning.ofName(registry, tenant),
      onSome: ({ credential }) => Beginning.ofRecord(tenant, credential)
    })
  })

/** The known tenants that may have been meant by the name of one that is not logged in. */
const nearestTo = (tenant: string) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    return Nearest.find(tenant, yield* Effect.orElseSucceed(store.list, () => []))
  })

/**
 * Puts the advice of every error into the words of the command. `beginning` is the command that began it, where the call
 * itself is a login.
 *
 * @since 0.1.0
 * @category combinators
 */
export const worded =
  (beginning: Option.Option<Advice.Words> = Option.none()) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Advised, R | CredentialStore | VendorRegistry> =>
    Effect.catchAll(self, (error) =>
      Effect.gen(function*() {
        if (error instanceof Advised || !Advice.isAdvising(error)) return yield* Effect.fail(error)
        const tenant = error.tenant ?? ""
        const advice = Advice.of(
          error,
          Option.isSome(beginning) ? beginning.value : yield* beginningOf(tenant),
          Option.isSome(beginning)
        )
        const isNotFound = error instanceof ReauthorizationRequired && error.reason === "NotFound"
        const nearest = isNotFound ? yield* nearestTo(tenant) : []
        const names = nearest.map((name) => `\`${name}\``).join(" or ")
        return yield* new Advised({
          error,
          nearest,
          // A program that was started without its user's environment looks in another home than the user does.
          ...(isNotFound ? { text: `${error.message} (looked in ${(yield* CredentialStore).location})` } : {}),
          advice: nearest.length === 0 ? advice : `did you mean ${names}? Otherwise ${advice}`
        })
      }))
