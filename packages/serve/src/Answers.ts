/**
 * The answers of a keeper, as responses: none is kept by anything in between, and each error says when to try again.
 *
 * @since 0.1.0
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { ReauthorizationRequired } from "@lockstep/core/Errors"
import * as KeeperProblem from "./KeeperProblem.js"
import type * as KeeperWire from "./KeeperWire.js"

const HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

/**
 * Answers with a document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = (body: unknown, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(body, { status, headers: HEADERS })

/**
 * Answers with an error of a login.
 *
 * @since 0.1.0
 * @category constructors
 */
export const problem = (
  error: KeeperWire.Problem,
  status: number = KeeperProblem.statusOf(error)
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson({ error }, {
    status,
    headers: error.retry_after === undefined
      ? HEADERS
      : { ...HEADERS, "retry-after": String(Math.max(1, Math.ceil(error.retry_after))) }
  })

/**
 * Answers with a refusal of the keeper's own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refused = (refusal: KeeperProblem.KeeperRefused): HttpServerResponse.HttpServerResponse =>
  problem(KeeperProblem.toJson(refusal).error, KeeperProblem.STATUS[refusal.reason])

/**
 * What an agent is told of a tenant that is not there, and of one that is not for it: the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const absentForAgent = (tenant: string): KeeperWire.Problem => ({
  _tag: "ReauthorizationRequired",
  reason: "NotFound",
  message: `${tenant} is not logged in here, or this key does not open it`,
  advice: "on the host, log in with `lockstep login`, or see with `lockstep agent list` what the key opens",
  exit_code: 3,
  tenant,
  source: KeeperProblem.sourceOf(new ReauthorizationRequired({ tenant, reason: "NotFound" }))
})

/**
 * What is told of a fault of the keeper's.
 *
 * @since 0.1.0
 * @category constants
 */
export const UNEXPECTED: KeeperWire.Problem = {
  _tag: "Unexpected",
  reason: null,
  message: "something unexpected happened in the keeper",
  advice: "run `lockstep doctor`; if it finds nothing, report this with the keeper's log",
  exit_code: 1
}
