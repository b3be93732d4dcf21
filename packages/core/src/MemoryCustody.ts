/**
 * A custody that lives in this process: the smallest engine with transactions and a fence. Two services that are given
 * the same one behave like two processes.
 *
 * Each hold has a number, and the tenant remembers the number of its last holder. A holder that was overtaken presents
 * an old number: its intent and its journal are refused, while its compare-and-swap of the record is not, so that an
 * answer which comes late still finds the token that it belongs to.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Credential from "./Credential.js"
import { CredentialStore } from "./CredentialStore.js"
import { Custody, type Evidence, type Held, Hold, type HoldOptions, type Taken } from "./Custody.js"
import { CredentialStoreError, LockTimeout } from "./Errors.js"
import { raceFirst } from "./internal/race.js"
import * as TenantSignals from "./internal/tenantSignals.js"
import * as RefreshJournal from "./RefreshJournal.js"
import type { TenantId } from "./TenantId.js"

/**
 * The custody, the reader of its store, and what a test may do to a holder.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryCustody {
  readonly custody: Custody["Type"]
  readonly store: CredentialStore["Type"]
  /** Takes the tenant away from its holder, which is not told; the next one takes it in the way that is named. */
  readonly overtake: (tenant: TenantId, as: Exclude<Taken, "free">) => Effect.Effect<void>
  /** Puts a record into the store or takes it out, past every lock, as a program of its own would. */
  readonly write: (tenant: TenantId, credential: Option.Option<Credential.Credential>) => Effect.Effect<void>
}

interface Entry {
  stored: Option.Option<Credential.Stored>
  journal: RefreshJournal.JournalRecord
  kept: Option.Option<RefreshJournal.CapturedAnswer>
  /** The number of the last hold, and of the one that announced the last request. */
  epoch: number
  announcedBy: number
  isHeld: boolean
  taken: Taken
}

