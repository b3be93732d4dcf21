/**
 * What may be changed in a journal: pure functions, each of which keeps what the next holder of the tenant must know,
 * and the questions that a journal answers.
 */
import * as Option from "effect/Option"
import type { Credential } from "../Credential.js"
import type { ProcessIdentity } from "../Host.js"
import {
  Cooldown,
  type Intent,
  JournalRecord,
  LoginIdentity,
  Mark,
  Outcome,
  Rest,
  Retired,
  UNCHECKED
} from "../RefreshJournal.js"

const KEEP_RETIRED = 64
const KEEP_OUTCOMES = 50
const REJECTION_WINDOW = 60_000
const REJECTIONS_ALLOWED = 3
const MAX_RETRY_AFTER = 3_600_000
const MAX_BACKOFF = 60_000
const NEVER_SENT_WAIT = 1_000

export const update = (journal: JournalRecord, changes: Partial<ConstructorParameters<typeof JournalRecord>[0]>) =>
  JournalRecord.make({ ...journal, ...changes }, UNCHECKED)

/**
 * Whether an intent is about the stored record: the record holds the refresh token that it names, and was not written
 * by its attempt. The version does not matter, since a change of metadata must not hide an intent; the attempt does,
 * since an answer that kept the same refresh token is no unknown outcome.
 */
export const counts = (journal: JournalRecord, credential: Credential, fingerprint: string): Option.Option<Intent> =>
  Option.filter(journal.intent, (intent) =>
    intent.fingerprint === fingerprint &&
    !Option.contains(credential.lastRedeem, intent.attempt) &&
    !Option.contains(journal.lastRedeem, intent.attempt))

export const isRetired = (journal: JournalRecord, fingerprint: string): boolean =>
  journal.retired.some((retired) => retired.fingerprint === fingerprint)

export const retire = (journal: JournalRecord, fingerprint: string, generation: number, at: number): JournalRecord =>
  isRetired(journal, fingerprint)
    ? journal
    : update(journal, {
      retired: [Retired.make({ fingerprint, generation, at }, UNCHECKED), ...journal.retired].slice(0, KEEP_RETIRED)
    })

/** Whether the token of an intent may have been consumed. An answered 5xx alone is no reason to distrust it. */
const mayBeConsumed = (intent: Intent): boolean => intent.state === "consumed" || intent.sends > 0

/** Retires the token of an open intent, so that a restored file does not bring it back once the intent is gone. */
export const retireIntent = (journal: JournalRecord, generation: number, now: number): JournalRecord =>
  Option.match(Option.filter(journal.intent, mayBeConsumed), {
    onNone: () => journal,
    onSome: (intent) => retire(journal, intent.fingerprint, generation, now)
  })

/**
 * Takes into the journal what a kept answer proves, before the answer is removed: the refresh token that it was given for is
 * exchanged. `kept` names that token.
 */
export const retireKept = (
  journal: JournalRecord,
  kept: Option.Option<string>,
  generation: number,
  now: number
): JournalRecord => {
  const retired = retireIntent(journal, generation, now)
  return Option.match(kept, {
    onNone: () => retired,
    onSome: (fingerprint) => retire(retired, fingerprint, generation, now)
  })
}

/**
 * Takes into the journal what the stored record tells: an intent whose holder died between the write of the store and
 * that of the journal is settled, and so is one of a token that is not the stored one any more.
 */
export const absorb = (
  journal: JournalRecord,
  credential: Credential,
  fingerprint: Option.Option<string>,
  now: number
): JournalRecord =>
  Option.match(journal.intent, {
    onNone: () => journal,
    onSome: (intent) => {
      if (Option.contains(fingerprint, intent.fingerprint)) {
        return Option.isSome(counts(journal, credential, intent.fingerprint))
          ? journal
          : update(journal, { intent: Option.none() })
      }
      const wroteStored = Option.contains(credential.lastRedeem, intent.attempt)
      return update(retireIntent(journal, credential.generation, now), {
        intent: Option.none(),
        login: wroteStored ? continued(journal, intent.fingerprint, fingerprint) : journal.login
      })
    }
  })

/** The login that goes on with another refresh token. One that was never named is named after the token before. */
export const continued = (
  journal: JournalRecord,
  from: string,
  to: Option.Option<string>
): JournalRecord["login"] => {
  const fingerprint = Option.getOrElse(to, () => from)
  return Option.some(
    Option.match(Option.filter(journal.login, (login) => login.fingerprint === from), {
      onNone: () => LoginIdentity.make({ name: from, fingerprint }, UNCHECKED),
      onSome: ({ name }) => LoginIdentity.make({ name, fingerprint }, UNCHECKED)
    })
  )
}

