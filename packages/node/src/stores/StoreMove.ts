/**
 * Moving all logins of a home from one kind of store to another.
 *
 * Every lock is held meanwhile: those of all tenants in byte order, so that no refresh is under way whose answer would
 * come home to the old store, and then the aggregate, so that no login is added. In this order:
 *
 * 1. Answers of unfinished rotations are stored by the refresh transaction, before any lock is taken: an answer file is
 *    in the form of the store that it was kept for, and the other one could not read it.
 * 2. A note of the move is written. What the new store holds from here on is a copy.
 * 3. Everything is copied, and read back through a fresh view.
 * 4. The pin is changed. This is the move: before it the old store is the one and whole, after it the new one is.
 * 5. The old store is emptied and says where its logins went. What nobody here knows stays in it (I11).
 * 6. The note is removed.
 *
 * Whoever is killed in between leaves the note. The next move, to whatever store, first empties the one of the two that
 * the home is not pinned to.
 *
 * @since 0.1.0
 */
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import { Change, CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialStoreError, type LockTimeout, type LockUnavailable } from "@lockstep/core/Errors"
import * as Host from "@lockstep/core/Host"
import * as LockWait from "@lockstep/core/LockWait"
import * as LogFields from "@lockstep/core/LogFields"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as AnswerFile from "../AnswerFile.js"
import * as AtomicFile from "../AtomicFile.js"
import { Home, StoreKind } from "../Home.js"
import * as MoveSide from "../internal/moveSide.js"
import * as Sidecars from "../internal/sidecars.js"
import type { Keyring } from "../keyring/Keyring.js"
import * as WholeFile from "../WholeFile.js"
import * as StoreDrift from "./StoreDrift.js"

/**
 * A move that was begun and not finished.
 *
 * @since 0.1.0
 * @category models
 */
export class Note extends Schema.Class<Note>("@lockstep/node/StoreMove/Note")({
  version: Schema.Literal(1),
  from: StoreKind,
  to: StoreKind,
  /** Seconds since the epoch. */
  at: Schema.Number,
  /** Command and pid. */
  by: Schema.String
}) {}

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

const NoteJson = Schema.parseJson(Note, { space: 2 })
const decodeNote = Schema.decode(NoteJson)
const encodeNote = Schema.encodeSync(NoteJson)

const noteOf = (home: Pick<Home["Type"], "directory">): string => Path.join(home.directory, "move.json")

/**
 * Reads what a move has left unfinished in a home.
 *
 * @since 0.1.0
 * @category combinators
 */
export const unfinished = (
  home: Pick<Home["Type"], "directory">
): Effect.Effect<Option.Option<Note>, CredentialStoreError> =>
  Effect.flatMap(
    WholeFile.read(noteOf(home)),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: ({ bytes }) =>
        WholeFile.decodeText(noteOf(home), bytes).pipe(
          Effect.flatMap(decodeNote),
          // Dropped, because it quotes the file.
          Effect.mapError(() => new CredentialStoreError({ reason: "Decode", location: noteOf(home) })),
          Effect.asSome
        )
    })
  )

type Locked = Scope.Scope | Home | CredentialLock | RefreshPolicy

/**
 * Takes the lock of each of these tenants and then the aggregate's, for the rest of the scope. Nobody waits for a tenant
 * who holds a later one, and nobody waits for a tenant who holds the aggregate.
 */
const takeLocks = (
  tenants: ReadonlyArray<TenantId>
): Effect.Effect<void, LockTimeout | LockUnavailable, Locked> =>
  Effect.gen(function*() {
    const home = yield* Home
    const lock = yield* CredentialLock
    const policy = yield* RefreshPolicy
    for (const tenant of tenants) {
      yield* LockWait.acquire(lock, LockTarget.Tenant({ tenant }), { timeout: policy.lockTimeout, label: tenant })
    }
    yield* LockWait.acquire(lock, LockTarget.Aggregate(), {
      timeout: policy.aggregateLockTimeout,
      label: Path.basename(home.file)
    })
  }).pipe(Effect.withSpan("lockstep.move.lock"))

