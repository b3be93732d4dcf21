/**
 * When each tenant is due, among all that sweep.
 *
 * A due time is a hint and decides nothing: what is due is looked at, and the transaction of the coordinator decides
 * whether a token is sent. One that is lost, late or claimed twice costs a look.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MutableList from "effect/MutableList"
import * as Option from "effect/Option"
import type { Version } from "./Credential.js"
import { CredentialStore } from "./CredentialStore.js"
import type { CredentialStoreError } from "./Errors.js"
import * as Heap from "./internal/sweep/heap.js"
import type { TenantId } from "./TenantId.js"

/**
 * What a tenant is worth: `fresh`, always a usable access token; `alive`, its refresh token is used often enough not to
 * expire; `cold`, nothing.
 *
 * @since 0.1.0
 * @category models
 */
export type Keep = "fresh" | "alive" | "cold"

/**
 * What a due time was chosen for. Another version in the store than this one is looked at anew.
 *
 * @since 0.1.0
 * @category models
 */
export interface Noted {
  readonly version: Version
  readonly keep: Keep
  /** This record cannot be refreshed any more: only another one can. */
  readonly isOver: boolean
}

/**
 * A tenant that is due, and that no other sweep claims for a minute.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claim {
  readonly tenant: TenantId
  /** Empty where it is not known yet. */
  readonly issuer: string
  /** Milliseconds since the epoch, as all times here. */
  readonly dueAt: number
  /** When a token of it was last asked for, to the hour. */
  readonly usedAt: Option.Option<number>
  readonly noted: Option.Option<Noted>
  /** Names this claim: what is settled under it is dropped where the tenant was claimed or used since. */
  readonly ticket: string
}

/**
 * When a claimed tenant is due next.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settlement {
  readonly tenant: TenantId
  readonly ticket: string
  readonly issuer: string
  readonly dueAt: number
  readonly noted: Option.Option<Noted>
}

/**
 * The due times of a store.
 *
 * @since 0.1.0
 * @category services
 */
export class DueTimes extends Context.Tag("@lockstep/core/DueTimes")<DueTimes, {
  /** Claims tenants that are due, the longest due first, but for those of some issuers. */
  readonly claim: (options: {
    readonly limit: number
    readonly except: ReadonlyArray<string>
  }) => Effect.Effect<{
    readonly claims: ReadonlyArray<Claim>
    /** The earliest due time that is left, among the same issuers. */
    readonly nextAt: Option.Option<number>
  }, CredentialStoreError>

  /** Says when tenants are due next. */
  readonly settle: (settlements: ReadonlyArray<Settlement>) => Effect.Effect<void, CredentialStoreError>

  /** Forgets a tenant that has no record any more. It is enrolled again with its next one. */
  readonly forget: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError>

  /** Makes every tenant of the store due that has no due time, and counts as used what is new. */
  readonly enrol: Effect.Effect<void, CredentialStoreError>

  /**
   * Notes that a token of this tenant was asked for, at most once an hour, and makes it due where it was not kept fresh.
   * Never fails: a use that is not noted costs a refresh in the background.
   */
  readonly used: (tenant: TenantId) => Effect.Effect<void>

  /** The clock that due times are told by. */
  readonly now: Effect.Effect<number>
}>() {}

/**
 * How long a claim keeps others away, in milliseconds. A sweep that dies costs its tenants so much.
 *
 * @since 0.1.0
 * @category constants
 */
export const CLAIM = 60_000

/**
 * How exactly a use is noted, in milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const USE = 3_600_000

interface Entry {
  readonly tenant: TenantId
  issuer: string
  dueAt: number
  usedAt: number
  noted: Option.Option<Noted>
  /** Changes with the due time: what lies in a heap with another one is out of date. */
  stamp: number
}

interface Slot {
  readonly entry: Entry
  readonly dueAt: number
  readonly stamp: number
}

