/**
 * A file that several tenants share, as its readers and its writers have it.
 *
 * Readers take no lock (I9): a file that is only ever renamed into place is whole whenever it is opened. A writer takes
 * the aggregate lock, reads again, since what was read before the lock is a hint (I2), changes its part of the text and
 * copies the rest (I11), and returns when the new file is durable (I3).
 *
 * A damaged file is never empty and never written: one unreadable moment would erase every login. Its sound parts are
 * still served.
 *
 * @since 0.1.0
 */
import type { Lease } from "@lockstep/core/CredentialLock"
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { WriteOptions } from "@lockstep/core/WritableStore"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import { Envelope } from "./Envelope.js"
import { Home } from "./Home.js"
import * as Aggregate from "./internal/aggregate.js"
import type { FileLock } from "./locks/FileLock.js"
import type { StoreCodec } from "./StoreCodec.js"
import * as WholeFile from "./WholeFile.js"

/** A program without our locks has written so many times in a row between our look and our write. */
const ATTEMPTS = 16

/** Milliseconds after which a text that does not parse is read again, and how often: a tool may be writing it in place. */
const SETTLING = 20
const SETTLINGS = 5

interface Loaded<Document> {
  readonly document: Document
  readonly bytes: Uint8Array
  readonly identity: WholeFile.Identity
  /** Whether an equal state means an equal content from now on. */
  readonly isSettled: boolean
}

/**
 * What a write makes of the text, and what it answers. `None` leaves the file as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Edit<A> {
  readonly text: Option.Option<string>
  readonly value: A
  /** Runs under the lock before the text is replaced. When it fails, the file stays. */
  readonly before?: Effect.Effect<void, CredentialStoreError>
}

/**
 * How the text of a shared file is read: the part of a {@link StoreCodec} that knows nothing of tenants.
 *
 * @since 0.1.0
 * @category models
 */
export type Format<Document> = Pick<
  StoreCodec<Document>,
  "parse" | "empty" | "movedTo" | "findDamage" | "isWrittenInPlace"
>

/**
 * One shared file.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedFile<Document> {
  /** Links resolved. */
  readonly path: string

  /** Makes an error about this file. */
  readonly failure: (reason: CredentialStoreError["reason"], detail: string) => CredentialStoreError

  /** Reads without any lock; the same document as long as the file is the same. One that is missing is empty. */
  readonly read: Effect.Effect<Document, CredentialStoreError>

  /** Reads as a writer must: the file itself, and nothing in it is damaged. */
  readonly readToWrite: Effect.Effect<Document, CredentialStoreError>

  /**
   * Decides on the present text and replaces it, as one durable step under the aggregate lock. `now` is milliseconds
   * since the epoch. When it fails, the file is what it was (I4).
   *
   * A decision waits for nothing. It is made again where a program that takes no lock, or took a lock away from a
   * process that was stopped, wrote the file meanwhile.
   */
  readonly modify: <A>(
    decide: (document: Document, now: number) => Effect.Effect<Edit<A>, CredentialStoreError>,
    options?: WriteOptions
  ) => Effect.Effect<A, Aggregate.ExclusiveError>

  /** Counts the writes of this process. */
  readonly writes: () => number

  /** Calls back soon after each write of this process, outside of any fiber. Returns how to end it. */
  readonly onWritten: (callback: () => void) => () => void
}

