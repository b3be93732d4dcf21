/**
 * One request and its answer.
 *
 * The request is sent with a fresh token. A 401 is answered by recovering with the very token that was sent, and the
 * request is sent once more where its body was kept; never a third time. Everything else goes to the client as it comes:
 * what either side cannot take yet, the other one is not asked for.
 *
 * An answer that was begun cannot be taken back. If the upstream ends before its answer does, the client's connection is
 * cut: it must not take for whole what is not.
 *
 * @since 0.1.0
 */
import * as AccessToken from "@lockstep/core/AccessToken"
import type { RefreshError } from "@lockstep/core/Errors"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Readable } from "node:stream"
import type { Dispatcher } from "undici"
import * as ProxyHeaders from "./ProxyHeaders.js"
import * as ProxyProblem from "./ProxyProblem.js"
import * as ProxyTarget from "./ProxyTarget.js"
import * as ProxyUpload from "./ProxyUpload.js"

/**
 * What all exchanges of a proxy share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly tenant: TenantId
  readonly coordinator: Pick<RefreshCoordinator["Type"], "accessToken" | "recover">
  readonly target: ProxyTarget.ProxyTarget
  /** The path of the proxy, with the secret and a slash. */
  readonly base: string
  readonly dispatcher: Dispatcher
  /** Bytes of a body that are kept, so that it can be sent again. */
  readonly keep: number
  readonly isEnding: () => boolean
}

/**
 * A request that was let in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly query: string
  readonly origin: string | undefined
  /** Called with every piece that moves, either way. */
  readonly onBytes: (count: number) => void
}

/** The upstream refused the token: its challenge. */
interface Rejected {
  readonly _tag: "Rejected"
  readonly challenge: string | undefined
}

interface Relayed {
  readonly _tag: "Relayed"
}

/** Bytes of a refusal's body that are read, so that its connection can be used again. */
const MAX_REFUSAL = 65_536

const rawOf = (headers: Dispatcher.DispatchController["rawHeaders"]): ReadonlyArray<string> =>
  Array.isArray(headers) ? headers.map((part) => typeof part === "string" ? part : part.toString("latin1")) : []

/** Answers from 100 to 199 come before the one that counts. */
const inform = ({ request, response }: Exchange, status: number, headers: ReadonlyArray<string>): void => {
  if (request.httpVersion === "1.0" || response.headersSent) return
  if (status === 102) response.writeProcessing()
  if (status === 103) {
    const link = headers.flatMap((name, at) => name.toLowerCase() === "link" && at % 2 === 0 ? [headers[at + 1]!] : [])
    if (link.length > 0) response.writeEarlyHints({ link })
  }
}

/**
 * Ends an answer that was begun so that nobody takes it for whole. A client of HTTP/1.0 knows the end of a body by the
 * end of the connection: for it only a reset is an error.
 *
 * @since 0.1.0
 * @category combinators
 */
export const cut = ({ request, response }: Pick<Exchange, "request" | "response">): void => {
  if (request.httpVersion === "1.0" && !response.writableFinished) response.socket?.resetAndDestroy()
  response.destroy()
}

