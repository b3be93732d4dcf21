/**
 * A server behind the proxy. It knows which tokens it takes, and remembers what it was sent.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"

export interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: ReadonlyArray<string>
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Promise<string>
}

export interface Upstream {
  readonly url: string
  readonly port: number
  /** Every request, in order. */
  readonly seen: ReadonlyArray<Seen>
  /** The tokens that it was sent, in order. */
  readonly tokens: () => ReadonlyArray<string>
  /** What it answers 401 to. */
  readonly rejected: Set<string>
}

export type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

export const bearer = (request: Pick<Http.IncomingMessage, "headers">): string =>
  /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""

const readBody = (request: Http.IncomingMessage): Promise<string> =>
  new Promise((resolve) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => resolve(Buffer.concat(chunks).toString("latin1")))
    request.on("error", () => resolve("aborted"))
  })

const ok: Handler = (_, response) => void response.end("ok")

const listen = <S extends Net.Server>(server: S, close: (server: S) => void) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        close(server)
      })
  )

/** Starts a server. With `reads` it reads every body before it answers; otherwise the handler does what it wants. */
export const make = (
  handler: Handler = ok,
  options: { readonly reads?: boolean; readonly server?: Http.ServerOptions } = {}
): Effect.Effect<Upstream, never, Scope.Scope> =>
  Effect.gen(function*() {
    const seen: Array<Seen> = []
    const rejected = new Set<string>()
    const server = Http.createServer({ keepAliveTimeout: 60_000, ...options.server }, (request, response) => {
      const reads = options.reads ?? true
      const body = reads ? readBody(request) : Promise.resolve("")
      const { headers, method = "", rawHeaders, url = "" } = request
      seen.push({ method, url, rawHeaders, headers, body })
      void body.then(() => {
        if (rejected.has(bearer(request))) {
          response.writeHead(401, { "WWW-Authenticate": "Bearer error=\"invalid_token\"" }).end("{\"error\":\"nope\"}")
        } else handler(request, response)
      })
    })
    const port = yield* listen(server, (one) => one.closeAllConnections())
    return {
      url: `http://127.0.0.1:${port}`,
      port,
      seen,
      tokens: () => seen.map(bearer),
      rejected
    }
  })

/** Starts a server that speaks bytes: what it answers need not be HTTP. */
export const makeRaw = (
  onConnection: (socket: Net.Socket) => void
): Effect.Effect<{ readonly url: string; readonly port: number }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {}).on("close", () => sockets.delete(socket))
      onConnection(socket)
    })
    const port = yield* listen(server, () => sockets.forEach((socket) => socket.destroy()))
    return { url: `http://127.0.0.1:${port}`, port }
  })
