/**
 * Logins that a person has begun and not finished: what the second step needs, kept until it comes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "./Errors.js"
import { optionalExpiry, optionalNumber, optionalSecret, optionalText } from "./internal/members.js"
import { isAncient } from "./PendingAge.js"
import * as TenantId from "./TenantId.js"

/**
 * One unfinished login. Encodes to the members of `pending` in `auth.json`; times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export class PendingLogin extends Schema.Class<PendingLogin>("@lockstep/core/PendingLogin")({
  vendor: optionalText("vendor"),
  /** `code`: a code is pasted. `device`: the server is polled. `key`: a sealed key is pasted. */
  method: Schema.optionalWith(Schema.Literal("code", "device", "key"), { default: () => "code" as const }),
  issuer: optionalText("issuer"),
  tokenEndpoint: optionalText("token_endpoint"),
  revocationEndpoint: optionalText("revocation_endpoint"),
  clientId: optionalText("client_id"),
  clientSecret: optionalSecret("client_secret"),
  clientSecretExpiresAt: optionalExpiry("client_secret_expires_at"),
  tokenEndpointAuthMethod: optionalText("token_endpoint_auth_method"),
  scope: optionalText("scope"),
  resource: optionalText("resource"),
  resourceParameter: optionalText("resource_parameter"),
  authorizeParameters: optionalText("authorize_parameters"),
  state: optionalSecret("state"),
  codeVerifier: optionalSecret("code_verifier"),
  nonce: optionalSecret("nonce"),
  redirectUri: optionalText("redirect_uri"),
  /** RFC 9207: the server promised to name itself in its answer. */
  issRequired: Schema.optionalWith(Schema.Boolean, { default: () => false }).pipe(Schema.fromKey("iss_required")),
  deviceCode: optionalSecret("device_code"),
  userCode: optionalText("user_code"),
  verificationUri: optionalText("verification_uri"),
  verificationUriComplete: optionalText("verification_uri_complete"),
  /** Seconds between two polls. */
  interval: optionalNumber("interval"),
  /** When the server forgets the attempt. */
  expiresAt: optionalExpiry("expires_at"),
  /** Opens a sealed key. */
  privateKey: optionalSecret("private_key"),
  /** Whether a live login may be replaced, as said when the attempt began. */
  replace: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** Whether what it replaces has to be the same account's, as far as both are known. */
  sameAccount: Schema.optionalWith(Schema.Boolean, { default: () => false }).pipe(Schema.fromKey("same_account")),
  /** The login that was there when the attempt began: the only one that it may replace. Opaque. */
  replaces: optionalText("replaces"),
  createdAt: Schema.optionalWith(Schema.Number, { default: () => 0 }).pipe(Schema.fromKey("created_at"))
}) {}

/**
 * Whose attempt it is: two people who log in to one tenant do not get into each other's way.
 *
 * @since 0.1.0
 * @category models
 */
export interface PendingKey {
  readonly tenant: TenantId.TenantId
  /** Who began it: `local`, or a relay's name for a person. */
  readonly user: string
}

/**
 * An attempt and whose it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pending extends PendingKey {
  readonly login: PendingLogin
}

/**
 * The user of an attempt that names none.
 *
 * @since 0.1.0
 * @category defaults
 */
export const LOCAL_USER = "local"

export {
  /**
   * Whether an attempt began too long ago to be finished. One without a beginning, or from far in the future, is as old as
   * any: the clock went back since. `now` is milliseconds since the epoch.
   *
   * @since 0.1.0
   * @category predicates
   */
  isAncient,
  /**
   * How long an attempt waits to be finished.
   *
   * @since 0.1.0
   * @category defaults
   */
  LIFETIME
} from "./PendingAge.js"

/** Half of a pair has no percent-encoding of its own. What is written in its place is never the encoding of anything else. */
const encode = (text: string): string =>
  text.replace(/\p{Surrogate}|[^\p{Surrogate}]+/gu, (part) =>
    /\p{Surrogate}/u.test(part)
      ? `%u${part.charCodeAt(0).toString(16).toUpperCase()}`
      : encodeURIComponent(part))

