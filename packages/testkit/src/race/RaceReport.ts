/**
 * Shows a race to a person.
 *
 * @since 0.1.0
 */
import type { Result, Runner } from "./Race.js"
import { isClean } from "./Race.js"
import type { TerminalStyle } from "./TerminalStyle.js"

const BAR = 28
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

/** Rows beyond this are left out of the middle, said so. */
const ROWS = 32

const bar = (share: number): string => {
  const eighths = Math.max(1, Math.round(share * BAR * 8))
  return ("█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!).padEnd(BAR)
}

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const ms = (value: number): string => value < 10 ? value.toFixed(1) : String(Math.round(value))

const deed = (runner: Runner, style: TerminalStyle): string => {
  const text = runner.did.padEnd(8)
  switch (runner.did) {
    case "redeemed":
      return style.accent(style.bold(text))
    case "adopted":
      return style.good(text)
    case "failed":
      return style.bad(text)
  }
}

const note = (runner: Runner, style: TerminalStyle): string => {
  if (runner.did === "failed") return style.bad(runner.why ?? `exit code ${runner.exit}`)
  if (!runner.alive) return style.bad("its token is revoked")
  return runner.after === null ? "" : style.dim(`${ms(runner.after)} ms after the server's answer`)
}

const row = (runner: Runner, longest: number, showTenant: boolean, style: TerminalStyle): string => {
  const length = bar(runner.took / longest)
  const painted = runner.alive ? (runner.did === "redeemed" ? style.accent : style.good)(length) : style.bad(length)
  return [
    ` ${String(runner.pid).padStart(8)}`,
    ...(showTenant ? [runner.tenant.padEnd(9)] : []),
    deed(runner, style),
    painted,
    `${ms(runner.took).padStart(6)} ms`,
    note(runner, style)
  ].join("  ").trimEnd()
}

const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/**
 * The heading of the whole show.
 *
 * @since 0.1.0
 * @category rendering
 */
export const heading = (
  options: { readonly processes: number; readonly tenants: number; readonly latency: number },
  style: TerminalStyle
): string =>
  [
    "",
    style.bold(
      `${plural(options.processes, "process", "processes")}, ${
        plural(options.tenants, "expired login", "expired logins")
      }`
    ),
    style.dim(
      `Authorization server: oidc-provider on this machine. Refresh tokens rotate; one that comes twice ends its login.`
    ),
    style.dim(
      `A refresh travels ${options.latency} ms. Times count from the release of a barrier, where every Node has started.`
    ),
    ""
  ].join("\n")

/**
 * What is under way: starting the processes takes most of the time, and shows nothing.
 *
 * @since 0.1.0
 * @category rendering
 */
export const beginning = (how: string, { processes }: { readonly processes: number }, style: TerminalStyle): string =>
  style.dim(`Starting ${plural(processes, "process", "processes")} of Node ${how}, which are released together …`)

const LEGEND: ReadonlyArray<readonly [string, string]> = [
  ["redeemed", "sent the refresh token to the server and got the new tokens"],
  ["adopted", "sent nothing: took the token that another process had got"],
  ["reuse", "a refresh token that the server had exchanged already came again: the server takes that for a theft"],
  ["login revoked", "what the server does then: a person has to log in again"],
  ["ms", "from the release of a process to its end; on a busy machine most of it is waiting for a processor"]
]

/**
 * What the words and numbers of the show mean.
 *
 * @since 0.1.0
 * @category rendering
 */
export const legend = (style: TerminalStyle): string =>
  [...LEGEND.map(([word, meaning]) => ` ${style.dim(word.padStart(18))}  ${meaning}`), ""].join("\n")

/**
 * One race: every process, what the server counted, and which of them have a token that works.
 *
 * @since 0.1.0
 * @category rendering
 */
export const section = (title: string, result: Result, style: TerminalStyle): string => {
  const { processes, runners, server, tenants } = result
  const longest = Math.max(...runners.map(({ took }) => took), 1)
  const rows = runners.map((runner) => row(runner, longest, tenants > 1, style))
  const left = rows.length - ROWS
  const shown = left <= 1
    ? rows
    : [...rows.slice(0, ROWS - 8), style.dim(`           ⋮  ${left} more in between`), ...rows.slice(-8)]
  const took = runners.map((runner) => runner.took)
  const good = (isGood: boolean, text: string) => isGood ? style.good(text) : style.bad(text)
  const line = (name: string, text: string) => ` ${style.dim(name.padStart(18))}  ${text}`
  return [
    style.bold(title),
    "",
    ...shown,
    "",
    line("began within", `${ms(result.spread)} ms`),
    line("first · median · last", `${ms(took[0]!)} · ${ms(quantile(took, 0.5))} · ${ms(longest)} ms`),
    line(
      "the server saw",
      [
        good(server.redemptions === tenants, plural(server.redemptions, "redemption", "redemptions")),
        good(server.reuses === 0, plural(server.reuses, "reuse", "reuses")),
        good(server.refusals === 0, plural(server.refusals, "other refusal", "other refusals")),
        good(server.revocations === 0, plural(server.revocations, "login revoked", "logins revoked"))
      ].join(" · ")
    ),
    line("working tokens", good(result.survivors === processes, `${result.survivors} of ${processes} processes`)),
    line("living logins", good(result.logins === tenants, `${result.logins} of ${tenants}`)),
    line(
      "secrets shown",
      result.leaks.length === 0
        ? style.good("none in any output, argument, process title or file name")
        : style.bad(result.leaks.map(({ kind, where }) => `${kind} in ${where}`).join(", "))
    ),
    ""
  ].join("\n")
}

const summary = (result: Result): string =>
  `${plural(result.server.redemptions, "redemption", "redemptions")}, ${
    plural(result.server.revocations, "login revoked", "logins revoked")
  }, ${result.survivors} of ${result.processes} processes have a token that works.`

const last = ({ runners }: Result): number => Math.max(...runners.map(({ took }) => took))

/** Which crowd was over sooner: both start cold, and nothing of either runs before. */
const compared = (
  { locked, unlocked }: { readonly locked?: Result; readonly unlocked?: Result },
  style: TerminalStyle
): ReadonlyArray<string> => {
  if (locked === undefined || unlocked === undefined) return []
  const [own, theirs] = [last(locked), last(unlocked)]
  return [
    `${own <= theirs ? style.good("✔") : style.bad("✘")} ${style.bold("The last was done:")} after ${
      ms(own)
    } ms with lockstep, ` +
    `after ${ms(theirs)} ms without any lock.`
  ]
}

/**
 * The end of the show: one line per race, and which of them was over sooner.
 *
 * @since 0.1.0
 * @category rendering
 */
export const verdict = (
  results: { readonly locked?: Result; readonly unlocked?: Result },
  style: TerminalStyle
): string => {
  const line = (name: string, result: Result | undefined) =>
    result === undefined
      ? []
      : [`${isClean(result) ? style.good("✔") : style.bad("✘")} ${style.bold(name)} ${summary(result)}`]
  return [
    ...line("With lockstep:   ", results.locked),
    ...line("Without any lock:", results.unlocked),
    ...compared(results, style),
    ""
  ].join("\n")
}
