/**
 * A token endpoint on a loopback socket whose next answers can be scripted. Unscripted it is strict: each refresh token
 * is good once, and one that comes back revokes its family.
 *
 * Everything is recorded when it really happened: a request once its body was read, an abort once the socket closed.
 * Waiting inside behaviours is in real time, also under a test clock.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as FakeToken from "../FakeToken.js"
import * as ServerBehaviour from "./ServerBehaviour.js"
import * as TokenFamilies from "./TokenFamilies.js"

/**
 * How a scripted server is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScriptedServerOptions {
  /** Seconds. 3600. */
  readonly accessTokenTtl?: number
  /** Whether a refresh retires the refresh token. On. */
  readonly rotates?: boolean
  /** The one client that is let in; without it every client is. */
  readonly client?: { readonly id: string; readonly secret?: string }
  /** Serves https. PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** The answer to `GET` below `/.well-known/`; the default answers both discovery paths. */
  readonly metadata?: (path: string, document: Readonly<Record<string, unknown>>) => ServerBehaviour.Fate
}

/**
 * Something that a server noticed about a token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Noticed {
  readonly at: number
  readonly fingerprint: string
  readonly connection: number
}

/**
 * A running server. The lists grow while it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScriptedServer {
  /** The issuer, without a trailing slash. */
  readonly url: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  /** Starts a login. `accessTokenTtl` in seconds. */
  readonly issue: (accessTokenTtl?: number) => TokenFamilies.IssuedTokens
  readonly isLive: (token: string) => boolean
  /** Treats the next token requests, in this order; after them the server is strict again. */
  readonly script: (...behaviours: ReadonlyArray<ServerBehaviour.Behaviour>) => Effect.Effect<void>
  /** The same for revocation requests. */
  readonly scriptRevocation: (...behaviours: ReadonlyArray<ServerBehaviour.Behaviour>) => Effect.Effect<void>
  readonly requests: ReadonlyArray<ServerBehaviour.ServerRequest>
  readonly redemptions: ReadonlyArray<Noticed>
  readonly reuses: ReadonlyArray<Noticed>
  readonly revocations: ReadonlyArray<Noticed>
  /** Token and revocation requests whose body was read. */
  readonly arrivals: Queue.Dequeue<ServerBehaviour.ServerRequest>
  /** Requests whose client hung up before it had an answer. */
  readonly aborts: Queue.Dequeue<ServerBehaviour.ServerRequest>
}

const INVALID_GRANT = ServerBehaviour.json(400, {
  error: "invalid_grant",
  error_description: "grant request is invalid"
})

const readAll = (incoming: Http.IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ""
    incoming.setEncoding("utf8").on("data", (piece: string) => {
      text += piece
    }).on("end", () => resolve(text)).on("error", reject)
  })

const paramsOf = (contentType: string, body: string): Record<string, string> => {
  if (contentType.startsWith("application/json")) return JSON.parse(body) as Record<string, string>
  return contentType.startsWith("application/x-www-form-urlencoded")
    ? Object.fromEntries(new URLSearchParams(body))
    : {}
}

const clientOf = (authorization: string | undefined, params: Readonly<Record<string, string>>) => {
  if (authorization?.startsWith("Basic ") === true) {
    const [id = "", secret = ""] = Buffer.from(authorization.slice(6), "base64").toString().split(":")
    return { method: "client_secret_basic", id: decodeURIComponent(id), secret: decodeURIComponent(secret) } as const
  }
  return params["client_secret"] === undefined
    ? { method: "none", id: params["client_id"], secret: undefined } as const
    : { method: "client_secret_post", id: params["client_id"], secret: params["client_secret"] } as const
}

const trickle = (outgoing: Http.ServerResponse, body: Buffer): void => {
  if (body.byteLength === 0) return void outgoing.end()
  outgoing.write(body.subarray(0, 7), () => setImmediate(trickle, outgoing, body.subarray(7)))
}

const write = (outgoing: Http.ServerResponse, fate: ServerBehaviour.Fate): void => {
  const socket = outgoing.socket
  if (fate === "Silence" || socket === null) return
  // From here on it is this side that ends the connection.
  if (typeof fate === "string" || fate.ending === "Cut") outgoing.removeAllListeners("close")
  if (fate === "Reset") return void socket.resetAndDestroy()
  if (fate === "Close") return void socket.destroy()
  const body = Buffer.from(fate.body)
  outgoing.writeHead(fate.status, { ...fate.headers, "content-length": String(body.byteLength) })
  if (fate.ending === "Whole") return void outgoing.end(body)
  if (fate.ending === "Trickled") return trickle(outgoing, body)
  // Closed in order and not reset: a reset would also discard the half that was sent.
  outgoing.write(body.subarray(0, body.byteLength >> 1), () => {
    if (fate.ending === "Cut") socket.destroySoon()
  })
}

