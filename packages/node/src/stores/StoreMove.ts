/**
 * Moving all logins of a home from one kind of store to another.
 *
 * Everything is held meanwhile: all tenants in byte order, so that no refresh is under way whose answer would be stored
 * where the logins are no more, and then the aggregate lock, so that no login is added. In this order:
 *
 * 1. Answers of unfinished rotations are stored by the refresh transaction, before any lock is taken: an answer file is
 *    in the form of the store that it was kept for, and the other one could not read it.
 * 2. A note of the move is written. What the new store holds from here on is a copy.
 * 3. Everything is copied, and read back through a fresh view.
 * 4. The pin is changed. This is the move: before it the old store is the one and whole, after it the new one is.
 * 5. The old store is emptied and says where its logins went. What Lockstep does not know stays in it (I11).
 * 6. The note is removed.
 *
 * A process that is killed in between leaves the note. The next move, to whatever store, first empties the one of the two that
 * the home is not pinned to.
 *
 * @since 0.1.0
 */
import type { Lease } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody, type Held } from "@lockstep/core/Custody"
import { CredentialStoreError, type LockTimeout, type LockUnavailable } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import * as LockWait from "@lockstep/core/LockWait"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { JournalRecord } from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as Envelope from "../Envelope.js"
import * as FileRefreshJournal from "../FileRefreshJournal.js"
import { Home } from "../Home.js"
import type { StoreKind } from "../HomePin.js"
import * as MoveAnswers from "../internal/moveAnswers.js"
import * as Sidecars from "../internal/sidecars.js"
import type { Keyring } from "../keyring/Keyring.js"
import { FileLock } from "../locks/FileLock.js"
import { LockTarget } from "../locks/LockTarget.js"
import * as MoveNote from "./MoveNote.js"
import type { Content } from "./MoveSide.js"
import * as StoreDrift from "./StoreDrift.js"
import * as Stores from "./Stores.js"

/**
 * What a move did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moved {
  /** `None` where the home had this store already. */
  readonly from: Option.Option<StoreKind>
  readonly to: StoreKind
  /** What messages call the new store. */
  readonly location: string
  readonly tenants: ReadonlyArray<TenantId>
  /** How many unfinished logins came along. */
  readonly pending: number
  /** Whether something was left to do of a move before. */
  readonly finished: boolean
}

/**
 * How a move can fail. Nothing is lost: either the old store is the home's, or the new one.
 *
 * @since 0.1.0
 * @category errors
 */
export type MoveError = CredentialStoreError | LockTimeout | LockUnavailable | ConfigError

/** What a move has in hand. */
interface InHand {
  /** Every tenant that is known. */
  readonly held: ReadonlyMap<TenantId, Held>
  /** The aggregate lock: no other process writes the home. */
  readonly lease: Lease
}

/**
 * Holds each of these tenants and then takes the aggregate lock, for the rest of the scope. A process waits for no tenant
 * while it holds a later one, and for none while it holds the aggregate lock.
 */
const takeAll = (tenants: ReadonlyArray<TenantId>) =>
  Effect.gen(function*() {
    const home = yield* Home
    const custody = yield* Custody
    const lock = yield* FileLock
    const policy = yield* RefreshPolicy
    const held = new Map<TenantId, Held>()
    for (const tenant of tenants) {
      const hold = yield* custody.hold(tenant, { timeout: policy.lockTimeout })
      if (hold._tag === "Held") held.set(tenant, hold.held)
    }
    const { lease } = yield* LockWait.acquire(lock, LockTarget.Aggregate(), {
      timeout: policy.aggregateLockTimeout,
      label: Path.basename(home.file)
    })
    return { held, lease } satisfies InHand
  }).pipe(Effect.withSpan("lockstep.move.lock"))

const refuseOther = (tenant: TenantId, location: string) =>
  new CredentialStoreError({
    reason: "Superseded",
    location,
    detail: `it holds another login of ${tenant} already`,
    remedy: `take ${tenant} out of ${location} first; nothing was moved`
  })

const refuseUnequal = (location: string) =>
  new CredentialStoreError({ reason: "Write", location, detail: "it gave back something else than was written" })

const descriptorOf = (kind: StoreKind) => Effect.flatMap(Home, ({ directory }) => Stores.of({ directory, store: kind }))

/** Opens one store of the home. */
const sideOf = (kind: StoreKind, { lease }: InHand) => Effect.flatMap(descriptorOf(kind), (store) => store.side(lease))

/** What moves, with the journals where one of the two stores keeps them itself. */
const contentOf = (from: StoreKind, to: StoreKind, inHand: InHand) =>
  Effect.gen(function*() {
    const content = yield* Effect.scoped(Effect.flatMap(sideOf(from, inHand), (side) => side.content))
    const keepers = yield* Effect.forEach([from, to], descriptorOf)
    if (content.journals !== undefined || !keepers.some(({ keepsJournals }) => keepsJournals === true)) return content
    const journals = new Map<TenantId, JournalRecord>()
    for (const [tenant, held] of inHand.held) journals.set(tenant, (yield* held.read()).journal)
    return { ...content, journals } satisfies Content
  })

/** Writes journals that came along into the files of the home, before a login is in there that they are about. */
const takeJournals = ({ journals = new Map() }: Content, to: StoreKind) =>
  Effect.gen(function*() {
    if ((yield* descriptorOf(to)).keepsJournals === true || journals.size === 0) return
    const home = yield* Home
    const journal = yield* FileRefreshJournal.make.pipe(
      Effect.provideService(Home, Home.of({ ...home, agree: Effect.void, open: Effect.void, check: Effect.void })),
      Effect.provide(Envelope.layerPlain)
    )
    for (const [tenant, record] of journals) yield* journal.write(tenant, record)
  })

