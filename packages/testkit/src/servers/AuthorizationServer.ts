/**
 * A strict OAuth authorization server on loopback: `oidc-provider`, as its users run it.
 *
 * It rotates refresh tokens, and a refresh token that is presented twice revokes the whole login: the accident that the
 * product exists to prevent happens here for real. Around the provider lies a thin shell that understands JSON bodies,
 * holds or delays refreshes, and keeps a ledger.
 *
 * @since 0.1.0
 */
import * as Gate from "@lockstep/testing/Gate"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash, randomBytes } from "node:crypto"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { KoaContextWithOIDC, Provider } from "oidc-provider"
import * as browser from "../internal/browser.js"
import * as consent from "../internal/consent.js"
import * as formRequest from "../internal/formRequest.js"
import * as Loopback from "../internal/loopback.js"
import * as provider from "../internal/provider.js"
import * as providerConfiguration from "../internal/providerConfiguration.js"
import * as providerStorage from "../internal/providerStorage.js"
import * as LoginPages from "./LoginPages.js"
import * as TokenLedger from "./TokenLedger.js"

/**
 * How the server behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long a refresh travels before the server looks at it. None. */
  readonly latency?: Duration.DurationInput
  /** Whether a refresh retires the refresh token. Yes. */
  readonly rotate?: boolean
  /** Whether a refresh token that was exchanged is taken again, as servers with a grace do. No: it ends the login. */
  readonly forgiving?: boolean
  /** Whether a person at a browser logs in and agrees on pages, in place of a script that agrees to everything. No. */
  readonly pages?: boolean
  /** Whether a token request without `resource` (RFC 8707) is refused, as some servers do. No. */
  readonly requireResource?: boolean
  /** Scopes of resources that clients may name when they register. None: they register without a scope. */
  readonly scopes?: ReadonlyArray<string>
  /** The metadata document of a client whose id is this https address. Without it, no client is named in this way. */
  readonly clientMetadata?: (url: string) => Record<string, unknown> | undefined
}

/**
 * How a login is issued.
 *
 * @since 0.1.0
 * @category models
 */
export interface IssueOptions {
  /** Lifetime of every access token of this account, now and after refreshes, in seconds. 3600. */
  readonly accessTokenTtl?: number
  readonly scope?: string
  /** The resource that the tokens are for, which has to be protected. */
  readonly resource?: string
}

/**
 * A token request, without what is secret in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenRequest {
  readonly grantType: string | null
  readonly clientId: string | null
  readonly resource: string | null
}

/**
 * What introspection (RFC 7662) says about a token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Introspection {
  readonly active: boolean
  readonly sub?: string
  readonly aud?: string
  readonly scope?: string
  readonly client_id?: string
}

/**
 * A successful answer of the token endpoint (RFC 6749 §5.1), as on the wire.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenEndpointResponse {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope: string
}

/**
 * A running authorization server.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationServer {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  /** A public native client with PKCE, RFC 8252. */
  readonly clientId: string
  readonly redirectUri: string
  /** What it issued and what was done with it. */
  readonly ledger: TokenLedger.TokenLedger
  /** Refreshes before the server has looked at them; told apart by the fingerprint of their refresh token. */
  readonly requests: Gate.Gate<string>
  /** Refreshes that are answered: the refresh token is consumed, and the client has not been told yet. */
  readonly answers: Gate.Gate<string>
  /**
   * Logs an account in. The consent is written down directly, and everything after it is real: the authorization code
   * is exchanged at the token endpoint. It leaves the same records as `login`, at a fifth of its requests.
   */
  readonly issue: (accountId: string, options?: IssueOptions) => Effect.Effect<TokenEndpointResponse>
  /** Logs an account in the way a person does: authorization request, login, consent, code, all over HTTP. */
  readonly login: (accountId: string, options?: IssueOptions) => Effect.Effect<TokenEndpointResponse>
  /** Presents a refresh token as any client would, and answers with status and body. */
  readonly refresh: (refreshToken: string) => Effect.Effect<{
    readonly status: number
    readonly body: Partial<TokenEndpointResponse> & { readonly error?: string }
  }>
  /** Whether the server still honours a token, asked by introspection (RFC 7662). */
  readonly isActive: (token: string) => Effect.Effect<boolean>
  /** All that the server says about a token. */
  readonly introspect: (token: string) => Effect.Effect<Introspection>
  /** Issues tokens for a resource from now on (RFC 8707), in these scopes. Other resources are refused. */
  readonly protect: (resource: string, scopes: ReadonlyArray<string>) => Effect.Effect<void>
  /** Knows a client no more, as a server that keeps registrations in memory does when it starts again. */
  readonly forget: (clientId: string) => Effect.Effect<void>
  /** Every token request, in order. The list grows while the server runs. */
  readonly tokenRequests: ReadonlyArray<TokenRequest>
  /** Every client that registered itself, in order. The list grows while the server runs. */
  readonly registrations: ReadonlyArray<string>
}

const CLIENT_ID = "lockstep-testkit"
const REDIRECT_URI = "http://127.0.0.1/callback"

/** Seconds. */
const DEFAULT_TTL = 3600

