/**
 * Holding a tenant, and writing what is held.
 *
 * A process that changes a login holds its tenant first, and everything that it changes it changes through what it
 * holds: so no write is made without the lock, and a holder that was overtaken is refused by the engine that knows it,
 * not by a guess. A store that is guarded by a lock makes its custody of lock, store and journal (`LockedCustody`); an
 * engine with transactions makes one of its own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Stored } from "./Credential.js"
import type { CredentialStoreError, LockHolder, LockTimeout, LockUnavailable } from "./Errors.js"
import type { CapturedAnswer, JournalRecord } from "./RefreshJournal.js"
import type { TenantId } from "./TenantId.js"
import type { Change } from "./WritableStore.js"

/**
 * How a tenant came to be held, and so what is known of the holder before.
 *
 * `free`: it released the tenant, or died, and the lock with it. `dead`: its death is proven. `lost`: its session is gone
 * and its process may live. `overdue`: it lives beyond its lease and has announced no request. `stranded`: it lives
 * beyond every bound and has announced one.
 *
 * @since 0.1.0
 * @category models
 */
export type Taken = "free" | "dead" | "lost" | "overdue" | "stranded"

/**
 * All that is known of a tenant, read as one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Evidence {
  readonly stored: Option.Option<Stored>
  readonly journal: JournalRecord
  /** The answer of a redemption that no store has taken yet. */
  readonly kept: Option.Option<CapturedAnswer>
  /** Milliseconds since the epoch on the store's clock, by which processes share their cooldowns. */
  readonly now: number
  /**
   * Whether the process that wrote the intent may live and be at work although it no longer holds the tenant. Never
   * where a lock dies with its holder; always where a tenant can be taken from a living one, unless its death is
   * proven. A release says nothing of it: the one that released need not be the one that sent.
   */
  readonly senderMayLive: boolean
}

/**
 * What a commit can fail with. The store is then what it was.
 *
 * @since 0.1.0
 * @category errors
 */
export type CommitError = CredentialStoreError | LockTimeout | LockUnavailable

/**
 * What the journal says once a change is stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settlement {
  readonly journal: JournalRecord
  /** Removes the kept answer after the journal was written, and only if it was. */
  readonly discard: boolean
}

/**
 * A change of the store with what follows from it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Commit<A> {
  /** Names the act in spans. */
  readonly act: "refresh" | "login" | "logout"
  /** Pure: decides on the record that is there at that moment. Asked again where the store must begin again. */
  readonly decide: (current: Option.Option<Stored>) => Change<A>
  /** Says what the journal records of it; `None` leaves the journal alone. */
  readonly settle: (value: A) => Option.Option<Settlement>
  /** Runs when the store has it and the journal does not yet. */
  readonly onDurable?: (value: A) => Effect.Effect<void>
}

/**
 * What came of a commit: the store has it, and the journal, or the journal's error.
 *
 * @since 0.1.0
 * @category models
 */
export interface Committed<A> {
  readonly value: A
  readonly settled: Either.Either<void, CredentialStoreError>
}

/**
 * A tenant that is held until the scope ends.
 *
 * Effects that write are durable when they succeed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  readonly taken: Taken
  /** When it was taken, in milliseconds on the store's clock. */
  readonly since: number

  /** The time on the store's clock: every moment that the journal records is one of it. */
  readonly now: Effect.Effect<number>

  /**
   * Reads record, journal and kept answer. With `replaceJournal` a damaged journal and an unreadable answer are read as
   * absent, so that they keep no person from logging in; the journal's generation then counts from the time
   * of day, which no count of changes has reached.
   */
  readonly read: (
    options?: { readonly replaceJournal?: boolean }
  ) => Effect.Effect<Evidence, CredentialStoreError>

  /**
   * Finds out that a later commit can succeed, and reserves room for an answer of so many bytes, so that keeping it
   * later needs no free space. Room that holds no answer is given back when the scope ends.
   */
  readonly reserve: (bytes: Option.Option<number>) => Effect.Effect<void, CredentialStoreError | LockUnavailable>

  /**
   * Writes the intent as the last act before a request, or refuses: with `false` where the stored refresh token is not
   * the one of `over` any more, with `CredentialStoreError(Superseded)` where the tenant was lost or overtaken. `None`
   * announces nothing and only looks.
   */
  readonly begin: (
    journal: Option.Option<JournalRecord>,
    over: Stored
  ) => Effect.Effect<boolean, CredentialStoreError>

  /** Keeps an answer, in the room that was reserved or without it, where it survives this process. */
  readonly capture: (answer: CapturedAnswer) => Effect.Effect<void, CredentialStoreError>

  /** Changes the store, then the journal, then removes the kept answer, in this order or in one transaction. */
  readonly commit: <A>(commit: Commit<A>) => Effect.Effect<Committed<A>, CommitError>

  /**
   * Writes the journal alone; `discard` then removes the kept answer. What need not last, because something durable says
   * the same, is seen by the next holder all the same.
   */
  readonly note: (
    journal: JournalRecord,
    options?: { readonly discard?: boolean; readonly mustLast?: boolean }
  ) => Effect.Effect<void, CredentialStoreError>

  /**
   * Removes what a reservation or a damaged answer left behind; absent is fine. An answer that can be read stays: it proves
   * that its token is consumed, and goes with a note that says so.
   */
  readonly discardUnreadable: Effect.Effect<void, CredentialStoreError>
}

/**
 * How a wait for a tenant ended: it is held, or what was looked for made holding it needless.
 *
 * @since 0.1.0
 * @category models
 */
export type Hold<A> = Data.TaggedEnum<{
  Held: { readonly held: Held }
  Found: { readonly value: A }
}>

interface HoldDefinition extends Data.TaggedEnum.WithGenerics<1> {
  readonly taggedEnum: Hold<this["A"]>
}

/**
 * Constructors of {@link Hold}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Hold = Data.taggedEnum<HoldDefinition>()

/**
 * How a tenant is waited for.
 *
 * @since 0.1.0
 * @category models
 */
export interface HoldOptions<A, E> {
  /** Starts afresh once when the holder changes. */
  readonly timeout: Duration.Duration
  /** Names the logins whose rotations revoke each other: they are held one at a time. */
  readonly rotationGroup?: Option.Option<string>
  /** Asked before every try, and when the tenant's record changed. It must not wait. */
  readonly look?: Effect.Effect<Option.Option<A>, E>
}

/**
 * Holds tenants, one process at a time.
 *
 * @since 0.1.0
 * @category services
 */
export class Custody extends Context.Tag("@lockstep/core/Custody")<Custody, {
  /** What messages call the store that is written. */
  readonly location: string

  /**
   * Holds a tenant until the scope ends, or finds what makes that needless. Waiting can be interrupted, and blocks no
   * thread.
   */
  readonly hold: <A = never, E = never>(
    tenant: TenantId,
    options: HoldOptions<A, E>
  ) => Effect.Effect<Hold<A>, E | LockTimeout | LockUnavailable, Scope.Scope>

  /** Reads what a holder would read, without any lock: for those that only tell. */
  readonly read: (tenant: TenantId) => Effect.Effect<Evidence, CredentialStoreError>

  /** Finds out which process holds a tenant, as far as the system tells; takes no lock. */
  readonly holder: (tenant: TenantId) => Effect.Effect<Option.Option<LockHolder>>

  /** What messages call the journal of a tenant. */
  readonly journalOf: (tenant: TenantId) => string
}>() {}