/**
 * Starts a server on a free port of 127.0.0.1; it ends with the scope, and with it every connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: ScriptedServerOptions = {}
): Effect.Effect<ScriptedServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const families = TokenFamilies.make({
      rotates: options.rotates ?? true,
      accessTokenTtl: options.accessTokenTtl ?? 3600
    })
    const requests: Array<ServerBehaviour.ServerRequest> = []
    const redemptions: Array<Noticed> = []
    const reuses: Array<Noticed> = []
    const revocations: Array<Noticed> = []
    const arrivals = yield* Queue.unbounded<ServerBehaviour.ServerRequest>()
    const aborts = yield* Queue.unbounded<ServerBehaviour.ServerRequest>()
    const script: Array<ServerBehaviour.Behaviour> = []
    const revocationScript: Array<ServerBehaviour.Behaviour> = []
    const connections = new WeakMap<Net.Socket, number>()
    let connectionCount = 0
    let url = ""

    const noticed = (request: ServerBehaviour.ServerRequest): Noticed => ({
      at: Date.now(),
      fingerprint: request.fingerprint,
      connection: request.connection
    })

    const presented = (
      request: ServerBehaviour.ServerRequest,
      present: TokenFamilies.TokenFamilies["present"]
    ): ServerBehaviour.Reply => {
      const outcome = present(request.params["refresh_token"] ?? "")
      if (outcome._tag === "Redeemed") {
        redemptions.push(noticed(request))
        const { accessToken, expiresIn, refreshToken } = outcome.tokens
        return ServerBehaviour.json(200, {
          access_token: accessToken,
          token_type: "Bearer",
          expires_in: expiresIn,
          refresh_token: refreshToken
        })
      }
      if (outcome._tag === "Reused") {
        reuses.push(noticed(request))
        revocations.push(noticed(request))
      }
      return INVALID_GRANT
    }

    const treatment = (request: ServerBehaviour.ServerRequest): ServerBehaviour.Treatment => ({
      redeem: () => presented(request, families.present),
      extend: () => presented(request, families.extend),
      redeemUnlessEarly: () =>
        families.hasValidAccess(request.params["refresh_token"] ?? "")
          ? INVALID_GRANT
          : presented(request, families.present)
    })

    const isKnownClient = (client: { readonly id: string | undefined; readonly secret: string | undefined }) =>
      options.client === undefined ||
      (client.id === options.client.id && client.secret === options.client.secret)

    const revokeStrictly: ServerBehaviour.Behaviour = (_, request) =>
      Effect.sync(() => {
        if (families.revoke(request.params["token"] ?? "") !== "Nothing") revocations.push(noticed(request))
        return { ...ServerBehaviour.json(200, ""), body: "" }
      })

    const metadata = (path: string): ServerBehaviour.Fate => {
      const document = {
        issuer: url,
        token_endpoint: `${url}/token`,
        revocation_endpoint: `${url}/revoke`,
        token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"]
      }
      return options.metadata?.(path, document) ?? ServerBehaviour.json(200, document)
    }

    const answer = async (
      incoming: Http.IncomingMessage,
      outgoing: Http.ServerResponse
    ): Promise<ServerBehaviour.Fate> => {
      const { socket } = incoming
      if (!connections.has(socket)) connections.set(socket, ++connectionCount)
      const path = incoming.url ?? "/"
      const contentType = incoming.headers["content-type"] ?? ""
      const params = paramsOf(contentType, await readAll(incoming))
      const client = clientOf(incoming.headers.authorization, params)
      const request: ServerBehaviour.ServerRequest = {
        at: Date.now(),
        method: incoming.method ?? "",
        path,
        connection: connections.get(socket)!,
        contentType,
        headers: incoming.headers,
        params,
        clientAuth: client.method,
        fingerprint: FakeToken.fingerprint(params["refresh_token"] ?? params["token"] ?? "")
      }
      requests.push(request)
      if (path.includes("/.well-known/")) return metadata(path)
      outgoing.on("close", () => {
        if (!outgoing.writableFinished) aborts.unsafeOffer(request)
      })
      arrivals.unsafeOffer(request)
      const behaviour = path === "/token"
        ? script.shift() ?? ServerBehaviour.strict
        : path === "/revoke"
        ? revocationScript.shift() ?? revokeStrictly
        : ServerBehaviour.reply(ServerBehaviour.json(404, { error: "not_found" }))
      if (!isKnownClient(client)) return ServerBehaviour.json(401, { error: "invalid_client" })
      const fiber = Effect.runFork(behaviour(treatment(request), request))
      running.add(fiber)
      return Effect.runPromise(Effect.ensuring(Fiber.join(fiber), Effect.sync(() => running.delete(fiber))))
    }

    const running = new Set<Fiber.RuntimeFiber<ServerBehaviour.Fate>>()
    const handle = (incoming: Http.IncomingMessage, outgoing: Http.ServerResponse): void => {
      answer(incoming, outgoing).then((fate) => write(outgoing, fate), () => incoming.socket.destroy())
    }
    const server = options.tls === undefined ? Http.createServer(handle) : Https.createServer(options.tls, handle)

    const listening = yield* Deferred.make<void>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as Net.AddressInfo
          url = options.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
          Deferred.unsafeDone(listening, Effect.void)
        })
      ),
      () =>
        Effect.zipRight(
          Effect.suspend(() => Fiber.interruptAll([...running])),
          Effect.async<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
          })
        )
    )
    yield* Deferred.await(listening)

    return {
      url,
      tokenEndpoint: `${url}/token`,
      revocationEndpoint: `${url}/revoke`,
      issue: families.issue,
      isLive: families.isLive,
      script: (...behaviours) => Effect.sync(() => void script.push(...behaviours)),
      scriptRevocation: (...behaviours) => Effect.sync(() => void revocationScript.push(...behaviours)),
      requests,
      redemptions,
      reuses,
      revocations,
      arrivals,
      aborts
    }
  })
