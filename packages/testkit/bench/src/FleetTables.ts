/**
 * The fleet's results as tables.
 *
 * @since 0.1.0
 */
import type { Results } from "./Results.js"
import type { Summary } from "./Statistics.js"

/**
 * How the report writes numbers and tables.
 *
 * @since 0.1.0
 * @category models
 */
export interface Writing {
  readonly show: (value: number) => string
  readonly range: (summary: Summary | undefined) => string
  readonly table: (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>) => string
}

/**
 * Writes the sections about the fleet, as Markdown.
 *
 * @since 0.1.0
 * @category rendering
 */
export const make = ({ fleet, trials }: Results, { range, show, table }: Writing): ReadonlyArray<string> => [
  ...trials === undefined ? [] : [
    `## A fleet under faults\n\nEight workers on four hosts share twelve logins whose access tokens last a second. Per 1,000 redemptions: requests that overlapped, and logins that the server revoked because a refresh token came twice; in the next column those apart that nothing can prevent (the sender was killed with its answer, or not heard of for as long as others have to wait); then workers that waited for a lock of no one in the end. Faults last from 0.4 to 2.6 s; a key in Redis lives for 1 s.\n\n${
      table(
        ["", "fault", "faults", "redemptions", "overlaps", "revoked", "unpreventable", "stuck", "s"],
        trials.map(({ fault, faults, label, notRun, overlaps, redemptions, revoked, stuck, took, unpreventable }) => {
          const per = (count: number) => show(count / Math.max(1, redemptions) * 1_000)
          return notRun === undefined
            ? [
              label,
              fault,
              faults,
              redemptions,
              per(overlaps),
              per(revoked),
              per(unpreventable),
              stuck,
              show(took / 1_000)
            ]
            : [label, `not run: ${notRun}`, "", "", "", "", "", "", ""]
        })
      )
    }`
  ],
  ...fleet === undefined ? [] : [
    `## What the fleet costs\n\nOne PostgreSQL on this machine, every commit on its disk. Milliseconds.\n\n${
      table(
        ["tenants", "read", "refresh, without the provider", "refreshes/s"],
        fleet.sizes.map(({ rate, read, refresh, tenants }) => [show(tenants), range(read), range(refresh), show(rate)])
      )
    }\n\n${
      table(
        ["workers in ten processes", "from the server's answer to the last"],
        fleet.crowds.map(({ last, workers }) => [workers, range(last)])
      )
    }\n\nFrom the end of a killed holder's session until the process that waits has the tenant: ${
      range(fleet.takeover.fromEnd)
    } ms; from its SIGKILL: ${range(fleet.takeover.fromKill)} ms. Connections per worker: ${show(fleet.connections)}.`
  ]
]
