/**
 * Sealing a home anew with another key.
 *
 * The new key is current before anything is sealed with it, and the old ones are forgotten when nothing is sealed with
 * them: whenever this ends, everything can be read. A process that seals an answer holds its tenant's lock since before
 * it loaded its key. So a process that loaded the old one has a lock file when the new key is current, and is waited
 * for.
 *
 * Tenants are locked one after the other and not all at once: a process that waits for a refresh must not also wait for
 * a rotation that waits for all the other refreshes. The lock of a rotation group keeps rotations apart, since it comes
 * before all others; processes refresh, log in and read as usual meanwhile.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AnswerFile from "../AnswerFile.js"
import * as AtomicFile from "../AtomicFile.js"
import type { Place } from "../Envelope.js"
import { Home } from "../Home.js"
import * as Aggregate from "../internal/aggregate.js"
import { step } from "../internal/fileStep.js"
import * as SealedFiles from "../internal/sealedFiles.js"
import * as Sidecars from "../internal/sidecars.js"
import { FileLock } from "../locks/FileLock.js"
import { LockTarget } from "../locks/LockTarget.js"
import * as Replaceable from "../Replaceable.js"
import * as WholeFile from "../WholeFile.js"
import * as SealedEnvelope from "./SealedEnvelope.js"
import * as SealedText from "./SealedText.js"
import { SealingKeys } from "./SealingKeys.js"
import type { SealingKey } from "./SealingKeys.js"

/**
 * What a rotation did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rotation {
  /** Where the keys are. */
  readonly location: string
  /** The id of the key that everything is sealed with now. */
  readonly key: string
  /** Whether that key was made here. Where keys are brought from outside, the first of them counts. */
  readonly isNew: boolean
  /** The files that were sealed anew. */
  readonly sealed: ReadonlyArray<string>
  /** Ids of older keys that this place still has: nothing of this home needs them. */
  readonly left: ReadonlyArray<string>
}

/** The group of those who change keys. No issuer is called so. */
const GROUP = "sealing-keys"

/** How the sealed text of a file is read and replaced. */
interface Kind {
  readonly read: (path: string) => Effect.Effect<Option.Option<Uint8Array>, CredentialStoreError>
  readonly write: (path: string, text: string) => Effect.Effect<void, CredentialStoreError>
}

/** An answer lies in a frame of its own, and its room is written over in place. That can be torn, and this one must not be. */
const replaceAnswer = (path: string, text: string): Effect.Effect<void, CredentialStoreError> => {
  const temporary = `${path}.lockstep-${process.pid}-0.tmp`
  return AnswerFile.keep(temporary, text).pipe(
    Effect.zipRight(step("rename", path, () => Fs.renameSync(temporary, path))),
    Effect.zipRight(step("sync", path, () => AtomicFile.syncDirectory(Path.dirname(path))))
  )
}

const STORE: Kind = { read: SealedFiles.readStore, write: AtomicFile.replace }
const ANSWER: Kind = { read: SealedFiles.readAnswer, write: replaceAnswer }

/**
 * Seals everything in the home with a new key and forgets the old ones. Where keys are brought from outside, with the first
 * of them, and forgets none.
 *
 * Nothing is changed where something is damaged or its key is missing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rotate: Effect.Effect<
  Rotation,
  CredentialStoreError | LockTimeout | LockUnavailable,
  Home | FileLock | RefreshPolicy | SealingKeys
> = Effect.gen(function*() {
  const home = yield* Home
  const lock = yield* FileLock
  const policy = yield* RefreshPolicy
  const keys = yield* SealingKeys
  const exclusively = yield* Aggregate.make

  const open = (place: Place, sealed: Uint8Array) =>
    Effect.flatMap(SealedEnvelope.open(keys, place, sealed), (plain) => WholeFile.decodeText(place.location, plain))

  /** Seals one file with the key and reads it back; one that is sealed with it already stays. */
  const sealWith = (key: SealingKey, { read, write }: Kind) => (place: Place) =>
    Effect.gen(function*() {
      const sealed = yield* read(place.location)
      if (Option.isNone(sealed)) return []
      const text = yield* open(place, sealed.value)
      if (SealedFiles.keyOf(sealed.value) === key.id) return []
      yield* AtomicFile.sweep(place.location)
      yield* write(place.location, SealedText.seal(key, place.purpose, text))
      const kept = yield* read(place.location)
      if (Option.isNone(kept) || (yield* open(place, kept.value)) !== text) {
        return yield* new CredentialStoreError({
          reason: "Write",
          location: place.location,
          detail: "it does not read as it was written; the key that it was sealed with is kept"
        })
      }
      return [place.location]
    })

  const sealStores = (key: SealingKey) =>
    exclusively("the sealed store", () => Effect.forEach(SealedFiles.stores(home), sealWith(key, STORE))).pipe(
      Effect.withSpan("lockstep.rotation.stores")
    )

  const sealAnswer = (key: SealingKey) => (tenant: TenantId) =>
    LockWait.acquire(lock, LockTarget.Tenant({ tenant }), { timeout: policy.lockTimeout, label: tenant }).pipe(
      Effect.zipRight(
        Effect.suspend(() =>
          Effect.uninterruptible(Effect.forEach(SealedFiles.answers(home, tenant), sealWith(key, ANSWER)))
        )
      ),
      Effect.scoped,
      Effect.withSpan("lockstep.rotation.answer")
    )

  // Before anything is changed: a rotation that stops in the middle is safe, and yet unwanted.
  const check = Effect.flatMap(
    SealedFiles.all(home),
    Effect.forEach(
      ({ place, sealed }) => Effect.zipRight(Replaceable.check(place.location), open(place, sealed)),
      { discard: true }
    )
  )

  return yield* LockWait.acquire(lock, LockTarget.RotationGroup({ group: GROUP }), {
    timeout: policy.lockTimeout,
    label: "the keys"
  }).pipe(
    Effect.zipRight(check),
    Effect.zipRight(Effect.all([keys.current, SealedFiles.keysInUse(home)])),
    Effect.flatMap(([before, inUse]) =>
      Effect.gen(function*() {
        const key = yield* keys.renew
        const sealed = [
          yield* sealStores(key),
          ...yield* Effect.forEach((yield* Sidecars.find(home)).tenants, sealAnswer(key))
        ].flat(2)
        // An answer of a tenant whose name cannot be told any more would be lost with its key.
        const used = yield* SealedFiles.keysInUse(home)
        if (used.every((id) => id === key.id)) yield* keys.retire
        const older = [...new Set([before.id, ...inUse])].filter((id) => id !== key.id)
        const left = yield* Effect.filter(older, (id) => Effect.map(keys.find(id), Option.isSome))
        return { location: keys.location, key: key.id, isNew: key.id !== before.id, sealed, left }
      })
    ),
    Effect.scoped
  )
}).pipe(Effect.withSpan("lockstep.rotation"))
