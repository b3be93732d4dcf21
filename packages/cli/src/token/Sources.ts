/**
 * Which of a tenant's sources is used: a variable that its vendor documents, or the stored login.
 *
 * @since 0.1.0
 */
import * as AccessToken from "@lockstep/core/AccessToken"
import { isSameSecret, type Stored } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { ProviderRejected } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import { CredentialSources, type EnvironmentSource } from "@lockstep/oauth/CredentialSources"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { Advised } from "../errors/Advised.js"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"

/**
 * How the stored login is called where sources are named.
 *
 * @since 0.1.0
 * @category constants
 */
export const STORED = "stored"

const choices = (tenant: TenantId, sources: CredentialSources["Type"]): string =>
  [STORED, ...sources.variables(tenant).map(({ name }) => name)].join(", ")

const isStored = (tenant: TenantId) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    return Option.isSome(yield* Effect.orElseSucceed(store.get(tenant), () => Option.none<Stored>()))
  })

/**
 * Finds the variable that stands in for a tenant's stored login, or `None` where the stored login is used. A stored
 * login that is passed over is warned about.
 *
 * @since 0.1.0
 * @category combinators
 */
export const choose = (
  tenant: TenantId,
  named: Option.Option<string>
): Effect.Effect<
  Option.Option<EnvironmentSource>,
  UsageError,
  CredentialSources | CredentialStore | Output.Output
> =>
  Effect.gen(function*() {
    const sources = yield* CredentialSources
    if (Option.contains(named, STORED)) return Option.none()
    const set = yield* sources.environment(tenant)
    if (Option.isNone(named)) {
      const winner = Option.fromNullable(set[0])
      if (Option.isSome(winner) && (yield* isStored(tenant))) {
        yield* Output.warn(
          `${winner.value.name} is set and comes before the stored login of ${tenant}; ` +
            `unset it, or say --source ${STORED}`
        )
      }
      return winner
    }
    const found = set.find(({ name }) => name === named.value)
    if (found !== undefined) return Option.some(found)
    const isKnown = sources.variables(tenant).some(({ name }) => name === named.value)
    return yield* new UsageError({
      reason: "Arguments",
      // What is no variable's name may be a token in the wrong place.
      message: isKnown ? `--source: ${named.value} is not set` : `--source: ${tenant} has no such source`,
      advice: isKnown ? `set it, or say --source ${STORED}` : `use one of ${choices(tenant, sources)}`
    })
  })

/**
 * The token of a variable. One that was rejected cannot be replaced: nothing renews a variable.
 *
 * @since 0.1.0
 * @category combinators
 */
export const token = (
  tenant: TenantId,
  source: EnvironmentSource,
  rejected: Option.Option<Redacted.Redacted>
): Effect.Effect<AccessToken.AccessToken, Advised> =>
  Option.isSome(rejected) && isSameSecret(rejected, Option.some(source.token))
    ? new Advised({
      error: new ProviderRejected({ tenant, reason: "FreshTokenRejected" }),
      text: `the token of ${tenant} that was rejected comes from ${source.name}, and nothing renews a variable`,
      advice: `set ${source.name} to another token, or unset it to use the stored login`,
      nearest: []
    })
    : Effect.succeed(
      new AccessToken.AccessToken({
        tenant,
        token: source.token,
        tokenType: "Bearer",
        scope: Option.none(),
        resource: Option.none(),
        expiresAt: Option.none(),
        account: Option.none(),
        generation: 0
      })
    )

/**
 * Warns that a variable comes before the stored login that was just worked on.
 *
 * @since 0.1.0
 * @category combinators
 */
export const warnWhereShadowed = (
  tenant: TenantId
): Effect.Effect<void, never, CredentialSources | Output.Output> =>
  Effect.gen(function*() {
    const sources = yield* CredentialSources
    const [winner] = yield* sources.environment(tenant)
    if (winner !== undefined) {
      yield* Output.warn(`${winner.name} is set: \`lockstep token ${tenant}\` uses it instead of the stored login`)
    }
  })
