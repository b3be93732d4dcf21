/**
 * Where requests come in: those that may not ask are answered here, the others are counted and handed on.
 *
 * What happens for every request is plain callbacks, up to the application.
 *
 * @since 0.1.0
 */
import type * as AgentKey from "@lockstep/node/AgentKey"
import * as AgentKeys from "@lockstep/node/AgentKey"
import type * as BoundedServer from "@lockstep/node/network/BoundedServer"
import type * as Workload from "@lockstep/node/network/Workload"
import * as Either from "effect/Either"
import type { IncomingMessage, ServerResponse } from "node:http"
import type * as AuditLog from "./AuditLog.js"
import type { Caller } from "./Caller.js"
import * as Callers from "./Caller.js"
import * as Exchange from "./Exchange.js"
import * as KeeperGuard from "./KeeperGuard.js"
import * as KeeperProblem from "./KeeperProblem.js"
import * as KeeperWire from "./KeeperWire.js"

const BUSY = new KeeperProblem.KeeperRefused({
  reason: "Busy",
  message: "this keeper has as many requests under way as it takes on",
  advice: "try again",
  retryAfter: 1_000
})

const ENDING = new KeeperProblem.KeeperRefused({
  reason: "Ending",
  message: "this keeper ends, and takes nothing new on",
  advice: "start it again with `lockstep serve`, or do without it"
})

const TOO_LARGE = new KeeperProblem.KeeperRefused({
  reason: "TooLarge",
  message: "the body is larger than anything that a keeper is sent",
  advice: "send the token, the code or the address alone"
})

const refuse = (response: ServerResponse, refusal: KeeperProblem.KeeperRefused): void => {
  const body = Buffer.from(JSON.stringify(KeeperProblem.toJson(refusal)))
  const status = KeeperProblem.STATUS[refusal.reason]
  response.writeHead(status, [
    "Content-Type",
    "application/json",
    "Content-Length",
    String(body.length),
    "Cache-Control",
    "no-store",
    // What is still to come of the request is not read.
    "Connection",
    "close",
    ...(status === 401 ? ["WWW-Authenticate", "Bearer realm=\"lockstep\""] : []),
    ...(status === 405 ? ["Allow", "GET, POST"] : []),
    ...(refusal.retryAfter === undefined ? [] : ["Retry-After", String(Math.ceil(refusal.retryAfter / 1000))])
  ])
  response.end(body)
}

const PREFERS = new RegExp(`(?:^|[,;\\s])${KeeperWire.PROCESSING}(?:$|[,;\\s])`)

/** Says that the keeper lives, to a client that asked for it, until the answer is there. */
const signOfLife = (request: IncomingMessage, response: ServerResponse): () => void => {
  if (request.httpVersion !== "1.1" || !PREFERS.test(String(request.headers["prefer"] ?? ""))) return () => {}
  const timer = setInterval(() => {
    if (response.headersSent || response.destroyed) clearInterval(timer)
    else response.writeProcessing()
  }, KeeperWire.SIGN_OF_LIFE)
  return () => clearInterval(timer)
}

/**
 * What a desk needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly keys: KeeperGuard.Options["keys"]
  readonly owner: number | undefined
  readonly audit: AuditLog.AuditLog
  readonly workload: Workload.Workload
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
}

/**
 * Makes the handler of one door.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options) => (door: KeeperGuard.Door): BoundedServer.Handler => {
  const { audit, handle, keys, owner, workload } = options
  const now = Date.now
  const guard = KeeperGuard.make({ door, keys, owner, now })

  const isStillKnown = (caller: Caller) => (): boolean => {
    if (caller._tag === "User") return true
    const { digest } = caller.key
    return Either.match(keys(), {
      onLeft: () => false,
      onRight: (all: ReadonlyArray<AgentKey.AgentKey>) =>
        all.some((one) => one.digest === digest && !AgentKeys.hasExpired(one, now()))
    })
  }

  const decline = (
    response: ServerResponse,
    refusal: KeeperProblem.KeeperRefused,
    who: Readonly<Record<string, string | number>>
  ): void => {
    audit.refusal({ event: "refused", door: door.toLowerCase(), ...who, error: refusal.reason })
    refuse(response, refusal)
  }

  return (request, response, admit) => {
    // A client that leaves is told of by `close`.
    response.on("error", () => {})
    const verdict = guard(request)
    if (verdict._tag === "Refused") return decline(response, verdict.refusal, {})
    const { caller, client, url } = verdict
    admit()
    const refusal = workload.isEnding()
      ? ENDING
      : workload.isFull()
      ? BUSY
      : Number(request.headers["content-length"] ?? 0) > Exchange.MAX_BODY
      ? TOO_LARGE
      : undefined
    if (refusal !== undefined) return decline(response, refusal, Callers.toAudit(caller))
    if (request.headers.expect !== undefined) response.writeContinue()
    request.url = url
    Exchange.begin(request, { caller, client, isStillKnown: isStillKnown(caller) })
    const entry = workload.enter(() => response.destroy())
    const quiet = signOfLife(request, response)
    let hasLeft = false
    const leave = (): void => {
      if (hasLeft) return
      hasLeft = true
      quiet()
      entry.leave()
    }
    response.once("close", leave)
    // An answer that waits behind another one has no connection yet, and is never told that it ended.
    if (response.socket === null) request.socket.once("close", leave)
    handle(request, response)
  }
}
