/**
 * Where requests come in: those that may not pass are answered here, the others are counted and begun.
 *
 * @since 0.1.0
 */
import type * as BoundedServer from "@lockstep/node/network/BoundedServer"
import type * as Workload from "@lockstep/node/network/Workload"
import * as Option from "effect/Option"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as ProxyExchange from "./ProxyExchange.js"
import type * as ProxyGuard from "./ProxyGuard.js"
import * as ProxyHeaders from "./ProxyHeaders.js"
import * as ProxyProblem from "./ProxyProblem.js"

const answer = (response: ServerResponse, problem: ProxyProblem.ProxyProblem, more: ReadonlyArray<string>): void => {
  const body = Buffer.from(`${JSON.stringify(ProxyProblem.toJson(problem))}\n`)
  response.writeHead(problem.status, [
    ...Object.entries(ProxyProblem.headers(problem)).flat(),
    "Content-Length",
    String(body.byteLength),
    ...more
  ])
  response.end(body)
}

const BUSY = new ProxyProblem.ProxyProblem({
  status: 503,
  kind: "busy",
  title: "Too many requests at one time",
  detail: "this proxy has as many exchanges under way as it takes on",
  advice: "end some of them, or try again",
  retryAfter: 1_000
})

const ENDING = new ProxyProblem.ProxyProblem({
  status: 503,
  kind: "ending",
  title: "The proxy ends",
  detail: "this proxy takes nothing new on",
  advice: "start it again"
})

/**
 * Answers what comes in.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyDesk {
  readonly handle: BoundedServer.Handler
}

/**
 * Makes a desk. `begin` begins an exchange and answers with what ends it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly guard: (request: IncomingMessage) => ProxyGuard.Verdict
  readonly workload: Workload.Workload
  readonly begin: (
    exchange: ProxyExchange.ProxiedRequest,
    done: (problem: Option.Option<ProxyProblem.ProxyProblem>) => void
  ) => () => void
  readonly onEnd: (exchange: ProxyExchange.ProxiedRequest, bytes: number, millis: number) => void
}): ProxyDesk => {
  const { begin, guard, onEnd, workload } = options

  const exchange = (
    request: IncomingMessage,
    response: ServerResponse,
    { origin, path, query }: { readonly path: string; readonly query: string; readonly origin: string | undefined }
  ): void => {
    const began = performance.now()
    const entry = workload.enter(() => ProxyExchange.cut({ request, response }))
    let bytes = 0
    const one: ProxyExchange.ProxiedRequest = {
      request,
      response,
      path,
      query,
      origin,
      onBytes: (count) => {
        bytes += count
        entry.touch()
      }
    }
    let end = () => {}
    let hasLeft = false
    const leave = () => {
      if (hasLeft) return
      hasLeft = true
      end()
      entry.leave()
      onEnd(one, bytes, performance.now() - began)
    }
    response.once("close", leave)
    // An answer that waits behind another one has no connection yet, and is never told that it ended.
    if (response.socket === null) request.socket.once("close", leave)
    end = begin(one, (problem) => {
      if (Option.isNone(problem) || response.destroyed) return
      if (response.headersSent) return ProxyExchange.cut(one)
      const headers = [
        ...(origin === undefined ? [] : ProxyHeaders.cors(origin)),
        ...(workload.isEnding() ? ["Connection", "close"] : [])
      ]
      // The last thing that can go wrong with this exchange goes wrong with this one alone.
      try {
        answer(response, problem.value, headers)
      } catch {
        ProxyExchange.cut(one)
      }
    })
  }

  const handle: BoundedServer.Handler = (request, response, admit) => {
    // A client that leaves is told of by `close`.
    response.on("error", () => {})
    const verdict = guard(request)
    // A client that waits for 100 has not sent its body, and may never: where the next request begins is not known.
    const more = request.headers.expect === undefined ? [] : ["Connection", "close"]
    switch (verdict._tag) {
      case "Unknown":
        response.writeHead(404, ["Content-Length", "0", "Connection", "close"])
        response.end()
        return
      case "Refused":
        return answer(response, verdict.problem, more)
      case "Preflight":
        admit()
        response.writeHead(204, [...ProxyHeaders.preflight(request.rawHeaders, verdict.origin)])
        response.end()
        return
      case "Admitted": {
        admit()
        if (workload.isEnding()) return answer(response, ENDING, ["Connection", "close"])
        if (workload.isFull()) return answer(response, BUSY, more)
        if (request.headers.expect !== undefined) response.writeContinue()
        return exchange(request, response, verdict)
      }
    }
  }

  return { handle }
}
