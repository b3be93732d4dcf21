/**
 * Shows a fleet to a person.
 *
 * @since 0.1.0
 */
import type { TerminalStyle } from "../race/TerminalStyle.js"
import type * as Faults from "./Faults.js"
import type { Options, Result, Worker } from "./Fleet.js"

const BAR = 24

/** Rows beyond this are left out of the middle, said so. */
const ROWS = 28

const DONE: Readonly<Record<Faults.Kind, string>> = {
  kill: "killed",
  freeze: "frozen",
  drop: "session dropped",
  cut: "network cut",
  stall: "network stalled",
  deafen: "answers lost",
  halfClose: "half closed"
}

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const ms = (value: number): string => value < 10 ? value.toFixed(1) : String(Math.round(value))

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

const median = (values: ReadonlyArray<number>): number => sorted(values)[values.length >> 1] ?? 0

const unexplained = ({ reuses }: Result): number => reuses.filter(({ explanation }) => explanation === undefined).length

/**
 * Whether no login ended but those whose one retry I7 allows, and no output
 * shows a secret.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isClean = (result: Result): boolean =>
  result.overlaps === 0 && unexplained(result) === 0 && result.mixed === 0 &&
  result.losses.every(({ explanation }) => explanation !== undefined) &&
  result.living === result.options.tenants && result.leaks.length === 0

const row = (worker: Worker, longest: number, style: TerminalStyle): string => {
  const cells = (count: number) => Math.ceil(count / longest * BAR)
  const redeemed = cells(worker.redeemed)
  const adopted = Math.min(cells(worker.adopted), BAR - redeemed)
  const bar = style.accent("█".repeat(redeemed)) + style.good("█".repeat(adopted)) +
    " ".repeat(BAR - redeemed - adopted)
  const counts = `${style.accent(`redeemed ${String(worker.redeemed).padStart(3)}`)}  ${
    style.good(`adopted ${String(worker.adopted).padStart(3)}`)
  }`
  const after = worker.delays.length === 0 ? "" : `${ms(median(worker.delays))} ms after the answer`
  const faults = worker.faults.map((kind) => DONE[kind]).join(", ")
  return ` ${String(worker.pid).padStart(8)}  host ${worker.host}  ${counts}  ${bar}  ${style.dim(after.padEnd(24))}  ${
    worker.faults.includes("kill") ? style.bad(faults) : style.dim(faults)
  }`.trimEnd()
}

/**
 * The heading of the whole show.
 *
 * @since 0.1.0
 * @category rendering
 */
export const heading = (options: Options, database: string, style: TerminalStyle): string =>
  [
    "",
    style.bold(
      `${plural(options.workers, "worker", "workers")} on ${plural(options.hosts, "host", "hosts")}, ${
        plural(options.tenants, "login", "logins")
      } whose access tokens last a second`
    ),
    style.dim(
      "Authorization server: oidc-provider on this machine. Refresh tokens rotate; one that comes twice ends its login."
    ),
    style.dim(`Database: ${database} on this machine. Each host has a directory, a clock and a network of its own.`),
    style.dim(
      `A refresh travels ${options.latency} ms. Every ${options.every} ms something is killed, frozen or cut off, by the seed ${options.seed}.`
    ),
    ""
  ].join("\n")

const done = ({ faults }: Result): string =>
  Object.entries(faults).map(([kind, count]) => `${count} × ${DONE[kind as Faults.Kind]}`).join(" · ") || "nothing"

/**
 * One fleet: every worker, what was done to it, what the server counted, and which logins live.
 *
 * @since 0.1.0
 * @category rendering
 */
export const section = (title: string, result: Result, style: TerminalStyle): string => {
  const { complaints, leaks, living, losses, lost, options, overlaps, redemptions, reuses, revocations, workers } =
    result
  const busy = workers.filter(({ adopted, redeemed }) => adopted + redeemed > 0)
  const longest = Math.max(...busy.map(({ adopted, redeemed }) => adopted + redeemed), 1)
  const rows = busy.map((worker) => row(worker, longest, style))
  const left = rows.length - ROWS
  const shown = left <= 1
    ? rows
    : [...rows.slice(0, ROWS - 8), style.dim(`           ⋮  ${left} more in between`), ...rows.slice(-8)]
  const delays = sorted(busy.flatMap((worker) => worker.delays))
  const good = (isGood: boolean, text: string) => isGood ? style.good(text) : style.bad(text)
  const line = (name: string, text: string) => ` ${style.dim(name.padStart(18))}  ${text}`
  const explained = reuses.length - unexplained(result)
  return [
    style.bold(title),
    "",
    ...shown,
    "",
    line("what happened", done(result)),
    line(
      "not answered",
      Object.entries(complaints).map(([what, count]) => `${count} × ${what}`).join(" · ") || "none"
    ),
    line("adopted", delays.length === 0 ? "never" : `median ${ms(median(delays))} ms after the server's answer`),
    line(
      "the server saw",
      [
        good(redemptions > 0, plural(redemptions, "redemption", "redemptions")),
        good(overlaps === 0, plural(overlaps, "overlap", "overlaps")),
        good(unexplained(result) === 0, plural(unexplained(result), "reuse", "reuses")),
        good(revocations <= explained, plural(revocations, "login revoked", "logins revoked"))
      ].join(" · ")
    ),
    ...explained === 0 ? [] : [
      line(
        "beside them",
        `${
          plural(explained, "retry", "retries")
        } after a worker was killed, or not heard of, with its answer: no other can know it`
      )
    ],
    line("living logins", good(living === options.tenants, `${living} of ${options.tenants}`)),
    line(
      "made again",
      good(
        losses.every(({ explanation }) => explanation !== undefined),
        `${plural(lost, "login", "logins")} by a person`
      )
    ),
    line(
      "secrets shown",
      leaks.length === 0
        ? style.good("none in any output, argument, process title or file name")
        : style.bad(leaks.map(({ kind, where }) => `${kind} in ${where}`).join(", "))
    ),
    ""
  ].join("\n")
}

/**
 * The end of the show: one line per fleet.
 *
 * @since 0.1.0
 * @category rendering
 */
export const verdict = (
  results: ReadonlyArray<readonly [name: string, result: Result]>,
  style: TerminalStyle
): string =>
  [
    ...results.map(([name, result]) =>
      `${isClean(result) ? style.good("✔") : style.bad("✘")} ${style.bold(name)} ${
        plural(result.redemptions, "redemption", "redemptions")
      }, ${plural(result.overlaps, "overlap", "overlaps")}, ${
        plural(unexplained(result), "login", "logins")
      } lost that could have been kept.`
    ),
    ""
  ].join("\n")