/** A login that was answered and not stored belongs to the store that it was kept for. */
const refuseKept = (tenant: TenantId, location: string) =>
  new CredentialStoreError({
    reason: "Write",
    location,
    detail: `${tenant} has new tokens that are not stored yet`,
    remedy: `run \`lockstep token ${tenant}\` first: it stores them`
  })

const refuseOther = (tenant: TenantId, location: string) =>
  new CredentialStoreError({
    reason: "Superseded",
    location,
    detail: `it holds another login of ${tenant} already`,
    remedy: `take ${tenant} out of ${location} first; nothing was moved`
  })

const refuseUnequal = (location: string) =>
  new CredentialStoreError({ reason: "Write", location, detail: "it gave back something else than was written" })

/** What the old store holds. */
interface Content {
  readonly records: MoveSide.Records
  readonly pending: MoveSide.Attempts
  readonly clients: MoveSide.Clients
}

const contentOf = (side: MoveSide.MoveSide) =>
  Effect.all({ records: side.records, pending: side.attempts, clients: side.clients })

/** Copies everything and reads it back through a view that has seen nothing yet. */
const copy = (content: Content, from: StoreKind, to: StoreKind) =>
  Effect.gen(function*() {
    const target = yield* MoveSide.make(to)
    for (const [tenant, credential] of yield* target.records) {
      const same = content.records.get(tenant)
      if (same === undefined || !Equal.equals(same, credential)) return yield* refuseOther(tenant, target.location)
    }
    yield* target.prepare
    yield* writeNote(from, to)
    yield* target.enter(new Set(content.records.keys()))
    for (const [tenant, credential] of content.records) {
      yield* target.store.modify(tenant, () => Change.Put({ credential, value: () => undefined }))
    }
    for (const { login, ...key } of content.pending) yield* target.pending.put(key, login)
    for (const { client, issuer } of content.clients) yield* target.registrations.put(issuer, client)
  }).pipe(Effect.scoped, Effect.withSpan("lockstep.move.copy"))

const verify = (content: Content, to: StoreKind) =>
  Effect.gen(function*() {
    const target = yield* MoveSide.make(to)
    const copied = yield* contentOf(target)
    const isSame = copied.records.size === content.records.size &&
      [...content.records].every(([tenant, credential]) => Equal.equals(copied.records.get(tenant), credential)) &&
      content.pending.every((one) => copied.pending.some((other) => Equal.equals(one.login, other.login))) &&
      content.clients.every((one) => copied.clients.some((other) => Equal.equals(one.client, other.client)))
    if (!isSame) return yield* refuseUnequal(target.location)
    return target.location
  }).pipe(Effect.scoped, Effect.withSpan("lockstep.move.verify"))

/** Takes everything out of the store that the home does not have. */
const empty = (kind: StoreKind, now: StoreKind) =>
  Effect.flatMap(MoveSide.make(kind), (side) => side.leave(now)).pipe(
    Effect.scoped,
    Effect.withSpan("lockstep.move.empty")
  )

const writeNote = (from: StoreKind, to: StoreKind) =>
  Effect.gen(function*() {
    const home = yield* Home
    const { self } = yield* Host.Host
    const now = yield* Clock.currentTimeMillis
    const note = Note.make({ version: 1, from, to, at: Math.floor(now / 1_000), by: `${self.command} ${self.pid}` })
    yield* AtomicFile.replace(noteOf(home), `${encodeNote(note)}\n`)
  }).pipe(Effect.withSpan("lockstep.move.note"))

const removeNote = Effect.flatMap(Home, (home) => AnswerFile.drop(noteOf(home))).pipe(
  Effect.withSpan("lockstep.move.end")
)

/** The store that an unfinished move leaves behind. */
const loserOf = (note: Note, now: StoreKind): StoreKind => note.from === now ? note.to : note.from

/**
 * Stores what was answered and not stored, by the transaction that knows how, which may redeem where the answer has run
 * out meanwhile. What it fails with is no matter here: what is still unstored is found under the locks.
 */
