/**
 * What the MCP TypeScript SDK asks of the keeper of its logins, written down once for both lines of it: v1
 * (`@modelcontextprotocol/sdk`, 1.20 and later) and v2 (`@modelcontextprotocol/client`). Types only, and none of them is
 * the SDK's: a program that has neither line installed compiles with this.
 *
 * @since 0.1.0
 */

/**
 * Tokens as the SDK reads and hands them over, in the words of RFC 6749 section 5.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthTokens {
  access_token: string
  token_type: string
  id_token?: string | undefined
  /** Seconds. */
  expires_in?: number | undefined
  scope?: string | undefined
  refresh_token?: string | undefined
  /** Stamped by the SDK: the authorization server that issued them. */
  issuer?: string | undefined
}

/**
 * A registered client, RFC 7591 section 3.2.1, as far as Lockstep reads it.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthClientInformation {
  client_id: string
  client_secret?: string | undefined
  client_id_issued_at?: number | undefined
  /** Seconds since the epoch; 0 is never. */
  client_secret_expires_at?: number | undefined
  token_endpoint_auth_method?: string | undefined
  /** Stamped by the SDK: the authorization server that knows the client. */
  issuer?: string | undefined
}

/**
 * What a client says of itself when it registers, RFC 7591 section 2.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthClientMetadata {
  redirect_uris: Array<string>
  client_name?: string | undefined
  client_uri?: string | undefined
  logo_uri?: string | undefined
  application_type?: "native" | "web"
  grant_types?: Array<string> | undefined
  response_types?: Array<string> | undefined
  scope?: string | undefined
  token_endpoint_auth_method?: string | undefined
  software_id?: string | undefined
  software_version?: string | undefined
}

/**
 * What the SDK found out about a server. Only what is read here is named; the rest goes through untouched.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthDiscoveryState {
  authorizationServerUrl: string
  // The SDK's own shapes, of either line: given back as they came.
  // eslint-disable-next-line typescript/no-explicit-any
  authorizationServerMetadata?: any
  // eslint-disable-next-line typescript/no-explicit-any
  resourceMetadata?: any
  resourceMetadataUrl?: string
}

/**
 * What v2 says beside: which authorization server a call is about. v1 says nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface IssuerContext {
  readonly issuer: string
}

/**
 * What may be declared void: a login of this flow, its client, its verifier, what was discovered, or all of it.
 *
 * @since 0.1.0
 * @category models
 */
export type InvalidationScope = "all" | "client" | "tokens" | "verifier" | "discovery"

/**
 * An `OAuthClientProvider` of both lines of the SDK. Every method that reaches the store answers with a promise, which
 * rejects with the typed error itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthClientProvider {
  /** The name of the flow: another process that has it can end the flow. */
  readonly flow: string
  readonly redirectUrl: string
  readonly clientMetadata: OAuthClientMetadata
  readonly clientMetadataUrl?: string
  /** Makes the state of a new authorization request. */
  readonly state: () => Promise<string>
  /** Whether an answer's `state` is the one of this flow. Ask before `finishAuth`: the SDK does not. */
  readonly isOwnState: (state: string) => Promise<boolean>
  /**
   * Checks an answer and gives its code: its state is the one of this flow, and it comes from the server that was asked
   * (RFC 9207). SDK 2 checks the second by itself, in `finishAuth(searchParams)`; SDK 1 takes a code and sees no more of
   * the answer. Rejects with `AnswerRefused`.
   */
  readonly codeOf: (answer: URL | URLSearchParams) => Promise<string>
  readonly clientInformation: (context?: IssuerContext) => Promise<OAuthClientInformation | undefined>
  readonly saveClientInformation: (client: OAuthClientInformation, context?: IssuerContext) => Promise<void>
  readonly tokens: (context?: IssuerContext) => Promise<OAuthTokens | undefined>
  readonly saveTokens: (tokens: OAuthTokens, context?: IssuerContext) => Promise<void>
  readonly redirectToAuthorization: (authorizationUrl: URL) => Promise<void>
  readonly saveCodeVerifier: (codeVerifier: string) => Promise<void>
  readonly codeVerifier: () => Promise<string>
  readonly validateResourceURL: (serverUrl: string | URL, resource?: string) => Promise<URL | undefined>
  readonly invalidateCredentials: (scope: InvalidationScope) => Promise<void>
  readonly saveDiscoveryState: (state: OAuthDiscoveryState) => Promise<void>
  readonly discoveryState: () => Promise<OAuthDiscoveryState | undefined>
}
