/**
 * The interface as an application: requests in, answers out, a line of the audit before each answer.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Answers from "./Answers.js"
import type * as AuditLog from "./AuditLog.js"
import * as Callers from "./Caller.js"
import * as DocumentHandlers from "./DocumentHandlers.js"
import * as EventHandlers from "./EventHandlers.js"
import * as Exchange from "./Exchange.js"
import { KeeperApi } from "./KeeperApi.js"
import { KeeperRefused } from "./KeeperProblem.js"
import * as LoginHandlers from "./LoginHandlers.js"
import * as MetadataRoutes from "./MetadataRoutes.js"
import * as TenantHandlers from "./TenantHandlers.js"

const MALFORMED = new KeeperRefused({
  reason: "BadRequest",
  message: "path or query of the request are not understood",
  advice: "see /v1/openapi.json"
})

const NO_SUCH_PATH = new KeeperRefused({
  reason: "NoSuchPath",
  message: "there is nothing at this path",
  advice: "see /v1/openapi.json"
})

const NO_AUDIT = new KeeperRefused({
  reason: "Audit",
  message: "the audit cannot be written, and no token leaves without its line",
  advice: "free the disk, or repair the permissions of the audit's file"
})

/** What went wrong is worded here alone: a decoder's own words repeat what they could not read. */
const answerTo = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
  const error = Cause.squash(cause)
  if (error instanceof HttpApiError.HttpApiDecodeError || error instanceof HttpServerError.RequestError) {
    return Effect.succeed(Answers.refused(MALFORMED))
  }
  if (error instanceof HttpServerError.RouteNotFound) return Effect.succeed(Answers.refused(NO_SUCH_PATH))
  const name = error instanceof Error ? error.name : "unknown"
  const frames = error instanceof Error
    ? (error.stack ?? "").split("\n").map((line) => line.trim()).filter((line) => line.startsWith("at "))
    : []
  return Effect.as(
    Effect.annotateLogs(Effect.logError(`an answer failed unexpectedly (${name})`), { frames: frames.join(" ") }),
    Answers.problem(Answers.UNEXPECTED, 500)
  )
}

/** Whether a line could be written. */
const write = (audit: AuditLog.AuditLog, entry: AuditLog.Entry): boolean => {
  try {
    audit.write(entry)
    return true
  } catch {
    return false
  }
}

const pathOf = (url: string): string => url.replace(/\?.*$/s, "")

/** Within the application: its own answer to what it cannot decode repeats what that was. */
const worded = HttpApiBuilder.middleware((app) => Effect.catchAllCause(app, answerTo))

const live = HttpApiBuilder.api(KeeperApi).pipe(
  Layer.provide([TenantHandlers.layer, EventHandlers.layer, LoginHandlers.layer, DocumentHandlers.layer]),
  Layer.provide(Exchange.layer)
)

/**
 * Makes the handler of requests whose exchange was begun.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (audit: AuditLog.AuditLog) =>
  Effect.gen(function*() {
    const metadata = yield* MetadataRoutes.make
    const api = yield* HttpApiBuilder.httpApp
    const app = HttpRouter.mountApp(metadata, "/v1", api, { includePrefix: true })
    return yield* NodeHttpServer.makeHandler(Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const exchange = yield* Exchange.current
      const answer = yield* app.pipe(
        Effect.catchAllCause(answerTo),
        Effect.provideService(Exchange.Exchange, exchange),
        HttpIncomingMessage.withMaxBodySize(Option.some(FileSystem.Size(Exchange.MAX_BODY)))
      )
      return write(audit, {
          event: "answer",
          ...Callers.toAudit(exchange.caller),
          client: exchange.client,
          method: request.method,
          // A path that is not understood may hold anything.
          ...(answer.status === 404 && exchange.noted().tenant === undefined ? {} : { path: pathOf(request.url) }),
          status: answer.status,
          ...exchange.noted()
        })
        ? answer
        : Answers.refused(NO_AUDIT)
    }))
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        live,
        worded,
        HttpApiBuilder.Router.Live,
        HttpApiBuilder.Middleware.layer,
        NodeHttpServer.layerContext
      )
    )
  )
