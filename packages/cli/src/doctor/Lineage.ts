/**
 * Where a login came from and what became of it, in words that answer "why was I logged out".
 *
 * Whether a login has ended, and why, is the core's verdict. A journal's outcomes know each refresh token by its
 * fingerprint: which process brought it, which one exchanged it, which one was refused. A token that was refused and that
 * no process of this home exchanged was exchanged elsewhere, or ended by its server.
 *
 * @since 0.1.0
 */
import type { Intent, Outcome } from "@lockstep/core/RefreshJournal"
import * as Option from "effect/Option"
import * as Times from "../terminal/Times.js"
import type * as Survey from "../views/Survey.js"

type Outcomes = ReadonlyArray<Outcome>

const OBTAINED: ReadonlySet<string> = new Set(["granted", "recovered"])

const by = ({ command, pid }: { readonly command: string; readonly pid: number }): string =>
  `process ${pid} (${command})`

const when = (at: number, now: number): string => Times.relative(at, now)

/** What brought a refresh token. */
const origin = (outcomes: Outcomes, fingerprint: string): Option.Option<Outcome> =>
  Option.fromNullable(outcomes.find(({ to }) => Option.contains(to, fingerprint)))

/** What exchanged a refresh token for another one. */
const exchange = (outcomes: Outcomes, fingerprint: string): Option.Option<Outcome> =>
  Option.fromNullable(
    outcomes.find(({ from, outcome, to }) =>
      OBTAINED.has(outcome) && Option.contains(from, fingerprint) && !Option.contains(to, fingerprint)
    )
  )

const cameFrom = (outcomes: Outcomes, fingerprint: string, now: number): string =>
  Option.match(origin(outcomes, fingerprint), {
    onNone: () => "",
    onSome: (outcome) =>
      `; it came from ${OBTAINED.has(outcome.outcome) ? "a refresh" : outcome.outcome} by ${by(outcome)} ${
        when(outcome.at, now)
      }`
  })

/** Which process exchanged it, or that none of this home did. */
const consumed = (outcomes: Outcomes, fingerprint: string, now: number): string =>
  Option.match(exchange(outcomes, fingerprint), {
    onNone: () =>
      `; no process of this home exchanged it: another program holds a copy of this login, or the server ended it${
        cameFrom(outcomes, fingerprint, now)
      }`,
    onSome: (outcome) =>
      `; ${by(outcome)} had exchanged it ${when(outcome.at, now)}${
        Option.match(outcome.to, { onNone: () => "", onSome: (to) => ` for ${to}` })
      } (generation ${outcome.generation}): an older copy of this login is in use`
  })

const refused = (outcomes: Outcomes, fingerprint: string, reason: string, now: number): Option.Option<string> =>
  Option.map(
    Option.fromNullable(
      outcomes.find(({ from, outcome }) => Option.contains(from, fingerprint) && outcome === reason)
    ),
    (told) =>
      `the refresh token ${fingerprint} was refused ${when(told.at, now)} when ${by(told)} sent it${
        consumed(outcomes, fingerprint, now)
      }`
  )

const stale = (outcomes: Outcomes, fingerprint: string, now: number): string =>
  `the stored refresh token ${fingerprint} was replaced${
    Option.match(exchange(outcomes, fingerprint), {
      onNone: () => "",
      onSome: (outcome) => ` ${when(outcome.at, now)} (generation ${outcome.generation}) by ${by(outcome)}`
    })
  }: the store was restored or copied from an older state`

const unknown = (intent: Intent, now: number): string =>
  intent.state === "consumed"
    ? `the refresh token ${intent.fingerprint} was exchanged ${when(intent.at, now)} by ${
      by(intent.by)
    }, and the answer was lost before it was stored`
    : `the refresh token ${intent.fingerprint} was sent ${
      intent.sends === 1 ? "once" : `${intent.sends} times`
    }, last ${when(intent.at, now)} by ${by(intent.by)}, and no new one came back`

/**
 * Says how the login came to end, where the verdict is that it has; `None` where the outcomes tell nothing of it. `now` is
 * milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const explain = ({ fingerprint, journal, refresh }: Survey.Tenant, now: number): Option.Option<string> => {
  if (refresh._tag !== "Login" || Option.isNone(fingerprint)) return Option.none()
  switch (refresh.reason) {
    case "Stale":
      return Option.some(stale(journal.outcomes, fingerprint.value, now))
    case "OutcomeUnknown":
    case "RotationLost":
      return Option.map(journal.intent, (intent) => unknown(intent, now))
    default:
      return refused(journal.outcomes, fingerprint.value, refresh.reason, now)
  }
}

/** How the login began, however often it was refreshed since. */
const login = (outcomes: Outcomes): Option.Option<Outcome> =>
  Option.fromNullable(outcomes.find(({ outcome }) => outcome === "login" || outcome === "import"))

/**
 * Tells a login's life in one line: how it began, how often it was refreshed since, what happened last.
 *
 * @since 0.1.0
 * @category rendering
 */
export const summary = (outcomes: Outcomes, now: number): Option.Option<string> => {
  const last = outcomes[0]
  if (last === undefined) return Option.none()
  const began = login(outcomes)
  const since = Option.match(began, {
    onNone: () => outcomes,
    onSome: (start) => outcomes.slice(0, outcomes.indexOf(start))
  })
  const refreshes = since.filter(({ outcome }) => OBTAINED.has(outcome)).length
  const parts = [
    ...Option.toArray(Option.map(began, (start) => `${start.outcome} ${when(start.at, now)} by ${by(start)}`)),
    ...(refreshes === 0 ? [] : [`refreshed ${refreshes === 1 ? "once" : `${refreshes} times`}`]),
    ...(Option.contains(began, last)
      ? []
      : [`last ${last.outcome} ${when(last.at, now)} by ${by(last)} (generation ${last.generation})`])
  ]
  return Option.some(parts.join(", "))
}
