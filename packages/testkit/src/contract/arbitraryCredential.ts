/**
 * Any credential that a store must be able to keep, for tests of properties. By itself: making an arbitrary of texts costs most of
 * a second, which no process should spend that only wants a credential.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

type Presence = <A>(arbitrary: FastCheck.Arbitrary<A>) => FastCheck.Arbitrary<Option.Option<A>>

const text = FastCheck.string({ unit: "binary", maxLength: 12 })
const secret = FastCheck.string({ unit: "binary", minLength: 1, maxLength: 40 }).map(Redacted.make)
const seconds = FastCheck.oneof(FastCheck.integer({ min: 1, max: 4_000_000_000 }), FastCheck.constant(1_790_000_000.25))

const make = (optional: Presence): FastCheck.Arbitrary<Credential.Credential> =>
  FastCheck.record({
    vendor: optional(text),
    issuer: optional(text),
    tokenEndpoint: optional(text),
    revocationEndpoint: optional(text),
    clientId: optional(text),
    clientSecret: optional(secret),
    clientSecretExpiresAt: optional(seconds),
    tokenEndpointAuthMethod: optional(text),
    accessToken: optional(secret),
    refreshToken: optional(secret),
    idToken: optional(secret),
    tokenType: optional(text),
    scope: optional(text),
    resource: optional(text),
    resourceParameter: optional(text),
    grant: optional(text),
    subjectTokenEndpoint: optional(text),
    subjectClientId: optional(text),
    authorizeParameters: optional(text),
    expiresAt: optional(seconds),
    obtainedAt: optional(seconds),
    loginExpiresAt: optional(seconds),
    account: optional(
      FastCheck.record({ id: optional(text), label: optional(text) }).map((fields) => Credential.Account.make(fields))
    ),
    generation: FastCheck.nat({ max: 1_000_000 }),
    lastRedeem: optional(text)
  }).map((fields) => Credential.Credential.make(fields))

/**
 * Any credential that a store must be able to keep.
 *
 * @since 0.1.0
 * @category testing
 */
export const arbitraryCredential: FastCheck.Arbitrary<Credential.Credential> = make((arbitrary) =>
  FastCheck.option(arbitrary).map(Option.fromNullable)
)

/**
 * Any credential of which every member is present.
 *
 * @since 0.1.0
 * @category testing
 */
export const arbitraryFullCredential: FastCheck.Arbitrary<Credential.Credential> = make((arbitrary) =>
  arbitrary.map(Option.some)
)
