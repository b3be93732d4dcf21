/**
 * Which login a record belongs to. A refresh changes version, generation and tokens, and it is the same login all the
 * same; a new login is another one, though its account and scopes may be the same.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { type Credential, presented, type Stored } from "./Credential.js"
import * as Host from "./Host.js"
import type { JournalRecord } from "./RefreshJournal.js"

/** What the journal calls a refresh that was stored: redeemed, or brought home from a kept answer. */
const REFRESHES: ReadonlyArray<string> = ["granted", "recovered"]

const fingerprint = (host: Host.Host["Type"], credential: Credential): Option.Option<string> =>
  Option.map(presented(credential), (token) => Host.fingerprint(host, token))

/**
 * Names the login that is stored now. Opaque; holds a fingerprint or a version, and no token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (host: Host.Host["Type"], { credential, version }: Stored): string =>
  Option.match(fingerprint(host, credential), {
    onNone: () => `version ${version}`,
    onSome: (text) => `token ${text}`
  })

/**
 * Whether the stored record is the login of that name, refreshed or not. What the journal does not explain is another
 * login.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOf = (
  host: Host.Host["Type"],
  name: string,
  stored: Stored,
  journal: JournalRecord
): boolean => {
  // Newest first.
  const last = journal.outcomes.reduceRight(
    (present, { from, outcome, to }) =>
      REFRESHES.includes(outcome) && Option.isSome(to) && Option.exists(from, (one) => present === `token ${one}`)
        ? `token ${to.value}`
        : present,
    name
  )
  return last === of(host, stored)
}
