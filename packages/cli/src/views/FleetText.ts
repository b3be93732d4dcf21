/**
 * How the fleet looks, for people and for programs.
 *
 * `lockstep status --fleet --json` prints one object. Its members stay; new ones may come. Spans are in seconds.
 *
 * @since 0.1.0
 */
import type { FleetView } from "@lockstep/postgres/FleetView"
import * as Option from "effect/Option"
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"
import * as Times from "../terminal/Times.js"

/**
 * What waits in the spool of this host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Spooled {
  readonly location: string
  readonly waiting: ReadonlyArray<string>
  /** Milliseconds for which the oldest has waited. */
  readonly age: number
}

const seconds = (value: number): number => Math.round(value * 10) / 10

const span = (value: number): string => Times.span(value * 1_000)

/** What is still not refreshed this long after it was due, in seconds: sweeps look at the latest every half minute. */
const LATE = 60

/**
 * The object that programs read.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (view: FleetView, spool: Spooled) => ({
  location: view.location,
  fleet: view.fleet,
  version: view.version,
  encrypted: view.isEncrypted,
  standbys: view.standbys,
  synchronous: view.isSynchronous,
  clock_ahead: seconds(view.ahead / 1_000),
  logins: view.tenants,
  lag: Option.getOrNull(Option.map(view.lag, seconds)),
  session_count: view.sessions,
  sessions: view.present.map(({ age, command, holds, host, id, isOwn, pid, schema }) => ({
    id,
    host,
    pid,
    command,
    age: seconds(age),
    schema,
    holds,
    own: isOwn
  })),
  leases: view.held.map(({ heldFor, host, isPresent, isSending, overdueFor, pid, session, tenant }) => ({
    tenant,
    session,
    host,
    pid,
    held_for: seconds(heldFor),
    overdue_for: seconds(overdueFor),
    sending: isSending,
    present: isPresent
  })),
  budgets: view.budgets.map(({ closedFor, failures, issuer }) => ({
    issuer,
    closed_for: seconds(closedFor),
    failures
  })),
  spool: { location: spool.location, waiting: spool.waiting, age: seconds(spool.age / 1_000) }
})

const lagText = (view: FleetView): string =>
  Option.match(view.lag, {
    onNone: () => "no login",
    onSome: (lag) =>
      lag > LATE
        ? `the first login has been due for ${span(lag)}: does a process sweep?`
        : lag > 0
        ? `the first login has been due for ${span(lag)}`
        : `the first login is due in ${span(-lag)}`
  })

const leaseState = (isPresent: boolean, isSending: boolean, overdueFor: number): string => {
  if (!isPresent) return "left by a process that is gone"
  const what = isSending ? "waits for its answer" : "holds it"
  return overdueFor > 0 ? `${what}, beyond its lease` : what
}

/**
 * The tables that people read.
 *
 * @since 0.1.0
 * @category rendering
 */
export const tables = (view: FleetView, spool: Spooled, style: Style.Style): string => {
  const printable = Style.printable
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["database", `${printable(view.location)}, PostgreSQL ${printable(view.version)}, fleet ${view.fleet}`],
    ["logins", String(view.tenants)],
    ["sweep", lagText(view)],
    [
      "commits",
      view.isSynchronous
        ? "wait for a standby"
        : view.standbys > 0
        ? "wait for no standby: a failover can lose the last ones"
        : "are on this server alone"
    ],
    [
      "spool",
      spool.waiting.length === 0
        ? `nothing waits in ${printable(spool.location)}`
        : `${spool.waiting.length} answers wait in ${printable(spool.location)}, the oldest for ${
          Times.span(spool.age)
        }`
    ]
  ]
  const closed = view.budgets.filter(({ closedFor }) => closedFor > 0)
  return [
    facts.map(([name, text]) => `${style.dim(name.padEnd(8))}  ${text}\n`).join(""),
    Table.render(
      ["SESSION", "HOST", "PROCESS", "COMMAND", "SINCE", "HOLDS"],
      view.present.map(({ age, command, holds, host, id, isOwn, pid }) => [
        id,
        printable(host),
        String(pid),
        printable(isOwn ? `${command} (this one)` : command),
        `${span(age)} ago`,
        holds === 0 ? "" : String(holds)
      ]),
      style
    ),
    ...view.held.length === 0 ? [] : [
      Table.render(
        ["LEASE", "HOST", "PROCESS", "FOR", "STATE"],
        view.held.map(({ heldFor, host, isPresent, isSending, overdueFor, pid, tenant }) => [
          printable(tenant),
          printable(host),
          pid === 0 ? "" : String(pid),
          span(heldFor),
          leaseState(isPresent, isSending, overdueFor)
        ]),
        style
      )
    ],
    ...closed.length === 0 ? [] : [
      Table.render(
        ["ISSUER", "ASKED AGAIN", "FAILURES"],
        closed.map(({ closedFor, failures, issuer }) => [printable(issuer), `in ${span(closedFor)}`, String(failures)]),
        style
      )
    ],
    ...view.sessions > view.present.length
      ? [`and ${view.sessions - view.present.length} sessions more\n`]
      : []
  ].join("\n")
}
