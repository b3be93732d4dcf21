/**
 * Unfinished logins as sealed rows: a login that was begun on one host can be finished on another.
 *
 * @since 0.1.0
 */
import * as PendingLogins from "@lockstep/core/PendingLogins"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Records from "./internal/records.js"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

const ANCIENT = `(not created > 0 or abs(extract(epoch from clock_timestamp()) - created) >= ${
  Duration.toSeconds(PendingLogins.LIFETIME)
})`

/** Every write drops what is ancient, but for what it is about. */
const SWEEP = `swept as (delete from lockstep.pending where namespace = $1 and name <> $2 and ${ANCIENT})`

const GET = "select sealed from lockstep.pending where namespace = $1 and name = $2"

const LIST = `select name, sealed from lockstep.pending where namespace = $1 and not ${ANCIENT}`

const PUT = `
with ${SWEEP}
insert into lockstep.pending (namespace, name, created, sealed, key_id) values ($1, $2, $3, $4, $5)
on conflict (namespace, name) do update set
  created = excluded.created, sealed = excluded.sealed, key_id = excluded.key_id`

// Sealed anew at every write: the text says which attempt it is.
const REMOVE = `
with ${SWEEP}
delete from lockstep.pending where namespace = $1 and name = $2 and ($3::text is null or sealed = $3) returning 1`

const SWEEP_ONLY = `with ${SWEEP} select 1`

/**
 * The unfinished logins of a session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<PendingLogins.PendingLogins["Type"], never, PostgresSession | SealingKeys> = Effect
  .gen(
    function*() {
      const session = yield* PostgresSession
      const records = Records.make(yield* SealingKeys, PendingLogins.PendingLogin)
      const { namespace } = session
      const location = `the unfinished logins in ${session.location}`
      const purposeOf = (name: string) => `pending/${namespace}/${name}`
      const ask = (reason: "Read" | "Write", text: string, values: ReadonlyArray<unknown>) =>
        Effect.mapError(session.query(text, values), toStoreError(session.location, reason))
      const open = (name: string, sealed: unknown) => records.open(purposeOf(name), location, String(sealed))
      /** One that does not decode is no login of any person, and stands in the way of none. */
      const openKnown = (name: string, sealed: unknown) =>
        Effect.catchIf(
          Effect.asSome(open(name, sealed)),
          ({ reason }) => reason === "Decode",
          () => Effect.succeedNone
        )

      return PendingLogins.PendingLogins.of({
        get: (key) => {
          const name = PendingLogins.nameOf(key)
          return Effect.flatMap(
            ask("Read", GET, [namespace, name]),
            ({ rows: [row] }) => row === undefined ? Effect.succeedNone : openKnown(name, row["sealed"])
          )
        },
        list: Effect.flatMap(ask("Read", LIST, [namespace]), ({ rows }) =>
          Effect.map(
            Effect.forEach(rows, ({ name, sealed }) =>
              Effect.map(openKnown(String(name), sealed), (login) =>
                Option.toArray(Option.zipWith(
                  PendingLogins.keyOf(String(name)),
                  login,
                  (key, one): PendingLogins.Pending => ({ ...key, login: one })
                )))),
            (all) =>
              all.flat()
          )),
        put: (key, login) => {
          const name = PendingLogins.nameOf(key)
          return Effect.uninterruptible(Effect.asVoid(Effect.flatMap(
            records.seal(purposeOf(name), login),
            ({ keyId, text }) => ask("Write", PUT, [namespace, name, login.createdAt, text, keyId])
          )))
        },
        remove: (key, only) => {
          const name = PendingLogins.nameOf(key)
          return Effect.gen(function*() {
            if (only === undefined) return (yield* ask("Write", REMOVE, [namespace, name, null])).count > 0
            const { rows: [row] } = yield* ask("Read", GET, [namespace, name])
            const found = row === undefined ? Option.none() : yield* openKnown(name, row["sealed"])
            if (row === undefined || !Option.exists(found, (one) => PendingLogins.isSameAttempt(one, only))) {
              yield* ask("Write", SWEEP_ONLY, [namespace, name])
              return false
            }
            return (yield* ask("Write", REMOVE, [namespace, name, row["sealed"]])).count > 0
          }).pipe(Effect.uninterruptible)
        }
      })
    }
  )

/**
 * The unfinished logins of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<PendingLogins.PendingLogins, never, PostgresSession | SealingKeys> = Layer.effect(
  PendingLogins.PendingLogins,
  make
)
