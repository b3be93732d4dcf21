/**
 * Lockstep for programs that await. No import of another package: these types are published as they stand.
 *
 * @since 0.1.0
 */
import type { LockstepError } from "./LockstepError.js"

/**
 * Ends the wait of one call, and nothing else: a redemption that was begun goes on and is stored. The call rejects with the
 * reason of the signal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/**
 * A span of time: milliseconds as a number, or text as the command takes it: `"300s"`, `"5m"`, `"2 hours"`.
 *
 * @since 0.1.0
 * @category models
 */
export type Span = number | string

/**
 * Where the logins are. What is left out is the command's own: `LOCKSTEP_HOME`, else `~/.lockstep`; `LOCKSTEP_STORE`, else
 * what the home is pinned to.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenOptions extends Abortable {
  /** A directory. */
  readonly home?: string | undefined
  /** `file`, `keyring`, `secrets`, `auto` or `TOOL[:PATH]`, as `lockstep --store` takes it. */
  readonly store?: string | undefined
}

/**
 * What is wanted of a token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Demand extends Abortable {
  /** Validity required, whatever the lifetime is. */
  readonly minTtl?: Span | undefined
  /** Validity wished for, in place of the vendor's; at most a quarter of the lifetime is enforced. */
  readonly margin?: Span | undefined
}

/**
 * Who is logged in, as far as the server said.
 *
 * @since 0.1.0
 * @category models
 */
export interface Account {
  readonly id: string | undefined
  readonly label: string | undefined
}

/**
 * A usable access token. The token itself is in no enumerable member: printing or serializing this object shows no secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccessToken {
  readonly tenant: string
  /** The secret. */
  readonly token: string
  /** The value of the header field `Authorization`: type and secret. */
  readonly authorization: string
  /** As the server wrote it; `Bearer` where it wrote that in any case, or nothing. */
  readonly tokenType: string
  /** Scopes with spaces between, where they are known. */
  readonly scope: string | undefined
  /** RFC 8707: the resource that it was asked for. */
  readonly resource: string | undefined
  readonly expiresAt: Date | undefined
  readonly account: Account | undefined
  /** Counts the changes of the login. */
  readonly generation: number
}

/**
 * What a forced refresh changed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refreshed {
  readonly token: AccessToken
  /** `redeemed`: by this process. `adopted`: another process did it while this one waited. */
  readonly by: "redeemed" | "adopted"
  /** Whether the refresh token is another one than before. */
  readonly rotated: boolean
  readonly previousGeneration: number
}

/**
 * How a login stands, in one word, as `lockstep status` says it.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "fresh" | "expiring" | "expired" | "refreshing" | "cooldown" | "needs_login"

/**
 * How a login stands. Holds no token and no way to one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly tenant: string
  readonly state: State
  /** Why the next refresh needs a person. */
  readonly reason: LoginReason | undefined
  /** When the next refresh may be sent, where it has to wait. */
  readonly waitsUntil: Date | undefined
  readonly expiresAt: Date | undefined
  /** The end of the login, which no refresh extends, where it is known. */
  readonly loginExpiresAt: Date | undefined
  readonly account: Account | undefined
  readonly vendor: string | undefined
  readonly issuer: string | undefined
  readonly resource: string | undefined
  readonly generation: number
  /** The process that refreshes at this moment. */
  readonly holder: Holder | undefined
}

/**
 * The reasons of `ReauthorizationRequired`.
 *
 * @since 0.1.0
 * @category models
 */
export type LoginReason = Extract<LockstepError, { readonly _tag: "ReauthorizationRequired" }>["reason"]

/**
 * A process that holds a login.
 *
 * @since 0.1.0
 * @category models
 */
export interface Holder {
  readonly pid: number
  readonly command: string | undefined
  /** Suspended by a signal: it goes on when it is continued. */
  readonly stopped: boolean
}

/**
 * A login whose record or journal cannot be read. The others are not hidden by it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Damaged {
  readonly tenant: string
  readonly state: "damaged"
  readonly error: LockstepError
}

/**
 * Whose token is attached, and where it may go.
 *
 * @since 0.1.0
 * @category models
 */
