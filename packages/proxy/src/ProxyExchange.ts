/**
 * One request and its answer.
 *
 * The request is sent with a fresh token. A 401 is answered by recovering with the very token that was sent, and the
 * request is sent once more where its body was kept; never a third time. Everything else goes to the client as it comes:
 * what either side cannot take yet, the other one is not asked for.
 *
 * What happens for every request is plain callbacks: a fiber per request, with its services and its span, costs more than
 * all the rest of the exchange.
 *
 * An answer that was begun cannot be taken back. If the upstream ends before its answer does, the client's connection is
 * cut: it must not take for whole what is not.
 *
 * @since 0.1.0
 */
import * as AccessToken from "@lockstep/core/AccessToken"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as ProxyHeaders from "./ProxyHeaders.js"
import * as ProxyProblem from "./ProxyProblem.js"
import * as ProxyTarget from "./ProxyTarget.js"
import type * as ProxyTokens from "./ProxyTokens.js"
import * as ProxyUpload from "./ProxyUpload.js"
import type * as ProxyUpstream from "./ProxyUpstream.js"

/**
 * What all exchanges of a proxy share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly tenant: TenantId
  readonly tokens: ProxyTokens.ProxyTokens
  readonly target: ProxyTarget.ProxyTarget
  /** The path of the proxy, with the secret and a slash. */
  readonly base: string
  readonly upstream: ProxyUpstream.ProxyUpstream
  /** Bytes of a body that are kept, so that it can be sent again. */
  readonly keep: number
  readonly isEnding: () => boolean
  readonly run: ProxyTokens.Run
}

/**
 * A request that was let in.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxiedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly query: string
  readonly origin: string | undefined
  /** Called with every piece that moves, either way. */
  readonly onBytes: (count: number) => void
}

/** Bytes of a refusal's body that are read, so that its connection can be used again. */
const MAX_REFUSAL = 65_536

/** Answers before the one that counts which are passed on: they are written whether or not the client reads. */
const MAX_INFORMATION = 8

/** Answers from 100 to 199 come before the one that counts. */
const inform = ({ request, response }: ProxiedRequest, status: number, headers: ReadonlyArray<string>): void => {
  if (request.httpVersion === "1.0" || response.headersSent) return
  if (status === 102) response.writeProcessing()
  if (status === 103) {
    const link = headers.flatMap((name, at) => name.toLowerCase() === "link" && at % 2 === 0 ? [headers[at + 1]!] : [])
    if (link.length > 0) response.writeEarlyHints({ link })
  }
}

/**
 * Ends an answer that was begun so that nothing takes it for whole. A client of HTTP/1.0 knows the end of a body by the
 * end of the connection: for it only a reset is an error.
 *
 * @since 0.1.0
 * @category combinators
 */
export const cut = ({ request, response }: Pick<ProxiedRequest, "request" | "response">): void => {
  if (request.httpVersion === "1.0" && !response.writableFinished) response.socket?.resetAndDestroy()
  response.destroy()
}

/**
 * Passes a request on and its answer back, and says once how it ended: with a problem, which is to be answered or, where
 * an answer was begun, tells that this one is to be cut. Answers with what ends it from outside; then nothing is said.
 *
 * @since 0.1.0
 * @category constructors
 */
