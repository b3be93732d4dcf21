/**
 * Logins without a person: which grant is asked for, and how the client proves itself.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Grant from "@lockstep/oauth/ClientGrant"
import type { ClientGrantRequest, LoginRequest } from "@lockstep/oauth/Login"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createPrivateKey } from "node:crypto"
import { UsageError } from "../line/UsageError.js"
import * as SecretInput from "../terminal/SecretInput.js"

/**
 * The options.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly grant: Option.Option<"client_credentials" | "jwt-bearer">
  readonly authMethod: Option.Option<"client_secret_basic" | "client_secret_post" | "private_key_jwt">
  /** A path, or `-`. */
  readonly clientKeyFrom: Option.Option<string>
  /** A path, or `-`. */
  readonly subjectTokenFrom: Option.Option<string>
  readonly subjectTokenEndpoint: Option.Option<string>
  readonly subjectClientId: Option.Option<string>
}

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

/** PEM of any kind that OpenSSL writes becomes PKCS #8, which is what is kept; a JSON Web Key stays one. */
const readKey = (text: Redacted.Redacted): Effect.Effect<Redacted.Redacted, UsageError> =>
  Effect.try({
    try: () => {
      const key = Redacted.value(text).trim()
      if (key.startsWith("{")) {
        createPrivateKey({ key: JSON.parse(key), format: "jwk" })
        return text
      }
      return Redacted.make(createPrivateKey(key).export({ type: "pkcs8", format: "pem" }) as string)
    },
    // The error quotes what could not be read.
    catch: () =>
      usage(
        "--client-key-from: that is no private key without a passphrase",
        "give a key in PEM, or a private JSON Web Key"
      )
  })

/**
 * Reads the client's key, which takes the place of its secret.
 *
 * @since 0.1.0
 * @category combinators
 */
export const key = ({ clientKeyFrom }: Options) =>
  Effect.transposeMapOption(
    clientKeyFrom,
    (from) => Effect.flatMap(SecretInput.read(from, "the client's key"), readKey)
  )

const recorded = ({ grant, idToken, subjectClientId, subjectTokenEndpoint }: Credential) => {
  if (Option.contains(grant, Grant.CLIENT_CREDENTIALS)) {
    return Option.some<ClientGrantRequest>({ _tag: "ClientCredentials" })
  }
  return Option.contains(grant, Grant.JWT_BEARER)
    ? Option.map(
      Option.all({ idToken, clientId: subjectClientId, tokenEndpoint: subjectTokenEndpoint }),
      (found): ClientGrantRequest => ({ _tag: "IdentityAssertion", ...found })
    )
    : Option.none()
}

const asserted = (options: Options, before: Option.Option<ClientGrantRequest>) =>
  Effect.gen(function*() {
    const known = Option.filter(before, (one) => one._tag === "IdentityAssertion")
    const idToken = yield* Effect.transposeMapOption(
      options.subjectTokenFrom,
      (from) => SecretInput.read(from, "the id token")
    )
    const found = Option.all({
      tokenEndpoint: Option.orElse(options.subjectTokenEndpoint, () => Option.map(known, (one) => one.tokenEndpoint)),
      clientId: Option.orElse(options.subjectClientId, () => Option.map(known, (one) => one.clientId)),
      idToken: Option.orElse(idToken, () => Option.map(known, (one) => one.idToken))
    })
    return Option.isSome(found)
      ? { _tag: "IdentityAssertion", ...found.value } as const
      : yield* usage(
        "--grant jwt-bearer: an identity provider has to be named, and an id token of it",
        "give --subject-token-endpoint, --subject-client-id and --subject-token-from"
      )
  })

/**
 * Finds the grant that is asked for: the named one, or the one that the login to repeat was made by.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  tenant: TenantId,
  options: Options
): Effect.Effect<
  Pick<LoginRequest, "clientGrant" | "clientAuthMethod">,
  UsageError | CredentialStoreError,
  CredentialStore | Effect.Effect.Context<ReturnType<typeof SecretInput.read>>
> =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const before = Option.flatMap(yield* store.get(tenant), ({ credential }) => recorded(credential))
    const named = Option.getOrNull(options.grant)
    const grant = named === "client_credentials"
      ? Option.some<ClientGrantRequest>({ _tag: "ClientCredentials" })
      : named === "jwt-bearer" || Option.isSome(options.subjectTokenFrom)
      ? Option.some<ClientGrantRequest>(yield* asserted(options, before))
      : before
    const method = Option.isSome(options.clientKeyFrom) ? Option.some("private_key_jwt") : options.authMethod
    return {
      ...Option.match(grant, { onNone: () => ({}), onSome: (clientGrant) => ({ clientGrant }) }),
      ...Option.match(method, { onNone: () => ({}), onSome: (clientAuthMethod) => ({ clientAuthMethod }) })
    }
  })
