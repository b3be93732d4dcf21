/**
 * The results as tables that people read.
 *
 * @since 0.1.0
 */
import type { Claim } from "./Claim.js"
import * as FleetTables from "./FleetTables.js"
import type * as Contention from "./measure/Contention.js"
import type { Results } from "./Results.js"
import type { Summary } from "./Statistics.js"
import * as Statistics from "./Statistics.js"

const show = (value: number): string =>
  value.toLocaleString("en", value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 })

const range = (summary: Summary | undefined): string =>
  summary === undefined
    ? "–"
    : summary.n === 1
    ? show(summary.median)
    : `${show(summary.median)} (${show(summary.min)}–${show(summary.max)})`

const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number>>
): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((cell) => String(cell).replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`)
    .join("\n")

/** The same in every race, or both ends. */
const span = (values: ReadonlyArray<number>): string => {
  const min = Math.min(...values)
  const max = Math.max(...values)
  return min === max ? String(min) : `${min}–${max}`
}

const raceRow = (entry: Contention.Entry, races: ReadonlyArray<Contention.Race>, latency: number) => {
  const errors = [...new Set(races.flatMap(({ errors: said }) => said))]
  return [
    entry.label,
    span(races.map(({ requests }) => requests)),
    span(races.map(({ redemptions }) => redemptions)),
    span(races.map(({ reuses }) => reuses)),
    `${span(races.map(({ survivors }) => survivors))} of ${races[0]!.processes}`,
    range(Statistics.summarise(races.map(({ wall }) => wall / latency))),
    range(Statistics.summarise(races.flatMap(({ adoption }) => adoption ?? []))),
    races.length,
    errors.length === 0 ? "" : errors.map((text) => text.slice(0, 60)).slice(0, 2).join("; ")
  ]
}

const contention = ({ contention: entries = [], options }: Results): ReadonlyArray<string> => {
  if (entries.length === 0) return []
  const sections = options.processes.map((size) => {
    const rows = entries.map((entry) => {
      const races = entry.races.filter(({ processes }) => processes === size)
      return races.length === 0
        ? [entry.label, `not run: ${entry.notRun ?? "no race"}`, "", "", "", "", "", 0, ""]
        : raceRow(entry, races, options.latency)
    })
    return `### ${size} processes\n\n${
      table(
        [
          "",
          "requests",
          "redemptions",
          "reuse",
          "survivors",
          "wall / latency",
          "write → last adopter, ms",
          "races",
          "errors"
        ],
        rows
      )
    }`
  })
  return [
    `## Contended refresh\n\nN processes that run already find one expired token at the same time. The server takes ${options.latency} ms, rotates, and revokes the login when a used refresh token comes back. Survivors hold a token at the end that the server takes. Medians, and the smallest and the largest where there are several; a contender that lost the login at a size does not race at it again.`,
    ...sections
  ]
}