const SECRETS = ["access_token", "refresh_token", "id_token", "device_code"] as const

/** Keeps the ledger by the provider's own events: the body of a refusal never says that a token was reused. */
const keep = (ledger: TokenLedger.TokenLedger, server: Provider): void => {
  const accounts = new Map<string, string>()
  const presented = (ctx: KoaContextWithOIDC) => TokenLedger.fingerprint(String(ctx.oidc.params?.["refresh_token"]))
  server.on("grant.saved", (grant) => void accounts.set(grant.jti, grant.accountId ?? ""))
  server.on("grant.success", (ctx) => {
    const body = ctx.body as Partial<TokenEndpointResponse>
    if (ctx.oidc.params?.["grant_type"] !== "refresh_token") return
    ledger.record(TokenLedger.LedgerEvent.Redeemed({
      at: TokenLedger.now(),
      accountId: ctx.oidc.account?.accountId ?? "",
      fingerprint: presented(ctx),
      successor: TokenLedger.fingerprint(body.refresh_token ?? ""),
      accessToken: TokenLedger.fingerprint(body.access_token ?? "")
    }))
  })
  server.on("grant.error", (ctx, error) => {
    if (ctx.oidc.params?.["grant_type"] !== "refresh_token") return
    const detail = error.error_detail ?? error.error_description ?? error.error
    const event = { at: TokenLedger.now(), fingerprint: presented(ctx) }
    ledger.record(
      detail === "refresh token already used"
        ? TokenLedger.LedgerEvent.Reused(event)
        : TokenLedger.LedgerEvent.Refused({ ...event, detail })
    )
  })
  server.on("grant.revoked", (ctx, grantId) => {
    ledger.record(TokenLedger.LedgerEvent.Revoked({
      at: TokenLedger.now(),
      accountId: accounts.get(grantId) ?? "",
      by: ctx.oidc.route === "token" ? "reuse" : "request"
    }))
  })
}

