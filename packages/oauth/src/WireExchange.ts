/**
 * One request and all that is known of its fate. The whole answer is captured before anything judges it.
 *
 * @since 0.1.0
 */
import { ProviderUnavailable } from "@lockstep/core/Errors"
import * as RoundTrip from "@lockstep/core/RoundTrip"
import type { TenantId } from "@lockstep/core/TenantId"
import * as WholeBody from "@lockstep/core/WholeBody"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AnswerText from "./AnswerText.js"
import type { WireRequest } from "./WireRequest.js"

/**
 * An answer as it came. The body may hold tokens, whatever the status says.
 *
 * @since 0.1.0
 * @category models
 */
export interface WireAnswer {
  readonly status: number
  readonly contentType: string
  /** `Retry-After`, `Retry-After-Ms` and `Date`, as sent. */
  readonly retryAfter: string | null
  readonly retryAfterMs: string | null
  readonly date: string | null
  readonly body: Redacted.Redacted<string>
  /**
   * `Cut`: the connection ended inside the body. `TooLarge`: more than {@link BODY_LIMIT} bytes. `Open`: time was up, and
   * neither the connection nor the server had said that this is all.
   */
  readonly end: RoundTrip.End | "Open"
}

/**
 * How far a request came.
 *
 * @since 0.1.0
 * @category models
 */
export type WireExchange = Data.TaggedEnum<{
  /** Not a byte of the request left. */
  NeverSent: { readonly detail: string; readonly remedy?: string | undefined }
  /** Sent, perhaps, and the connection ended before a status line was read. */
  Lost: { readonly detail: string }
  /** Sent, and no status line was read within the limit. */
  Silent: { readonly detail: string }
  Answered: { readonly answer: WireAnswer }
}>

/**
 * Constructors of {@link WireExchange}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const WireExchange = Data.taggedEnum<WireExchange>()

/**
 * The longest body that is read, in bytes. Token answers have a few thousand.
 *
 * @since 0.1.0
 * @category defaults
 */
export const BODY_LIMIT = WholeBody.DOCUMENT_LIMIT

const answerOf = (
  { body, end, head }: Extract<RoundTrip.Progress, { readonly _tag: "Answered" }>
): WireAnswer => {
  const contentType = head.headers["content-type"] ?? ""
  return {
    status: head.status,
    contentType: contentType.toLowerCase(),
    retryAfter: head.headers["retry-after"] ?? null,
    retryAfterMs: head.headers["retry-after-ms"] ?? null,
    date: head.headers["date"] ?? null,
    body: Redacted.make(AnswerText.read(body, contentType)),
    end
  }
}

const exchangeOf = (progress: RoundTrip.Progress): WireExchange => {
  switch (progress._tag) {
    case "Connecting":
      return WireExchange.NeverSent({ detail: "no connection in time" })
    case "NeverSent":
      return WireExchange.NeverSent({ detail: progress.detail, remedy: progress.remedy })
    case "Sent":
      return WireExchange.Silent({ detail: "no answer in time" })
    case "MaybeSent":
      return WireExchange.Lost({ detail: progress.detail })
    case "Answered":
      return WireExchange.Answered({ answer: answerOf(progress) })
  }
}

/**
 * Sends a request once and reads what comes of it within a limit. Never fails; interruption ends the connection.
 *
 * @since 0.1.0
 * @category combinators
 */
export const send = (
  roundTripper: RoundTrip.RoundTripper,
  request: WireRequest,
  limit: Duration.DurationInput
): Effect.Effect<WireExchange> =>
  RoundTrip.within(
    roundTripper,
    {
      url: request.url,
      method: request.method,
      headers: Redacted.value(request.headers),
      body: Redacted.value(request.body)
    },
    { limit, body: BODY_LIMIT }
  ).pipe(
    Effect.map(exchangeOf),
    Effect.withSpan("lockstep.oauth.exchange", {
      kind: "client",
      attributes: { "http.request.method": request.method, "server.address": new URL(request.url).host }
    })
  )

/** What is waited before a server is asked again that could not be reached. Milliseconds. */
const PAUSE = 1_000

/**
 * Says that there was no answer, to a caller who has lost nothing by it.
 *
 * @since 0.1.0
 * @category errors
 */
export const unreached = (
  tenant: TenantId,
  exchange: Exclude<WireExchange, { readonly _tag: "Answered" }>
): ProviderUnavailable =>
  new ProviderUnavailable({
    tenant,
    reason: "Transport",
    retryAfter: PAUSE,
    detail: exchange.detail,
    ...exchange._tag === "NeverSent" ? { remedy: exchange.remedy } : {}
  })
