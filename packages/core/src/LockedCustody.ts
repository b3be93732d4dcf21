/**
 * The custody of a store that is guarded by a lock: made of the lock, the store and the journal, in the order that they
 * need. Store first, journal second, kept answer last: a crash in between leaves what the next holder can understand,
 * and the other order would let it forget what only the answer still holds, or replay what was consumed.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Credential from "./Credential.js"
import { CredentialLock, LockTarget } from "./CredentialLock.js"
import { type Committed, Custody, type Evidence, type Held, Hold } from "./Custody.js"
import { CredentialStoreError } from "./Errors.js"
import * as JournalChange from "./internal/journalChange.js"
import * as LockWait from "./LockWait.js"
import * as LogFields from "./LogFields.js"
import * as RefreshJournal from "./RefreshJournal.js"
import type { TenantId } from "./TenantId.js"
import * as Trace from "./Trace.js"
import { WritableStore } from "./WritableStore.js"

/**
 * The parts that such a custody is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parts {
  readonly lock: CredentialLock["Type"]
  readonly store: WritableStore["Type"]
  readonly journal: RefreshJournal.RefreshJournal["Type"]
}

/**
 * Makes a custody of its parts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromParts = ({ journal, lock, store }: Parts): Custody["Type"] => {
  const evidence = (
    tenant: TenantId,
    journalRecord: Effect.Effect<RefreshJournal.JournalRecord, CredentialStoreError>,
    kept: Effect.Effect<Option.Option<RefreshJournal.CapturedAnswer>, CredentialStoreError>
  ): Effect.Effect<Evidence, CredentialStoreError> =>
    Effect.gen(function*() {
      return {
        stored: yield* store.get(tenant),
        journal: yield* journalRecord,
        kept: yield* kept,
        now: yield* Clock.currentTimeMillis,
        senderMayLive: false
      }
    })

  const read = (tenant: TenantId) => evidence(tenant, journal.read(tenant), journal.keptAnswer(tenant))

  const newJournal = (tenant: TenantId) =>
    Effect.map(
      Clock.currentTimeMillis,
      (now) => JournalChange.update(RefreshJournal.empty(tenant), { generation: Math.floor(now / 1_000) })
    )

  const readReplacing = (tenant: TenantId) =>
    evidence(
      tenant,
      Effect.catchIf(journal.read(tenant), ({ reason }) => reason === "Decode", () => newJournal(tenant)),
      Effect.orElseSucceed(journal.keptAnswer(tenant), () => Option.none<RefreshJournal.CapturedAnswer>())
    )

  const discard = (tenant: TenantId): Effect.Effect<void> =>
    Effect.catchAll(
      journal.dropAnswer(tenant),
      (error) =>
        Effect.annotateLogs(
          Effect.logDebug(`the kept answer of ${tenant} could not be removed`),
          LogFields.ofError(tenant, error)
        )
    )

  const note: (tenant: TenantId) => Held["note"] = (tenant) => (record, options) =>
    Effect.zipRight(journal.write(tenant, record, options), options?.discard === true ? discard(tenant) : Effect.void)

  const begin = (tenant: TenantId, lock: LockWait.HeldLock): Held["begin"] => (record, over) =>
    Effect.gen(function*() {
      const present = yield* store.get(tenant)
      if (
        !Option.exists(
          present,
          ({ credential }) =>
            Credential.isSameSecret(Credential.presented(credential), Credential.presented(over.credential))
        )
      ) return false
      const lost = yield* lock.lease.lost
      if (Option.isSome(lost)) {
        return yield* new CredentialStoreError({
          reason: "Superseded",
          location: journal.location(tenant),
          detail: `${lost.value} was taken away while this process did not run, and nothing was sent`
        })
      }
      if (Option.isSome(record)) yield* journal.write(tenant, record.value)
      return true
    })

  const held = (tenant: TenantId, lock: LockWait.HeldLock): Effect.Effect<Held, never, Scope.Scope> =>
    Effect.gen(function*() {
      // From the first attempt to keep an answer on, the file may hold one, whatever the attempt reported.
      let room: "none" | "empty" | "used" = "none"
      yield* Effect.addFinalizer(() => Effect.suspend(() => room === "empty" ? discard(tenant) : Effect.void))
      const within = { within: lock.lease }
      return {
        taken: "free",
        since: yield* Clock.currentTimeMillis,
        now: Clock.currentTimeMillis,
        read: (options) => options?.replaceJournal === true ? readReplacing(tenant) : read(tenant),
        reserve: (bytes) =>
          Effect.zipRight(
            store.prepare(tenant, within),
            Option.match(bytes, {
              onNone: () => Effect.void,
              onSome: (size) =>
                Effect.suspend(() => {
                  room = "empty"
                  return Trace.withSpan(journal.reserveAnswer(tenant, size), "lockstep.refresh.reserve")
                })
            })
          ),
        begin: begin(tenant, lock),
        capture: (answer) =>
          Effect.suspend(() => {
            room = "used"
            return journal.keepAnswer(tenant, answer)
          }),
        commit: (commit) =>
          Effect.gen(function*() {
            const done = yield* store.modify(tenant, (current) => {
              const change = commit.decide(current)
              switch (change._tag) {
                case "Keep":
                  return { ...change, value: { value: change.value, changed: false } }
                case "Put":
                  return { ...change, value: (stored) => ({ value: change.value(stored), changed: true }) }
                case "Remove":
                  return { ...change, value: { value: change.value, changed: Option.isSome(current) } }
              }
            }, within)
            if (done.changed) yield* lock.wrote
            if (commit.onDurable !== undefined) yield* commit.onDurable(done.value)
            const settlement = commit.settle(done.value)
            const settled = Option.isNone(settlement)
              ? Either.void
              : yield* note(tenant)(settlement.value.journal, { discard: settlement.value.discard }).pipe(
                Trace.withSpan(`lockstep.${commit.act}.settle`),
                Effect.either
              )
            return { value: done.value, settled } satisfies Committed<typeof done.value>
          }),
        note: note(tenant),
        discardUnreadable: Effect.matchEffect(journal.keptAnswer(tenant), {
          onFailure: () => journal.dropAnswer(tenant),
          onSuccess: (kept) => Option.isNone(kept) ? journal.dropAnswer(tenant) : Effect.void
        })
      } satisfies Held
    })

  return Custody.of({
    location: store.location,
    read,
    holder: (tenant) => lock.holder(LockTarget.Tenant({ tenant })),
    journalOf: journal.location,
    hold: (tenant, { look = Effect.succeedNone, rotationGroup = Option.none(), timeout }) => {
      const wait = (target: LockTarget) =>
        Trace.withSpan(
          LockWait.acquireOr(lock, target, {
            timeout,
            label: tenant,
            look,
            hints: (hint) => store.listen(tenant, hint)
          }),
          "lockstep.refresh.lock"
        )
      return Effect.gen(function*() {
        if (Option.isSome(rotationGroup)) {
          const waited = yield* wait(LockTarget.RotationGroup({ group: rotationGroup.value }))
          if (waited._tag === "Found") return Hold.Found({ value: waited.value })
        }
        const waited = yield* wait(LockTarget.Tenant({ tenant }))
        return waited._tag === "Found"
          ? Hold.Found({ value: waited.value })
          : Hold.Held({ held: yield* held(tenant, waited.lock) })
      })
    }
  })
}

/**
 * A custody of lock, store and journal.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Custody, never, CredentialLock | WritableStore | RefreshJournal.RefreshJournal> = Layer
  .effect(
    Custody,
    Effect.gen(function*() {
      return fromParts({
        lock: yield* CredentialLock,
        store: yield* WritableStore,
        journal: yield* RefreshJournal.RefreshJournal
      })
    })
  )
