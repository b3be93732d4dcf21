/**
 * A look at the address that a person is about to be sent to. A server that has forgotten a client says so on a page, to
 * the person alone, and no answer ever comes back: the program is told nothing, and has to find it out beforehand.
 *
 * One GET, without cookies, which follows no redirect and reads no body. Nothing is decided by silence.
 *
 * @since 0.1.0
 */
import * as RoundTrip from "@lockstep/core/RoundTrip"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as OAuthVendor from "./OAuthVendor.js"

/**
 * What the server said. `Open`: nothing against a person's visit.
 *
 * @since 0.1.0
 * @category models
 */
export type Look = "Open" | "ClientRefused" | "ScopeRefused"

/** Bytes of the page, which is not read. */
const BODY_LIMIT = 1_024

/** A person is waiting. */
const TIMEOUT = Duration.seconds(3)

const CODES: ReadonlyMap<string | null, Look> = new Map([
  ["invalid_scope", "ScopeRefused"],
  ["invalid_client", "ClientRefused"],
  ["unauthorized_client", "ClientRefused"]
])

/** RFC 6749 section 4.1.2.1: what is wrong with client or redirect address is shown, everything else is sent back. */
const judge = (status: number, location: string | undefined, redirectUri: string): Look => {
  if (status === 400 || status === 401) return "ClientRefused"
  if (status < 300 || status > 399 || location === undefined || !URL.canParse(location)) return "Open"
  const { origin, pathname, searchParams } = new URL(location)
  const home = new URL(redirectUri)
  return origin === home.origin && pathname === home.pathname ? CODES.get(searchParams.get("error")) ?? "Open" : "Open"
}

/**
 * Looks once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const look = (
  roundTripper: RoundTrip.RoundTripper,
  { redirectUri, url }: { readonly url: string; readonly redirectUri: string }
): Effect.Effect<Look> =>
  RoundTrip.within(
    roundTripper,
    {
      url,
      method: "GET",
      headers: { ...OAuthVendor.generic.headers, accept: "text/html,application/xhtml+xml" }
    },
    { limit: TIMEOUT, body: BODY_LIMIT, headOnly: true }
  ).pipe(
    Effect.map((progress): Look =>
      progress._tag === "Answered"
        ? judge(progress.head.status, progress.head.headers["location"], redirectUri)
        : "Open"
    ),
    Effect.withSpan("lockstep.login.look", {
      kind: "client",
      attributes: { "server.address": new URL(url).host }
    })
  )
