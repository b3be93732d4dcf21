/**
 * Which login a record belongs to. A refresh changes version, generation and tokens, and it is the same login all the
 * same; a new login is another one, though its account and scopes may be the same.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Stored } from "./Credential.js"
import * as Fingerprint from "./Fingerprint.js"
import type { Host } from "./Host.js"
import type { JournalRecord } from "./RefreshJournal.js"

/**
 * Names the login that is stored now. Opaque; holds a fingerprint or a version, and no token.
 *
 * A record that the journal does not explain, because another program wrote it, is a login of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (host: Host["Type"], { credential, version }: Stored, journal: JournalRecord): string => {
  const fingerprint = Option.getOrUndefined(Fingerprint.ofCredential(host, credential))
  if (fingerprint === undefined) return `version ${version}`
  // Its holder may have died between the write of the store and that of the journal.
  const written = Option.filter(journal.intent, (one) => Option.contains(credential.lastRedeem, one.attempt))
  const present = Option.match(written, { onNone: () => fingerprint, onSome: (intent) => intent.fingerprint })
  const known = Option.filter(journal.login, (login) => login.fingerprint === present)
  return `token ${Option.match(known, { onNone: () => present, onSome: ({ name }) => name })}`
}

/**
 * Whether the stored record is the login of that name, refreshed or not.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOf = (host: Host["Type"], name: string, stored: Stored, journal: JournalRecord): boolean =>
  of(host, stored, journal) === name
