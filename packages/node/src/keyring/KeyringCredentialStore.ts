/**
 * Credentials in the operating system's keyring, one record per tenant, and an index beside the locks that says which
 * entry counts.
 *
 * The keyring is another program: it may be slow, locked, or gone in the middle, it has no compare-and-swap, and a write
 * that was given up may still arrive. So the aggregate lock is never held while it is asked, and what is written there
 * counts for nothing until the index says so:
 *
 * 1. The record is read without the lock, and the change decided on it.
 * 2. Under the lock the new entry is noted in the index. From here on a kill leaves no entry that the index does not
 *    name.
 * 3. The entry is written under its fresh name, and read back (I3).
 * 4. Under the lock the new record is left for those who hold the old one, so that a crowd need not ask the keyring, and
 *    the index is made to name it, if it still names what the change was decided on; else all of this begins again with
 *    what it names now. This is the write: before it the old record counts, after it the new one.
 * 5. The old entry is removed, and whatever else is noted as stale. A failure of that fails no caller.
 *
 * An entry never changes, so it is read once. When it cannot be read, that is an error and never an
 * absence, and no other store is asked (I10).
 *
 * @since 0.1.0
 */
import type * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Trace from "@lockstep/core/Trace"
import { type Change, WritableStore, type WriteOptions } from "@lockstep/core/WritableStore"
import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as AtomicFile from "../AtomicFile.js"
import * as Envelope from "../Envelope.js"
import { Home } from "../Home.js"
import type { ExclusiveError } from "../internal/aggregate.js"
import * as KeyringEntries from "../internal/keyringEntries.js"
import * as KeyringEntryText from "../internal/keyringEntryText.js"
import * as KeyringHandover from "../internal/keyringHandover.js"
import * as KeyringRecords from "../internal/keyringRecords.js"
import * as KeyringTurns from "../internal/keyringTurns.js"
import { FileLock } from "../locks/FileLock.js"
import { proveLock } from "../locks/LockProof.js"
import * as RecordSignals from "../RecordSignals.js"
import { regression, storedOf } from "../RecordVersion.js"
import * as SealingKeys from "../secrets/SealingKeys.js"
import * as SharedFile from "../SharedFile.js"
import { Keyring } from "./Keyring.js"
import * as KeyringIndex from "./KeyringIndex.js"
import * as KeyringIndexChange from "./KeyringIndexChange.js"
import * as KeyringTimeout from "./KeyringTimeout.js"

/** What one record may add to its entry. Bytes. */
const ROOM = 16_384

/** What one write may add to the index. Bytes. */
const INDEX_ROOM = 4_096

/** Others have written so many times in a row between our look and our write. */
const ATTEMPTS = 64

const hasEmptyToken = ({ accessToken, idToken, refreshToken }: Credential.Credential): boolean =>
  [accessToken, refreshToken, idToken].some((token) => Option.isSome(token) && Redacted.value(token.value) === "")

/** What became of a change; `None` where another process's write came between. */
type Outcome<A> = Option.Option<A>