const send = (
  context: Context,
  exchange: Exchange,
  token: AccessToken.AccessToken,
  body: Readable | Buffer | null,
  onAnswer: () => void
): Effect.Effect<Rejected | Relayed, ProxyProblem.ProxyProblem> =>
  Effect.async((resume) => {
    const { onBytes, request, response } = exchange
    const { dispatcher, target } = context
    const method = request.method ?? "GET"
    const path = ProxyTarget.outward(target, exchange.path)
    let controller: Dispatcher.DispatchController | undefined
    let isAbandoned = false
    let refusal: number | undefined
    let isBodyBegun = false
    const onDrain = () => controller?.resume()

    const relayHead = (status: number, headers: ReadonlyArray<string>, message: string | undefined) => {
      const kept = ProxyHeaders.toClient(headers, {
        location: (location) => ProxyTarget.inward(target, location, { from: path, base: context.base }),
        origin: exchange.origin,
        bodiless: status === 204
      })
      if (context.isEnding()) kept.push("Connection", "close")
      response.writeHead(status, message ?? "", kept)
      response.on("drain", onDrain)
      // The first event of a stream may be long in coming. What comes at the same time goes in the same packet.
      process.nextTick(() => isBodyBegun || response.destroyed || response.flushHeaders())
    }

    dispatcher.dispatch({
      origin: target.origin,
      path: `${path}${exchange.query}`,
      method: method as Dispatcher.HttpMethod,
      headers: ProxyHeaders.toUpstream(request.rawHeaders, AccessToken.authorization(token)),
      body
    }, {
      onRequestStart: (started) => {
        controller = started
        if (isAbandoned) started.abort(new Error("nobody waits for the answer"))
      },
      onResponseStart: (started, status, _, message) => {
        const headers = rawOf(started.rawHeaders)
        if (status < 200) return inform(exchange, status, headers)
        if (status === 401) {
          refusal = 0
          return resume(Effect.succeed({ _tag: "Rejected", challenge: ProxyHeaders.challenge(headers) }))
        }
        onAnswer()
        relayHead(status, headers, message)
      },
      onResponseData: (started, chunk) => {
        if (refusal !== undefined) {
          refusal += chunk.length
          if (refusal > MAX_REFUSAL) started.abort(new Error("the refusal is long"))
          return
        }
        isBodyBegun = true
        onBytes(chunk.length)
        if (!response.write(chunk)) started.pause()
      },
      onResponseEnd: (ended) => {
        if (refusal !== undefined) return
        isBodyBegun = true
        const trailers = ProxyHeaders.trailers(rawOf(ended.rawTrailers))
        if (trailers.length > 0) response.addTrailers(trailers)
        response.end()
        resume(Effect.succeed({ _tag: "Relayed" }))
      },
      onResponseError: (_, cause) => {
        if (refusal === undefined) resume(ProxyProblem.fromUpstream(cause))
      }
    })
    return Effect.sync(() => {
      isAbandoned = true
      controller?.abort(new Error("nobody waits for the answer"))
    })
  })

/** The login may be another one than it was when the proxy began. */
const checked = (context: Context) =>
(
  obtain: Effect.Effect<AccessToken.AccessToken, RefreshError>
): Effect.Effect<AccessToken.AccessToken, ProxyProblem.ProxyProblem> =>
  obtain.pipe(
    Effect.mapError(ProxyProblem.fromRefreshError),
    Effect.filterOrFail(
      (token) => ProxyTarget.isFor(context.target, token.resource),
      () => ProxyProblem.otherOrigin(context.tenant)
    )
  )

/**
 * Passes a request on and its answer back. Fails as long as no answer was begun; one that was is cut.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (context: Context, exchange: Exchange): Effect.Effect<void, ProxyProblem.ProxyProblem> =>
  Effect.gen(function*() {
    const { request, response } = exchange
    const { coordinator, keep, tenant } = context
    const token = yield* checked(context)(coordinator.accessToken(tenant))
    const upload = ProxyUpload.hasBody(request)
      ? ProxyUpload.make(request, { keep, onBytes: exchange.onBytes })
      : undefined
    const forget = () => upload?.forget()

    const attempts = Effect.gen(function*() {
      const first = yield* send(context, exchange, token, upload?.stream() ?? null, forget)
      if (first._tag === "Relayed") return
      const renewed = yield* checked(context)(coordinator.recover(tenant, token.token))
      const body = upload === undefined ? null : yield* Effect.promise(() => upload.whole())
      if (body === undefined) return yield* ProxyProblem.notReplayed(tenant, keep)
      const second = yield* send(context, exchange, renewed, body, forget)
      if (second._tag === "Rejected") return yield* ProxyProblem.tokenRejected(tenant, second.challenge)
    })
    yield* attempts.pipe(
      Effect.ensuring(Effect.sync(() => upload?.discard())),
      Effect.catchAll((problem) => response.headersSent ? Effect.sync(() => cut(exchange)) : problem)
    )
  })
