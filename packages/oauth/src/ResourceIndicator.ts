/**
 * The parameter `resource` (RFC 8707): when it is sent, and the way out where a server refuses it.
 *
 * A server that refuses it may have consumed the refresh token all the same, so no request is repeated without it. The
 * record says once and for all whether it is sent, and a login sets that.
 *
 * @since 0.1.0
 */
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as Option from "effect/Option"
import type { WireExchange } from "./WireExchange.js"

/**
 * What a record says of a server that is to be asked without it.
 *
 * @since 0.1.0
 * @category constants
 */
export const OMIT = "omit"

/**
 * Whom tokens are for, and whether the server is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bound {
  readonly resource: Option.Option<string>
  readonly resourceParameter: Option.Option<string>
}

/**
 * What the server is told.
 *
 * @since 0.1.0
 * @category getters
 */
export const sent = ({ resource, resourceParameter }: Bound): Option.Option<string> =>
  Option.filter(resource, () => !Option.contains(resourceParameter, OMIT))

/**
 * The parameters of a request.
 *
 * @since 0.1.0
 * @category getters
 */
export const parameters = (bound: Bound): Record<string, string> =>
  Option.match(sent(bound), { onNone: () => ({}), onSome: (resource) => ({ resource }) })

/** Codes that are about another parameter (RFC 6749 section 5.2). */
const OTHERS = /\b(?:invalid_scope|unsupported_grant_type)\b/

/**
 * Tells a refusal that may be one of `resource` as such: a 400 that says nothing of the grant, the client or the scope.
 *
 * @since 0.1.0
 * @category combinators
 */
export const judging = (bound: Bound, exchange: WireExchange) => (answer: RedeemAnswer): RedeemAnswer =>
  answer._tag === "Rejected" && answer.reason === "Protocol" && !OTHERS.test(answer.detail) &&
    exchange._tag === "Answered" &&
    exchange.answer.status === 400 && Option.isSome(sent(bound))
    ? RedeemAnswer.Rejected({ ...answer, reason: "Resource" })
    : answer