export const note = (journal: JournalRecord, self: ProcessIdentity, entry: {
  readonly at: number
  readonly outcome: string
  readonly detail?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly took?: number | undefined
  readonly generation?: number
}): JournalRecord =>
  update(journal, {
    outcomes: [
      Outcome.make({
        at: entry.at,
        outcome: entry.outcome,
        detail: Option.fromNullable(entry.detail),
        pid: self.pid,
        command: self.command,
        from: Option.fromNullable(entry.from),
        to: Option.fromNullable(entry.to),
        generation: entry.generation ?? journal.generation,
        took: Option.fromNullable(entry.took)
      }, UNCHECKED),
      ...journal.outcomes
    ].slice(0, KEEP_OUTCOMES)
  })

const withCooldown = (
  journal: JournalRecord,
  now: number,
  wait: number,
  source: Cooldown["source"],
  failures: number
): JournalRecord =>
  update(journal, {
    cooldown: Option.some(Cooldown.make({ setAt: now, until: now + Math.ceil(wait), source, failures }, UNCHECKED))
  })

/** One more unsuccessful answer: the server's own time, at most an hour, or 1 s doubling to 60 s with jitter. */
export const cool = (
  journal: JournalRecord,
  now: number,
  options: { readonly retryAfter: Option.Option<number>; readonly jitter: number }
): JournalRecord => {
  const failures = Option.match(journal.cooldown, { onNone: () => 1, onSome: (cooldown) => cooldown.failures + 1 })
  return Option.match(options.retryAfter, {
    onSome: (retryAfter) => withCooldown(journal, now, Math.min(retryAfter, MAX_RETRY_AFTER), "server", failures),
    onNone: () =>
      withCooldown(
        journal,
        now,
        Math.min(1_000 * 2 ** (failures - 1), MAX_BACKOFF) * options.jitter,
        "backoff",
        failures
      )
  })
}

/** Not a byte was sent: a second, whatever failed before (a laptop that just woke has no network yet). */
export const coolNeverSent = (journal: JournalRecord, now: number): JournalRecord =>
  withCooldown(
    journal,
    now,
    NEVER_SENT_WAIT,
    "backoff",
    Option.match(journal.cooldown, { onNone: () => 1, onSome: (cooldown) => cooldown.failures })
  )

/** What is left of the cooldown, in milliseconds; none once it is over or the clock went back behind its start. */
export const coolingDown = (journal: JournalRecord, now: number): Option.Option<Cooldown> =>
  Option.filter(journal.cooldown, (cooldown) => cooldown.setAt <= now && now < cooldown.until)

export const resting = (journal: JournalRecord, fingerprint: string, now: number): Option.Option<Rest> =>
  Option.filter(journal.rest, (rest) => rest.fingerprint === fingerprint && rest.setAt <= now && now < rest.until)

export const marked = (journal: JournalRecord, fingerprint: string): Option.Option<Mark> =>
  Option.filter(journal.mark, (mark) => mark.fingerprint === fingerprint)

const recent = (journal: JournalRecord, now: number) =>
  journal.rejections.filter((at) => at <= now && now - at < REJECTION_WINDOW)

/** Whether the resource server keeps rejecting what the authorization server keeps issuing, across all processes. */
export const isStorm = (journal: JournalRecord, now: number): boolean =>
  recent(journal, now).length >= REJECTIONS_ALLOWED

export const countRejection = (journal: JournalRecord, now: number): JournalRecord =>
  update(journal, { rejections: [now, ...recent(journal, now)] })

export const mark = (
  journal: JournalRecord,
  fingerprint: string,
  reason: Mark["reason"],
  detail: string,
  now: number
): JournalRecord =>
  update(journal, {
    intent: Option.none(),
    mark: Option.some(Mark.make({ fingerprint, reason, detail: Option.some(detail), at: now }, UNCHECKED))
  })

export const rest = (journal: JournalRecord, fingerprint: string, until: number, now: number): JournalRecord =>
  update(journal, {
    intent: Option.none(),
    rest: Option.some(Rest.make({ fingerprint, setAt: now, until }, UNCHECKED))
  })

/** A new record took the place of the one that the journal was about. */
export const clear = (journal: JournalRecord, generation: number): JournalRecord =>
  update(journal, {
    generation: Math.max(journal.generation, generation),
    intent: Option.none(),
    cooldown: Option.none(),
    mark: Option.none(),
    rest: Option.none()
  })

/**
 * An answer was stored that had been kept for a while, and the refresh token is the one that it was given for. What the
 * journal says of that token is later than the answer, which is no proof of what became of it since. An intent of the
 * answer's own attempt is settled.
 */
export const settleKept = (journal: JournalRecord, generation: number, attempt: string): JournalRecord =>
  update(journal, {
    generation: Math.max(journal.generation, generation),
    intent: Option.filter(journal.intent, (intent) => intent.attempt !== attempt)
  })
