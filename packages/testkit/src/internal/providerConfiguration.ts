import { generateKeyPairSync, randomBytes } from "node:crypto"
import type { AdapterFactory, Configuration } from "oidc-provider"

const GRANT_TYPES = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]

/** Seconds. Longer than any test, so that nothing ends but what a test ends. */
const LONG = 24 * 3600

/**
 * The configuration of a strict authorization server: public native client, PKCE, rotation, and reuse of a refresh
 * token revokes the whole grant, which is what `oidc-provider` does whenever it rotates.
 */
export const make = (options: {
  readonly clientId: string
  readonly redirectUri: string
  readonly rotate: boolean
  readonly adapter: AdapterFactory
  readonly accessTokenTtl: (accountId: string) => number
}): Configuration => ({
  adapter: options.adapter,
  clients: [{
    client_id: options.clientId,
    token_endpoint_auth_method: "none",
    application_type: "native",
    redirect_uris: [options.redirectUri],
    response_types: ["code"],
    grant_types: GRANT_TYPES,
    id_token_signed_response_alg: "ES256"
  }],
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  // A key of its own: the built-in one is announced with a warning. EC, because RSA takes half a second to make.
  jwks: {
    keys: [{
      ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
      use: "sig",
      alg: "ES256"
    }]
  },
  cookies: { keys: [randomBytes(16).toString("hex")] },
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", "email"],
  claims: { openid: ["sub"], email: ["email"] },
  rotateRefreshToken: options.rotate,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed("refresh_token"),
  ttl: {
    AccessToken: (_ctx, token) => options.accessTokenTtl(token.accountId),
    AuthorizationCode: 60,
    DeviceCode: 600,
    Grant: LONG,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: LONG,
    Session: LONG
  },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => true },
    introspection: { enabled: true, allowedPolicy: () => true }
  },
  findAccount: (_ctx, accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, email: `${accountId}@example.com` })
  }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` }
})
