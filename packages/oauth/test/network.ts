import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import type { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import { codex } from "@lockstep/oauth/vendors/Codex"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import type { ScriptedServer } from "@lockstep/testkit/servers/ScriptedServer"
import type { IssuedTokens } from "@lockstep/testkit/servers/TokenFamilies"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

export const tenant = TenantId.make("test")

/** What the command sends with, over real sockets. */
export const layerNetwork = Layer.effect(RoundTripper, NodeRoundTripper.make)

const vendors = [
  codex,
  OAuthVendor.make({ id: "with-extras", refreshParameters: { audience: "api" }, headers: { "x-client": "test" } }),
  OAuthVendor.make({ id: "with-post", clientAuth: "client_secret_post" }),
  OAuthVendor.make({ id: "without-revocation", revocation: Option.none() })
]

/** The token endpoint as the command wires it, with a few more vendors. */
export const layer = OAuthTokenEndpoint.layer.pipe(
  Layer.provide([
    layerNetwork,
    VendorRegistry.layer(vendors),
    VendorSettings.layerMemory,
    ClientRegistrations.layerMemory
  ])
)

/** A record with the tokens of a login at this server, as an import would leave it. */
export const credential = (
  server: Pick<ScriptedServer, "tokenEndpoint">,
  tokens: Pick<IssuedTokens, "accessToken" | "refreshToken">,
  rest: Partial<ConstructorParameters<typeof Credential.Credential>[0]> = {}
): Credential.Credential =>
  Credential.Credential.make({
    vendor: Option.none(),
    issuer: Option.none(),
    tokenEndpoint: Option.some(server.tokenEndpoint),
    revocationEndpoint: Option.none(),
    clientId: Option.some("client"),
    clientSecret: Option.none(),
    accessToken: Option.some(Redacted.make(tokens.accessToken)),
    refreshToken: Option.some(Redacted.make(tokens.refreshToken)),
    idToken: Option.none(),
    tokenType: Option.none(),
    scope: Option.none(),
    resource: Option.none(),
    expiresAt: Option.none(),
    obtainedAt: Option.none(),
    loginExpiresAt: Option.none(),
    account: Option.none(),
    lastRedeem: Option.none(),
    ...rest
  })

/** The default of `redeemLimit`. */
export const limit = Duration.seconds(15)

/** Prepares and redeems. */
export const redeem = (record: Credential.Credential) =>
  Effect.flatMap(
    TokenEndpoint,
    (endpoint) => Effect.flatMap(endpoint.prepare(tenant, record), ({ redeem }) => redeem(limit))
  )

/** Names an answer with what a table can compare. */
export const verdict = (answer: RedeemAnswer): string =>
  "reason" in answer ? `${answer._tag} ${answer.reason}` : answer._tag
