/**
 * A token by a deadline, while its refresh goes on behind it.
 *
 * @since 0.1.0
 */
import * as AccessToken from "@lockstep/core/AccessToken"
import type * as Credential from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as Demand from "@lockstep/core/Demand"
import { LockTimeout, ProviderTimeout, ReauthorizationRequired } from "@lockstep/core/Errors"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Redacted from "effect/Redacted"
import { Relayed } from "../errors/Relayed.js"
import type { Report } from "../errors/Report.js"
import * as Output from "../terminal/Output.js"
import { Background } from "./Background.js"
import * as Sources from "./Sources.js"

/**
 * What is asked for, and by when.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  readonly minTtl: Option.Option<Duration.Duration>
  readonly maxWait: Duration.Duration
  readonly rejected: Option.Option<Redacted.Redacted>
  readonly globals: ReadonlyArray<string>
}

type Stop =
  | { readonly _tag: "Fresh"; readonly token: AccessToken.AccessToken }
  | { readonly _tag: "Refreshed" }
  | { readonly _tag: "Failed"; readonly report: Report }
  | { readonly _tag: "Deadline" }

/**
 * Gets a usable access token by the deadline. A stored one that will do is answered at once; else a detached process
 * refreshes, and at the deadline, or when that process fails, an unexpired token is still an answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const get = (options: Options) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const custody = yield* Custody
    const policy = yield* RefreshPolicy
    const endpoint = yield* TokenEndpoint
    const background = yield* Background
    const { tenant } = options
    const demand = {
      ...Demand.make(Option.match(options.minTtl, { onNone: () => ({}), onSome: (minTtl) => ({ minTtl }) })),
      otherThan: options.rejected
    }
    const began = yield* Clock.currentTimeMillis

    /** The stored token, if it is good enough. */
    const stored = (isGoodEnough: (credential: Credential.Credential, now: number) => boolean) =>
      Effect.gen(function*() {
        const found = yield* store.get(tenant)
        if (Option.isNone(found)) return yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
        const { credential } = found.value
        const now = yield* Clock.currentTimeMillis
        return isGoodEnough(credential, now) ? AccessToken.fromCredential(tenant, credential) : Option.none()
      })
    const fresh = stored((credential, now) =>
      Demand.isMetBy(demand, credential, {
        now,
        margin: Demand.margin(demand, endpoint.traits(tenant, credential), policy)
      })
    )
    const unexpired = stored((credential, now) => Demand.maySettleFor(demand, credential, now))

    const wait = Effect.scoped(Effect.gen(function*() {
      const changes = yield* store.changes(tenant)
      const atOnce = yield* fresh
      if (Option.isSome(atOnce)) return { stop: { _tag: "Fresh", token: atOnce.value } as Stop, pid: Option.none() }
      const refresh = yield* background.start(
        [
          ...options.globals,
          "token",
          tenant,
          "--source",
          Sources.STORED,
          "--json",
          ...Option.match(options.minTtl, {
            onNone: () => [],
            onSome: (ttl) => ["--min-ttl", `${Duration.toMillis(ttl)}ms`]
          }),
          ...(Option.isSome(options.rejected) ? ["--rejected-stdin"] : [])
        ],
        options.rejected
      )
      // Other processes refresh, too: the first that stores a fresh token ends the wait.
      const appeared = Effect.repeat(Effect.zipRight(Queue.take(changes), fresh), { until: Option.isSome }).pipe(
        Effect.map((token): Stop => Option.isSome(token) ? { _tag: "Fresh", token: token.value } : { _tag: "Deadline" })
      )
      const ended = Effect.map(
        refresh.ended,
        Option.match({
          onNone: (): Stop => ({ _tag: "Refreshed" }),
          onSome: (report): Stop => ({ _tag: "Failed", report })
        })
      )
      // The caller has waited since this process was started.
      const left = Duration.subtract(options.maxWait, Duration.millis(performance.now()))
      const deadline = Effect.as(Effect.sleep(left), { _tag: "Deadline" } as Stop)
      // Safe to interrupt at every operation only with the mask: a race that is cut between its first two waits for ever.
      const stop = yield* Effect.uninterruptibleMask((restore) =>
        Effect.raceFirst(Effect.raceFirst(restore(appeared), restore(ended)), restore(deadline))
      )
      return { stop, pid: refresh.pid }
    }))

    const { pid, stop } = yield* wait
    if (stop._tag === "Fresh") return stop.token
    const token = yield* unexpired
    if (Option.isSome(token)) {
      if (stop._tag === "Failed") yield* Output.warn(`${stop.report.message}; the present token is still valid`)
      if (stop._tag === "Deadline") {
        yield* Output.warn(`the refresh of ${tenant} goes on in the background; the present token is still valid`)
      }
      return token.value
    }
    if (stop._tag === "Failed") return yield* new Relayed({ report: stop.report })

    const waited = (yield* Clock.currentTimeMillis) - began
    const holder = yield* custody.holder(tenant)
    return yield* Option.isSome(holder) && !Option.contains(pid, holder.value.pid)
      ? new LockTimeout({ lock: tenant, waited, holder })
      : new ProviderTimeout({ tenant, reason: "StillRunning", waited })
  })
