/** A machine in memory, a process on it, and resource servers in memory that know which tokens are good. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as BearerClient from "@lockstep/http/BearerClient"
import type { BearerError } from "@lockstep/http/BearerError"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import type { BearerOptions } from "@lockstep/http/BearerOptions"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

export const API = "https://api.example"

/** What arrived at a resource server. */
export interface Arrived {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export type Answer = (arrived: Arrived) => Effect.Effect<Response>

export const bearer = (token: string) => `Bearer ${token}`

/** Answers 401 to every token that is not good, as RFC 6750 has it. */
export const guarded = (isGood: (token: string | undefined) => boolean): Answer => ({ authorization }) =>
  Effect.sync(() =>
    isGood(authorization?.slice("Bearer ".length))
      ? new Response("welcome", { status: 200 })
      : new Response("no", { status: 401, headers: { "www-authenticate": "Bearer error=\"invalid_token\"" } })
  )

/** Accepts the one token. */
export const accepting = (...tokens: ReadonlyArray<string>): Answer =>
  guarded((token) => token !== undefined && tokens.includes(token))

/** Accepts none. */
export const rejecting: Answer = guarded(() => false)

export const answering = (status: number, headers: Record<string, string> = {}, body = ""): Answer => () =>
  Effect.sync(() => new Response(status === 204 || status === 304 ? null : body, { status, headers }))

/** A client over an answer, and everything that arrived there. */
export const server = (answer: Answer) => {
  const arrivals: Array<Arrived> = []
  const signals = Effect.runSync(Queue.unbounded<Arrived>())
  let answers = answer
  let isBroken = false
  const receive = (arrived: Arrived) =>
    Effect.suspend(() => {
      arrivals.push(arrived)
      return Effect.zipRight(Queue.offer(signals, arrived), answers(arrived))
    })
  const client: HttpClient.HttpClient = HttpClient.make((request, url) =>
    Effect.flatMap(
      receive({
        method: request.method,
        url: url.toString(),
        authorization: request.headers["authorization"],
        headers: request.headers,
        body: bodyOf(request)
      }),
      (response) =>
        isBroken
          ? new HttpClientError.RequestError({ request, reason: "Transport", description: "connection reset" })
          : Effect.succeed(HttpClientResponse.fromWeb(request, response))
    )
  )
  const fetch = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const headers = Object.fromEntries(new Headers(init.headers).entries())
    return Effect.runPromise(
      receive({
        method: init.method ?? "GET",
        url: String(input),
        authorization: headers["authorization"],
        headers,
        body: init.body
      }),
      init.signal ? { signal: init.signal } : {}
    ).then((response) => {
      if (isBroken) throw new TypeError("fetch failed")
      return response
    })
  }
  return {
    arrivals,
    /** One element per arrival. */
    signals,
    client,
    fetch,
    /** Answers otherwise from now on. */
    answer: (next: Answer) => void (answers = next),
    /** The tokens that arrived, in order. */
    tokens: () => arrivals.map(({ authorization }) => authorization),
    /** From now on every request arrives, and its connection breaks. */
    breakConnections: () => void (isBroken = true)
  }
}

const bodyOf = ({ body }: HttpClientRequest.HttpClientRequest): unknown => {
  switch (body._tag) {
    case "Uint8Array":
      return new TextDecoder().decode(body.body)
    case "Raw":
      return body.body
    case "FormData":
      return body.formData
    default:
      return undefined
  }
}

type Fields = Parameters<MemoryMachine.MemoryMachine["server"]["issue"]>[0]

/** A machine with a login that is valid for an hour and bound to the API, a process of it, and what it provides. */
export const login = (fields: Fields = {}, tenant: TenantId = MemoryMachine.tenant) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    yield* TestClock.adjust("1 hour")
    yield* machine.write(
      tenant,
      machine.server.issue({ ...(yield* Scenario.validFor(3_600)), resource: Option.some(`${API}/mcp`), ...fields })
    )
    const coordinator = yield* Scenario.processOn(machine)
    return {
      machine,
      coordinator,
      /** With the services of this process. */
      use: Effect.provideService(RefreshCoordinator, coordinator)
    }
  })

export type Server = ReturnType<typeof server>

export interface Init {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE"
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: undefined | string | Uint8Array | URLSearchParams | FormData | ReadableStream<Uint8Array>
}

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: Effect.Effect<string, HttpClientError.HttpClientError>
}

/** What `fetch` rejects with beside the typed errors. */
export class Failed {
  readonly _tag = "Failed"
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

export type Call = (
  url: string,
  init?: Init
) => Effect.Effect<Answered, BearerError | HttpClientError.HttpClientError | Failed>

const withBody = (request: HttpClientRequest.HttpClientRequest, body: Init["body"]) => {
  if (body === undefined) return request
  if (typeof body === "string") return HttpClientRequest.bodyText(request, body)
  if (body instanceof Uint8Array) return HttpClientRequest.bodyUint8Array(request, body)
  if (body instanceof URLSearchParams) return HttpClientRequest.bodyUrlParams(request, body)
  if (body instanceof FormData) return HttpClientRequest.bodyFormData(request, body)
  return HttpClientRequest.bodyStream(request, Stream.fromReadableStream(() => body, (error) => error))
}

const isTyped = (error: unknown): error is BearerError =>
  error instanceof Error && "_tag" in error && typeof error._tag === "string"

/** The two clients in one shape, so that every scene is played with both. */
export const KINDS: ReadonlyArray<
  readonly [name: string, make: (api: Server, options: BearerOptions) => Effect.Effect<Call, never, RefreshCoordinator>]
> = [
  [
    "the HttpClient",
    (api, options) =>
      Effect.map(BearerClient.make(options), (transform) => (url, init = {}) =>
        transform(api.client).execute(
          withBody(HttpClientRequest.make(init.method ?? "GET")(url), init.body).pipe(
            HttpClientRequest.setHeaders(init.headers ?? {})
          )
        ))
  ],
  [
    "fetch",
    (api, options) =>
      Effect.map(BearerFetch.make({ ...options, fetch: api.fetch }), (fetch) => (url, init = {}) =>
        Effect.map(
          Effect.tryPromise({
            try: () => fetch(url, init as RequestInit),
            catch: (error) => isTyped(error) ? error : new Failed(error)
          }),
          (response) => ({
            status: response.status,
            headers: Object.fromEntries(response.headers.entries()),
            text: Effect.promise(() => response.text())
          })
        ))
  ]
]

/** How a call ended: the status of its answer, or the word for its error. */
export const outcome = <R>(
  call: Effect.Effect<{ readonly status: number }, BearerError | HttpClientError.HttpClientError | Failed, R>
): Effect.Effect<string | number, never, R> =>
  Effect.match(call, {
    onSuccess: ({ status }) => status,
    onFailure: (error) =>
      "reason" in error && typeof error.reason === "string" ? `${error._tag}(${error.reason})` : error._tag
  })

export { RefreshCoordinator as Coordinator }
