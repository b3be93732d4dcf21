/**
 * The database that hosts share: whether it keeps what it acknowledges, who holds what there, and what waits on this host.
 *
 * @since 0.1.0
 */
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import type { FleetView, HeldTenant } from "@lockstep/postgres/FleetView"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Times from "../terminal/Times.js"
import * as FleetStore from "../wiring/FleetStore.js"
import * as Finding from "./Finding.js"

/** Milliseconds by which clocks may be apart: a token then is refreshed or served wrongly by as much. */
const APART = 30_000

const ofView = (view: FleetView): ReadonlyArray<Finding.Finding> => [
  Finding.remark(
    "holder",
    `${view.location}: PostgreSQL ${view.version}, fleet ${view.fleet}, ${view.sessions} sessions, ${view.tenants} logins`,
    "nothing is to be done"
  ),
  ...view.isEncrypted ? [] : [
    Finding.remark(
      "fleet_plain",
      `the connection to ${view.location} is not encrypted`,
      "on another host than this, say sslmode=verify-full in the address; tokens are sealed all the same"
    )
  ],
  ...view.standbys > 0 && !view.isSynchronous
    ? [
      Finding.problem(
        "fleet_durability",
        `no commit of ${view.location} waits for a standby: a failover loses the last ones, and brings refresh tokens `
          + "back that were exchanged",
        "set synchronous_standby_names; until then a host that has the answer in its spool repairs it for ten minutes"
      )
    ]
    : [],
  ...Math.abs(view.ahead) > APART
    ? [
      Finding.problem(
        "fleet_clock",
        `the clock of this machine is ${Times.span(Math.abs(view.ahead))} ${
          view.ahead > 0 ? "ahead of" : "behind"
        } that of `
          + view.location,
        "set it: it judges by it whether a token that it has read is still good"
      )
    ]
    : [],
  ...view.held.flatMap(ofHeld)
]

const ofHeld = (one: HeldTenant): ReadonlyArray<Finding.Finding> => {
  const by = one.pid === 0 ? "a process that is gone" : `process ${one.pid} on ${one.host}`
  if (one.overdueFor <= 0) return []
  const advice = one.isPresent
    ? `see what became of ${by}; once it ends, the next process goes on. Where it cannot be ended: \`lockstep evict ${one.session}\``
    : "nothing: the next process that needs it takes it over"
  return [
    one.isPresent && one.isSending
      ? Finding.problem(
        "holder_late",
        `${one.tenant} has been held for ${Times.span(one.heldFor * 1_000)} by ${by}, which sent a request and has not `
          + "written its answer",
        advice,
        one.tenant
      )
      : Finding.remark("holder", `${one.tenant} was left held by ${by}`, advice, one.tenant)
  ]
}

const missingKeys = (view: FleetView) =>
  Effect.gen(function*() {
    const keys = yield* Effect.serviceOption(SealingKeys)
    if (Option.isNone(keys)) return []
    const current = yield* Effect.either(keys.value.current)
    if (current._tag === "Left") return [Finding.fromError(current.left, "key_missing")]
    const missing = yield* Effect.filter(view.keys, (id) =>
      Effect.map(Effect.orElseSucceed(keys.value.find(id), Option.none), Option.isNone))
    return missing.map((id) =>
      Finding.problem(
        "key_missing",
        `rows are sealed with key ${id}, which this host has not (${keys.value.location})`,
        "bring it here: what it sealed is neither served nor refreshed by this host"
      )
    )
  })

/** What of a refused session has a name of its own. */
const REFUSED: Readonly<Record<string, Finding.Code>> = {
  pooler: "fleet_pooler",
  synchronous_commit: "fleet_durability",
  older: "fleet_version",
  newer: "fleet_version"
}

const spooled = Effect.gen(function*() {
  const { Spool } = yield* Effect.promise(() => import("../wiring/Fleet.js"))
  const spool = yield* Effect.serviceOption(Spool.Spool)
  if (Option.isNone(spool)) return []
  return yield* Effect.match(spool.value.tenants, {
    onFailure: (error) => [Finding.fromError(error)],
    onSuccess: ({ age, unstored }) =>
      unstored.map((tenant) =>
        Finding.problem(
          "answer_waiting",
          `new tokens of ${tenant} wait in ${spool.value.location} for the database; the oldest ones there have waited for `
            + Times.span(age),
          `bring them home with \`lockstep token ${tenant}\``,
          tenant
        )
      )
  })
})

/**
 * Looks at the fleet, where this process has one.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const { name } = yield* StoreChoice
  if (name !== FleetStore.store.name) return []
  const { FleetView, PostgresFailure, PostgresSession } = yield* Effect.promise(() => import("../wiring/Fleet.js"))
  const session = yield* Effect.serviceOption(PostgresSession.PostgresSession)
  if (Option.isNone(session)) return []
  const waiting = yield* spooled
  const present = yield* Effect.either(session.value.presence)
  if (present._tag === "Left") {
    const error = PostgresFailure.toStoreError(session.value.location, "Read")(present.left)
    const finding = Finding.fromError(error, REFUSED[present.left.code])
    return [{ check: "fleet", findings: [finding, ...waiting] } satisfies Finding.Checked]
  }
  const findings = yield* Effect.matchEffect(
    Effect.provideService(FleetView.read, PostgresSession.PostgresSession, session.value),
    {
      onFailure: (error) => Effect.succeed([Finding.fromError(error)]),
      onSuccess: (view) => Effect.map(missingKeys(view), (keys) => [...ofView(view), ...keys])
    }
  )
  return [{ check: "fleet", findings: [...findings, ...waiting] } satisfies Finding.Checked]
})
