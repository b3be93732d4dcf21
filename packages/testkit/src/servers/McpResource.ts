/**
 * A real MCP server on loopback that asks for a bearer token: the MCP SDK behind a resource server as the authorization
 * section of the specification describes it, with a metadata document (RFC 9728) and challenges (RFC 6750). Tokens are
 * checked at the authorization server, by introspection, at every request.
 *
 * Its tools: `echo` answers `text`; `stream` reports `count` steps of progress, each through the gate `steps`, and
 * answers last; `write` needs the scope `files:write`.
 *
 * @since 0.1.0
 */
import * as Gate from "@lockstep/testing/Gate"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as formRequest from "../internal/formRequest.js"
import * as Loopback from "../internal/loopback.js"
import * as mcpSessions from "../internal/mcpSessions.js"
import type * as AuthorizationServer from "./AuthorizationServer.js"
import * as TokenLedger from "./TokenLedger.js"

/**
 * How the server is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Issues and checks the tokens. */
  readonly authorizationServer: Pick<AuthorizationServer.AuthorizationServer, "issuer" | "introspect" | "protect">
  /** Where the server is on its origin. `/mcp`. */
  readonly path?: string
  /** Whose server it is: the one of `@modelcontextprotocol/sdk`. */
  readonly sdk?: "v1"
  /** Changes the metadata document, or answers something else than one. */
  readonly metadata?: (document: Readonly<Record<string, unknown>>) => unknown
  /** Answers requests before all others; a request that it does not answer goes on. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Makes the challenge of a 401 another one; `undefined` leaves it out. */
  readonly challenge?: (challenge: string) => string | undefined
}

/**
 * A request that was seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface SeenRequest {
  readonly http: string
  /** The JSON-RPC method, where there is one. */
  readonly method: string | undefined
  /** The first 12 hex digits of the SHA-256 of the token that it brought. */
  readonly token: string | undefined
  /** 200 where it was let in: the SDK may still have answered something else. */
  readonly status: 200 | 401 | 403
}

/**
 * A running server.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpResource {
  /** Its address, which is its resource identifier, too. */
  readonly url: string
  readonly origin: string
  /** Where its metadata document is. */
  readonly metadataUrl: string
  /** The scopes that the metadata document lists. */
  readonly scopes: ReadonlyArray<string>
  /** Every request to the MCP endpoint, in order. The list grows while the server runs. */
  readonly requests: ReadonlyArray<SeenRequest>
  /** The fingerprints of all tokens that were brought. */
  readonly tokens: ReadonlySet<string>
  /** How often a token was missing or refused. */
  readonly rejections: () => number
  /** How often its metadata document was read. */
  readonly metadataReads: () => number
  /** Refuses a token from now on, although the authorization server still honours it. */
  readonly rejectFromNow: (token: string) => Effect.Effect<void>
  /** Refuses every token that is for sure, or none any more. */
  readonly rejectAll: (rejects: boolean) => Effect.Effect<void>
  /** Requests that were let in, before the SDK sees them; told apart by their JSON-RPC method, or the HTTP method. */
  readonly arrivals: Gate.Gate<string>
  /** The steps of the tool `stream`, told apart by number, from 1. */
  readonly steps: Gate.Gate<number>
  /** Says something on the stream that every client keeps open. Answers how many there were. */
  readonly announce: (text: string) => Effect.Effect<number>
  /** Ends every response that is under way, as a proxy or a deployment does. */
  readonly cut: Effect.Effect<void>
}

const WRITE_SCOPE = "files:write"
const SCOPES = ["mcp:use", "files:read", WRITE_SCOPE]

const quoted = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters).map(([name, value]) => `${name}="${value}"`).join(", ")

const bearer = (request: IncomingMessage): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1]

/**
 * Starts a server on a free loopback port. It ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<McpResource, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { authorizationServer } = options
    const path = options.path ?? "/mcp"
    const requests: Array<SeenRequest> = []
    const tokens = new Set<string>()
    const rejected = new Set<string>()
    const arrivals = Gate.make<string>()
    const steps = Gate.make<number>()
    let rejectsAll = false
    let metadataReads = 0

    const sessions = yield* mcpSessions.make({ step: (number) => Effect.runPromise(steps.pass(number)) })
    const http = createServer()
    const port = yield* Loopback.listen(http)
    const origin = `http://127.0.0.1:${port}`
    const url = `${origin}${path === "/" ? "" : path}`
    const metadataPath = `/.well-known/oauth-protected-resource${path === "/" ? "" : path}`
    const metadataUrl = `${origin}${metadataPath}`
    yield* authorizationServer.protect(url, SCOPES)

    const refuse = (response: ServerResponse, status: 401 | 403, error: Readonly<Record<string, string>>) => {
      const challenge = `Bearer ${
        quoted({ ...error, scope: status === 403 ? WRITE_SCOPE : "mcp:use", resource_metadata: metadataUrl })
      }`
      const header = status === 401 && options.challenge !== undefined ? options.challenge(challenge) : challenge
      response.writeHead(status, {
        "content-type": "application/json",
        ...(header === undefined ? {} : { "www-authenticate": header })
      })
      response.end(JSON.stringify(error))
    }

    /** Whether this request may go on; the others are answered. */
    const admit = async (request: IncomingMessage, response: ServerResponse, message: mcpSessions.Message) => {
      const token = bearer(request)
      const see = (status: SeenRequest["status"]) =>
        requests.push({
          http: request.method ?? "",
          method: message.method,
          token: token === undefined ? undefined : TokenLedger.fingerprint(token),
          status
        })
      if (token === undefined) {
        see(401)
        refuse(response, 401, {})
        return false
      }
      tokens.add(TokenLedger.fingerprint(token))
      const known = await Effect.runPromise(authorizationServer.introspect(token))
      if (rejectsAll || rejected.has(token) || !known.active || known.aud !== url) {
        see(401)
        refuse(response, 401, { error: "invalid_token", error_description: "the token is not good here" })
        return false
      }
      if (message.tool === "write" && !(known.scope ?? "").split(" ").includes(WRITE_SCOPE)) {
        see(403)
        refuse(response, 403, { error: "insufficient_scope" })
        return false
      }
      see(200)
      return true
    }

    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      if (options.intercept?.(request, response) === true) return
      const { pathname } = new URL(request.url ?? "/", origin)
      if (pathname === metadataPath) {
        metadataReads++
        const document = {
          resource: url,
          authorization_servers: [authorizationServer.issuer],
          scopes_supported: SCOPES,
          bearer_methods_supported: ["header"]
        }
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify(options.metadata?.(document) ?? document))
        return
      }
      if (pathname !== path) {
        response.writeHead(404).end()
        return
      }
      const message = mcpSessions.read(request.method === "POST" ? await formRequest.readBody(request) : "")
      if (!await admit(request, response, message)) return
      await Effect.runPromise(arrivals.pass(message.method ?? request.method ?? ""))
      await sessions.handle(request, response, message)
    }
    http.on("request", (request, response) => {
      serve(request, response).catch(() => response.destroy())
    })

    return {
      url,
      origin,
      metadataUrl,
      scopes: SCOPES,
      requests,
      tokens,
      rejections: () => requests.filter(({ status }) => status === 401).length,
      metadataReads: () => metadataReads,
      rejectFromNow: (token) => Effect.sync(() => void rejected.add(token)),
      rejectAll: (rejects) => Effect.sync(() => void (rejectsAll = rejects)),
      arrivals,
      steps,
      announce: (text) => Effect.promise(() => sessions.announce(text)),
      cut: Effect.sync(sessions.cut)
    }
  })
