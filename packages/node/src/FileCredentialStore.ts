/**
 * A store over one file of all tenants, replaced as a whole.
 *
 * @since 0.1.0
 */
import type * as Credential from "@lockstep/core/Credential"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Trace from "@lockstep/core/Trace"
import { type Change, WritableStore } from "@lockstep/core/WritableStore"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as AtomicFile from "./AtomicFile.js"
import * as AuthFile from "./AuthFile.js"
import * as AuthJson from "./AuthJson.js"
import * as Envelope from "./Envelope.js"
import { Home } from "./Home.js"
import * as LastView from "./LastView.js"
import { FileLock } from "./locks/FileLock.js"
import { proveLock } from "./locks/LockProof.js"
import * as RecordSignals from "./RecordSignals.js"
import * as Signature from "./RecordSignature.js"
import { regression, storedOf } from "./RecordVersion.js"
import type { Edit, SharedFile } from "./SharedFile.js"
import type { StoreCodec } from "./StoreCodec.js"

/** What one record may add to the file. Bytes. */
const ROOM = 16_384

/**
 * Makes a store of a shared file and the codec of its records. Its watch ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Document>(
  file: SharedFile<Document>,
  codec: StoreCodec<Document>
): Effect.Effect<WritableStore["Type"], never, Home | FileLock | Envelope.Envelope | Scope.Scope> =>
  Effect.gen(function*() {
    const home = yield* Home
    const lock = yield* FileLock
    const envelope = yield* Envelope.Envelope
    const record = (document: Document, tenant: TenantId) =>
      Either.mapBoth(codec.get(document, tenant), {
        onLeft: (damage) => file.failure("Decode", damage),
        onRight: Option.map(storedOf)
      })

    const lastRecord = LastView.make(record)

    const { changes, epoch, found, listen } = yield* RecordSignals.make({
      file,
      read: file.read,
      signatureOf: (document, tenant) =>
        codec.sourceOf === undefined
          ? Signature.ofRead(record(document, tenant))
          : Signature.ofText(codec.sourceOf(document, tenant))
    })

    const get = (tenant: TenantId) =>
      Effect.flatMap(file.read, (document) => {
        found(tenant, document)
        return lastRecord(document, tenant)
      })

    const putText = (
      document: Document,
      tenant: TenantId,
      current: Option.Option<Credential.Stored>,
      next: Credential.Credential,
      now: number
    ) =>
      Option.match(regression(current, next), {
        onNone: () => Either.mapLeft(codec.put(document, tenant, next, now), (damage) => file.failure("Write", damage)),
        onSome: (detail) => Either.left(file.failure("Superseded", detail))
      })

    const carryOut = <A>(
      document: Document,
      tenant: TenantId,
      current: Option.Option<Credential.Stored>,
      change: Change<A>,
      now: number
    ): Either.Either<Edit<A>, CredentialStoreError> => {
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
            text: Option.map(current, () => codec.remove(document, tenant, now)),
            value: change.value
          })
      }
    }

    const modify: WritableStore["Type"]["modify"] = (tenant, decide, options) =>
      Trace.withSpan(
        file.modify((document, now) =>
          Either.flatMap(
            record(document, tenant),
            (current) => carryOut(document, tenant, current, decide(current), now)
          ), options),
        "lockstep.store.modify"
      )

    const prepare: WritableStore["Type"]["prepare"] = (_, options) =>
      home.open.pipe(
        Effect.zipRight(envelope.ready),
        Effect.zipRight(proveLock(lock, options)),
        Effect.zipRight(file.readToWrite),
        Effect.flatMap((document) =>
          AtomicFile.probe(file.path, envelope.sizeOf(Buffer.byteLength(codec.text(document)) + ROOM))
        ),
        Trace.withSpan("lockstep.store.prepare")
      )

    return WritableStore.of({
      location: file.path,
      get,
      list: Effect.map(file.read, codec.list),
      modify,
      prepare,
      epoch,
      changes,
      listen
    })
  })

/**
 * The credentials in `auth.json` of a home, however that file is sealed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOfAuthFile: Layer.Layer<
  WritableStore,
  never,
  AuthFile.AuthFile | Home | FileLock | Envelope.Envelope
> = Layer.scoped(WritableStore, Effect.flatMap(AuthFile.AuthFile, (file) => make(file, AuthJson.codec)))

/**
 * The credentials in the plain `auth.json` of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<WritableStore, never, Home | FileLock | RefreshPolicy> = layerOfAuthFile.pipe(
  Layer.provide(AuthFile.layer),
  Layer.provide(Envelope.layerPlain)
)
