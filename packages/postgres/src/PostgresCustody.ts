/**
 * The custody of a database that many hosts share.
 *
 * The provider is the resource, and no fence reaches it. So the intent is the fence: up to it the database refuses a
 * holder that was overtaken, and after it the next holder knows that the token may be consumed (I7).
 *
 * - A holder is stopped before its intent. Its lease runs out, another process takes the tenant, and the intent of the
 *   one that wakes names an epoch that is over.
 * - A holder is stopped after its intent. Its session lives, so the tenant stays its own, until that is no holder any more
 *   by any measure (`stranded`).
 * - The session is cut while the provider answers. The answer goes to the spool of the host and comes home later: a write
 *   of the record is a compare-and-swap, which asks no epoch, because an answer is worth storing wherever its token still
 *   is the stored one.
 * - The acknowledgement of the intent is late, or the session went with it. Nothing is sent, and the intent is taken back.
 * - The database went back in time. A generation below the highest that was ever seen redeems nothing; an answer in the
 *   spool that belongs to what is stored is found and stored again.
 *
 * @since 0.1.0
 */
import { Custody, Hold } from "@lockstep/core/Custody"
import { Host } from "@lockstep/core/Host"
import type { TenantId } from "@lockstep/core/TenantId"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Evidences from "./internal/evidence.js"
import * as HeldTenant from "./internal/heldTenant.js"
import { keyOf } from "./internal/key.js"
import * as LeaseWait from "./internal/leaseWait.js"
import * as Rows from "./PostgresCredentialStore.js"
import * as PostgresLease from "./PostgresLease.js"
import { PostgresSession } from "./PostgresSession.js"
import { Spool } from "./Spool.js"

/** Rotation groups are rows beside the tenants, in a namespace that no tenant can be in. */
const GROUPS = "~group/"

/**
 * Makes the custody of a session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Partial<PostgresLease.Limits> = {}
): Effect.Effect<Custody["Type"], never, PostgresSession | SealingKeys | Spool | Host> =>
  Effect.gen(function*() {
    const limits = { ...PostgresLease.defaults, ...options }
    const session = yield* PostgresSession
    const host = yield* Host
    const spool = yield* Spool
    const keys = yield* SealingKeys
    const rows = yield* Rows.rows
    const { location, namespace } = session
    const tenants = PostgresLease.make(session, host.self, namespace, limits)
    const groups = PostgresLease.make(session, host.self, `${GROUPS}${namespace}`, limits)

    const journalOf = (tenant: TenantId) => `the journal of ${tenant} in ${location}`
    const evidence = Evidences.make({ session, host, spool, rows, journalOf })
    const heldOf = HeldTenant.make({ session, spool, keys, rows, evidence, limits, journalOf })

    return Custody.of({
      location,
      journalOf,
      read: evidence.read,
      holder: (tenant) => Effect.orElseSucceed(tenants.holder(tenant), Option.none),
      hold: (tenant, { look = Effect.succeedNone, rotationGroup = Option.none(), timeout }) =>
        Effect.gen(function*() {
          const options = { label: tenant, look, timeout }
          if (Option.isSome(rotationGroup)) {
            const group = rotationGroup.value
            const waited = yield* LeaseWait.of(session, groups, {
              ...options,
              name: group,
              key: keyOf(`${GROUPS}${namespace}`, group)
            })
            if (Either.isRight(waited)) return Hold.Found({ value: waited.right })
          }
          const waited = yield* LeaseWait.of(session, tenants, { ...options, name: tenant, key: rows.keyOf(tenant) })
          return Either.isRight(waited)
            ? Hold.Found({ value: waited.right })
            : Hold.Held({ held: yield* heldOf(tenant, waited.left) })
        }).pipe(Effect.withSpan("lockstep.refresh.lock"))
    })
  })

/**
 * The custody of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  limits?: Partial<PostgresLease.Limits>
): Layer.Layer<Custody, never, PostgresSession | SealingKeys | Spool | Host> => Layer.effect(Custody, make(limits))
