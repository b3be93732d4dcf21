/**
 * Unfinished logins for tests of anything that keeps them.
 *
 * @since 0.1.0
 */
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FakeToken from "../FakeToken.js"

type Fields = Partial<ConstructorParameters<typeof PendingLogins.PendingLogin>[0]>

/**
 * An attempt with a state and a verifier of its own. `createdAt` is in seconds since the epoch.
 *
 * @since 0.1.0
 * @category testing
 */
export const attempt = (createdAt: number, fields: Fields = {}): PendingLogins.PendingLogin =>
  PendingLogins.PendingLogin.make({
    vendor: Option.some("codex"),
    state: Option.some(Redacted.make(FakeToken.make("cs"))),
    codeVerifier: Option.some(Redacted.make(FakeToken.make("cs"))),
    redirectUri: Option.some("http://127.0.0.1:1455/auth/callback"),
    ...fields,
    createdAt
  })

const optional = <A>(arbitrary: FastCheck.Arbitrary<A>): FastCheck.Arbitrary<Option.Option<A>> =>
  FastCheck.option(arbitrary).map(Option.fromNullable)

/**
 * Any attempt that was begun at that moment, in seconds since the epoch.
 *
 * @since 0.1.0
 * @category testing
 */
export const arbitraryAttempt = (createdAt: number): FastCheck.Arbitrary<PendingLogins.PendingLogin> => {
  // In here: to make an arbitrary of texts takes most of a second, which a process that only wants an attempt is spared.
  const text = FastCheck.string({ unit: "binary", maxLength: 12 })
  const secret = FastCheck.string({ unit: "binary", minLength: 1, maxLength: 40 }).map(Redacted.make)
  const seconds = FastCheck.integer({ min: 1, max: 4_000_000_000 })
  return FastCheck.record({
    vendor: optional(text),
    method: FastCheck.constantFrom<["code", "device", "key"]>("code", "device", "key"),
    issuer: optional(text),
    tokenEndpoint: optional(text),
    revocationEndpoint: optional(text),
    clientId: optional(text),
    clientSecret: optional(secret),
    clientSecretExpiresAt: optional(seconds),
    tokenEndpointAuthMethod: optional(text),
    scope: optional(text),
    resource: optional(text),
    resourceParameter: optional(text),
    authorizeParameters: optional(text),
    state: optional(secret),
    codeVerifier: optional(secret),
    nonce: optional(secret),
    redirectUri: optional(text),
    issRequired: FastCheck.boolean(),
    deviceCode: optional(secret),
    userCode: optional(text),
    verificationUri: optional(text),
    verificationUriComplete: optional(text),
    interval: optional(FastCheck.nat({ max: 600 })),
    expiresAt: optional(seconds),
    privateKey: optional(secret),
    replace: FastCheck.boolean(),
    sameAccount: FastCheck.boolean()
  }).map((fields) => PendingLogins.PendingLogin.make({ ...fields, createdAt }))
}