/**
 * A view of a shared file whose writes are made within a lease that the caller holds.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within = <Document>(file: SharedFile<Document>, lease: Lease): SharedFile<Document> => ({
  ...file,
  modify: (decide) => file.modify(decide, { within: lease })
})

/**
 * Makes the shared file of a path in a home, in the form that the codec knows and the envelope seals. Opens, creates and
 * locks nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Document>(
  path: string,
  format: Format<Document>
): Effect.Effect<SharedFile<Document>, never, Home | FileLock | RefreshPolicy | Envelope> =>
  Effect.gen(function*() {
    const home = yield* Home
    const envelope = yield* Envelope
    const exclusively = yield* Aggregate.make
    const listeners = new Set<{ readonly callback: () => void }>()
    const label = Path.basename(path)
    // The name and not the path: a home may be moved.
    const place = { location: path, purpose: label }
    let cached: Loaded<Document> | undefined
    let writes = 0

    const failure = (reason: CredentialStoreError["reason"], detail: string) =>
      new CredentialStoreError({ reason, location: path, detail })

    const parse = (bytes: Uint8Array) =>
      Effect.flatMap(envelope.open(place, bytes), (plain) =>
        Either.flatMap(
          WholeFile.decodeText(path, plain),
          (text) => Either.mapLeft(format.parse(text), (damage) => failure("Decode", damage))
        ))

    const refuseMoved = (document: Document): Either.Either<Document, CredentialStoreError> =>
      Option.match(format.movedTo(document), {
        onNone: () => Either.right(document),
        onSome: (target) =>
          Either.left(
            new CredentialStoreError({
              reason: "Superseded",
              location: path,
              detail: `moved to ${target}: open it again`,
              remedy: "start this process again: it opens the store that the logins moved to"
            })
          )
      })

    /** A file that a tool is writing in place is half a file for a moment. */
    const settled = (read: Effect.Effect<Document, CredentialStoreError>) =>
      format.isWrittenInPlace === true
        ? Effect.retry(read, {
          while: ({ reason }) => reason === "Decode",
          times: SETTLINGS,
          schedule: Schedule.spaced(SETTLING)
        })
        : read

    const readWhole: Effect.Effect<Document, CredentialStoreError> = settled(Effect.suspend(() => {
      const read = WholeFile.readNow(path)
      if (Either.isLeft(read)) return Effect.fail(read.left)
      if (Option.isNone(read.right)) {
        return Effect.map(home.check, () => {
          cached = undefined
          return format.empty
        })
      }
      const { bytes, changedAt, identity } = read.right.value
      // Not the Clock service: this is compared with what the file system's own clock wrote.
      const isSettled = Date.now() - changedAt > WholeFile.COARSE
      if (cached !== undefined && Buffer.compare(cached.bytes, bytes) === 0) {
        cached = { ...cached, identity, isSettled }
        return Effect.succeed(cached.document)
      }
      return home.check.pipe(
        Effect.zipRight(parse(bytes)),
        Effect.flatMap(refuseMoved),
        Effect.map((document) => {
          cached = { document, bytes, identity, isSettled }
          return document
        })
      )
    }))

    const readToWrite = Effect.flatMap(readWhole, (document) =>
      Option.match(format.findDamage(document), {
        onNone: () => Effect.succeed(document),
        onSome: (damage) => failure("Decode", damage)
      }))

    // Soon and not at once: the writer still holds its locks.
    const publish = Effect.sync(() => {
      writes++
      if (listeners.size > 0) queueMicrotask(() => listeners.forEach(({ callback }) => callback()))
    })

    const replace = (text: string) =>
      AtomicFile.sweep(path).pipe(
        Effect.zipRight(
          Effect.flatMap(envelope.seal(place, text), (sealed) => AtomicFile.replaceResolved(path, sealed))
        ),
        Effect.zipRight(publish)
      )

    return {
      path,
      failure,
      read: Effect.suspend(() =>
        cached?.isSettled === true && WholeFile.look(path) === cached.identity
          ? Effect.succeed(cached.document)
          : readWhole
      ),
      readToWrite,
      modify: (decide, options) =>
        exclusively(label, (held) =>
          Effect.gen(function*() {
            for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
              const document = yield* readToWrite
              const now = yield* Clock.currentTimeMillis
              const edit = yield* decide(document, now)
              if (Option.isNone(edit.text)) return edit.value
              if (edit.before !== undefined) yield* edit.before
              if (WholeFile.look(path) !== cached?.identity) continue
              yield* replace(edit.text.value)
              yield* held.wrote
              return edit.value
            }
            return yield* failure("Write", "another program keeps writing it")
          }), options),
      writes: () => writes,
      onWritten: (callback) => {
        const listener = { callback }
        listeners.add(listener)
        return () => void listeners.delete(listener)
      }
    }
  })