const bringHome = (tenants: ReadonlyArray<TenantId>) =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const journal = yield* RefreshJournal
    for (const tenant of tenants) {
      if (Option.isSome(yield* journal.keptAnswer(tenant))) {
        yield* Effect.catchAll(
          coordinator.refresh(tenant, { acceptRisk: false }),
          (error) => Effect.annotateLogs(Effect.logDebug(error.message), LogFields.ofError(tenant, error))
        )
      }
    }
  }).pipe(Effect.withSpan("lockstep.move.home"))

/**
 * Removes answers that belong to no record, reservations among them, and refuses while one belongs to what is stored.
 */
const dropAnswers = (records: MoveSide.Records, known: Known) =>
  Effect.gen(function*() {
    const host = yield* Host.Host
    const journal = yield* RefreshJournal
    for (const tenant of known.tenants) {
      const kept = yield* journal.keptAnswer(tenant)
      const record = Option.fromNullable(records.get(tenant))
      const isUnstored = Option.exists(Option.all({ answer: kept, record }), ({ answer, record }) =>
        Option.exists(record.refreshToken, (token) =>
          Host.fingerprint(host, token) === answer.fingerprint) &&
        !Option.contains(record.lastRedeem, answer.attempt))
      if (isUnstored) {
        return yield* refuseKept(tenant, journal.location(tenant))
      }
    }
    for (const path of known.answers) {
      yield* AnswerFile.drop(path)
    }
  }).pipe(Effect.withSpan("lockstep.move.answers"))

/** Finishes what another move has left, with every lock in hand. */
const settle = Effect.gen(function*() {
  const home = yield* Home
  const note = yield* unfinished(home)
  if (Option.isNone(note)) return false
  yield* empty(loserOf(note.value, home.store), home.store)
  yield* removeNote
  return true
})

const transfer = (to: StoreKind, known: Known) =>
  Effect.gen(function*() {
    const home = yield* Home
    const { self } = yield* Host.Host
    const finished = yield* settle
    const content = yield* Effect.scoped(Effect.flatMap(MoveSide.make(home.store), contentOf))
    if (home.store === to) {
      const { location } = yield* CredentialStore
      return { from: Option.none(), to, location, tenants: [], pending: 0, finished } satisfies Moved
    }
    yield* dropAnswers(content.records, known)
    yield* copy(content, home.store, to)
    const location = yield* verify(content, to)
    yield* home.repin(to)
    yield* empty(home.store, to)
    yield* removeNote
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
  /** Paths of all answer files. */
  readonly answers: ReadonlyArray<string>
}

const look = Effect.gen(function*() {
  const home = yield* Home
  const store = yield* CredentialStore
  const { answers, tenants } = yield* Sidecars.find(home)
  return { tenants: new Set([...yield* store.list, ...tenants]), answers } satisfies Known
})

/** Locks every tenant that is known, and begins again where one came along meanwhile. */
const underLocks = (
  to: StoreKind,
  tenants: ReadonlySet<TenantId>
): Effect.Effect<Moved, MoveError, Services> =>
  Effect.gen(function*() {
    yield* takeLocks(Sidecars.inByteOrder(tenants))
    const now = yield* look
    const missed = [...now.tenants].filter((tenant) => !tenants.has(tenant))
    return missed.length > 0 ? { missed } : { missed, moved: yield* transfer(to, now) }
  }).pipe(
    Effect.scoped,
    Effect.flatMap(({ missed, moved }) =>
      moved === undefined ? underLocks(to, new Set([...tenants, ...missed])) : Effect.succeed(moved)
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
  | CredentialLock
  | RefreshJournal
  | RefreshPolicy
  | RefreshCoordinator
  | Host.Host
  | Keyring

/**
 * Moves all logins of the home, finished and unfinished, to another kind of store. Everybody who has the old one open is
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
    yield* bringHome(Sidecars.inByteOrder(tenants))
    return yield* underLocks(to, tenants)
  }).pipe(Effect.withSpan("lockstep.move", { attributes: { to } }))
