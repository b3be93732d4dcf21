/**
 * The native store: one `auth.json` of all tenants, replaced as a whole.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { Change } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import * as AuthFile from "./AuthFile.js"
import * as AuthJson from "./AuthJson.js"
import * as DirectoryWatch from "./DirectoryWatch.js"
import * as FileEpoch from "./FileEpoch.js"
import { Home } from "./Home.js"

/** What one record may add to the file. Bytes. */
const ROOM = 16_384

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
  AuthFile.AuthFile | Home | CredentialLock | Scope.Scope
> = Effect.gen(function*() {
  const file = yield* AuthFile.AuthFile
  const home = yield* Home
  const lock = yield* CredentialLock
  const scope = yield* Effect.scope
  const directory = Path.dirname(file.path)
  const name = Path.basename(file.path)
  let known: {
    readonly document: AuthJson.Document
    readonly records: Map<TenantId, Effect.Effect<Option.Option<Credential.Stored>, CredentialStoreError>>
  } = { document: AuthJson.empty, records: new Map() }

  const record = (document: AuthJson.Document, tenant: TenantId) =>
    Either.mapBoth(AuthJson.get(document, tenant), {
      onLeft: (damage) => file.failure("Decode", damage),
      onRight: Option.map(storedOf)
    })

  const get = (tenant: TenantId) =>
    Effect.flatMap(file.read, (document) => {
      if (known.document !== document) known = { document, records: new Map() }
      const answered = known.records.get(tenant)
      if (answered !== undefined) return answered
      const answer = record(document, tenant)
      known.records.set(tenant, answer)
      return answer
    })

  const putText = (
    document: AuthJson.Document,
    tenant: TenantId,
    current: Option.Option<Credential.Stored>,
    next: Credential.Credential,
    now: number
  ) => {
    const present = Option.match(current, { onNone: () => 0, onSome: ({ credential }) => credential.generation })
    return next.generation < present
      ? Either.left(
        file.failure("Superseded", `generation ${present} is stored, and ${next.generation} was to be written`)
      )
      : Either.mapLeft(AuthJson.put(document, tenant, next, now), (damage) => file.failure("Write", damage))
  }

  const carryOut = <A>(
    document: AuthJson.Document,
    tenant: TenantId,
    current: Option.Option<Credential.Stored>,
    change: Change<A>,
    now: number
  ): Either.Either<AuthFile.Edit<A>, CredentialStoreError> => {
    switch (change._tag) {
      case "Keep":
        return Either.right({ text: Option.none(), value: change.value })
      case "Put":
        return Either.map(putText(document, tenant, current, change.credential, now), (text) => ({
          text: Option.some(text),
          value: change.value(storedOf(change.credential))
        }))
      case "Remove":
        return Either.right({
          text: Option.map(current, () => AuthJson.remove(document, tenant, now)),
          value: change.value
        })
    }
  }

  const modify: CredentialStore["Type"]["modify"] = (tenant, decide) =>
    Effect.withSpan(
      file.modify((document, now) =>
        Either.flatMap(record(document, tenant), (current) => carryOut(document, tenant, current, decide(current), now))
      ),
      "lockstep.store.modify"
    )

  // Taken and given back at once: a lock that cannot be taken shows before a refresh token is spent. Busy is fine.
  const proveLock = Effect.uninterruptible(Effect.flatMap(
    lock.tryAcquire(LockTarget.Aggregate()),
    Option.match({ onNone: () => Effect.void, onSome: (lease) => lease.release({ changed: true }) })
  ))

  const prepare = home.open.pipe(
    Effect.zipRight(proveLock),
    Effect.zipRight(file.readToWrite),
    Effect.flatMap(({ text }) => AtomicFile.probe(file.path, Buffer.byteLength(text) + ROOM)),
    Effect.withSpan("lockstep.store.prepare")
  )

  const epoch = FileEpoch.make({
    path: file.path,
    file: name,
    openWatch: () => Effect.runSync(Scope.extend(DirectoryWatch.open(directory), scope))
  })

  const changes = Effect.gen(function*() {
    const queue = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
    const watch = yield* DirectoryWatch.open(directory)
    // Own writes are announced at once, also where the directory can only be polled.
    for (const source of [yield* file.written, yield* watch.hints((changed) => changed === name)]) {
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(source), Queue.offer(queue, undefined))))
    }
    return queue
  })

  return CredentialStore.of({
    location: file.path,
    get,
    list: Effect.map(file.read, AuthJson.list),
    modify,
    prepare: () => prepare,
    epoch: () => epoch() + file.writes(),
    changes
  })
})

/**
 * The store of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CredentialStore, never, Home | CredentialLock | RefreshPolicy> = Layer.provide(
  Layer.scoped(CredentialStore, make),
  AuthFile.layer
)
