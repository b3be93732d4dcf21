/**
 * A store over one file of all tenants, replaced as a whole.
 *
 * @since 0.1.0
 */
import type * as Credential from "@lockstep/core/Credential"
import { CredentialLock } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { Change } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as AtomicFile from "./AtomicFile.js"
import * as AuthFile from "./AuthFile.js"
import * as AuthJson from "./AuthJson.js"
import * as Envelope from "./Envelope.js"
import * as FileSignals from "./FileSignals.js"
import { Home } from "./Home.js"
import { proveLock } from "./internal/lockProof.js"
import { regression, storedOf } from "./internal/version.js"
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
): Effect.Effect<CredentialStore["Type"], never, Home | CredentialLock | Envelope.Envelope | Scope.Scope> =>
  Effect.gen(function*() {
    const home = yield* Home
    const lock = yield* CredentialLock
    const envelope = yield* Envelope.Envelope
    const signals = yield* FileSignals.make(file)
    let known: {
      readonly document: Document
      readonly records: Map<TenantId, Effect.Effect<Option.Option<Credential.Stored>, CredentialStoreError>>
    } = { document: codec.empty, records: new Map() }

    const record = (document: Document, tenant: TenantId) =>
      Either.mapBoth(codec.get(document, tenant), {
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

    const modify: CredentialStore["Type"]["modify"] = (tenant, decide) =>
      Effect.withSpan(
        file.modify((document, now) =>
          Either.flatMap(
            record(document, tenant),
            (current) => carryOut(document, tenant, current, decide(current), now)
          )
        ),
        "lockstep.store.modify"
      )

    const prepare = home.open.pipe(
      Effect.zipRight(envelope.ready),
      Effect.zipRight(proveLock(lock)),
      Effect.zipRight(file.readToWrite),
      Effect.flatMap((document) =>
        AtomicFile.probe(file.path, envelope.sizeOf(Buffer.byteLength(codec.text(document)) + ROOM))
      ),
      Effect.withSpan("lockstep.store.prepare")
    )

    return CredentialStore.of({
      location: file.path,
      get,
      list: Effect.map(file.read, codec.list),
      modify,
      prepare: () => prepare,
      ...signals
    })
  })

/**
 * The credentials in `auth.json` of a home, however that file is sealed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOfAuthFile: Layer.Layer<
  CredentialStore,
  never,
  AuthFile.AuthFile | Home | CredentialLock | Envelope.Envelope
> = Layer.scoped(CredentialStore, Effect.flatMap(AuthFile.AuthFile, (file) => make(file, AuthJson.codec)))

/**
 * The credentials in the plain `auth.json` of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CredentialStore, never, Home | CredentialLock | RefreshPolicy> = layerOfAuthFile.pipe(
  Layer.provide(AuthFile.layer),
  Layer.provide(Envelope.layerPlain)
)
