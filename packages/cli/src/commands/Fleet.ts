/**
 * What the operators of a shared database ask: who is there, how a session is ended, and what is done after a backup was
 * restored.
 *
 * @since 0.1.0
 */
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import type { Target } from "@lockstep/postgres/FleetEviction"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"
import * as FleetText from "../views/FleetText.js"
import * as FleetStore from "../wiring/FleetStore.js"

const loaded = Effect.promise(() => import("../wiring/Fleet.js"))

/** The session of this process, where its store is the shared database. */
const session = (what: string) =>
  Effect.gen(function*() {
    const { name } = yield* StoreChoice
    const { PostgresSession } = yield* loaded
    const found = yield* Effect.serviceOption(PostgresSession.PostgresSession)
    if (name === FleetStore.store.name && Option.isSome(found)) return found.value
    return yield* new UsageError({
      reason: "Configuration",
      message: `the store is ${name}, and only the store postgres has a fleet`,
      advice: `name it: \`lockstep --store postgres ${what}\``
    })
  })

/**
 * What `lockstep status --fleet` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface ShowOptions {
  readonly json: boolean
}

/**
 * Shows sessions, leases, lag and spool. Takes nothing.
 *
 * @since 0.1.0
 * @category commands
 */
export const show = ({ json }: ShowOptions) =>
  Effect.gen(function*() {
    const own = yield* session("status --fleet")
    const { FleetView, PostgresSession, Spool } = yield* loaded
    const output = yield* Output.Output
    const view = yield* Effect.provideService(FleetView.read, PostgresSession.PostgresSession, own)
    const spool = Option.getOrElse(yield* Effect.serviceOption(Spool.Spool), () => Spool.none)
    const { age, unstored } = yield* spool.tenants
    const spooled = { location: spool.location, waiting: unstored, age }
    yield* json
      ? Output.json(FleetText.json(view, spooled))
      : output.data(FleetText.tables(view, spooled, output.dataStyle))
  })

/**
 * What `lockstep evict` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface EvictOptions {
  /** The id of a session, or how it begins. */
  readonly session: string
  readonly force: boolean
  readonly json: boolean
}

const nameOf = ({ command, host, id, pid }: Target): string => `session ${id} (${command}, process ${pid} on ${host})`

const refused = (message: string, advice: string) =>
  new UsageError({ reason: "Arguments", message: Style.printable(message), advice: Style.printable(advice) })

/**
 * Ends a session, so that others may take what it holds.
 *
 * @since 0.1.0
 * @category commands
 */
export const evict = (options: EvictOptions) =>
  Effect.gen(function*() {
    const own = yield* session("evict SESSION")
    const { FleetEviction, PostgresSession } = yield* loaded
    const digits = options.session.trim().toLowerCase()
    const eviction = yield* Effect.provideService(
      FleetEviction.evict(digits, options),
      PostgresSession.PostgresSession,
      own
    )
    switch (eviction._tag) {
      case "Unknown":
        return yield* eviction.ids.length === 0
          ? refused(
            `no session is called ${digits}`,
            "`lockstep status --fleet` shows them; the first four digits will do, if no other begins like it"
          )
          : refused(`several sessions begin with ${digits}`, `say more of it: ${eviction.ids.join(", ")}`)
      case "Own":
        return yield* refused(
          "that is the session of this command itself, which ends with it",
          "`lockstep status --fleet` shows the others"
        )
      case "Sending": {
        const { target } = eviction
        const tenants = target.sending.join(", ")
        return yield* refused(
          `${nameOf(target)} has sent a request for ${tenants}, and its answer may still come`,
          `see what became of the process first; \`lockstep evict ${target.id} --force\` ends it all the same, and the next `
            + "process may have to send the token a second time, which can end the login"
        )
      }
      case "Gone":
      case "Evicted": {
        const { target } = eviction
        const isEvicted = eviction._tag === "Evicted"
        if (options.json) {
          const { command, holds, host, id, pid, sending } = target
          return yield* Output.json({ evicted: isEvicted, session: id, host, pid, command, held: holds, sending })
        }
        const held = target.holds.length === 0 ? "held nothing" : `held ${target.holds.join(", ")}`
        yield* Output.line(Style.printable(
          isEvicted ? `${nameOf(target)} was ended; it ${held}` : `${nameOf(target)} had ended already; it ${held}`
        ))
      }
    }
  })

/**
 * What `lockstep restored` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface RestoredOptions {
  /** Milliseconds since the epoch. */
  readonly before: number
  readonly json: boolean
}

/**
 * Takes the trust from logins that a backup brought back.
 *
 * @since 0.1.0
 * @category commands
 */
export const restored = ({ before, json }: RestoredOptions) =>
  Effect.gen(function*() {
    yield* session("restored --before TIME")
    const now = yield* Clock.currentTimeMillis
    if (before > now) {
      return yield* refused(
        `${Times.local(before)} lies in the future`,
        "name the moment at which the database that was lost took its last write, or now"
      )
    }
    const { FleetRestore } = yield* loaded
    const { distrusted, kept } = yield* FleetRestore.restored(before)
    if (json) return yield* Output.json({ before: new Date(before).toISOString(), distrusted, kept })
    yield* Output.line(`${distrusted.length} logins from before ${Times.local(before)} are refreshed by a person only`)
    for (const tenant of distrusted) yield* Output.line(`  ${Style.printable(tenant)}`)
    if (kept.length > 0) yield* Output.line(`${kept.length} others are as they were`)
    if (distrusted.length > 0) {
      yield* (yield* Output.Output).note(
        "log in again with `lockstep login TENANT`; a server that has not seen a token exchanged since may take it still: "
          + "`lockstep refresh TENANT --accept-risk`\n"
      )
    }
  })