/**
 * Makes an empty one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<MemoryCustody> = Effect.gen(function*() {
  const entries = new Map<TenantId, Entry>()
  const groups = new Set<string>()
  const released = yield* PubSub.sliding<void>(1)
  const signals = TenantSignals.make()

  const entryOf = (tenant: TenantId): Entry => {
    const present = entries.get(tenant)
    if (present !== undefined) return present
    const made: Entry = {
      stored: Option.none(),
      journal: RefreshJournal.empty(tenant),
      kept: Option.none(),
      epoch: 0,
      announcedBy: 0,
      isHeld: false,
      taken: "free"
    }
    entries.set(tenant, made)
    return made
  }

  const read = (tenant: TenantId, senderMayLive: boolean): Effect.Effect<Evidence> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const { journal, kept, stored } = entryOf(tenant)
      return { stored, journal, kept, now, senderMayLive }
    })

  const overtaken = (tenant: TenantId) =>
    new CredentialStoreError({
      reason: "Superseded",
      location: `memory:${tenant}`,
      detail: "another process took the tenant over meanwhile"
    })

  const put = (tenant: TenantId, credential: Option.Option<Credential.Credential>): Effect.Effect<void> =>
    Effect.suspend(() => {
      entryOf(tenant).stored = Option.map(credential, (one) => ({
        credential: one,
        version: Credential.Version(String(one.generation))
      }))
      return signals.touch(tenant)
    })

  const heldOf = (tenant: TenantId, taken: Taken, epoch: number, since: number): Held => {
    const entry = entryOf(tenant)
    const fenced = <A>(act: Effect.Effect<A>): Effect.Effect<A, CredentialStoreError> =>
      Effect.suspend(() => entry.isHeld && entry.epoch === epoch ? act : overtaken(tenant))
    const discard = Effect.sync(() => {
      entry.kept = Option.none()
    })
    const note: Held["note"] = (journal, options) =>
      fenced(Effect.zipRight(
        Effect.sync(() => {
          entry.journal = journal
        }),
        options?.discard === true ? discard : Effect.void
      ))
    return {
      taken,
      since,
      now: Clock.currentTimeMillis,
      // The death of the last holder is proven: that tells of the sender only where the two are one.
      read: () => read(tenant, !(taken === "dead" && entry.announcedBy === epoch - 1)),
      reserve: () => Effect.void,
      begin: (journal, over) =>
        fenced(Effect.sync(() => {
          const moved = !Option.exists(entry.stored, ({ credential }) =>
            Credential.isSameSecret(Credential.presented(credential), Credential.presented(over.credential)))
          if (moved) {
            return false
          }
          if (Option.isSome(journal)) {
            Object.assign(entry, { journal: journal.value, announcedBy: epoch })
          }
          return true
        })),
      capture: (answer) =>
        Effect.sync(() => {
          entry.kept = Option.some(answer)
        }),
      commit: (commit) =>
        Effect.gen(function*() {
          const change = commit.decide(entry.stored)
          if (change._tag === "Put") yield* put(tenant, Option.some(change.credential))
          if (change._tag === "Remove" && Option.isSome(entry.stored)) yield* put(tenant, Option.none())
          const value = change._tag === "Put" ? change.value(Option.getOrThrow(entry.stored)) : change.value
          if (commit.onDurable !== undefined) yield* commit.onDurable(value)
          const settlement = commit.settle(value)
          return {
            value,
            settled: Option.isNone(settlement)
              ? Either.void
              : yield* Effect.either(note(settlement.value.journal, settlement.value))
          }
        }),
      note,
      discardUnreadable: Effect.void
    }
  }

  /** Takes the tenant and its group for the rest of the scope, if both are free. */
  const take = (
    tenant: TenantId,
    group: Option.Option<string>
  ): Effect.Effect<Option.Option<Held>, never, Scope.Scope> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const entry = entryOf(tenant)
          if (entry.isHeld || Option.exists(group, (name) => groups.has(name))) return Option.none()
          Option.map(group, (name) => groups.add(name))
          const { taken } = entry
          Object.assign(entry, { isHeld: true, taken: "free", epoch: entry.epoch + 1 } satisfies Partial<Entry>)
          return Option.some({ held: heldOf(tenant, taken, entry.epoch, now), epoch: entry.epoch })
        }),
        Option.match({
          onNone: () => Effect.void,
          onSome: ({ epoch }) =>
            Effect.suspend(() => {
              Option.map(group, (name) => groups.delete(name))
              const entry = entryOf(tenant)
              if (entry.epoch === epoch) entry.isHeld = false
              return PubSub.publish(released, undefined)
            })
        })
      )).pipe(Effect.map(Option.map(({ held }) => held)))

  const hold = <A, E>(
    tenant: TenantId,
    { look = Effect.succeedNone, rotationGroup = Option.none(), timeout }: HoldOptions<A, E>
  ): Effect.Effect<Hold<A>, E | LockTimeout, Scope.Scope> =>
    Effect.gen(function*() {
      const wakeups = yield* Queue.sliding<void>(1)
      for (const source of [yield* signals.changes(tenant), yield* PubSub.subscribe(released)]) {
        yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(source), Queue.offer(wakeups, undefined))))
      }
      const began = yield* Clock.currentTimeMillis
      let epoch = entryOf(tenant).epoch
      let deadline = began + Duration.toMillis(timeout)
      let mayRestart = true
      while (true) {
        const found = yield* look
        if (Option.isSome(found)) return Hold.Found({ value: found.value })
        const held = yield* take(tenant, rotationGroup)
        if (Option.isSome(held)) return Hold.Held({ held: held.value })
        const now = yield* Clock.currentTimeMillis
        if (now >= deadline) {
          if (!mayRestart || epoch === entryOf(tenant).epoch) {
            return yield* new LockTimeout({ lock: tenant, waited: now - began, holder: Option.none() })
          }
          mayRestart = false
          deadline = now + Duration.toMillis(timeout)
          epoch = entryOf(tenant).epoch
        }
        yield* raceFirst(Queue.take(wakeups), Effect.sleep(Duration.millis(deadline - now)))
      }
    })

  return {
    custody: Custody.of({
      location: "memory",
      hold,
      read: (tenant) => read(tenant, true),
      holder: () => Effect.succeedNone,
      journalOf: (tenant) => `memory:${tenant}`
    }),
    store: CredentialStore.of({
      location: "memory",
      get: (tenant) => Effect.sync(() => entryOf(tenant).stored),
      list: Effect.sync(() => [...entries].flatMap(([tenant, { stored }]) => Option.isSome(stored) ? [tenant] : [])),
      epoch: signals.epoch,
      changes: signals.changes,
      listen: signals.listen
    }),
    overtake: (tenant, as) =>
      Effect.suspend(() => {
        Object.assign(entryOf(tenant), { isHeld: false, taken: as } satisfies Partial<Entry>)
        return PubSub.publish(released, undefined)
      }),
    write: put
  }
})

/**
 * A custody and its store that live in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Custody | CredentialStore> = Layer.effectContext(
  Effect.map(make, ({ custody, store }) => Context.add(Context.make(Custody, custody), CredentialStore, store))
)
