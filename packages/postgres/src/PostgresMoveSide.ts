/**
 * The database as one of the two stores of a move. Each tenant is held for as long as its login is brought, and given up by
 * compare-and-swap: what another host refreshed meanwhile is not taken from it.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody, type Held } from "@lockstep/core/Custody"
import { CredentialStoreError } from "@lockstep/core/Errors"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { Home } from "@lockstep/node/Home"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import type { Content, MoveSide, MoveSideError } from "@lockstep/node/stores/MoveSide"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FleetPin from "./FleetPin.js"
import * as JournalText from "./internal/journalText.js"
import { toStoreError } from "./PostgresFailure.js"
import type * as PostgresHome from "./PostgresHome.js"
import { PostgresSession } from "./PostgresSession.js"

/** A file is rewritten as a whole at every refresh. */
const FILE_LIMIT = 1_000

const TENANTS = "select name, journal, history from lockstep.tenant where namespace = $1 and journal <> ''"

/** Whether a record is what was moved, or an earlier one of it. */
const isOlder = (stored: Credential, moved: Credential): boolean =>
  Equal.equals(stored, moved) || stored.generation < moved.generation

/**
 * The side, over the ports of the database.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E extends CredentialStoreError | ConfigError>(
  ports: Layer.Layer<PostgresHome.Ports, E, RefreshPolicy>
): Effect.Effect<MoveSide, E, Home | RefreshPolicy | Scope.Scope> =>
  Effect.gen(function*() {
    const home = yield* Home
    const policy = yield* RefreshPolicy
    const context = yield* Layer.build(ports)
    const custody = Context.get(context, Custody)
    const session = Context.get(context, PostgresSession)
    const store = Context.get(context, CredentialStore)
    const pending = Context.get(context, PendingLogins)
    const registrations = Context.get(context, ClientRegistrations)
    const keys = Context.get(context, SealingKeys)
    const { location, namespace } = session
    const asking = toStoreError(location, "Read")

    const refuseMany = (count: number) =>
      new CredentialStoreError({
        reason: "TooLarge",
        location,
        detail: `it has ${count} logins`,
        remedy: `move at most ${FILE_LIMIT} back: name a namespace of fewer with LOCKSTEP_POSTGRES_NAMESPACE`
      })

    const records = Effect.gen(function*() {
      const found = new Map<TenantId.TenantId, Credential>()
      const names = yield* store.list
      if (names.length > FILE_LIMIT) return yield* refuseMany(names.length)
      for (const tenant of names) {
        const stored = yield* store.get(tenant)
        if (Option.isSome(stored)) found.set(tenant, stored.value.credential)
      }
      return found
    })

    const journals = Effect.gen(function*() {
      const { rows } = yield* Effect.mapError(session.query(TENANTS, [namespace]), asking)
      const found = new Map<TenantId.TenantId, RefreshJournal.JournalRecord>()
      for (const row of rows) {
        const tenant = Option.getRight(TenantId.fromString(String(row["name"])))
        if (Option.isSome(tenant)) {
          found.set(tenant.value, yield* JournalText.read(tenant.value, custody.journalOf(tenant.value), row))
        }
      }
      return found
    })

    const holding = <A>(
      tenant: TenantId.TenantId,
      use: (held: Held) => Effect.Effect<A, MoveSideError>
    ): Effect.Effect<Option.Option<A>, MoveSideError> =>
      Effect.scoped(Effect.flatMap(custody.hold(tenant, { timeout: policy.lockTimeout }), (hold) =>
        hold._tag === "Held" ? Effect.asSome(use(hold.held)) : Effect.succeedNone))

    const take = (content: Content) =>
      Effect.gen(function*() {
        const tenants = new Set([...content.records.keys(), ...content.journals?.keys() ?? []])
        for (const tenant of tenants) {
          yield* holding(tenant, (held) =>
            Effect.gen(function*() {
              const present = yield* held.read({ replaceJournal: true })
              const journal = content.journals?.get(tenant) ?? RefreshJournal.empty(tenant)
              // A generation never begins again, on whichever of the two sides it had come further.
              const merged = RefreshJournal.JournalRecord.make({
                ...journal,
                generation: Math.max(journal.generation, present.journal.generation)
              })
              const credential = content.records.get(tenant)
              if (credential === undefined) {
                return yield* held.note(merged)
              }
              const { settled } = yield* held.commit({
                act: "login",
                decide: () =>
                  Change.Put({ credential, value: () => undefined }),
                settle: () => Option.some({ journal: merged, discard: false })
              })
              yield* settled
            }))
        }
        for (const { login, ...key } of content.pending) yield* pending.put(key, login)
        for (const { client, issuer } of content.clients) yield* registrations.put(issuer, client)
      })

    /** Registrations stay: the other hosts of the fleet log in with them. */
    const leave = (content: Content) =>
      Effect.gen(function*() {
        const kept: Array<TenantId.TenantId> = []
        for (const [tenant, credential] of content.records) {
          const isGone = yield* holding(tenant, (held) =>
            Effect.map(
              held.commit({
                act: "logout",
                decide: (current): Change<boolean> =>
                  Option.exists(current, (stored) => !isOlder(stored.credential, credential))
                    ? Change.Keep({ value: false })
                    : Change.Remove({ value: true }),
                settle: () => Option.none()
              }),
              ({ value }) => value
            ))
          if (!Option.contains(isGone, true)) kept.push(tenant)
        }
        for (const { login, ...key } of content.pending) yield* pending.remove(key, login)
        yield* FleetPin.forget(home.directory)
        if (kept.length > 0) {
          return yield* new CredentialStoreError({
            reason: "Superseded",
            location,
            detail: `another host refreshed ${kept.join(", ")} meanwhile, and has the newer tokens`,
            remedy: "log in again here: nothing of it was removed there"
          })
        }
      })

    return {
      location,
      records,
      content: Effect.all({ records, pending: pending.list, clients: registrations.list, journals }),
      prepare: Effect.asVoid(Effect.zipRight(keys.current, Effect.mapError(session.presence, asking))),
      take,
      leave: (_, content) => leave(content)
    } satisfies MoveSide
  })
