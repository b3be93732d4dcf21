/**
 * A look at the address that a person is about to be sent to. A server that has forgotten a client says so on a page, to
 * the person alone, and no answer ever comes back: what nobody tells the program it has to find out beforehand.
 *
 * One GET, without cookies, which follows no redirect and reads no body. Nothing is decided by silence.
 *
 * @since 0.1.0
 */
import type { FetchFunction } from "@lockstep/core/FetchFunction"
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

/** A person is waiting. */
const TIMEOUT = Duration.seconds(3)

const CODES: ReadonlyMap<string | null, Look> = new Map([
  ["invalid_scope", "ScopeRefused"],
  ["invalid_client", "ClientRefused"],
  ["unauthorized_client", "ClientRefused"]
])

/** RFC 6749 section 4.1.2.1: what is wrong with client or redirect address is shown, everything else is sent back. */
const judge = (status: number, location: string | null, redirectUri: string): Look => {
  if (status === 400 || status === 401) return "ClientRefused"
  if (status < 300 || status > 399 || location === null || !URL.canParse(location)) return "Open"
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
  fetch: FetchFunction,
  { redirectUri, url }: { readonly url: string; readonly redirectUri: string }
): Effect.Effect<Look> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new AbortController()),
    ({ signal }) =>
      Effect.tryPromise(async () => {
        const { body, headers, status } = await fetch(url, {
          method: "GET",
          redirect: "manual",
          duplex: "half",
          signal,
          headers: { ...OAuthVendor.generic.headers, accept: "text/html,application/xhtml+xml" }
        })
        // A body that nobody reads keeps its connection, and the process with it.
        if (body instanceof ReadableStream) await body.cancel()
        return judge(status, headers.get("location"), redirectUri)
      }),
    // Ends the connection, whose body nobody reads.
    (controller) => Effect.sync(() => controller.abort())
  ).pipe(
    Effect.timeoutTo({ duration: TIMEOUT, onSuccess: (found: Look) => found, onTimeout: (): Look => "Open" }),
    Effect.orElseSucceed((): Look => "Open"),
    Effect.withSpan("lockstep.login.look", {
      kind: "client",
      attributes: { "server.address": new URL(url).host }
    })
  )
