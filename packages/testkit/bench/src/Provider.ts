/**
 * The process of the authorization server: strict, rotating, and as slow as it is told to be. A second server beside it
 * is fast, for whatever is not to be measured.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Login } from "./Contender.js"
import * as Remote from "./Remote.js"

const CLIENT = "bench"

const make = Effect.gen(function*() {
  const fast = yield* ScriptedServer.make()
  const slow = yield* ScriptedServer.make()
  let prepared = 0

  return {
    /** Starts logins. */
    issue: ({ count, server }: { readonly server: "fast" | "slow"; readonly count: number }) =>
      Effect.sync(() => {
        const { issue, tokenEndpoint } = server === "fast" ? fast : slow
        return Array.from({ length: count }, (): Login => {
          const { accessToken, refreshToken } = issue()
          return {
            tenant: CLIENT,
            access_token: accessToken,
            refresh_token: refreshToken,
            token_endpoint: tokenEndpoint,
            client_id: CLIENT
          }
        })
      }),

    /** Makes the slow server take this long, in milliseconds, for at least so many requests to come. */
    delay: ({ latency, requests }: { readonly latency: number; readonly requests: number }) =>
      Effect.suspend(() => {
        const missing = slow.requests.length + requests - prepared
        if (missing <= 0) return Effect.void
        prepared += missing
        return slow.script(...Array.from({ length: missing }, () => ServerBehaviour.delayed(latency)))
      }),

    /** What the slow server has seen so far. */
    tally: () =>
      Effect.sync(() => ({
        requests: slow.requests.length,
        redemptions: slow.redemptions.length,
        reuses: slow.reuses.length
      })),

    /** What the fast server has seen so far. */
    tallyFast: () => Effect.sync(() => ({ redemptions: fast.redemptions.length, reuses: fast.reuses.length })),

    /** Which of these tokens are good. */
    live: ({ tokens }: { readonly tokens: ReadonlyArray<string> }) =>
      Effect.sync(() => tokens.map((token) => slow.isLive(token) || fast.isLive(token))),

    /** Lets the fast server never answer its next request, and waits until that has come. */
    hangNext: () =>
      Queue.takeAll(fast.arrivals).pipe(
        Effect.zipRight(fast.script(ServerBehaviour.hang)),
        Effect.zipRight(Effect.asVoid(Queue.take(fast.arrivals)))
      )
  }
})

/**
 * What the process can be asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type Provider = Effect.Effect.Success<typeof make>

NodeRuntime.runMain(Effect.scoped(Effect.flatMap(make, Remote.serve)))