/**
 * Starts an authorization server on a free loopback port. It ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<AuthorizationServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const latency = Duration.decode(options.latency ?? 0)
    const ledger = new TokenLedger.TokenLedger()
    const ttls = new Map<string, number>()
    const requests = Gate.make<string>()
    const answers = Gate.make<string>()
    const resources = new Map<string, ReadonlyArray<string>>()
    const tokenRequests: Array<TokenRequest> = []
    /** How many requests with a refresh token are on their way now. */
    const underWay = new Map<string, number>()
    const registrations: Array<string> = []

    // The issuer names the port, so the socket comes before the provider.
    const http = createServer()
    const port = yield* Loopback.listen(http)
    const issuer = `http://127.0.0.1:${port}`
    const tokenEndpoint = `${issuer}/token`
    const storage = providerStorage.make({ forgiving: options.forgiving ?? false })
    const server = yield* provider.make(
      issuer,
      providerConfiguration.make({
        clientId: CLIENT_ID,
        redirectUri: REDIRECT_URI,
        rotate: options.rotate ?? true,
        adapter: storage,
        accessTokenTtl: (accountId) => ttls.get(accountId) ?? DEFAULT_TTL,
        scopes: options.scopes ?? [],
        scopesOf: (resource) => resources.get(resource),
        clientMetadata: options.clientMetadata
      })
    )
    keep(ledger, server)
    server.on("registration_create.success", (_, client) => void registrations.push(client.clientId))

    // A server with a database decides in one step whether a token was used. This one decides over several turns of
    // the event loop, in which a second request for the same token would slip through unnoticed.
    const oneByOne = yield* Effect.makeSemaphore(1)
    server.use(async (ctx, next) => {
      if (ctx.path.startsWith("/interaction/")) {
        if (options.pages !== true) return ctx.redirect(await consent.answer(server, ctx.req, ctx.res))
        const answer = await LoginPages.serve(server, ctx.req, ctx.res)
        if (answer._tag === "GoOn") return ctx.redirect(answer.location)
        ctx.status = answer.status
        ctx.type = "html"
        ctx.body = answer.html
        return
      }
      if (ctx.path !== "/token") return next()
      await Effect.runPromise(oneByOne.withPermits(1)(Effect.promise(next)))
      const body = ctx.body as Record<string, unknown>
      for (const kind of SECRETS) if (typeof body[kind] === "string") ledger.issued(kind, body[kind])
      const refreshToken = ctx.oidc.params?.["refresh_token"]
      if (typeof refreshToken === "string") {
        await Effect.runPromise(answers.pass(TokenLedger.fingerprint(refreshToken)))
      }
    })

    const callback = server.callback()
    const receive = (request: IncomingMessage, response: ServerResponse) =>
      Effect.gen(function*() {
        const body = yield* Effect.promise(() => formRequest.readBody(request))
        const form = formRequest.parameters(request, body)
        if (request.url === "/token") {
          tokenRequests.push({
            grantType: form.get("grant_type"),
            clientId: form.get("client_id"),
            resource: form.get("resource")
          })
          if (options.requireResource === true && !form.has("resource")) {
            response.writeHead(400, { "content-type": "application/json" })
            response.end(JSON.stringify({ error: "invalid_target", error_description: "resource is missing" }))
            return
          }
        }
        const refreshToken = form.get("refresh_token")
        const answer = Effect.promise(() => callback(formRequest.withForm(request, form), response))
        if (form.get("grant_type") !== "refresh_token" || refreshToken === null) return yield* answer
        const fingerprint = TokenLedger.fingerprint(refreshToken)
        if (underWay.has(fingerprint)) {
          ledger.record(TokenLedger.LedgerEvent.Overlapped({ at: TokenLedger.now(), fingerprint }))
        }
        underWay.set(fingerprint, (underWay.get(fingerprint) ?? 0) + 1)
        yield* Effect.sleep(latency).pipe(
          Effect.zipRight(requests.pass(fingerprint)),
          Effect.zipRight(answer),
          Effect.ensuring(Effect.sync(() => {
            const left = underWay.get(fingerprint)! - 1
            if (left === 0) underWay.delete(fingerprint)
            else underWay.set(fingerprint, left)
          }))
        )
      })
    http.on("request", (request, response) => {
      if (request.method === "POST" && (request.url === "/token" || request.url === "/token/revocation")) {
        // On the live clock, whatever clock the test runs on: the client is a real process.
        Effect.runFork(Effect.catchAllCause(receive(request, response), () => Effect.sync(() => response.destroy())))
      } else void callback(request, response)
    })

    const post = (url: string, form: Record<string, string>) =>
      Effect.promise(async () => {
        const response = await fetch(url, {
          method: "POST",
          body: new URLSearchParams({ client_id: CLIENT_ID, ...form })
        })
        return { status: response.status, body: await response.json() as Record<string, unknown> }
      })

    const resourceOf = ({ resource }: IssueOptions) => resource === undefined ? {} : { resource }
    const redeemCode = (code: string, verifier: string, issue: IssueOptions) => {
      ledger.issued("code", code)
      ledger.issued("code_verifier", verifier)
      return Effect.flatMap(
        post(tokenEndpoint, {
          grant_type: "authorization_code",
          code,
          code_verifier: verifier,
          redirect_uri: REDIRECT_URI,
          ...resourceOf(issue)
        }),
        ({ body, status }) =>
          status === 200
            ? Effect.succeed(body as unknown as TokenEndpointResponse)
            : Effect.dieMessage(`the code was refused: HTTP ${status} ${String(body["error_description"])}`)
      )
    }
    const introspect = (token: string) =>
      Effect.map(
        post(`${issuer}/token/introspection`, { token }),
        ({ body }) => body as unknown as Introspection
      )
    const pkce = () => {
      const verifier = randomBytes(32).toString("base64url")
      return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") }
    }
    const prepare = (accountId: string, issue: IssueOptions) => {
      if (issue.accessTokenTtl !== undefined) ttls.set(accountId, issue.accessTokenTtl)
      return { ...pkce(), scope: issue.scope ?? consent.SCOPE }
    }

    return {
      issuer,
      tokenEndpoint,
      revocationEndpoint: `${issuer}/token/revocation`,
      clientId: CLIENT_ID,
      redirectUri: REDIRECT_URI,
      ledger,
      requests,
      answers,
      issue: (accountId, issue = {}) =>
        Effect.gen(function*() {
          const { challenge, scope, verifier } = prepare(accountId, issue)
          const code = yield* Effect.promise(async () => {
            const grantId = await consent.grant(server, {
              accountId,
              clientId: CLIENT_ID,
              scope,
              resources: Object.values(resourceOf(issue))
            })
            const client = await server.Client.find(CLIENT_ID)
            return new server.AuthorizationCode({
              accountId,
              client: client!,
              grantId,
              gty: "authorization_code",
              scope,
              redirectUri: REDIRECT_URI,
              ...resourceOf(issue),
              codeChallenge: challenge,
              codeChallengeMethod: "S256",
              authTime: Math.floor(Date.now() / 1000)
            }).save()
          })
          return yield* redeemCode(code, verifier, issue)
        }),
      login: (accountId, issue = {}) =>
        Effect.gen(function*() {
          const { challenge, scope, verifier } = prepare(accountId, issue)
          const request = new URL(`${issuer}/auth`)
          request.search = new URLSearchParams({
            client_id: CLIENT_ID,
            response_type: "code",
            redirect_uri: REDIRECT_URI,
            scope,
            prompt: "consent",
            login_hint: accountId,
            ...resourceOf(issue),
            code_challenge: challenge,
            code_challenge_method: "S256"
          }).toString()
          const answer = yield* Effect.promise(() => browser.authorize(request, REDIRECT_URI))
          return yield* redeemCode(answer.searchParams.get("code") ?? "", verifier, issue)
        }),
      refresh: (refreshToken) => post(tokenEndpoint, { grant_type: "refresh_token", refresh_token: refreshToken }),
      isActive: (token) => Effect.map(introspect(token), ({ active }) => active),
      introspect,
      protect: (resource, scopes) => Effect.sync(() => void resources.set(resource, scopes)),
      forget: (clientId) => Effect.promise(() => storage("Client").destroy(clientId)),
      tokenRequests,
      registrations
    }
  })