export interface FetchOptions extends Omit<Demand, "signal"> {
  readonly tenant: string
  /**
   * The origins that the token may be sent to: `https://api.example`. Where none are named, it is the origin of the
   * credential's `resource`; where that is unknown, too, every request is refused.
   */
  readonly origins?: ReadonlyArray<string> | undefined
  /** How long it may take until the head of the response is there, refreshing not counted. No bound. */
  readonly timeout?: Span | undefined
  /** How many redirects are followed; with 0 each is handed out. 20. */
  readonly maxRedirects?: number | undefined
  /** Whether a demand for more scope is raised as `InsufficientScope`, or its 403 handed out. Raised. */
  readonly stepUp?: "raise" | "respond" | undefined
  /** The `fetch` that sends. The global one. */
  readonly fetch?: Fetch | undefined
}

/**
 * A function like `fetch`.
 *
 * @since 0.1.0
 * @category models
 */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * What a person is asked to do.
 *
 * @since 0.1.0
 * @category models
 */
export type Invitation =
  | {
    readonly kind: "browser"
    /** The page to log in at; holds nothing secret besides what OAuth puts into an address. */
    readonly url: string
    readonly expiresAt: Date
  }
  | {
    readonly kind: "device"
    readonly url: string
    /** What the person enters there, or compares. */
    readonly userCode: string
    /** An address that holds the code already. */
    readonly urlWithCode: string | undefined
    readonly expiresAt: Date
  }

/**
 * Which login is wanted, and how a person gets to it. What is left out comes from the stored login, the vendor and the
 * server's metadata.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginOptions extends Abortable {
  /** The name of the login, where it is not that of the target. */
  readonly tenant?: string | undefined
  /** A second account: names the login `VENDOR@PROFILE`. */
  readonly profile?: string | undefined
  readonly issuer?: string | undefined
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
  /** RFC 8707. */
  readonly resource?: string | undefined
  /** A device grant: the person logs in on another device. */
  readonly device?: boolean | undefined
  /** Whether a live login may be replaced. Not. */
  readonly replace?: boolean | undefined
  /** Accepts the terms of a vendor that reserves its login for its own programs. */
  readonly acceptTerms?: boolean | undefined
  /** The port that the answer of the browser comes back to. The vendor's, or any that is free. */
  readonly port?: number | undefined
  /** How long the person may take. Ten minutes, or what the server says. */
  readonly timeout?: Span | undefined
  /**
   * Shows a person what to do. Where this is left out, the address is opened in a browser of this machine; with it, nothing
   * is opened.
   */
  readonly onInvitation?: ((invitation: Invitation) => void | Promise<void>) | undefined
  /**
   * Asks for the code or the address that the browser ended at, where the browser is on another machine; the login goes on
   * with whichever answer comes first. The signal is aborted when the login is over.
   */
  readonly paste?: ((signal: AbortSignal) => Promise<string>) | undefined
}

/**
 * A login that is stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoggedIn {
  readonly tenant: string
  readonly account: Account | undefined
  /** Whether there was a login before. */
  readonly replaced: boolean
  readonly scope: string | undefined
  readonly expiresAt: Date | undefined
  readonly generation: number
}

/**
 * Which MCP server, and how a person gets to a browser.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpOptions extends Omit<Demand, "signal"> {
  readonly tenant: string
  /** The MCP server, as the transport is told it. */
  readonly serverUrl: string | URL
  /** Where the token may go besides. */
  readonly origins?: ReadonlyArray<string> | undefined
  /** How long it may take until the head of a response is there, refreshing not counted. No bound. */
  readonly timeout?: Span | undefined
  /** The `fetch` that sends. The global one. */
  readonly fetch?: ((url: string | URL, init?: RequestInit) => Promise<Response>) | undefined
  /** Sends a person to the browser. Without it a request that needs a login fails with `LoginRequired`. */
  readonly redirectToAuthorization?: ((authorizationUrl: URL) => void | Promise<void>) | undefined
  /** Where the answer comes back to. Required together with `redirectToAuthorization`. */
  readonly redirectUrl?: string | URL | undefined
  /** Names the flow, where another process may be the one that the answer comes back to. */
  readonly flow?: string | undefined
  /** Where this client describes itself (Client ID Metadata Document), for servers that read one. */
  readonly clientMetadataUrl?: string | undefined
}