const others = (results: Results): ReadonlyArray<string> => [
  ...results.cost === undefined ? [] : [
    `## Cost of a refresh\n\nMilliseconds of processor time.\n\n${
      table(
        ["waiting processes", "the one who redeems", "a waiter"],
        results.cost.map(({ waiter, waiters, winner }) => [waiters, range(winner), range(waiter)])
      )
    }`
  ],
  ...results.read === undefined ? [] : [
    `## A fresh token, read again\n\nMicroseconds per call, in a warm process.\n\n${
      table(
        ["", "tenants", "µs"],
        results.read.map(({ cost, label, notRun, tenants }) => [
          label,
          tenants,
          notRun === undefined ? range(cost) : `not run: ${notRun}`
        ])
      )
    }`
  ],
  ...results.handOff === undefined ? [] : [
    `## Hand-off of the lock\n\nMilliseconds from the release in one process until another one has the lock, and milliseconds of processor time in a second of waiting.\n\n${
      table(
        ["", "ms", "processor, ms per s"],
        results.handOff.map(({ cpu, delay, label, notRun }) => [
          label,
          notRun === undefined ? range(delay) : `not run: ${notRun}`,
          range(cpu)
        ])
      )
    }\n\nAnother process's rotation, from its write until a process that reads all the time has the new token: ${
      range(results.rotation)
    } ms.`
  ],
  ...results.recovery === undefined ? [] : [
    `## Recovery\n\nThe holder is killed with SIGKILL. Milliseconds until the next process has the lock.\n\n${
      table(
        ["", "ms"],
        results.recovery.map(({ delay, gaveUpAfter, label, notRun }) => [
          label,
          notRun !== undefined
            ? `not run: ${notRun}`
            : gaveUpAfter === undefined
            ? range(delay)
            : `never: the wait was given up after ${show(gaveUpAfter / 1000)} s`
        ])
      )
    }`
  ],
  ...results.inFlight === undefined ? [] : [
    `Killed while the server has its request, which it never answers: another process has a new token after ${
      range(results.inFlight.delay)
    } ms, of which ${results.inFlight.quietTime} ms are \`quietTime\`; ${results.inFlight.redemptions} redemptions and ${results.inFlight.reuses} reuses in ${results.inFlight.rounds} rounds.`
  ],
  ...results.startUp === undefined ? [] : [
    `## Start-up of the command\n\nMilliseconds from start to end of the process, and of processor time, that of its children included.\n\n${
      table(
        ["", "ms", "over node -e 0", "processor, ms", "over node -e 0"],
        results.startUp.map(({ cpu, cpuRatio, name, notRun, ratio, wall }) => [
          name,
          notRun === undefined ? range(wall) : `not run: ${notRun}`,
          range(ratio),
          range(cpu),
          range(cpuRatio)
        ])
      )
    }`
  ],
  ...results.keeper === undefined ? [] : [
    `## A keeper\n\nMilliseconds; ratios are to node -e 0 of the same round, that of the crowd without the ${results.keeper.crowd.latency} ms of the server.\n\n${
      table(
        ["", "ms", "ratio"],
        [
          [`a token on a connection that stands, ${results.keeper.requests} times`, range(results.keeper.hot), ""],
          ["lockstep token, from a keeper", range(results.keeper.command), range(results.keeper.commandRatio)],
          [
            `${results.keeper.crowd.processes} commands, one expired login`,
            range(results.keeper.crowd.wall),
            range(results.keeper.crowd.ratio)
          ]
        ]
      )
    }`
  ],
  ...results.cold === undefined ? [] : [
    `## Cold crowds\n\nN processes that start at one moment and find one expired login; the server takes ${results.cold.latency} ms. Milliseconds from the start of the first to the end of the last, and of processor time of all. Ratios are to as many processes that do nothing, in the same round; medians of ${results.cold.rounds} rounds, in which the kinds take turns, and both ends.\n\n${
      table(
        [
          "",
          "processes",
          "wall, ms",
          "processor, ms",
          "wall, ratio",
          "processor, ratio",
          "redemptions",
          "reuse",
          "failed"
        ],
        results.cold.crowds.map((one) => [
          one.name,
          one.processes,
          range(one.wall),
          range(one.cpu),
          range(one.wallRatio),
          range(one.cpuRatio),
          one.redemptions,
          one.reuses,
          one.failed
        ])
      )
    }`
  ],
  ...results.proxy === undefined ? [] : [
    `## The proxy\n\nSmall requests one after the other (milliseconds) and from 32 clients at one time (per second), one long answer and one long request (MiB per second), and the milliseconds in which each of ${results.proxy.streams} streams that are held at one time says something and hears it. In brackets both ends; "of bare" are ratios to the upstream without anything in between, in the same round.\n\n${
      table(
        [
          "",
          "request, ms",
          "added, ms",
          "requests/s",
          "of bare",
          "of twenty lines",
          "processor, µs",
          "down, MiB/s",
          "of bare",
          "up, MiB/s",
          "of bare",
          "held, ms"
        ],
        results.proxy.passages.map((one) => [
          one.name,
          range(one.latency),
          range(one.added),
          range(one.rate),
          range(one.rateRatio),
          range(one.rateShare),
          range(one.processor),
          range(one.down),
          range(one.downRatio),
          range(one.up),
          range(one.upRatio),
          range(one.held)
        ])
      )
    }${
      results.proxy.memory === undefined
        ? ""
        : `\n\nThe proxy's process had ${
          show(results.proxy.memory.before / 1024)
        } MiB in memory at most before it held streams, and ${show(results.proxy.memory.after / 1024)} MiB with them.`
    }`
  ],
  ...results.bridge === undefined ? [] : [
    `## The bridge\n\nCalls of a tool by a client of the MCP SDK, one after the other (milliseconds) and 32 at one time (per second). In brackets both ends; "of direct" are ratios to the same client without a bridge, in the same round.\n\n${
      table(
        ["", "call, ms", "of direct", "calls/s", "of direct"],
        results.bridge.ways.map((one) => [
          one.name,
          range(one.latency),
          range(one.latencyRatio),
          range(one.rate),
          range(one.rateRatio)
        ])
      )
    }`
  ]
]

const surroundings = ({ options, peers, surroundings: where }: Results): string => {
  const lines = [
    `${where.at}, commit ${where.commit}, Node ${where.node}, ${where.system}, ${where.cores} × ${where.processor}. ` +
    `Load ${show(where.load.before)} before and ${show(where.load.after)} after; ${show(where.took)} s in all` +
    `${options.quick ? "; a quick run, of few rounds" : ""}.`,
    ...peers === undefined ? [] : [`The peers could not be installed (${peers}).`]
  ]
  return lines.join("\n\n")
}

/**
 * Writes the results and the claims as Markdown.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (results: Results, claims: ReadonlyArray<Claim>): string =>
  `${
    [
      "# Lockstep, measured",
      surroundings(results),
      ...contention(results),
      ...FleetTables.make(results, { range, show, table }),
      ...others(results),
      `## Claims\n\n${
        table(
          ["goal", "measured", ""],
          claims.map(({ goal, measured, met }) => [goal, measured, met ? "met" : "**not met**"])
        )
      }`
    ].join("\n\n")
  }\n`
