import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Os from "node:os"

export interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

export interface Request {
  readonly port: number
  readonly target: string
  readonly address?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called when the whole request has left. */
  readonly onSent?: () => void
}

/** Sends one request on a connection of its own. Fails with an errno. */
export const send = ({ address = "127.0.0.1", headers = {}, method = "GET", onSent, port, target }: Request) =>
  Effect.async<Reply, string>((resume) => {
    const request = Http.request(
      { host: address, port, path: target, method, headers: { host: `localhost:${port}`, ...headers }, agent: false },
      (response) => {
        let body = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => void (body += chunk))
        response.on(
          "end",
          () => resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body }))
        )
      }
    )
    request.on("error", (cause: NodeJS.ErrnoException) => resume(Effect.fail(cause.code ?? cause.message)))
    if (onSent !== undefined) request.once("finish", onSent)
    request.end()
    return Effect.sync(() => request.destroy())
  })

/** A request as the address bar of a browser sends it, which is not yet answered by the end of the effect. */
export const browse = (request: Request) =>
  send({ ...request, headers: { accept: "text/html,*/*;q=0.8", ...request.headers } })

/** Takes a port as another program would, until the scope ends. 0 is any. */
export const take = (address: string, port: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Net.Server, string>((resume) => {
        const server = Net.createServer()
        server.once("error", (cause: NodeJS.ErrnoException) => resume(Effect.fail(cause.code ?? "")))
        server.listen({ host: address, port, ipv6Only: address === "::1" }, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => (server.address() as Net.AddressInfo).port
  )

/** Whether this machine has the second loopback address. */
export const hasIpv6 = Object.values(Os.networkInterfaces()).flat().some((one) => one?.address === "::1")