export const begin = (
  context: Context,
  exchange: ProxiedRequest,
  done: (problem: Option.Option<ProxyProblem.ProxyProblem>) => void
): () => void => {
  const { onBytes, request, response } = exchange
  const { keep, run, target, tenant, tokens, upstream } = context
  const method = request.method ?? "GET"
  const path = ProxyTarget.outward(target, exchange.path)
  const upload = ProxyUpload.hasBody(request) ? ProxyUpload.make(request, { keep, onBytes }) : undefined
  let cancel = () => {}
  let isOver = false

  const finish = (problem: Option.Option<ProxyProblem.ProxyProblem>): void => {
    if (isOver) return
    isOver = true
    upload?.discard()
    done(problem)
  }
  const fail = (problem: ProxyProblem.ProxyProblem): void => finish(Option.some(problem))

  const withToken = (
    ask: (done: (answer: ProxyTokens.Answer) => void) => () => void,
    then: (token: AccessToken.AccessToken) => void
  ): void => {
    let isAnswered = false
    const interrupt = ask((answer) => {
      isAnswered = true
      if (isOver) return
      if (Either.isRight(answer)) then(answer.right)
      else fail(answer.left)
    })
    // What was answered at once has gone on to something else that can be ended.
    if (!isAnswered) cancel = interrupt
  }

  const send = (
    token: AccessToken.AccessToken,
    body: ProxyUpstream.Outgoing["body"],
    onRejected: (challenge: string | undefined) => void
  ): void => {
    let sent: ProxyUpstream.Sent | undefined
    let informed = 0
    let refused: number | undefined
    let isBodyBegun = false

    const head = (status: number, headers: ProxyHeaders.RawHeaders): void => {
      upload?.forget()
      const kept = ProxyHeaders.toClient(headers, {
        location: (location) => ProxyTarget.inward(target, location, { from: path, base: context.base }),
        origin: exchange.origin,
        bodiless: status === 204
      })
      if (context.isEnding()) kept.push("Connection", "close")
      // The words of the status line are the upstream's, and no client needs them.
      response.writeHead(status, kept)
      response.on("drain", () => sent?.resume())
      // The first event of a stream may be long in coming. What comes at the same time goes in the same packet.
      setImmediate(() => isBodyBegun || response.destroyed || response.flushHeaders())
    }

    try {
      sent = upstream.send({
        method,
        path: `${path}${exchange.query}`,
        headers: ProxyHeaders.toUpstream(request.rawHeaders, {
          host: upstream.host,
          method,
          authorization: AccessToken.authorization(token),
          body: typeof body === "object" ? body.byteLength : body
        }),
        body
      }, {
        onInformation: (status, headers) => {
          if (++informed > MAX_INFORMATION) return
          try {
            inform(exchange, status, headers)
          } catch {
            // A malformed hint.
          }
        },
        onHead: (status, headers) => {
          if (status !== 401) return head(status, headers)
          refused = 0
          // A body that is still on its way goes with the request that is repeated.
          if (body === "streamed" && !upload!.isEnded()) sent?.abort()
          onRejected(ProxyHeaders.challenge(headers))
        },
        onData: (chunk) => {
          if (refused !== undefined) {
            refused += chunk.length
            if (refused > MAX_REFUSAL) sent?.abort()
            return true
          }
          isBodyBegun = true
          onBytes(chunk.length)
          return response.write(chunk)
        },
        onEnd: (raw) => {
          if (refused !== undefined) return
          isBodyBegun = true
          const trailers = ProxyHeaders.trailers(raw)
          if (trailers.length > 0) response.addTrailers(trailers)
          response.end()
          finish(Option.none())
        },
        onError: (cause) => {
          if (refused === undefined) fail(ProxyProblem.fromUpstream(cause))
        },
        onDrain: () => upload?.resume()
      })
    } catch (cause) {
      return fail(ProxyProblem.fromUpstream(cause))
    }
    cancel = sent.abort
    if (body === "streamed") upload!.passTo(sent)
  }

  const again = (renewed: AccessToken.AccessToken): void => {
    const repeat = (body: Buffer | undefined) =>
      send(renewed, body, (challenge) => fail(ProxyProblem.tokenRejected(tenant, challenge)))
    if (upload === undefined) return repeat(undefined)
    upload.whole((body) => {
      if (isOver) return
      if (body === undefined) fail(ProxyProblem.notReplayed(tenant, keep))
      else repeat(body)
    })
  }

  withToken(
    (done) => tokens.current(run, done),
    (token) =>
      send(
        token,
        upload === undefined ? undefined : "streamed",
        () => withToken((done) => tokens.renewed(run, token.token, done), again)
      )
  )

  return () => {
    isOver = true
    cancel()
    upload?.discard()
  }
}
