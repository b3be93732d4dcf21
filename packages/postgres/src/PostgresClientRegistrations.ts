/**
 * The clients that registered themselves, as sealed rows: hosts that register at once end with one client.
 *
 * @since 0.1.0
 */
import * as Registrations from "@lockstep/core/ClientRegistrations"
import { CredentialStoreError } from "@lockstep/core/Errors"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Records from "./internal/records.js"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

const GET = "select sealed from lockstep.client where namespace = $1 and issuer = $2"

const LIST = "select issuer, sealed from lockstep.client where namespace = $1"

const PUT = `
insert into lockstep.client (namespace, issuer, sealed, key_id) values ($1, $2, $3, $4)
on conflict (namespace, issuer) do update set sealed = excluded.sealed, key_id = excluded.key_id`

const INSERT = `
insert into lockstep.client (namespace, issuer, sealed, key_id) values ($1, $2, $3, $4)
on conflict (namespace, issuer) do nothing returning 1`

// Sealed anew at every write: the text says which registration it is.
const REPLACE = `
update lockstep.client set sealed = $3, key_id = $4 where namespace = $1 and issuer = $2 and sealed = $5 returning 1`

/** One that changes at every try is a fault of its own. */
const TURNS = 64

type Client = Registrations.RegisteredClient

/**
 * The registrations of a session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  Registrations.ClientRegistrations["Type"],
  never,
  PostgresSession | SealingKeys
> = Effect.gen(function*() {
  const session = yield* PostgresSession
  const records = Records.make(yield* SealingKeys, Registrations.RegisteredClient)
  const { namespace } = session
  const location = `the registered clients in ${session.location}`
  const purposeOf = (issuer: string) => `client/${namespace}/${issuer}`
  const ask = (reason: "Read" | "Write", text: string, values: ReadonlyArray<unknown>) =>
    Effect.mapError(session.query(text, values), toStoreError(session.location, reason))

  /** A registration that does not decode does not count. */
  const open = (issuer: string, sealed: unknown) =>
    Effect.catchIf(
      Effect.asSome(records.open(purposeOf(issuer), location, String(sealed))),
      ({ reason }) => reason === "Decode",
      () => Effect.succeedNone
    )

  const find = (issuer: string) =>
    Effect.flatMap(ask("Read", GET, [namespace, issuer]), ({ rows: [row] }) =>
      row === undefined
        ? Effect.succeed({ client: Option.none<Client>(), sealed: Option.none<unknown>() })
        : Effect.map(open(issuer, row["sealed"]), (client) => ({ client, sealed: Option.some(row["sealed"]) })))

  /** Decides on what is there, and again where that is another one by then. */
  const change = <A>(
    issuer: string,
    decide: (present: Option.Option<Client>, now: number) => { readonly put: Option.Option<Client>; readonly value: A }
  ): Effect.Effect<A, CredentialStoreError> => {
    const turn = (left: number): Effect.Effect<A, CredentialStoreError> =>
      Effect.gen(function*() {
        const { client, sealed } = yield* find(issuer)
        const { put, value } = decide(client, yield* Clock.currentTimeMillis)
        if (Option.isNone(put)) return value
        const { keyId, text } = yield* records.seal(purposeOf(issuer), put.value)
        const { count } = yield* Option.match(sealed, {
          onNone: () => ask("Write", INSERT, [namespace, issuer, text, keyId]),
          onSome: (present) => ask("Write", REPLACE, [namespace, issuer, text, keyId, present])
        })
        if (count > 0) return value
        return left > 0
          ? yield* turn(left - 1)
          : yield* new CredentialStoreError({
            reason: "Superseded",
            location,
            detail: "other processes keep replacing this registration"
          })
      })
    return Effect.uninterruptible(turn(TURNS))
  }

  return Registrations.ClientRegistrations.of({
    get: (issuer) => Effect.map(find(issuer), ({ client }) => client),
    list: Effect.flatMap(ask("Read", LIST, [namespace]), ({ rows }) =>
      Effect.map(
        Effect.forEach(rows, ({ issuer, sealed }) =>
          Effect.map(open(String(issuer), sealed), (client) =>
            Option.toArray(Option.map(client, (one) => ({ issuer: String(issuer), client: one }))))),
        (all) =>
          all.flat()
      )),
    put: (issuer, client) =>
      Effect.uninterruptible(Effect.asVoid(Effect.flatMap(
        records.seal(purposeOf(issuer), client),
        ({ keyId, text }) => ask("Write", PUT, [namespace, issuer, text, keyId])
      ))),
    putIfAbsent: (issuer, client, instead) =>
      change(issuer, (present, now) =>
        Option.match(Registrations.stands(present, { instead, now }), {
          onSome: (kept) => ({ put: Option.none<Client>(), value: kept }),
          onNone: () => ({ put: Option.some(client), value: client })
        })),
    end: (issuer, clientId) =>
      change(issuer, (present) =>
        Option.match(Option.filter(present, (one) => one.clientId === clientId), {
          onNone: () => ({ put: Option.none<Client>(), value: false }),
          onSome: (one) => ({
            put: Option.some(Registrations.RegisteredClient.make({ ...one, ended: true })),
            value: true
          })
        }))
  })
})

/**
 * The registrations of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  Registrations.ClientRegistrations,
  never,
  PostgresSession | SealingKeys
> = Layer.effect(Registrations.ClientRegistrations, make)
