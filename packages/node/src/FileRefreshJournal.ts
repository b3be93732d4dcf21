/**
 * The journal of each tenant in a file beside the store, and the answer of a rotation beside that.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as AnswerFile from "./AnswerFile.js"
import * as AtomicFile from "./AtomicFile.js"
import * as Envelope from "./Envelope.js"
import { Home } from "./Home.js"
import * as SidecarNames from "./SidecarNames.js"
import * as WholeFile from "./WholeFile.js"

const JournalJson = Schema.parseJson(RefreshJournal.JournalRecord, { space: 2 })
const AnswerJson = Schema.parseJson(RefreshJournal.CapturedAnswer)

const decodeJournal = Schema.decode(JournalJson)
const encodeJournal = Schema.encodeSync(JournalJson)
const decodeAnswer = Schema.decode(AnswerJson)
const encodeAnswer = Schema.encodeSync(AnswerJson)

/**
 * Makes the journal of a home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  RefreshJournal.RefreshJournal["Type"],
  never,
  Home | Envelope.Envelope
> = Effect.map(Effect.all([Home, Envelope.Envelope]), ([home, envelope]) => {
  const directory = Path.dirname(home.file)
  const store = Path.basename(home.file)
  const journalOf = (tenant: TenantId) => Path.join(directory, SidecarNames.journal(store, tenant))
  const answerOf = (tenant: TenantId) => Path.join(directory, SidecarNames.answer(store, tenant))

  /** A home that is gone is made anew first. */
  const madeAnew = <A>(write: Effect.Effect<A, CredentialStoreError>) =>
    Effect.catchIf(write, ({ detail }) => detail === "ENOENT", () => Effect.zipRight(open, write))

  /**
   * The home is opened before the first write. Later ones are made while the tenant is held, whose lock was taken in that
   * home, and no process moves a store while a tenant is held.
   */
  const inHome = <A>(write: Effect.Effect<A, CredentialStoreError>) =>
    Effect.suspend(() => opened ? madeAnew(write) : Effect.zipRight(open, write))

  /** Open from the reservation on: a descriptor that is had is not refused when it is needed. */
  const rooms = new Map<TenantId, AnswerFile.Room>()
  const leave = (tenant: TenantId): void => {
    const room = rooms.get(tenant)
    rooms.delete(tenant)
    if (room !== undefined) AnswerFile.close(room)
  }

  // An answer holds tokens, so it is sealed like the store itself. The journal holds none.
  const placeOf = (tenant: TenantId): Envelope.Place => ({
    location: answerOf(tenant),
    purpose: SidecarNames.answer(store, tenant)
  })

  // Dropped, because a parse error quotes what it read.
  const damaged = (location: string, detail?: string) => () =>
    new CredentialStoreError({ reason: "Decode", location, ...(detail === undefined ? {} : { detail }) })

  let opened = false
  const open = Effect.tap(
    Effect.catchTag(
      home.open,
      "LockUnavailable",
      ({ detail, path, reason }) =>
        new CredentialStoreError({ reason: "Write", location: path, detail: detail ?? reason })
    ),
    () => {
      opened = true
    }
  )

  return RefreshJournal.RefreshJournal.of({
    location: journalOf,
    read: (tenant) =>
      Effect.suspend(() => {
        const path = journalOf(tenant)
        return Effect.flatMap(
          WholeFile.read(path),
          Option.match({
            onNone: () => Effect.succeed(RefreshJournal.empty(tenant)),
            onSome: ({ bytes }) =>
              WholeFile.decodeText(path, bytes).pipe(
                Effect.flatMap((text) => Effect.mapError(decodeJournal(text), damaged(path))),
                Effect.filterOrFail(
                  (record) => record.tenant === tenant,
                  damaged(path, "it is the journal of another tenant")
                )
              )
          })
        )
      }),
    write: (tenant, record, options) =>
      inHome(
        Effect.suspend(() =>
          Effect.map(AtomicFile.replaceResolved(journalOf(tenant), `${encodeJournal(record)}\n`, options), () => {
            // The directory was synced, and with it the name of what is reserved in it.
            const room = rooms.get(tenant)
            if (room !== undefined && options?.mustLast !== false) rooms.set(tenant, { ...room, isNamed: true })
          })
        )
      ),
    reserveAnswer: (tenant, bytes) =>
      Effect.suspend(() => opened ? Effect.void : open).pipe(
        // Once per redemption, under the tenant lock: no other process is writing this journal.
        Effect.zipRight(Effect.suspend(() => AtomicFile.sweep(journalOf(tenant)))),
        Effect.zipRight(envelope.ready),
        Effect.zipRight(Effect.sync(() => leave(tenant))),
        Effect.zipRight(Effect.suspend(() => AnswerFile.reserve(answerOf(tenant), envelope.sizeOf(bytes)))),
        Effect.map((room) => void rooms.set(tenant, room))
      ),
    keepAnswer: (tenant, answer) =>
      Effect.suspend(() => {
        const keep = Effect.flatMap(
          envelope.seal(placeOf(tenant), encodeAnswer(answer)),
          (sealed) => AnswerFile.keep(answerOf(tenant), sealed, rooms.get(tenant))
        )
        // At once, whatever has become of the home.
        return madeAnew(keep)
      }),
    keptAnswer: (tenant) =>
      Effect.suspend(() => {
        const path = answerOf(tenant)
        return Effect.flatMap(
          AnswerFile.read(path),
          Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (kept) =>
              envelope.open(placeOf(tenant), Buffer.from(kept, "utf8")).pipe(
                Effect.flatMap((plain) => WholeFile.decodeText(path, plain)),
                Effect.flatMap((text) => Effect.mapError(decodeAnswer(text), damaged(path))),
                Effect.asSome
              )
          })
        )
      }),
    dropAnswer: (tenant) =>
      Effect.suspend(() => {
        leave(tenant)
        return AnswerFile.drop(answerOf(tenant))
      })
  })
})

/**
 * The journal of a home, its answers as the envelope has them.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSealed: Layer.Layer<RefreshJournal.RefreshJournal, never, Home | Envelope.Envelope> = Layer.effect(
  RefreshJournal.RefreshJournal,
  make
)

/**
 * The journal of a home whose store is readable for its owner.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RefreshJournal.RefreshJournal, never, Home> = Layer.provide(
  layerSealed,
  Envelope.layerPlain
)