/**
 * Access tokens of the logins that the command and all other programs of this machine share.
 *
 * Every promise rejects with a {@link LockstepError}, or with the reason of its signal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lockstep {
  /** Answers with a usable access token, refreshing at most once among all processes where no stored one will do. */
  readonly accessToken: (tenant: string, demand?: Demand) => Promise<AccessToken>
  /** Answers with another access token than the one that a resource server rejected. */
  readonly recover: (tenant: string, rejected: string | AccessToken, demand?: Demand) => Promise<AccessToken>
  /** Redeems now, on a person's behalf; `acceptRisk` spends one more attempt after an unknown outcome. */
  readonly refresh: (
    tenant: string,
    options?: Abortable & { readonly acceptRisk?: boolean | undefined }
  ) => Promise<Refreshed>
  /** Tells how one login stands, or all of them in the order of their names: without a lock, and without asking a server. */
  readonly status: {
    (tenant: string, options?: Abortable): Promise<Status>
    (options?: Abortable): Promise<ReadonlyArray<Status | Damaged>>
  }
  /**
   * Makes a `fetch` that sends a fresh token with each request, recovers once from a rejected one, and sends nothing twice
   * but what was answered 401.
   */
  readonly fetch: (options: FetchOptions) => Fetch
  /** Makes the options of a transport of the MCP TypeScript SDK, of either line: `authProvider` and `fetch`. */
  readonly mcp: (options: McpOptions) => Promise<McpTransport>
  /** Logs a person in. `target` is a vendor, a stored tenant, or the address of an MCP server. */
  readonly login: (target: string, options?: LoginOptions) => Promise<LoggedIn>
  /** Waits for the refreshes that are under way and stores what they bring; later calls reject with `Closed`. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * The options of a transport of the MCP TypeScript SDK.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpTransport {
  readonly authProvider: McpAuthProvider
  readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>
}

/**
 * Tokens as the SDK reads and hands them over, in the words of RFC 6749 section 5.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpTokens {
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
 * A registered client, RFC 7591 section 3.2.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpClientInformation {
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
export interface McpClientMetadata {
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
 * What the SDK found out about a server, given back as it came.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpDiscoveryState {
  authorizationServerUrl: string
  // eslint-disable-next-line typescript/no-explicit-any -- the SDK's own shapes, of either line
  authorizationServerMetadata?: any
  // eslint-disable-next-line typescript/no-explicit-any -- the SDK's own shapes, of either line
  resourceMetadata?: any
  resourceMetadataUrl?: string
}

/**
 * Which authorization server a call is about; line 1 of the SDK says nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpIssuerContext {
  readonly issuer: string
}

/**
 * An `OAuthClientProvider` of both lines of the SDK, whose logins are those of this `Lockstep`.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpAuthProvider {
  /** The name of the flow: a process that has it can end the flow. */
  readonly flow: string
  readonly redirectUrl: string
  readonly clientMetadata: McpClientMetadata
  readonly clientMetadataUrl?: string
  readonly state: () => Promise<string>
  /** Whether an answer's `state` is the one of this flow. Ask before `finishAuth`: line 1 of the SDK does not. */
  readonly isOwnState: (state: string) => Promise<boolean>
  /** Checks an answer (its state, and RFC 9207) and gives its code. Rejects with `AnswerRefused`. */
  readonly codeOf: (answer: URL | URLSearchParams) => Promise<string>
  readonly clientInformation: (context?: McpIssuerContext) => Promise<McpClientInformation | undefined>
  readonly saveClientInformation: (client: McpClientInformation, context?: McpIssuerContext) => Promise<void>
  readonly tokens: (context?: McpIssuerContext) => Promise<McpTokens | undefined>
  readonly saveTokens: (tokens: McpTokens, context?: McpIssuerContext) => Promise<void>
  readonly redirectToAuthorization: (authorizationUrl: URL) => Promise<void>
  readonly saveCodeVerifier: (codeVerifier: string) => Promise<void>
  readonly codeVerifier: () => Promise<string>
  readonly validateResourceURL: (serverUrl: string | URL, resource?: string) => Promise<URL | undefined>
  readonly invalidateCredentials: (scope: "all" | "client" | "tokens" | "verifier" | "discovery") => Promise<void>
  readonly saveDiscoveryState: (state: McpDiscoveryState) => Promise<void>
  readonly discoveryState: () => Promise<McpDiscoveryState | undefined>
}
