import { generateKeyPairSync, randomBytes } from "node:crypto"
import type { AdapterFactory, Configuration } from "oidc-provider"

const GRANT_TYPES = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]

/** Seconds. Longer than any test, so that nothing ends but what a test ends. */
const LONG = 24 * 3600

/** Client metadata documents come from the test and not from the network. */
const documents = (
  find: (url: string) => Record<string, unknown> | undefined
): NonNullable<Configuration["fetch"]> =>
async (url) => {
  const document = find(String(url))
  return document === undefined
    ? new Response(null, { status: 404 })
    : new Response(JSON.stringify(document), { headers: { "content-type": "application/json" } })
}

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
  /** Beside those of OpenID Connect. */
  readonly scopes: ReadonlyArray<string>
  /** The scopes of a resource that is protected (RFC 8707). */
  readonly scopesOf: (resource: string) => ReadonlyArray<string> | undefined
  /** The document of a client that is named by its address. */
  readonly clientMetadata?: ((url: string) => Record<string, unknown> | undefined) | undefined
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
  scopes: ["openid", "offline_access", "email", ...options.scopes],
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
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_ctx, resource) => {
        const scopes = options.scopesOf(resource)
        if (scopes === undefined) {
          const { errors } = await import("oidc-provider")
          throw new errors.InvalidTarget()
        }
        return { scope: scopes.join(" "), audience: resource, accessTokenFormat: "opaque" }
      },
      useGrantedResource: () => false
    },
    ...options.clientMetadata === undefined
      ? {}
      : { clientIdMetadataDocument: { enabled: true, ack: "draft-02" } }
  },
  ...options.clientMetadata === undefined ? {} : { fetch: documents(options.clientMetadata) },
  findAccount: (_ctx, accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, email: `${accountId}@example.com` })
  }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` }
})
