/**
 * How the scripted server treats one request: as a strict server would, or with one of the faults that real ones show.
 *
 * A behaviour is handed the request and three ways to treat its refresh token, and says what goes back on the wire.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * A request as it arrived. Tokens are fake.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerRequest {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly method: string
  readonly path: string
  /** Counts connections: two requests with the same number shared one. */
  readonly connection: number
  readonly contentType: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** Members of the form or JSON body. */
  readonly params: Readonly<Record<string, string>>
  readonly clientAuth: "none" | "client_secret_post" | "client_secret_basic"
  /** Of the refresh token, or of the token to be revoked. */
  readonly fingerprint: string
}

/**
 * What goes back. `Cut`: half of the body, then the connection ends. `Stalled`: half of it, then nothing.
 * `Trickled`: all of it, a few bytes at a time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly ending: "Whole" | "Cut" | "Stalled" | "Trickled"
}

/**
 * A reply, or none. `Reset`: the connection is reset. `Close`: it is closed in order. `Silence`: it stays open.
 *
 * @since 0.1.0
 * @category models
 */
export type Fate = Reply | "Reset" | "Close" | "Silence"

/**
 * Ways to treat the refresh token of a request. Each does what it says when it is called, and answers what a strict
 * server would reply.
 *
 * @since 0.1.0
 * @category models
 */
export interface Treatment {
  /** Consumes it; a consumed one revokes its family. */
  readonly redeem: () => Reply
  /** Grants a further access token and leaves it good. */
  readonly extend: () => Reply
  /** Refuses it while the access token is still valid, else consumes it. */
  readonly redeemUnlessEarly: () => Reply
}

/**
 * Treats one request.
 *
 * @since 0.1.0
 * @category models
 */
export type Behaviour = (treatment: Treatment, request: ServerRequest) => Effect.Effect<Fate>

/**
 * Makes a reply with a JSON body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  body: JSON.stringify(body),
  ending: "Whole"
})

/**
 * Answers with a fixed reply and leaves the token alone.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const reply = (fate: Fate): Behaviour => () => Effect.succeed(fate)

/**
 * Consumes the token and changes the answer on its way back.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const altered = (alter: (answer: Reply) => Fate): Behaviour => ({ redeem }) => Effect.sync(() => alter(redeem()))

/**
 * Consumes the token, and changes the members of a JSON answer.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const members = (alter: (answer: Record<string, unknown>) => Record<string, unknown>): Behaviour =>
  altered((answer) => ({ ...answer, body: JSON.stringify(alter(JSON.parse(answer.body) as Record<string, unknown>)) }))

/**
 * Consumes the token, and leaves a member out of the answer.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const without = (member: string): Behaviour =>
  members((answer) => Object.fromEntries(Object.entries(answer).filter(([name]) => name !== member)))

/**
 * What a strict server does.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const strict: Behaviour = altered((answer) => answer)

/**
 * Grants an access token; the answer holds no refresh token, and the old one stays good.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const omittedRefreshToken: Behaviour = ({ extend }, request) =>
  without("refresh_token")({ redeem: extend, extend, redeemUnlessEarly: extend }, request)

/**
 * Grants an access token and repeats the refresh token, which stays good.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const sameRefreshToken: Behaviour = ({ extend }) => Effect.sync(extend)

/**
 * Answers 201 instead of 200.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const created: Behaviour = altered((answer) => ({ ...answer, status: 201 }))

/**
 * Leaves out `token_type`.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const withoutTokenType: Behaviour = without("token_type")

/**
 * Labels the answer as something else than JSON.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const contentType = (type: string): Behaviour =>
  altered((answer) => ({ ...answer, headers: { ...answer.headers, "content-type": type } }))

/**
 * Sends the answer a few bytes at a time.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const trickled: Behaviour = altered((answer) => ({ ...answer, ending: "Trickled" }))

/**
 * Refuses a refresh while the access token is still valid, in the words that also mean a dead grant.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const earlyRefusal: Behaviour = ({ redeemUnlessEarly }) => Effect.sync(redeemUnlessEarly)

/**
 * Consumes the token and loses the answer: resets the connection, closes it, or cuts the body in the middle.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const consumedThen = (how: "Reset" | "Close" | "Cut" | "Stalled" | "Silence"): Behaviour =>
  altered((answer) => how === "Cut" || how === "Stalled" ? { ...answer, ending: how } : how)

/**
 * Never answers, and leaves the token alone.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const hang: Behaviour = reply("Silence")

/**
 * Ends the connection before the token is looked at.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const dropped: Behaviour = reply("Reset")

/**
 * 429, with the given `Retry-After` and the like.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const rateLimited = (headers: Readonly<Record<string, string>> = {}): Behaviour =>
  reply(json(429, { error: "slow_down" }, headers))

/**
 * A 5xx with a page for people.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const html = (status: number, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  reply({
    status,
    headers: { "content-type": "text/html", ...headers },
    body: "<!doctype html><title>Bad gateway</title><h1>502</h1>",
    ending: "Whole"
  })

/**
 * Refuses in the words of RFC 6749; also with status 200, as some servers do.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const refused = (error: string, status = 400, description?: string): Behaviour =>
  reply(json(status, { error, ...(description === undefined ? {} : { error_description: description }) }))

/**
 * Refuses with the code inside an object, as OpenAI does.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const refusedNested = (code: string, status: number, message = "no"): Behaviour =>
  reply(json(status, { error: { message, type: "invalid_request_error", param: null, code } }))

/**
 * Points elsewhere.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const redirect = (location: string, status = 307): Behaviour =>
  reply({ status, headers: { location }, body: "", ending: "Whole" })

/**
 * Answers with a body of so many bytes.
 *
 * @since 0.1.0
 * @category behaviours
 */
export const huge = (bytes: number, status = 200): Behaviour =>
  reply({
    status,
    headers: { "content-type": "application/json" },
    body: `"${"x".repeat(bytes - 2)}"`,
    ending: "Whole"
  })

/**
 * Waits, in real time, before the token is looked at.
 *
 * @since 0.1.0
 * @category combinators
 */
export const delayed =
  (duration: Duration.DurationInput, behaviour: Behaviour = strict): Behaviour => (treatment, request) =>
    Effect.delay(behaviour(treatment, request), duration)

/**
 * Waits for a gate before the token is looked at.
 *
 * @since 0.1.0
 * @category combinators
 */
export const gated =
  (gate: Deferred.Deferred<void>, behaviour: Behaviour = strict): Behaviour => (treatment, request) =>
    Effect.zipRight(Deferred.await(gate), behaviour(treatment, request))

/**
 * Consumes the token, and holds the answer back until the gate opens.
 *
 * @since 0.1.0
 * @category combinators
 */
export const heldBack =
  (gate: Deferred.Deferred<void>, behaviour: Behaviour = strict): Behaviour => (treatment, request) =>
    Effect.zipLeft(behaviour(treatment, request), Deferred.await(gate))
