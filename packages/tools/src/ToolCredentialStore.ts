/**
 * A store over another tool's credential file: what the tool's codec reads and writes in there, completed by our
 * companion file.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Trace from "@lockstep/core/Trace"
import { type Change, WritableStore, type WriteOptions } from "@lockstep/core/WritableStore"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as Envelope from "@lockstep/node/Envelope"
import { Home } from "@lockstep/node/Home"
import * as LastView from "@lockstep/node/LastView"
import { FileLock } from "@lockstep/node/locks/FileLock"
import { proveLock } from "@lockstep/node/locks/LockProof"
import * as RecordSignals from "@lockstep/node/RecordSignals"
import * as Signature from "@lockstep/node/RecordSignature"
import { regression } from "@lockstep/node/RecordVersion"
import * as SharedFile from "@lockstep/node/SharedFile"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Companion from "./Companion.js"
import type { ToolDocument, ToolFile } from "./ToolFile.js"

/** What one record may add to either file. Bytes. */
const ROOM = 16_384

/** So often a reader begins again when the tool's file changes under its eyes, before it takes what it has. */
const ATTEMPTS = 16

const encodeCredential = Schema.encodeSync(Credential.Credential)

/** Half of a pair: Rust and Python refuse the whole file over one. */
const LONE_SURROGATE = /\p{Surrogate}/u

interface View {
  readonly document: ToolDocument
  readonly bindings: Companion.Bindings
}

interface Found {
  readonly stored: Credential.Stored
  readonly binding: Option.Option<Companion.Binding>
}

