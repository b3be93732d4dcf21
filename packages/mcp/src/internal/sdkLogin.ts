/**
 * A login that the SDK has brought: the code is spent, and its tokens are not stored yet. They are stored in place of
 * the very login that the flow began with, under the locks of a refresh, or they are given back.
 */
import { Credential } from "@lockstep/core/Credential"
import type { CredentialWriter } from "@lockstep/core/CredentialWriter"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import type { Host } from "@lockstep/core/Host"
import * as Lineage from "@lockstep/core/Lineage"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import type { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { OAuthClientInformation, OAuthTokens } from "../SdkTypes.js"
import { VENDOR } from "./flow.js"

export interface Services {
  readonly writer: CredentialWriter["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly policy: RefreshPolicy["Type"]
  readonly host: Host["Type"]
}

export interface Brought {
  readonly tokens: OAuthTokens
  readonly attempt: Option.Option<PendingLogin>
  readonly client: Option.Option<OAuthClientInformation>
  readonly issuer: Option.Option<string>
}

const secret = (text: string | undefined) => Option.map(Option.fromNullable(text), (one) => Redacted.make(one))

const credentialOf = ({ attempt, client, issuer, tokens }: Brought, now: number): Credential => {
  const known = Option.getOrUndefined(client)
  const member = <A>(read: (login: PendingLogin) => Option.Option<A>) => Option.flatMap(attempt, read)
  return Credential.make({
    vendor: Option.some(VENDOR),
    issuer: Option.orElse(issuer, () => member((login) => login.issuer)),
    tokenEndpoint: member((login) => login.tokenEndpoint),
    revocationEndpoint: member((login) => login.revocationEndpoint),
    clientId: Option.orElse(Option.fromNullable(known?.client_id), () => member((login) => login.clientId)),
    clientSecret: Option.orElse(secret(known?.client_secret), () => member((login) => login.clientSecret)),
    clientSecretExpiresAt: Option.orElse(
      Option.filter(Option.fromNullable(known?.client_secret_expires_at), (end) => end > 0),
      () => member((login) => login.clientSecretExpiresAt)
    ),
    tokenEndpointAuthMethod: Option.orElse(
      Option.fromNullable(known?.token_endpoint_auth_method),
      () => member((login) => login.tokenEndpointAuthMethod)
    ),
    accessToken: Option.some(Redacted.make(tokens.access_token)),
    refreshToken: secret(tokens.refresh_token),
    idToken: secret(tokens.id_token),
    tokenType: Option.some(tokens.token_type),
    // RFC 6749, section 5.1: what the answer leaves out was granted as it was asked for.
    scope: Option.orElse(Option.fromNullable(tokens.scope), () => member((login) => login.scope)),
    resource: member((login) => login.resource),
    expiresAt: Option.map(
      Option.filter(Option.fromNullable(tokens.expires_in), (seconds) => seconds > 0),
      (seconds) => Math.floor(now / 1_000) + seconds
    ),
    obtainedAt: Option.some(Math.floor(now / 1_000))
  })
}

export const make = ({ endpoint, host, policy, writer }: Services, tenant: TenantId) => {
  /** Only this process knows of these tokens: they are ended, for so long and no longer. */
  const giveBack = (credential: Credential) =>
    endpoint.revoke(tenant, credential).pipe(
      Effect.disconnect,
      Effect.timeoutOption(policy.revokeTimeout),
      Effect.asVoid
    )

  /** Stores the login. `false`: another login was stored meanwhile, and stays. */
  return (brought: Brought): Effect.Effect<boolean, CredentialStoreError | LockTimeout | LockUnavailable> =>
    Effect.gen(function*() {
      const credential = credentialOf(brought, yield* Clock.currentTimeMillis)
      const began = Option.flatMap(brought.attempt, ({ replaces }) => replaces)
      // Once the writer has it, what is not stored is revoked by the writer.
      let isHandedOver = false
      const obtain = Effect.sync(() => {
        isHandedOver = true
        return credential
      })
      return yield* writer.login(tenant, obtain, {
        like: credential,
        replace: (present, journal) => Option.exists(began, (name) => Lineage.isOf(host, name, present, journal))
      }).pipe(
        Effect.as(true),
        Effect.tapError(() => isHandedOver ? Effect.void : giveBack(credential)),
        Effect.catchTag("CredentialExists", () =>
          Effect.as(
            Effect.annotateLogs(
              Effect.logWarning(`another process has logged in to ${tenant} meanwhile; that login stays`),
              { tenant }
            ),
            false
          ))
      )
    }).pipe(Effect.uninterruptible, Effect.withSpan("lockstep.mcp.login", { attributes: { tenant } }))
}
