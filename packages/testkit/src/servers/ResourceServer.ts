/**
 * A plain API on loopback that asks the authorization server whether a token is active, by introspection (RFC 7662), and
 * that can be told to reject tokens from now on.
 *
 * `/events` is a stream of server-sent events, `/redirect?status=307&to=URL` leads elsewhere, `/scope` wants a scope that
 * no token has; everything else answers what it was asked. What lies below `/open/` is answered without any token.
 *
 * @since 0.1.0
 */
import * as Gate from "@lockstep/testing/Gate"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as formRequest from "../internal/formRequest.js"
import * as Loopback from "../internal/loopback.js"
import type * as AuthorizationServer from "./AuthorizationServer.js"
import * as TokenLedger from "./TokenLedger.js"

/**
 * A request that arrived.
 *
 * @since 0.1.0
 * @category models
 */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  /** The first 12 hex digits of the SHA-256 of the token that it brought. */
  readonly token: string | undefined
  /** Whether it brought an `Authorization` header of any kind. */
  readonly isAuthorized: boolean
  readonly lastEventId: string | undefined
  readonly body: string
  readonly status: number
}

/**
 * A running server.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResourceServer {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string
  readonly port: number
  /** Every request, in the order of the answers. The list grows while the server runs. */
  readonly requests: ReadonlyArray<SeenRequest>
  /** Rejects a token from now on, although the authorization server still honours it. */
  readonly rejectFromNow: (token: string) => Effect.Effect<void>
  /** Rejects every token, or none any more. */
  readonly rejectAll: (rejects: boolean) => Effect.Effect<void>
  /** Requests that have arrived and are not judged yet; told apart by their path. */
  readonly arrivals: Gate.Gate<string>
  /** Requests that are judged and not answered yet; told apart by their status. */
  readonly answers: Gate.Gate<number>
  /** One element for each event stream that was opened. */
  readonly opened: Queue.Dequeue<void>
  /** Sends text to every open event stream. */
  readonly emit: (text: string) => Effect.Effect<void>
  /** Ends every event stream, as a proxy or a deployment does. */
  readonly cut: Effect.Effect<void>
}

const bearer = (request: IncomingMessage): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1]

/**
 * Starts a server on a free loopback port. It ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly authorizationServer: Pick<AuthorizationServer.AuthorizationServer, "isActive">
}): Effect.Effect<ResourceServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const requests: Array<SeenRequest> = []
    const rejected = new Set<string>()
    const streams = new Set<ServerResponse>()
    const arrivals = Gate.make<string>()
    const answers = Gate.make<number>()
    const opened = yield* Queue.unbounded<void>()
    let rejectsAll = false

    const http = createServer()
    const port = yield* Loopback.listen(http)
    const origin = `http://127.0.0.1:${port}`

    const isGood = async (token: string | undefined): Promise<boolean> =>
      token !== undefined && !rejectsAll && !rejected.has(token) &&
      await Effect.runPromise(options.authorizationServer.isActive(token))

    const challenge = (status: number): Record<string, string> =>
      status === 401
        ? { "www-authenticate": "Bearer error=\"invalid_token\", error_description=\"not any more\"" }
        : { "www-authenticate": "Bearer error=\"insufficient_scope\", scope=\"files:write\"" }

    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? "/", origin)
      const token = bearer(request)
      const body = await formRequest.readBody(request)
      await Effect.runPromise(arrivals.pass(url.pathname))
      const isOpen = url.pathname.startsWith("/open/")
      const admitted = isOpen || await isGood(token)
      const redirect = url.pathname === "/redirect" ? Number(url.searchParams.get("status") ?? "302") : 200
      const status = !admitted ? 401 : url.pathname === "/scope" ? 403 : redirect
      await Effect.runPromise(answers.pass(status))
      requests.push({
        method: request.method ?? "",
        path: url.pathname,
        token: token === undefined ? undefined : TokenLedger.fingerprint(token),
        isAuthorized: request.headers.authorization !== undefined,
        lastEventId: request.headers["last-event-id"] as string | undefined,
        body,
        status
      })
      if (status === 401 || status === 403) {
        response.writeHead(status, challenge(status)).end("no")
        return
      }
      if (status !== 200) {
        response.writeHead(status, { location: url.searchParams.get("to") ?? "/" }).end("moved")
        return
      }
      if (url.pathname === "/events") {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
        response.write("retry: 100\n\n")
        streams.add(response.on("close", () => streams.delete(response)))
        Queue.unsafeOffer(opened, undefined)
        return
      }
      response.writeHead(200, { "content-type": "application/json" })
      response.end(JSON.stringify({ method: request.method, path: url.pathname, body }))
    }
    http.on("request", (request, response) => {
      serve(request, response).catch(() => response.destroy())
    })

    return {
      origin,
      port,
      requests,
      rejectFromNow: (token) => Effect.sync(() => void rejected.add(token)),
      rejectAll: (rejects) => Effect.sync(() => void (rejectsAll = rejects)),
      arrivals,
      answers,
      opened,
      emit: (text) =>
        Effect.sync(() => {
          for (const stream of streams) stream.write(text)
        }),
      cut: Effect.sync(() => {
        for (const stream of streams) stream.destroy()
      })
    }
  })