const decode = (text: string): string =>
  text.replace(
    /%u([0-9A-F]{4})|(?:%[0-9A-F]{2})+/g,
    (escaped, half: string | undefined) =>
      half === undefined ? decodeURIComponent(escaped) : String.fromCharCode(Number.parseInt(half, 16))
  )

/**
 * The name under which an attempt is kept: tenant and user, percent-encoded, so that neither can pose as the other.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = ({ tenant, user }: PendingKey): string => `${encode(tenant)}:${encode(user)}`

/**
 * Reads a name back. `None` where `nameOf` names nothing so.
 *
 * @since 0.1.0
 * @category getters
 */
export const keyOf = (name: string): Option.Option<PendingKey> =>
  Option.gen(function*() {
    const [tenant, user, ...rest] = yield* Option.liftThrowable(() => name.split(":").map(decode))()
    if (tenant === undefined || user === undefined || rest.length > 0) return yield* Option.none()
    const key = { tenant: yield* Option.getRight(TenantId.fromString(tenant)), user }
    return yield* Option.liftPredicate(key, (one) => nameOf(one) === name)
  })

/**
 * Unfinished logins. Readers take no lock. Every write drops what is ancient, and touches no credential.
 *
 * @since 0.1.0
 * @category services
 */
export class PendingLogins extends Context.Tag("@lockstep/core/PendingLogins")<PendingLogins, {
  /** Reads one attempt, also an ancient one that no write has dropped yet, so that a person can be told. */
  readonly get: (key: PendingKey) => Effect.Effect<Option.Option<PendingLogin>, CredentialStoreError>

  /** Names every attempt that is not ancient, without any lock. */
  readonly list: Effect.Effect<ReadonlyArray<Pending>, CredentialStoreError>

  /** Keeps an attempt in place of this user's earlier one of this tenant. Durable when it returns. */
  readonly put: (
    key: PendingKey,
    login: PendingLogin
  ) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>

  /**
   * Drops an attempt: the one with this state, where one is named, and no other that was begun since. Answers whether
   * there was one.
   */
  readonly remove: (
    key: PendingKey,
    only?: PendingLogin
  ) => Effect.Effect<boolean, CredentialStoreError | LockTimeout | LockUnavailable>
}>() {}

/**
 * Whether two are the same attempt: they share the secret that no two attempts share. An attempt without one is never
 * known to be the same.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSameAttempt = (self: PendingLogin, that: PendingLogin): boolean => {
  const secretOf = (login: PendingLogin) =>
    Option.map(
      Option.firstSomeOf([login.state, login.deviceCode, login.privateKey, login.codeVerifier]),
      Redacted.value
    )
  return Option.exists(secretOf(self), (secret) => Option.contains(secretOf(that), secret))
}

/**
 * Makes a store of attempts that lives in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory: Effect.Effect<PendingLogins["Type"]> = Effect.sync(() => {
  const attempts = new Map<string, Pending>()
  const now = Effect.clockWith((clock) => clock.currentTimeMillis)
  const sweep = (at: number) => {
    for (const [name, { login }] of attempts) if (isAncient(login.createdAt, at)) attempts.delete(name)
  }
  return PendingLogins.of({
    get: (key) => Effect.sync(() => Option.map(Option.fromNullable(attempts.get(nameOf(key))), ({ login }) => login)),
    list: Effect.map(now, (at) => [...attempts.values()].filter(({ login }) => !isAncient(login.createdAt, at))),
    put: (key, login) =>
      Effect.map(now, (at) => {
        sweep(at)
        attempts.set(nameOf(key), { ...key, login })
      }),
    remove: (key, only) =>
      Effect.map(now, (at) => {
        const found = attempts.get(nameOf(key))
        const isMeant = found !== undefined && (only === undefined || isSameAttempt(found.login, only))
        if (isMeant) attempts.delete(nameOf(key))
        sweep(at)
        return isMeant
      })
  })
})

/**
 * Unfinished logins in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<PendingLogins> = Layer.effect(PendingLogins, makeMemory)
