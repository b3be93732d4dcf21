/**
 * The file that all tenants share, as its readers and its writers have it: credentials and unfinished logins lie in one
 * `auth.json`, and whoever writes the one copies the other.
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
import type { CredentialLock } from "@lockstep/core/CredentialLock"
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import * as AuthJson from "./AuthJson.js"
import { Home } from "./Home.js"
import * as Aggregate from "./internal/aggregate.js"
import * as WholeFile from "./WholeFile.js"

/**
 * Milliseconds for which the state of a file may stay the same although it changed again: file times advance with the
 * kernel's tick, and the inode of a replaced file is given to the next.
 */
const COARSE = 50

interface Loaded {
  readonly document: AuthJson.Document
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
}

/**
 * `auth.json` of one home.
 *
 * @since 0.1.0
 * @category services
 */
export class AuthFile extends Context.Tag("@lockstep/node/AuthFile")<AuthFile, {
  /** Links resolved. */
  readonly path: string

  /** Makes an error about this file. */
  readonly failure: (reason: CredentialStoreError["reason"], detail: string) => CredentialStoreError

  /** Reads without any lock; the same document as long as the file is the same. One that is missing is empty. */
  readonly read: Effect.Effect<AuthJson.Document, CredentialStoreError>

  /** Reads as a writer must: the file itself, and nothing in it is damaged. */
  readonly readToWrite: Effect.Effect<AuthJson.Document, CredentialStoreError>

  /**
   * Decides on the present text and replaces it, as one durable step under the aggregate lock. `now` is milliseconds
   * since the epoch. When it fails, the file is what it was (I4).
   */
  readonly modify: <A>(
    decide: (document: AuthJson.Document, now: number) => Either.Either<Edit<A>, CredentialStoreError>
  ) => Effect.Effect<A, Aggregate.ExclusiveError>

  /** Counts the writes of this process. */
  readonly writes: () => number

  /** Subscribes to the writes of this process. The subscription lives as long as the scope. */
  readonly written: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}>() {}

/**
 * Makes the file of a home. Opens, creates and locks nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<AuthFile["Type"], never, Home | CredentialLock | RefreshPolicy> = Effect.gen(
  function*() {
    const home = yield* Home
    const exclusively = yield* Aggregate.make
    const written = yield* PubSub.sliding<void>(1)
    const path = home.file
    const label = Path.basename(path)
    let cached: Loaded | undefined
    let writes = 0

    const failure = (reason: CredentialStoreError["reason"], detail: string) =>
      new CredentialStoreError({ reason, location: path, detail })

    const parse = (bytes: Uint8Array) =>
      Effect.flatMap(
        WholeFile.decodeText(path, bytes),
        (text) => Either.mapLeft(AuthJson.parse(text), (damage) => failure("Decode", damage))
      )

    const refuseMoved = (document: AuthJson.Document) =>
      Option.match(document.movedTo, {
        onNone: () => Effect.succeed(document),
        onSome: (target) => failure("Superseded", `moved to ${target}: open it again`)
      })

    const readWhole: Effect.Effect<AuthJson.Document, CredentialStoreError> = Effect.gen(function*() {
      const snapshot = yield* WholeFile.read(path)
      if (Option.isNone(snapshot)) {
        yield* home.check
        cached = undefined
        return AuthJson.empty
      }
      const { bytes, changedAt, identity } = snapshot.value
      // Not the Clock service: this is compared with what the file system's own clock wrote.
      const isSettled = Date.now() - changedAt > COARSE
      if (cached !== undefined && Buffer.compare(cached.bytes, bytes) === 0) {
        cached = { ...cached, identity, isSettled }
        return cached.document
      }
      yield* home.check
      const document = yield* Effect.flatMap(parse(bytes), refuseMoved)
      cached = { document, bytes, identity, isSettled }
      return document
    })

    const readToWrite = Effect.flatMap(readWhole, (document) =>
      Option.match(AuthJson.findDamage(document), {
        onNone: () => Effect.succeed(document),
        onSome: (damage) => failure("Decode", damage)
      }))

    const publish = Effect.suspend(() => {
      writes++
      return PubSub.publish(written, undefined)
    })

    const replace = (text: string) =>
      AtomicFile.sweep(path).pipe(
        Effect.zipRight(AtomicFile.replace(path, text)),
        Effect.zipRight(publish)
      )

    return AuthFile.of({
      path,
      failure,
      read: Effect.suspend(() =>
        cached?.isSettled === true && WholeFile.look(path) === cached.identity
          ? Effect.succeed(cached.document)
          : readWhole
      ),
      readToWrite,
      modify: (decide) =>
        exclusively(label, (held) =>
          Effect.gen(function*() {
            const document = yield* readToWrite
            const now = yield* Clock.currentTimeMillis
            const edit = yield* decide(document, now)
            if (Option.isSome(edit.text)) {
              yield* replace(edit.text.value)
              yield* held.wrote
            }
            return edit.value
          })),
      writes: () => writes,
      written: PubSub.subscribe(written)
    })
  }
)

/**
 * `auth.json` of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<AuthFile, never, Home | CredentialLock | RefreshPolicy> = Layer.effect(AuthFile, make)