/** Copies everything. */
const copy = (content: Content, from: StoreKind, to: StoreKind, inHand: InHand) =>
  Effect.gen(function*() {
    const target = yield* sideOf(to, inHand)
    for (const [tenant, credential] of yield* target.records) {
      const same = content.records.get(tenant)
      if (same === undefined || !Equal.equals(same, credential)) return yield* refuseOther(tenant, target.location)
    }
    yield* target.prepare
    yield* MoveNote.write(from, to)
    yield* takeJournals(content, to)
    yield* target.take(content)
  }).pipe(Effect.scoped, Effect.withSpan("lockstep.move.copy"))

/** Reads it back through a view that has seen nothing yet. */
const verify = (content: Content, to: StoreKind, inHand: InHand) =>
  Effect.gen(function*() {
    const target = yield* sideOf(to, inHand)
    const copied = yield* target.content
    const isSame = copied.records.size === content.records.size &&
      [...content.records].every(([tenant, credential]) => Equal.equals(copied.records.get(tenant), credential)) &&
      content.pending.every((one) => copied.pending.some((other) => Equal.equals(one.login, other.login))) &&
      content.clients.every((one) => copied.clients.some((other) => Equal.equals(one.client, other.client)))
    if (!isSame) return yield* refuseUnequal(target.location)
    return target.location
  }).pipe(Effect.scoped, Effect.withSpan("lockstep.move.verify"))

/** Takes everything out of the store that the home does not have. */
const empty = (kind: StoreKind, now: StoreKind, content: Content, inHand: InHand) =>
  Effect.flatMap(sideOf(kind, inHand), (side) => side.leave(now, content)).pipe(
    Effect.scoped,
    Effect.withSpan("lockstep.move.empty")
  )

/** Finishes what another move has left, with everything in hand. */
const settle = (inHand: InHand) =>
  Effect.gen(function*() {
    const home = yield* Home
    const note = yield* MoveNote.unfinished(home)
    if (Option.isNone(note)) return false
    const content = yield* Effect.scoped(Effect.flatMap(sideOf(home.store, inHand), (side) => side.content))
    yield* empty(MoveNote.loserOf(note.value, home.store), home.store, content, inHand)
    yield* MoveNote.remove
    return true
  })

const transfer = (to: StoreKind, known: Known, inHand: InHand) =>
  Effect.gen(function*() {
    const home = yield* Home
    const { self } = yield* Host
    const finished = yield* settle(inHand)
    const content = yield* contentOf(home.store, to, inHand)
    if (home.store === to) {
      const { location } = yield* CredentialStore
      return { from: Option.none(), to, location, tenants: [], pending: 0, finished } satisfies Moved
    }
    yield* MoveAnswers.refuseUnstored(inHand.held)
    yield* MoveAnswers.drop(known.answers)
    yield* copy(content, home.store, to, inHand)
    const location = yield* verify(content, to, inHand)
    yield* home.repin(to)
    yield* empty(home.store, to, content, inHand)
    yield* MoveNote.remove
    yield* StoreDrift.accept(home, to, () => true, self)
    return {
      from: Option.some(home.store),
      to,
      location,
      tenants: [...content.records.keys()],
      pending: content.pending.length,
      finished
    } satisfies Moved
  })

/** Everything of the home that a move must know of before it locks. */
interface Known {
  readonly tenants: ReadonlySet<TenantId>
  /** All answer files. */
  readonly answers: ReadonlyArray<Sidecars.AnswerAt>
}

const look = Effect.gen(function*() {
  const home = yield* Home
  const store = yield* CredentialStore
  const { answers, tenants } = yield* Sidecars.find(home)
  return { tenants: new Set([...yield* store.list, ...tenants]), answers } satisfies Known
})

/** Holds every tenant that is known, and begins again where one came along meanwhile. */
const holdingAll = (
  to: StoreKind,
  tenants: ReadonlySet<TenantId>
): Effect.Effect<Moved, MoveError, Services> =>
  Effect.gen(function*() {
    const inHand = yield* takeAll(Sidecars.inByteOrder(tenants))
    const now = yield* look
    const missed = [...now.tenants].filter((tenant) => !tenants.has(tenant))
    return missed.length > 0 ? { missed } : { missed, moved: yield* transfer(to, now, inHand) }
  }).pipe(
    Effect.scoped,
    Effect.flatMap(({ missed, moved }) =>
      moved === undefined ? holdingAll(to, new Set([...tenants, ...missed])) : Effect.succeed(moved)
    )
  )

/**
 * What a move needs: the home with its present store, and both kinds of it.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | Home
  | CredentialStore
  | Custody
  | FileLock
  | RefreshPolicy
  | RefreshCoordinator
  | Host
  | Keyring

/**
 * Moves all logins of the home, finished and unfinished, to another kind of store. A process that has the old one open is
 * `Superseded` from then on.
 *
 * Waits for every refresh that is under way. Fails with `CredentialStoreError` where the other store holds another login
 * already, or where one of the two cannot be used. Repeating a move that was cut off finishes it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const move = (to: StoreKind): Effect.Effect<Moved, MoveError, Services> =>
  Effect.gen(function*() {
    const { tenants } = yield* look
    yield* MoveAnswers.storeKept(Sidecars.inByteOrder(tenants))
    return yield* holdingAll(to, tenants)
  }).pipe(Effect.withSpan("lockstep.move", { attributes: { to } }))
