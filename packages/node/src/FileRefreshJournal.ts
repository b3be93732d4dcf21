/**
 * The journal of each tenant in a file beside the store, and the answer of a rotation beside that, or, where the disk of
 * the store refuses it, in a refuge.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as LogFields from "@lockstep/core/LogFields"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as AnswerFile from "./AnswerFile.js"
import * as AtomicFile from "./AtomicFile.js"
import * as Envelope from "./Envelope.js"
import { Home } from "./Home.js"
import * as Refuge from "./Refuge.js"
import * as Replaceable from "./Replaceable.js"
import * as SidecarNames from "./SidecarNames.js"
import * as WholeFile from "./WholeFile.js"

const JournalJson = Schema.parseJson(RefreshJournal.JournalRecord, { space: 2 })
const AnswerJson = Schema.parseJson(RefreshJournal.CapturedAnswer)

// Each is built by its first use: most processes need one of the four.
const decodeJournal = (text: string) => Schema.decode(JournalJson)(text)
const encodeJournal = (record: RefreshJournal.JournalRecord) => Schema.encodeSync(JournalJson)(record)
const decodeAnswer = (text: string) => Schema.decode(AnswerJson)(text)
const encodeAnswer = (answer: RefreshJournal.CapturedAnswer) => Schema.encodeSync(AnswerJson)(answer)

/** An answer with every member, for a rehearsal. */
const SAMPLE = RefreshJournal.CapturedAnswer.make({
  attempt: "rehearsal",
  fingerprint: "0".repeat(12),
  obtainedAt: 0,
  grant: TokenGrant.make({
    accessToken: Redacted.make("a"),
    refreshToken: Option.some(Redacted.make("r")),
    idToken: Option.some(Redacted.make("i")),
    tokenType: Option.some("Bearer"),
    scope: Option.some("s"),
    expiresAt: Option.some(1),
    loginExpiresAt: Option.some(1),
    account: Option.some(Account.make({ id: Option.some("1"), label: Option.some("1") }))
  })
})

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
  const placeOf = (tenant: TenantId, location = answerOf(tenant)): Envelope.Place => ({
    location,
    purpose: SidecarNames.answer(store, tenant)
  })

  const refugeOf = (refuge: Refuge.Refuge, tenant: TenantId): string =>
    Refuge.pathOf(refuge, home.file, SidecarNames.answer(store, tenant))

  /** Where an answer may lie that was refused beside the store. */
  const refugesOf = (tenant: TenantId): ReadonlyArray<string> =>
    home.refuges.flatMap((refuge) => Refuge.isUsable(refuge, home.file) ? [refugeOf(refuge, tenant)] : [])

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

  const readAnswer = (
    tenant: TenantId,
    path: string
  ): Effect.Effect<Option.Option<RefreshJournal.CapturedAnswer>, CredentialStoreError> =>
    Effect.flatMap(
      AnswerFile.read(path),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (kept) =>
          envelope.open(placeOf(tenant, path), Buffer.from(kept, "utf8")).pipe(
            Effect.flatMap((plain) => WholeFile.decodeText(path, plain)),
            Effect.flatMap((text) => Effect.mapError(decodeAnswer(text), damaged(path))),
            Effect.asSome
          )
      })
    )

  /** Keeps what the disk of the store refused in the first refuge that takes it, or fails as that disk did. */
  const keepElsewhere = (
    tenant: TenantId,
    sealed: string,
    failure: CredentialStoreError
  ): Effect.Effect<void, CredentialStoreError> =>
    Effect.firstSuccessOf([
      ...home.refuges.map((refuge) =>
        Effect.suspend(() => {
          if (!Refuge.open(refuge, home.file)) return failure
          const path = refugeOf(refuge, tenant)
          return Effect.zipRight(
            AnswerFile.keep(path, sealed),
            Effect.annotateLogs(
              Effect.logWarning(
                `${failure.message}: the new tokens of ${tenant} are kept in ${path}${
                  refuge.isVolatile ? ", which lasts as long as this user's session" : ""
                }`
              ),
              LogFields.ofError(tenant, failure)
            )
          )
        })
      ),
      failure
    ]).pipe(Effect.mapError(() => failure))

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
        Effect.zipRight(Effect.suspend(() => Replaceable.check(journalOf(tenant)))),
        Effect.zipRight(envelope.ready),
        // Rehearsed, because what runs for the first time is slow, and a death before the answer is kept costs the login.
        Effect.zipRight(Effect.suspend(() => envelope.seal(placeOf(tenant), encodeAnswer(SAMPLE)))),
        Effect.zipRight(Effect.suspend(() => {
          leave(tenant)
          // What was kept was judged, and is not to be found beside what comes.
          return Effect.forEach(refugesOf(tenant), AnswerFile.drop, { discard: true })
        })),
        Effect.zipRight(Effect.suspend(() => AnswerFile.reserve(answerOf(tenant), envelope.sizeOf(bytes)))),
        Effect.map((room) => void rooms.set(tenant, room))
      ),
    keepAnswer: (tenant, answer) =>
      Effect.suspend(() =>
        Effect.flatMap(
          envelope.seal(placeOf(tenant), encodeAnswer(answer)),
          (sealed) =>
            // At once, whatever has become of the home.
            Effect.catchAll(
              madeAnew(AnswerFile.keep(answerOf(tenant), sealed, rooms.get(tenant))),
              (failure) => keepElsewhere(tenant, sealed, failure)
            )
        )
      ),
    keptAnswer: (tenant) =>
      Effect.suspend(() =>
        Effect.flatMap(
          Effect.forEach([answerOf(tenant), ...refugesOf(tenant)], (path) => Effect.either(readAnswer(tenant, path))),
          (found) => {
            // Of two the younger is the one that the store has not taken.
            const [youngest] = found.flatMap((one) => Either.isRight(one) ? Option.toArray(one.right) : [])
              .sort((one, other) => other.obtainedAt - one.obtainedAt)
            return youngest === undefined
              ? Effect.map(Effect.all(found), Option.firstSomeOf)
              : Effect.succeedSome(youngest)
          }
        )
      ),
    dropAnswer: (tenant) =>
      Effect.suspend(() => {
        leave(tenant)
        return Effect.forEach([answerOf(tenant), ...refugesOf(tenant)], AnswerFile.drop, { discard: true })
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
