/**
 * A proxy in front of a server, with a real coordinator over a store in memory, and clients that speak HTTP or bytes.
 */
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as ProxyTarget from "@lockstep/proxy/ProxyTarget"
import * as ReverseProxy from "@lockstep/proxy/ReverseProxy"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import * as Net from "node:net"

export const target = (url: string): ProxyTarget.ProxyTarget => Either.getOrThrow(ProxyTarget.fromText(url))

export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly rawHeaders: ReadonlyArray<string>
  readonly trailers: NodeJS.Dict<string>
  readonly text: string
  /** Whether it ended as it should. */
  readonly whole: boolean
}

export interface Ask {
  readonly method?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string | Buffer
}

/** One connection per request, so that nothing but the proxy keeps one. */
const request = (url: string, { body, headers = {}, method = "GET" }: Ask) => {
  const sent = Http.request(url, { method, headers, agent: false })
  sent.on("error", () => {})
  sent.end(body)
  return sent
}

const read = (response: Http.IncomingMessage): Promise<Answer> =>
  new Promise((resolve) => {
    const chunks: Array<Buffer> = []
    response.on("data", (chunk: Buffer) => chunks.push(chunk))
    response.on("error", () => {})
    response.on("close", () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        rawHeaders: response.rawHeaders,
        trailers: response.trailers,
        text: Buffer.concat(chunks).toString("latin1"),
        whole: response.complete
      }))
  })

/** Asks and reads the answer to its end. */
export const ask = (url: string, options: Ask = {}): Effect.Effect<Answer> =>
  Effect.async<Http.IncomingMessage>((resume) => {
    const sent = request(url, options)
    sent.on("response", (response) => resume(Effect.succeed(response)))
    sent.on("error", (error) => resume(Effect.die(error)))
    return Effect.sync(() => sent.destroy())
  }).pipe(Effect.flatMap((response) => Effect.promise(() => read(response))))

/** Sends bytes and reads what comes until the connection ends. */
export const speak = (port: number, text: string, host = "127.0.0.1"): Effect.Effect<string> =>
  Effect.async<string>((resume) => {
    const socket = Net.connect(port, host, () => socket.write(text, "latin1"))
    let said = ""
    socket.on("data", (chunk) => {
      said += chunk.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(said)))
    return Effect.sync(() => socket.destroy())
  })

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly advice: string
  readonly [member: string]: unknown
}

export const problem = (answer: Answer): Problem => JSON.parse(answer.text) as Problem

/** The last part of a problem's type. */
export const kind = (answer: Answer): string => problem(answer).type.replace("urn:lockstep:problem:", "")

export interface Setup extends Omit<Partial<ReverseProxy.Options>, "target" | "tenant"> {
  readonly to: string
  readonly resource?: string
  /** Seconds that the stored token has left. */
  readonly left?: number
  /** What the authorization server issued, where it is no token that a server should issue. */
  readonly token?: string
}

/** A proxy, the machine that holds its login, and everything that it logged. */
export const make = ({ left = 3600, resource, to, token, ...options }: Setup) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    const now = Math.floor(Date.now() / 1000)
    yield* machine.write(
      MemoryMachine.tenant,
      machine.server.issue({
        expiresAt: Option.some(now + left),
        obtainedAt: Option.some(now - 60),
        resource: Option.fromNullable(resource),
        ...(token === undefined ? {} : { accessToken: Option.some(Redacted.make(token)) })
      })
    )
    const coordinator = yield* machine.process
    const lines: Array<string> = []
    const logger = Logger.make(({ annotations, message }) => {
      lines.push(JSON.stringify([message, [...HashMap.entries(annotations)]]))
    })
    const proxy = yield* ReverseProxy.listen({ tenant: MemoryMachine.tenant, target: target(to), ...options }).pipe(
      Effect.provideService(RefreshCoordinator, coordinator),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    const url = Redacted.value(proxy.url)
    return {
      machine,
      coordinator,
      proxy,
      port: proxy.port,
      url,
      /** The path of the proxy, with the secret and a slash. */
      base: new URL(url).pathname,
      secret: new URL(url).pathname.slice(1, -1),
      lines,
      ask: (path: string, how: Ask = {}) => ask(`${url}${path}`, how),
      accessToken: Effect.map(
        machine.read(MemoryMachine.tenant),
        (one) => Redacted.value(Option.getOrThrow(one.accessToken))
      )
    }
  })
