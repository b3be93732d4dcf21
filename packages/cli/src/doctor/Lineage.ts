/**
 * Where a login came from and what became of it, in words that answer "why was I logged out".
 *
 * A journal knows each refresh token by its fingerprint: which process brought it, which one exchanged it, which one was
 * refused. A token that was refused although nobody here exchanged it was exchanged elsewhere, or ended by its server.
 *
 * @since 0.1.0
 */
import type { JournalRecord, Outcome } from "@lockstep/core/RefreshJournal"
import * as Option from "effect/Option"
import * as Times from "../Times.js"

const OBTAINED: ReadonlySet<string> = new Set(["granted", "recovered"])

const who = ({ command, pid }: { readonly command: string; readonly pid: number }): string =>
  `process ${pid} (${command})`

const when = (at: number, now: number): string => Times.relative(at, now)

/** What brought a refresh token. */
const origin = (journal: JournalRecord, fingerprint: string): Option.Option<Outcome> =>
  Option.fromNullable(journal.outcomes.find(({ to }) => Option.contains(to, fingerprint)))

/** What exchanged a refresh token for another one. */
const exchange = (journal: JournalRecord, fingerprint: string): Option.Option<Outcome> =>
  Option.fromNullable(
    journal.outcomes.find(({ from, outcome, to }) =>
      OBTAINED.has(outcome) && Option.contains(from, fingerprint) && !Option.contains(to, fingerprint)
    )
  )

const cameFrom = (journal: JournalRecord, fingerprint: string, now: number): string =>
  Option.match(origin(journal, fingerprint), {
    onNone: () => "",
    onSome: (outcome) =>
      `; it came from ${OBTAINED.has(outcome.outcome) ? "a refresh" : outcome.outcome} by ${who(outcome)} ${
        when(outcome.at, now)
      }`
  })

/** Who exchanged it, or that nobody here did. */
const consumed = (journal: JournalRecord, fingerprint: string, now: number): string =>
  Option.match(exchange(journal, fingerprint), {
    onNone: () =>
      `; no process of this home exchanged it: another program holds a copy of this login, or the server ended it${
        cameFrom(journal, fingerprint, now)
      }`,
    onSome: (outcome) =>
      `; ${who(outcome)} had exchanged it ${when(outcome.at, now)}${
        Option.match(outcome.to, { onNone: () => "", onSome: (to) => ` for ${to}` })
      } (generation ${outcome.generation}): an older copy of this login is in use`
  })

const refused = (journal: JournalRecord, fingerprint: string, now: number): Option.Option<string> =>
  Option.map(Option.filter(journal.mark, (mark) => mark.fingerprint === fingerprint), (mark) => {
    const told = journal.outcomes.find(({ from, outcome }) =>
      Option.contains(from, fingerprint) && outcome === mark.reason
    )
    return `the refresh token ${fingerprint} was refused ${when(mark.at, now)}${
      told === undefined ? "" : ` when ${who(told)} sent it`
    }${Option.match(mark.detail, { onNone: () => "", onSome: (detail) => ` (${detail})` })}${
      consumed(journal, fingerprint, now)
    }`
  })

const stale = (journal: JournalRecord, fingerprint: string, now: number): Option.Option<string> =>
  Option.map(
    Option.fromNullable(journal.retired.find((retired) => retired.fingerprint === fingerprint)),
    (retired) =>
      `the stored refresh token ${fingerprint} was replaced ${
        when(retired.at, now)
      } (generation ${retired.generation})${
        Option.match(exchange(journal, fingerprint), {
          onNone: () => "",
          onSome: (outcome) => ` by ${who(outcome)}`
        })
      }: the store was restored or copied from an older state`
  )

const unknown = (journal: JournalRecord, fingerprint: string, now: number): Option.Option<string> =>
  Option.map(
    Option.filter(journal.intent, (intent) => intent.fingerprint === fingerprint),
    (intent) =>
      intent.state === "consumed"
        ? `the refresh token ${fingerprint} was exchanged ${when(intent.at, now)} by ${
          who(intent.by)
        }, and the answer was lost before it was stored`
        : `the refresh token ${fingerprint} was sent ${intent.sends === 1 ? "once" : `${intent.sends} times`}, last ${
          when(intent.at, now)
        } by ${who(intent.by)}, and no new one came back`
  )

/**
 * Says why the stored refresh token is no longer good, or may not be; `None` where nothing speaks against it. `now` is
 * milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const explain = (
  journal: JournalRecord,
  fingerprint: Option.Option<string>,
  now: number
): Option.Option<string> =>
  Option.flatMap(
    fingerprint,
    (one) => Option.firstSomeOf([stale(journal, one, now), refused(journal, one, now), unknown(journal, one, now)])
  )

/** Days that a login went on, however often it was refreshed. */
const login = (journal: JournalRecord): Option.Option<Outcome> =>
  Option.fromNullable(journal.outcomes.find(({ outcome }) => outcome === "login" || outcome === "import"))

/**
 * Tells a login's life in one line: how it began, how often it was refreshed since, what happened last.
 *
 * @since 0.1.0
 * @category rendering
 */
export const summary = (journal: JournalRecord, now: number): Option.Option<string> => {
  const last = journal.outcomes[0]
  if (last === undefined) return Option.none()
  const began = login(journal)
  const since = Option.match(began, {
    onNone: () => journal.outcomes,
    onSome: (start) => journal.outcomes.slice(0, journal.outcomes.indexOf(start))
  })
  const refreshes = since.filter(({ outcome }) => OBTAINED.has(outcome)).length
  const parts = [
    ...Option.toArray(Option.map(began, (start) => `${start.outcome} ${when(start.at, now)} by ${who(start)}`)),
    ...(refreshes === 0 ? [] : [`refreshed ${refreshes === 1 ? "once" : `${refreshes} times`}`]),
    ...(Option.contains(began, last)
      ? []
      : [`last ${last.outcome} ${when(last.at, now)} by ${who(last)} (generation ${last.generation})`])
  ]
  return Option.some(parts.join(", "))
}