/**
 * Due times in the memory of this process. The tenants that were there at the beginning count as used then.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory: Effect.Effect<DueTimes["Type"], never, CredentialStore> = Effect.map(
  CredentialStore,
  (store) => {
    const entries = new Map<TenantId, Entry>()
    const heaps = new Map<string, Heap.Heap<Slot>>()
    /** What was claimed, in that order, which is also the order in which it is due again if it is not settled. */
    const claimed = MutableList.empty<Slot>()
    let stamps = 0

    const slotOf = (entry: Entry): Slot => {
      entry.stamp = ++stamps
      return { entry, dueAt: entry.dueAt, stamp: entry.stamp }
    }

    const put = (slot: Slot): void => {
      const { issuer } = slot.entry
      let heap = heaps.get(issuer)
      if (heap === undefined) {
        heap = Heap.make<Slot>((a, b) => a.dueAt < b.dueAt)
        heaps.set(issuer, heap)
      }
      heap.push(slot)
    }

    const isCurrent = ({ entry, stamp }: Slot): boolean => entry.stamp === stamp

    const giveBack = (now: number): void => {
      for (let head = MutableList.head(claimed); head !== undefined; head = MutableList.head(claimed)) {
        if (isCurrent(head)) {
          if (head.dueAt > now) return
          put(head)
        }
        MutableList.shift(claimed)
      }
    }

    /** The heap whose first entry is due first, without what is out of date. */
    const first = (except: ReadonlyArray<string>): Heap.Heap<Slot> | undefined => {
      let earliest: Heap.Heap<Slot> | undefined
      for (const [issuer, heap] of heaps) {
        if (except.includes(issuer)) continue
        for (let top = heap.peek(); top !== undefined && !isCurrent(top); top = heap.peek()) heap.pop()
        const top = heap.peek()
        if (top === undefined) heaps.delete(issuer)
        else if (earliest === undefined || top.dueAt < earliest.peek()!.dueAt) earliest = heap
      }
      return earliest
    }

    const forget = (tenant: TenantId): void => {
      const entry = entries.get(tenant)
      if (entry === undefined) return
      entry.stamp = 0
      entries.delete(tenant)
    }

    return DueTimes.of({
      now: Clock.currentTimeMillis,
      claim: ({ except, limit }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const claims: Array<Claim> = []
          giveBack(now)
          for (let heap = first(except); claims.length < limit; heap = first(except)) {
            if (heap === undefined || heap.peek()!.dueAt > now) break
            const { entry } = heap.pop()!
            const { dueAt, issuer, noted, tenant, usedAt } = entry
            entry.dueAt = now + CLAIM
            MutableList.append(claimed, slotOf(entry))
            claims.push({ tenant, issuer, dueAt, usedAt: Option.some(usedAt), noted, ticket: String(entry.stamp) })
          }
          const claimedNext = MutableList.head(claimed)
          const next = [
            first(except)?.peek(),
            claimedNext !== undefined && except.includes(claimedNext.entry.issuer) ? undefined : claimedNext
          ].flatMap((slot) => slot === undefined ? [] : [slot.dueAt])
          return { claims, nextAt: next.length === 0 ? Option.none() : Option.some(Math.min(...next)) }
        }),
      settle: (settlements) =>
        Effect.sync(() => {
          for (const { dueAt, issuer, noted, tenant, ticket } of settlements) {
            const entry = entries.get(tenant)
            if (entry === undefined || String(entry.stamp) !== ticket) continue
            entry.issuer = issuer
            entry.dueAt = dueAt
            entry.noted = noted
            put(slotOf(entry))
          }
        }),
      forget: (tenant) => Effect.sync(() => forget(tenant)),
      enrol: Effect.flatMap(store.list, (listed) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const present = new Set(listed)
          for (const tenant of entries.keys()) {
            if (!present.has(tenant)) forget(tenant)
          }
          for (const tenant of listed) {
            if (entries.has(tenant)) continue
            const entry = { tenant, issuer: "", dueAt: now, usedAt: now, noted: Option.none(), stamp: 0 }
            entries.set(tenant, entry)
            put(slotOf(entry))
          }
        })),
      used: (tenant) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const entry = entries.get(tenant)
          if (entry === undefined || now - entry.usedAt < USE) return
          entry.usedAt = now
          if (Option.exists(entry.noted, ({ keep }) => keep === "fresh")) return
          entry.dueAt = now
          entry.noted = Option.none()
          put(slotOf(entry))
        })
    })
  }
)

/**
 * Due times in the memory of this process, for the stores of one machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<DueTimes, never, CredentialStore> = Layer.effect(DueTimes, makeMemory)