/**
 * Makes the store. Its watch ends with the scope. Refuses to be made where a process may hold a lock for longer than
 * others wait for it, since its writes ask the keyring three times.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  WritableStore["Type"],
  ConfigError.ConfigError,
  Home | FileLock | RefreshPolicy.RefreshPolicy | Keyring | Scope.Scope
> = Effect.gen(function*() {
  const policy = yield* RefreshPolicy.RefreshPolicy
  const keyring = yield* Keyring
  yield* RefreshPolicy.make(policy, KeyringTimeout.limits(keyring.timeout))
  const home = yield* Home
  const lock = yield* FileLock
  const entries = yield* KeyringEntries.make
  const index = yield* Effect.provide(
    SharedFile.make(`${home.file}.keyring`, KeyringIndex.format),
    Envelope.layerPlain
  )
  const { changes, epoch, found, listen } = yield* RecordSignals.make({
    file: index,
    read: index.read,
    // An entry never changes, and a write has a name of its own.
    signatureOf: (document, tenant) =>
      Either.match(KeyringIndex.get(document, tenant), {
        onLeft: (damage) => damage,
        onRight: Option.match({ onNone: () => "", onSome: ({ writeId }) => writeId })
      })
  })
  const handover = KeyringHandover.make(home, index.path)
  const { inTurn, lay } = yield* KeyringTurns.make({ round: keyring.timeout, whole: policy.lockTimeout })
  const { currentOf, find, findKept, known } = KeyringRecords.make({
    index,
    entries,
    handover,
    inTurn,
    starting: policy.lockTimeout
  })
  const turns = new Map<TenantId, Effect.Semaphore>()
  let gone: ReadonlySet<string> = new Set()

  const isUnchanged = (
    document: KeyringIndex.Document,
    tenant: TenantId,
    found: Option.Option<KeyringRecords.Found>
  ): boolean =>
    Option.getOrUndefined(Option.flatten(Either.getRight(KeyringIndex.get(document, tenant))))?.writeId ===
      Option.getOrUndefined(found)?.writeId

  /** Rewrites the index where it still says so, and right before it what belongs to that. Answers whether it did. */
  const rewrite = (
    holds: (document: KeyringIndex.Document) => boolean,
    edit: (document: KeyringIndex.Document, now: number) => string,
    options: WriteOptions | undefined,
    before: Effect.Effect<void> = Effect.void
  ): Effect.Effect<boolean, ExclusiveError> =>
    index.modify((document, now) =>
      Either.right(
        holds(document)
          ? { text: Option.some(edit(document, now)), value: true, before }
          : { text: Option.none(), value: false }
      ), options)

  const forget = (writeId: string) => {
    gone = new Set([...gone, writeId])
  }

  const removeStale = (note: KeyringIndex.Note, now: number) =>
    Effect.map(entries.remove(note), (removed) => {
      if (removed || KeyringIndex.hasEnded(note, now)) forget(note.writeId)
    })

  const collect = Effect.gen(function*() {
    const notes = KeyringIndex.stale(yield* index.readToWrite)
    gone = new Set(notes.flatMap(({ writeId }) => gone.has(writeId) ? [writeId] : []))
    const now = yield* Clock.currentTimeMillis
    yield* Effect.forEach(
      notes.filter(({ writeId }) => !gone.has(writeId)),
      (note) => removeStale(note, now),
      { discard: true }
    )
  }).pipe(
    Effect.timeoutOption(keyring.timeout),
    Effect.ignore,
    Trace.withSpan("lockstep.store.collect")
  )

  const put = (
    tenant: TenantId,
    found: Option.Option<KeyringRecords.Found>,
    credential: Credential.Credential,
    options: WriteOptions | undefined
  ) =>
    Effect.gen(function*() {
      if (hasEmptyToken(credential)) {
        return yield* new CredentialStoreError({ reason: "Write", location: entries.name, detail: "an empty token" })
      }
      const nextKey = yield* SealingKeys.generate
      const text = KeyringEntryText.encode(credential, nextKey)
      const parts = entries.split(text)
      if (parts.length > KeyringIndex.MAX_PARTS) {
        return yield* new CredentialStoreError({ reason: "TooLarge", location: entries.name })
      }
      const current = KeyringIndex.Current.make({
        generation: credential.generation,
        writeId: Crypto.randomBytes(8).toString("hex"),
        parts: parts.length,
        bytes: Buffer.byteLength(text),
        sha256: KeyringRecords.sha256(text)
      })
      const { writeId } = current
      const place = { tenant, writeId, parts: parts.length }
      const begun = yield* Trace.withSpan(
        rewrite(
          (document) => isUnchanged(document, tenant, found),
          (document, now) => KeyringIndexChange.begin(document, place, gone, now),
          options
        ),
        "lockstep.store.begin"
      )
      if (!begun) return Option.none()
      let isWritten = false
      const committed = yield* Trace.withSpan(entries.write(place, parts), "lockstep.store.write").pipe(
        Effect.map(() => isWritten = true),
        // The write that overtook this one has removed its entry; the keyring has not failed.
        Effect.catchAll((error) =>
          Effect.flatMap(
            index.readToWrite,
            (document) => KeyringIndex.isWriting(document, writeId) ? error : Effect.succeed(false)
          )
        ),
        Effect.flatMap((written) =>
          written
            ? Trace.withSpan(
              rewrite(
                (document) => KeyringIndex.isWriting(document, writeId) && isUnchanged(document, tenant, found),
                (document, now) => KeyringIndexChange.commit(document, tenant, current, gone, now),
                options,
                handover.leave({ tenant, from: found, to: writeId }, Redacted.make(text))
              ),
              "lockstep.store.commit"
            )
            : Effect.succeed(false)
        ),
        Effect.onError(() =>
          Effect.ignore(rewrite(
            (document) => KeyringIndex.isWriting(document, writeId),
            (document) => KeyringIndexChange.abandon(document, writeId, gone),
            options
          ))
        )
      )
      if (!committed) {
        // Its note is stale by now. Only this process knows that it has given up, and that nothing can arrive.
        yield* Effect.ignore(Effect.map(entries.remove(place), (removed) => {
          if (removed || isWritten) forget(writeId)
        }))
        return Option.none()
      }
      const stored = storedOf(credential)
      known.set(tenant, { writeId, stored, nextKey: Option.some(nextKey), isKept: true })
      yield* collect
      return Option.some(stored)
    })

  const carryOut = <A>(
    tenant: TenantId,
    found: Option.Option<KeyringRecords.Found>,
    change: Change<A>,
    options: WriteOptions | undefined
  ): Effect.Effect<Outcome<A>, ExclusiveError> => {
    switch (change._tag) {
      case "Keep":
        return Effect.succeedSome(change.value)
      case "Put": {
        const older = regression(Option.map(found, ({ stored }) => stored), change.credential)
        return Option.isSome(older)
          ? index.failure("Superseded", older.value)
          : Effect.map(put(tenant, found, change.credential, options), Option.map(change.value))
      }
      case "Remove":
        if (Option.isNone(found)) return Effect.succeedSome(change.value)
        return Effect.flatMap(
          rewrite(
            (document) => isUnchanged(document, tenant, found),
            (document, now) => KeyringIndexChange.remove(document, tenant, gone, now),
            options,
            handover.drop(tenant)
          ),
          (removed) => removed ? Effect.as(collect, Option.some(change.value)) : Effect.succeedNone
        )
    }
  }

  const attempt = <A>(
    tenant: TenantId,
    decide: (current: Option.Option<Credential.Stored>) => Change<A>,
    options: WriteOptions | undefined,
    left: number
  ): Effect.Effect<A, ExclusiveError> =>
    Effect.flatMap(find(index.readToWrite, tenant), (found) =>
      Effect.flatMap(
        carryOut(tenant, found, decide(Option.map(found, ({ stored }) => stored)), options),
        Option.match({
          onSome: Effect.succeed,
          onNone: () =>
            left > 0
              ? attempt(tenant, decide, options, left - 1)
              : index.failure("Superseded", `others keep writing ${tenant}`)
        })
      ))

  /** Writers of one tenant in this process take turns, since each would make the others begin again. */
  const turnOf = (tenant: TenantId): Effect.Semaphore => {
    const turn = turns.get(tenant) ?? Effect.unsafeMakeSemaphore(1)
    turns.set(tenant, turn)
    return turn
  }

  const prepare: WritableStore["Type"]["prepare"] = (tenant, options) =>
    Effect.gen(function*() {
      yield* home.open
      yield* proveLock(lock, options)
      const document = yield* index.readToWrite
      yield* AtomicFile.probe(index.path, Buffer.byteLength(document.text) + INDEX_ROOM)
      yield* findKept(tenant)
      const bytes = Option.match(yield* currentOf(document, tenant), { onNone: () => 0, onSome: ({ bytes }) => bytes })
      yield* entries.rehearse(tenant, bytes + ROOM)
    }).pipe(Trace.withSpan("lockstep.store.prepare"))

  const readNoting = (tenant: TenantId) =>
    Effect.tap(index.read, (document) => Effect.sync(() => found(tenant, document)))

  return WritableStore.of({
    location: entries.name,
    get: (tenant) => Effect.map(find(readNoting(tenant), tenant), Option.map(({ stored }) => stored)),
    list: Effect.map(index.read, KeyringIndex.list),
    modify: (tenant, decide, options) =>
      home.open.pipe(
        Effect.zipRight(lay),
        Effect.zipRight(
          Effect.suspend(() => turnOf(tenant).withPermits(1)(attempt(tenant, decide, options, ATTEMPTS)))
        ),
        Trace.withSpan("lockstep.store.modify")
      ),
    prepare,
    epoch,
    changes,
    listen
  })
})

/**
 * The credentials of a home in the keyring.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  WritableStore,
  ConfigError.ConfigError,
  Home | FileLock | RefreshPolicy.RefreshPolicy | Keyring
> = Layer.scoped(WritableStore, make)
