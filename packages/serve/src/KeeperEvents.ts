/**
 * What happens to the logins of a home, for clients that keep something of their own per login: whichever process did it,
 * and without a request of theirs.
 *
 * What this process did is known at once; what another one stored, as soon as the store changes; what another one only wrote
 * into a journal (a refusal), with the next look. Nothing is looked at while no client listens.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KeeperHost, type TenantView } from "./KeeperHost.js"

/**
 * Something that happened. Never a secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeeperEvent {
  readonly event: "rotated" | "login_needed" | "account_changed" | "removed"
  readonly data: { readonly tenant: string; readonly [member: string]: unknown }
}

/**
 * What happens.
 *
 * @since 0.1.0
 * @category services
 */
export class KeeperEvents extends Context.Tag("@lockstep/serve/KeeperEvents")<KeeperEvents, {
  /** Everything from now on. A reader that is too slow loses the oldest. */
  readonly subscribe: Effect.Effect<Queue.Dequeue<KeeperEvent>, never, Scope.Scope>
}>() {}

/** Events that wait for a slow reader. */
const KEPT = 256

/** Between two looks, for what no change of the store tells. */
const LOOK_EVERY = Duration.seconds(5)

const needsLogin = ({ state }: TenantView): boolean => state === "needs_login"

/** What is new about the logins. */
const differences = (
  before: ReadonlyMap<string, TenantView>,
  after: ReadonlyMap<string, TenantView>
): ReadonlyArray<KeeperEvent> => {
  const events: Array<KeeperEvent> = []
  for (const [tenant, now] of after) {
    const then = before.get(tenant)
    const from = then?.account?.id
    const to = now.account?.id
    if (from !== undefined && to !== undefined && from !== to) {
      events.push({ event: "account_changed", data: { tenant, generation: now.generation } })
    } else if (then?.generation !== now.generation) {
      events.push({
        event: "rotated",
        data: {
          tenant,
          generation: now.generation,
          ...(now.expires_at === undefined ? {} : { expires_at: now.expires_at })
        }
      })
    }
    if (needsLogin(now) && !(then !== undefined && needsLogin(then) && then.reason === now.reason)) {
      events.push({ event: "login_needed", data: { tenant, reason: now.reason ?? null } })
    }
  }
  for (const tenant of before.keys()) if (!after.has(tenant)) events.push({ event: "removed", data: { tenant } })
  return events
}

/**
 * Makes the events of this home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  KeeperEvents["Type"],
  never,
  CredentialStore | KeeperHost | RefreshCoordinator | Scope.Scope
> = Effect.gen(function*() {
  const store = yield* CredentialStore
  const coordinator = yield* RefreshCoordinator
  const host = yield* KeeperHost
  const events = yield* PubSub.sliding<KeeperEvent>(KEPT)
  const hints = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
  const ends = new Map<string, () => void>()
  let listeners = 0
  let known: ReadonlyMap<string, TenantView> | undefined

  const forget = (): void => {
    for (const end of ends.values()) end()
    ends.clear()
    known = undefined
  }

  const follow = (tenants: Iterable<string>): void => {
    const wanted = new Set(tenants)
    for (const [tenant, end] of ends) {
      if (wanted.has(tenant)) continue
      end()
      ends.delete(tenant)
    }
    for (const tenant of wanted) {
      if (!ends.has(tenant)) {
        ends.set(tenant, store.listen(tenant as TenantId, () => void hints.unsafeOffer(undefined)))
      }
    }
  }

  // One look at a time: of two, the older could be compared last. A store that cannot be read is no news of a login.
  const one = yield* Effect.makeSemaphore(1)
  const look = Effect.matchEffect(host.survey, {
    onFailure: () => Effect.void,
    onSuccess: (views) =>
      Effect.suspend(() => {
        if (listeners === 0) return Effect.void
        const now = new Map(views.filter(({ state }) => state !== "damaged").map((view) => [view.tenant, view]))
        for (const { state, tenant } of views) {
          const then = state === "damaged" ? known?.get(tenant) : undefined
          if (then !== undefined) now.set(tenant, then)
        }
        const before = known
        known = now
        follow(now.keys())
        return before === undefined
          ? Effect.void
          : Effect.forEach(differences(before, now), (event) => PubSub.publish(events, event), { discard: true })
      })
  }).pipe(one.withPermits(1))

  yield* Effect.addFinalizer(() => Effect.sync(forget))
  yield* Effect.forkScoped(Stream.runForEach(coordinator.changes, () => Queue.offer(hints, undefined)))
  yield* Effect.forkScoped(
    Effect.forever(Effect.suspend(() =>
      listeners === 0
        ? Queue.take(hints)
        : Effect.zipRight(Effect.timeoutOption(Queue.take(hints), LOOK_EVERY), look)
    ))
  )

  return KeeperEvents.of({
    subscribe: Effect.gen(function*() {
      const queue = yield* PubSub.subscribe(events)
      yield* Effect.acquireRelease(
        Effect.suspend(() => ++listeners === 1 ? Effect.zipRight(look, Queue.offer(hints, undefined)) : Effect.void),
        () => Effect.sync(() => --listeners === 0 ? forget() : undefined)
      )
      return queue
    })
  })
})

/**
 * The events of this home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = Layer.scoped(KeeperEvents, make)