/**
 * Makes the store of a tool's file, which is the file of the home. Its watch ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  tool: ToolFile
): Effect.Effect<
  WritableStore["Type"],
  never,
  Home | FileLock | RefreshPolicy | Envelope.Envelope | Scope.Scope
> =>
  Effect.gen(function*() {
    const { codec } = tool
    const home = yield* Home
    const lock = yield* FileLock
    const file = yield* SharedFile.make(home.file, codec)
    const companion = yield* SharedFile.make(Companion.pathOf(home.file), Companion.format)
    const look = (view: View, tenant: TenantId): Either.Either<Option.Option<Found>, CredentialStoreError> =>
      Either.gen(function*() {
        const said = yield* Either.mapLeft(
          codec.get(view.document, tenant),
          (damage) => file.failure("Decode", damage)
        )
        if (Option.isNone(said)) return Option.none<Found>()
        const bindings = view.bindings.get(tenant) ?? []
        const credential = yield* Either.mapLeft(
          Companion.complete(bindings, said.value),
          (damage) => companion.failure("Decode", damage)
        )
        return Option.some({
          stored: { credential, version: Credential.Version(Companion.tokensOf(said.value)) },
          binding: Companion.find(bindings, said.value)
        })
      })

    const record = LastView.make((view: View, tenant) =>
      Either.map(look(view, tenant), Option.map(({ stored }) => stored))
    )

    const isGone = (document: ToolDocument, tenant: TenantId): boolean =>
      Option.exists(Either.getRight(codec.get(document, tenant)), Option.isNone)

    // The tool's file first: a writer writes the companion first, which then has the bindings of both texts.
    let last: View = { document: codec.empty, bindings: new Map() }
    const viewOnce = Effect.gen(function*() {
      const document = yield* file.read
      const bindings = yield* companion.read
      if (last.document !== document || last.bindings !== bindings) last = { document, bindings }
      return last
    })
    const read: Effect.Effect<View, CredentialStoreError> = Effect.gen(function*() {
      for (let attempt = 1;; attempt++) {
        const view = yield* viewOnce
        if (attempt === ATTEMPTS || (yield* file.read) === view.document) return view
      }
    })

    const { changes, epoch, found, listen } = yield* RecordSignals.make({
      file,
      read,
      signatureOf: (view, tenant) => Signature.ofRead(record(view, tenant))
    })

    const get = (tenant: TenantId) =>
      Effect.flatMap(read, (view) => {
        found(tenant, view)
        return record(view, tenant)
      })

    const writeCompanion = (bindings: Companion.Bindings): Effect.Effect<void, CredentialStoreError> =>
      AtomicFile.sweep(companion.path).pipe(
        Effect.zipRight(AtomicFile.replace(companion.path, Companion.textOf(bindings))),
        Trace.withSpan("lockstep.store.companion")
      )

    const refuse = (detail: string): Either.Either<never, CredentialStoreError> =>
      Either.left(
        new CredentialStoreError({
          reason: "Write",
          location: file.path,
          detail,
          remedy: `keep this login in another store: ${tool.title} could not use it there. Nothing was changed`
        })
      )

    const put = (
      view: View,
      tenant: TenantId,
      current: Option.Option<Found>,
      next: Credential.Credential,
      now: number
    ) =>
      Either.gen(function*() {
        const older = regression(Option.map(current, ({ stored }) => stored), next)
        if (Option.isSome(older)) return yield* Either.left(file.failure("Superseded", older.value))
        if (LONE_SURROGATE.test(Object.values(encodeCredential(next)).join())) {
          return yield* refuse("half a character")
        }
        const text = yield* Either.orElse(codec.put(view.document, tenant, next, now), refuse)
        // Read back: what the tool could not read, or reads as something else, is never written.
        const written = yield* Either.orElse(codec.parse(text), refuse)
        const damage = codec.findDamage(written)
        if (Option.isSome(damage)) return yield* refuse(damage.value)
        const said = yield* Either.orElse(codec.get(written, tenant), refuse)
        const coming = Option.flatMap(said, (one) => Companion.bind(one, next))
        if (Option.isNone(said) || Option.isNone(coming)) return yield* refuse(`${tool.title} has no place for it`)
        const before = Option.filter(
          Option.flatMap(current, ({ binding }) => binding),
          ({ entry }) => entry !== coming.value.entry
        )
        const others = [...view.bindings].filter(([other]) => other !== tenant && !isGone(written, other))
        return {
          text: Option.some(text),
          value: { credential: next, version: Credential.Version(Companion.tokensOf(said.value)) },
          before: writeCompanion(new Map([...others, [tenant, [coming.value, ...Option.toArray(before)]]]))
        }
      })

    const carryOut = <A>(
      view: View,
      tenant: TenantId,
      current: Option.Option<Found>,
      change: Change<A>,
      now: number
    ): Either.Either<SharedFile.Edit<A>, CredentialStoreError> => {
      switch (change._tag) {
        case "Keep":
          return Either.right({ text: Option.none(), value: change.value })
        case "Put":
          return Either.map(
            put(view, tenant, current, change.credential, now),
            (edit) => ({ ...edit, value: change.value(edit.value) })
          )
        case "Remove":
          return Either.right({
            text: Option.map(current, () => codec.remove(view.document, tenant, now)),
            value: change.value
          })
      }
    }

    /** Drops what is kept for a record that is gone. When it fails, the next write does. */
    const forget = (tenant: TenantId, options: WriteOptions | undefined) =>
      Effect.ignore(companion.modify((bindings) =>
        Effect.map(file.readToWrite, (document): SharedFile.Edit<void> => {
          const rest = new Map([...bindings].filter(([other]) => other !== tenant))
          return {
            text: bindings.has(tenant) && isGone(document, tenant)
              ? Option.some(Companion.textOf(rest))
              : Option.none(),
            value: undefined
          }
        }), options))

    const modify: WritableStore["Type"]["modify"] = (tenant, decide, options) =>
      file.modify((document, now) =>
        Effect.gen(function*() {
          const view = { document, bindings: yield* companion.readToWrite }
          const current = yield* look(view, tenant)
          const change = decide(Option.map(current, ({ stored }) => stored))
          const edit = yield* carryOut(view, tenant, current, change, now)
          return { ...edit, value: { value: edit.value, removed: change._tag === "Remove" && Option.isSome(current) } }
        }), options).pipe(
          Effect.tap(({ removed }) => removed ? forget(tenant, options) : Effect.void),
          Effect.map(({ value }) => value),
          Trace.withSpan("lockstep.store.modify")
        )

    const prepare: WritableStore["Type"]["prepare"] = (_, options) =>
      home.open.pipe(
        Effect.zipRight(proveLock(lock, options)),
        Effect.zipRight(Effect.all([file.readToWrite, companion.readToWrite])),
        Effect.flatMap(([document, bindings]) =>
          Effect.zipRight(
            AtomicFile.probe(file.path, Buffer.byteLength(codec.text(document)) + ROOM),
            AtomicFile.probe(companion.path, Buffer.byteLength(Companion.textOf(bindings)) + ROOM)
          )
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
 * The store of a tool's file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  tool: ToolFile
): Layer.Layer<WritableStore, never, Home | FileLock | RefreshPolicy> =>
  Layer.provide(Layer.scoped(WritableStore, make(tool)), Envelope.layerPlain)
