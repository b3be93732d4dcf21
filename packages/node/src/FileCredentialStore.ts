/**
 * The native store: one `auth.json` of all tenants, replaced as a whole.
 *
 * Readers take no lock (I9): a file that is only ever renamed into place is whole whenever it is opened. A writer takes
 * the aggregate lock, reads again, since what was read before the lock is a hint (I2), changes the text of one record
 * and copies the rest (I11), and returns when the new file is durable (I3).
 *
 * A damaged file is never empty and never written: one unreadable moment would erase every login. Its sound records
 * are still served.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import * as AuthJson from "./AuthJson.js"
import * as DirectoryWatch from "./DirectoryWatch.js"
import * as FileEpoch from "./FileEpoch.js"
import { Home } from "./Home.js"
import * as WholeFile from "./WholeFile.js"

/**
 * Milliseconds for which the state of a file may stay the same although it changed again: file times advance with the
 * kernel's tick, and the inode of a replaced file is given to the next.
 */
const COARSE = 50

/** What one record may add to the file. Bytes. */
const ROOM = 16_384

interface Loaded {
  readonly document: AuthJson.Document
  readonly records: Map<TenantId, Effect.Effect<Option.Option<Credential.Stored>, CredentialStoreError>>
  readonly bytes: Uint8Array
  readonly identity: WholeFile.Identity
  /** Whether an equal state means an equal content from now on. */
  readonly isSettled: boolean
}

const versionOf = (credential: Credential.Credential): Credential.Version => {
  const hash = Crypto.createHash("sha256")
  for (const token of [credential.accessToken, credential.refreshToken, credential.idToken]) {
    const text = Option.match(token, { onNone: () => "", onSome: Redacted.value })
    hash.update(`${text.length}:${text}`)
  }
  return Credential.Version(`${credential.generation}:${hash.digest("hex").slice(0, 16)}`)
}

const storedOf = (credential: Credential.Credential): Credential.Stored => ({
  credential,
  version: versionOf(credential)
})

/**
 * Makes the store of a home. Its watch ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  CredentialStore["Type"],
  never,
  Home | CredentialLock | RefreshPolicy | Scope.Scope
> = Effect.gen(function*() {
  const home = yield* Home
  const lock = yield* CredentialLock
  const policy = yield* RefreshPolicy
  const scope = yield* Effect.scope
  const written = yield* PubSub.sliding<void>(1)
  const { file } = home
  const directory = Path.dirname(file)
  const name = Path.basename(file)
  let cached: Loaded | undefined
  let writes = 0

  const failure = (reason: CredentialStoreError["reason"], detail: string) =>
    new CredentialStoreError({ reason, location: file, detail })

  const parse = (bytes: Uint8Array) =>
    Effect.flatMap(
      WholeFile.decodeText(file, bytes),
      (text) => Either.mapLeft(AuthJson.parse(text), (damage) => failure("Decode", damage))
    )

  const refuseMoved = (document: AuthJson.Document) =>
    Option.match(document.movedTo, {
      onNone: () => Effect.succeed(document),
      onSome: (target) => failure("Superseded", `moved to ${target}: open it again`)
    })

  const readWhole: Effect.Effect<AuthJson.Document, CredentialStoreError> = Effect.gen(function*() {
    const snapshot = yield* WholeFile.read(file)
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
    cached = { document, records: new Map(), bytes, identity, isSettled }
    return document
  })

  const read = Effect.suspend(() =>
    cached?.isSettled === true && WholeFile.look(file) === cached.identity
      ? Effect.succeed(cached.document)
      : readWhole
  )

  const record = (document: AuthJson.Document, tenant: TenantId) =>
    Either.mapBoth(AuthJson.get(document, tenant), {
      onLeft: (damage) => failure("Decode", damage),
      onRight: Option.map(storedOf)
    })

  const get = (tenant: TenantId) =>
    Effect.flatMap(read, (document) => {
      if (cached?.document !== document) return record(document, tenant)
      const known = cached.records.get(tenant)
      if (known !== undefined) return known
      const answer = record(document, tenant)
      cached.records.set(tenant, answer)
      return answer
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
    AtomicFile.sweep(file).pipe(
      Effect.zipRight(AtomicFile.replace(file, text)),
      Effect.zipRight(publish)
    )

  const putText = (
    document: AuthJson.Document,
    tenant: TenantId,
    current: Option.Option<Credential.Stored>,
    next: Credential.Credential,
    now: number
  ) => {
    const present = Option.match(current, { onNone: () => 0, onSome: ({ credential }) => credential.generation })
    return next.generation < present
      ? failure("Superseded", `generation ${present} is stored, and ${next.generation} was to be written`)
      : Either.mapLeft(AuthJson.put(document, tenant, next, now), (damage) => failure("Write", damage))
  }

  const modify: CredentialStore["Type"]["modify"] = (tenant, decide) =>
    Effect.gen(function*() {
      yield* home.open
      const held = yield* LockWait.acquire(lock, LockTarget.Aggregate(), {
        timeout: policy.aggregateLockTimeout,
        label: name
      })
      return yield* Effect.uninterruptible(Effect.gen(function*() {
        const document = yield* readToWrite
        const current = yield* record(document, tenant)
        const now = yield* Clock.currentTimeMillis
        const change = decide(current)
        switch (change._tag) {
          case "Keep":
            return change.value
          case "Put": {
            yield* replace(yield* putText(document, tenant, current, change.credential, now))
            yield* held.wrote
            return change.value(storedOf(change.credential))
          }
          case "Remove": {
            if (Option.isNone(current)) return change.value
            yield* replace(AuthJson.remove(document, tenant, now))
            yield* held.wrote
            return change.value
          }
        }
      }))
    }).pipe(Effect.scoped, Effect.withSpan("lockstep.store.modify"))

  // Taken and given back at once: a lock that cannot be taken shows before a refresh token is spent. Busy is fine.
  const proveLock = Effect.uninterruptible(Effect.flatMap(
    lock.tryAcquire(LockTarget.Aggregate()),
    Option.match({ onNone: () => Effect.void, onSome: (lease) => lease.release({ changed: true }) })
  ))

  const prepare = home.open.pipe(
    Effect.zipRight(proveLock),
    Effect.zipRight(readToWrite),
    Effect.flatMap(({ text }) => AtomicFile.probe(file, Buffer.byteLength(text) + ROOM)),
    Effect.withSpan("lockstep.store.prepare")
  )

  const epoch = FileEpoch.make({
    path: file,
    file: name,
    openWatch: () => Effect.runSync(Scope.extend(DirectoryWatch.open(directory), scope))
  })

  const changes = Effect.gen(function*() {
    const queue = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
    const watch = yield* DirectoryWatch.open(directory)
    // Own writes are announced at once, also where the directory can only be polled.
    for (const source of [yield* PubSub.subscribe(written), yield* watch.hints((changed) => changed === name)]) {
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(source), Queue.offer(queue, undefined))))
    }
    return queue
  })

  return CredentialStore.of({
    location: file,
    get,
    list: Effect.map(read, AuthJson.list),
    modify,
    prepare: () => prepare,
    epoch: () => epoch() + writes,
    changes
  })
})

/**
 * The store of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CredentialStore, never, Home | CredentialLock | RefreshPolicy> = Layer.scoped(
  CredentialStore,
  make
)
