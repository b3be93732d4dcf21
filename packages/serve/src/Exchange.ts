/**
 * The request that is answered: who asks, and what the audit is told of it.
 *
 * @since 0.1.0
 */
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Caller } from "./Caller.js"

/**
 * What the audit says of an answer. Never a secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface Noted {
  readonly tenant?: string
  /** First 12 hex digits of the SHA-256 of the access token that leaves. */
  readonly token?: string
  /** Tag and reason of the error. */
  readonly error?: string
}

/**
 * A request that was let in.
 *
 * @since 0.1.0
 * @category services
 */
export class Exchange extends Context.Tag("@lockstep/serve/Exchange")<Exchange, {
  readonly caller: Caller
  /** How the client calls itself. */
  readonly client: string
  /** Whether the caller may still ask: a key can be removed while its stream is open. */
  readonly isStillKnown: () => boolean
  /** Adds to what the audit says of the answer. */
  readonly note: (members: Noted) => void
  /** What was noted. */
  readonly noted: () => Noted
}>() {}

/**
 * Bytes of a body at most: the largest is a token, or the address that a browser was sent to.
 *
 * @since 0.1.0
 * @category constants
 */
export const MAX_BODY = 65_536

// Who asks is found out where the request comes in, before anything of it is read; here it is found again.
const exchanges = new WeakMap<object, Exchange["Type"]>()

/**
 * Begins an exchange: `source` is the request as Node has it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const begin = (source: object, options: Pick<Exchange["Type"], "caller" | "client" | "isStillKnown">): void => {
  let noted: Noted = {}
  exchanges.set(source, {
    ...options,
    note: (members) => {
      noted = { ...noted, ...members }
    },
    noted: () => noted
  })
}

/**
 * The exchange of the request that is answered. A request that was not let in does not come so far.
 *
 * @since 0.1.0
 * @category getters
 */
export const current: Effect.Effect<Exchange["Type"], never, HttpServerRequest.HttpServerRequest> = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  ({ source }) => {
    const exchange = exchanges.get(source as object)
    return exchange === undefined ? Effect.dieMessage("a request came past the guard") : Effect.succeed(exchange)
  }
)

/**
 * What the interface says of who may ask. The guard has asked by then.
 *
 * @since 0.1.0
 * @category middleware
 */
export class Admission extends HttpApiMiddleware.Tag<Admission>()("@lockstep/serve/Admission", {
  provides: Exchange,
  security: {
    agent_key: HttpApiSecurity.bearer.pipe(
      HttpApiSecurity.annotate(
        OpenApi.Description,
        "an agent's key, from a file. Over the user's own socket none is needed."
      )
    )
  }
}) {}

/**
 * Hands the exchange on.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Admission> = Layer.succeed(Admission, Admission.of({ agent_key: () => current }))
