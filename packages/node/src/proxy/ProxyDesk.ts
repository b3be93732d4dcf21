/**
 * Where requests come in: those that may not pass are answered here, the others are counted and begun.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as ProxyExchange from "./ProxyExchange.js"
import type * as ProxyGuard from "./ProxyGuard.js"
import * as ProxyHeaders from "./ProxyHeaders.js"
import * as ProxyProblem from "./ProxyProblem.js"
import type * as ProxyWorkload from "./ProxyWorkload.js"

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

const UNEXPECTED = new ProxyProblem.ProxyProblem({
  status: 500,
  kind: "unexpected",
  title: "Something unexpected happened",
  detail: "the proxy has a defect",
  advice: "run `lockstep doctor`; if it finds nothing, report this"
})

/**
 * The answer to an exchange that failed.
 *
 * @since 0.1.0
 * @category getters
 */
export const problemOf = (cause: Cause.Cause<ProxyProblem.ProxyProblem>): ProxyProblem.ProxyProblem =>
  Option.getOrElse(Cause.failureOption(cause), () => UNEXPECTED)

/**
 * Answers what comes in.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyDesk {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
}

/**
 * Makes a desk. `begin` runs an exchange and answers with what interrupts it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly guard: (request: IncomingMessage) => ProxyGuard.Verdict
  readonly workload: ProxyWorkload.ProxyWorkload
  readonly begin: (
    exchange: ProxyExchange.Exchange,
    done: (exit: Exit.Exit<void, ProxyProblem.ProxyProblem>) => void
  ) => () => void
  readonly onEnd: (exchange: ProxyExchange.Exchange, bytes: number, millis: number) => void
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
    const one: ProxyExchange.Exchange = {
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
    let interrupt = () => {}
    response.once("close", () => {
      interrupt()
      entry.leave()
      onEnd(one, bytes, performance.now() - began)
    })
    interrupt = begin(one, (exit) => {
      if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause) || response.destroyed) return
      if (response.headersSent) return ProxyExchange.cut(one)
      answer(response, problemOf(exit.cause), [
        ...(origin === undefined ? [] : ProxyHeaders.cors(origin)),
        ...(workload.isEnding() ? ["Connection", "close"] : [])
      ])
    })
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
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
        response.writeHead(204, [...ProxyHeaders.preflight(request.rawHeaders, verdict.origin)])
        response.end()
        return
      case "Admitted": {
        if (workload.isEnding()) return answer(response, ENDING, ["Connection", "close"])
        if (workload.isFull()) return answer(response, BUSY, more)
        if (request.headers.expect !== undefined) response.writeContinue()
        return exchange(request, response, verdict)
      }
    }
  }

  return { handle }
}
