/**
 * What a login is, and what happens to it next: judged here and nowhere else.
 *
 * Pure. The holder of a tenant judges by its locked read and acts on the verdict (I2); `status`, `doctor`, a look without
 * a refresh, a login that would replace another and a move of the store judge by an unlocked read and only tell it. A
 * verdict without the lock can be outdated by the time it is read, and is never a reason to send or to write.
 *
 * The order of the judgements is part of the design:
 *
 * 1. The account comes first: a token of one account is never served to a caller of another.
 * 2. A usable access token is usable, whatever the journal says of the refresh token.
 * 3. An answer that was kept comes before everything that speaks against the refresh token: it proves that this token
 *    is consumed, and it holds the next one.
 * 4. What is certain (consumed, exchanged, refused, ended) comes before what passes (rest, cooldown), so that a person
 *    is not told to wait for a login that has ended.
 * 5. An unknown outcome comes last: while the provider asks for patience, its retry would not be made either.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Credential from "./Credential.js"
import type { Evidence } from "./Custody.js"
import * as Demand from "./Demand.js"
import {
  CredentialStoreError,
  ProviderRejected,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError
} from "./Errors.js"
import * as Answer from "./internal/answer.js"
import * as JournalChange from "./internal/journalChange.js"
import type { CapturedAnswer, Intent, JournalRecord } from "./RefreshJournal.js"
import type { RefreshPolicy } from "./RefreshPolicy.js"
import type { TenantId } from "./TenantId.js"
import type { RefreshTraits } from "./TokenEndpoint.js"

/** Requests of which no whole answer was read: the first, and the one retry (I7). */
const SENDS_ALLOWED = 2

/**
 * What the access token is worth to the demand.
 *
 * `Fresh`: it meets the demand. `InsideMargin`: it is valid and may be served where nothing better comes. `Ended`: it
 * has expired, is the rejected one, or is missing.
 *
 * @since 0.1.0
 * @category models
 */
export type Access = "Fresh" | "InsideMargin" | "Ended"

/**
 * What happens next.
 *
 * @since 0.1.0
 * @category models
 */
export type Next = Data.TaggedEnum<{
  /** The stored credential meets the demand. */
  Serve: { readonly stored: Credential.Stored }
  /** An answer was kept and is not stored: store it. */
  Store: { readonly stored: Credential.Stored; readonly answer: CapturedAnswer }
  /** The refresh token may be sent. */
  Redeem: {
    readonly stored: Credential.Stored
    readonly fingerprint: string
    /** An earlier request of unknown or ambiguous outcome, which must not be forgotten. */
    readonly previous: Option.Option<Intent>
    /** Milliseconds since the epoch before which nothing may be sent: an earlier request may still be on its way. */
    readonly notBefore: Option.Option<number>
  }
  /** Nothing is sent before `until`, in milliseconds since the epoch. */
  Wait: {
    readonly until: number
    /**
     * `Rest`: an early refresh was refused. `RetryAfter`: the provider named the time. `Backoff`: we did.
     * `EarlierRequest`: the process that sent the last request may still be at work.
     */
    readonly why: "Rest" | "RetryAfter" | "Backoff" | "EarlierRequest"
  }
  /** A person must log in; after `OutcomeUnknown` a person may risk one more attempt instead. */
  Login: { readonly reason: ReauthorizationRequired["reason"]; readonly detail: Option.Option<string> }
  /** The resource server keeps rejecting what the authorization server keeps issuing. */
  Brake: {}
  /** The record belongs to another account than the caller's. */
  OtherAccount: { readonly from: string; readonly to: string }
}>

/**
 * Constructors of {@link Next}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Next = Data.taggedEnum<Next>()

/**
 * The judgement.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verdict {
  readonly access: Access
  readonly next: Next
}

/**
 * What is judged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly evidence: Evidence
  readonly demand: Demand.Demand
  readonly policy: RefreshPolicy["Type"]
  readonly traits: (credential: Credential.Credential) => RefreshTraits
  readonly fingerprint: (credential: Credential.Credential) => Option.Option<string>
  /** The credential that the caller set out with: another account than its is not served. */
  readonly expected?: Credential.Credential
  /** When the tenant was taken, in milliseconds; a reader without the lock judges as if it took it now. */
  readonly since?: number
}

const hasPassed = (at: Option.Option<number>, now: number): boolean => Option.exists(at, (time) => time * 1_000 <= now)

const login = (reason: ReauthorizationRequired["reason"], detail: Option.Option<string> = Option.none()) =>
  Next.Login({ reason, detail })

const accountOf = (credential: Credential.Credential): string =>
  Option.getOrElse(Credential.accountId(credential), () => "?")

const accessOf = (
  { demand, evidence: { now }, policy }: Question,
  credential: Credential.Credential,
  traits: RefreshTraits
): Access =>
  Demand.isMetBy(demand, credential, { now, margin: Demand.margin(demand, traits, policy) })
    ? "Fresh"
    : Demand.maySettleFor(demand, credential, now)
    ? "InsideMargin"
    : "Ended"

/**
 * The latest moment at which an unanswered request can have been alive. Where a lock dies with its holder, that is when
 * the lock was taken: the process released it, or died, before. Only an end that the process itself noted is earlier for
 * certain, and not the age of an intent: a machine that slept, or a clock that was set, makes a request look old that
 * ended just now. Where a sender may live, no request outlives `redeemLimit` on the store's clock. A time in the future
 * tells nothing, because the clock went back.
 */
const requestEnd = (intent: Intent, { evidence, policy, since }: Question): number => {
  const limit = Duration.toMillis(policy.redeemLimit)
  // Taken in the past, whatever a clock says that was set back since.
  const held = Math.min(since ?? evidence.now, evidence.now)
  const latest = evidence.senderMayLive ? Math.min(held, intent.at) + limit : held
  return Math.min(latest, Option.getOrElse(intent.endedAt, () => latest))
}

/** Until when a process that was cut off from the store may bring its answer; zero where none can come. */
const returnsUntil = ({ evidence, policy }: Question, intent: Intent): number =>
  evidence.senderMayLive && Option.isNone(intent.endedAt)
    ? intent.at + Math.max(Duration.toMillis(policy.returnWait), Duration.toMillis(policy.redeemLimit))
    : 0

/**
 * Whether an answer that was kept belongs to the stored record: it came of its refresh token, or that token is known to
 * be exchanged. In the second case a snapshot was put back while the answer was on its way, and the answer holds the only
 * living token. An answer that left its refresh token as it was belongs to no newer record.
 *
 * @since 0.1.0
 * @category predicates
 */
export const belongs = (answer: CapturedAnswer, { credential, fingerprint, journal }: {
  readonly credential: Credential.Credential
  readonly journal: JournalRecord
  readonly fingerprint: Question["fingerprint"]
}): boolean => {
  const present = fingerprint(credential)
  if (Option.contains(present, answer.fingerprint)) return !Answer.isOutdated(answer, credential, journal)
  return Option.exists(present, (one) => JournalChange.isRetired(journal, one)) &&
    !isStored(answer, credential, journal)
}

const isStored = (answer: CapturedAnswer, credential: Credential.Credential, journal: JournalRecord): boolean =>
  Answer.wrote(answer, credential) || Option.contains(journal.lastRedeem, answer.attempt)

const nextOf = (question: Question, stored: Credential.Stored, access: Access, traits: RefreshTraits): Next => {
  const { demand, evidence, expected } = question
  const { journal, now } = evidence
  const { credential } = stored

  if (expected !== undefined && Credential.isOtherAccount(expected, credential)) {
    return Next.OtherAccount({ from: accountOf(expected), to: accountOf(credential) })
  }
  if (access === "Fresh") return Next.Serve({ stored })

  const fingerprint = Option.getOrUndefined(question.fingerprint(credential))
  if (fingerprint === undefined) return login("NoRefreshToken")

  const intent = traits.rotates ? JournalChange.counts(journal, credential, fingerprint) : Option.none<Intent>()
  // One whose attempt wrote the record is stored already, unless its intent still counts.
  const answer = Option.filter(
    evidence.kept,
    (kept) =>
      belongs(kept, { credential, journal, fingerprint: question.fingerprint }) &&
      (Option.isSome(intent) || !Answer.wrote(kept, credential))
  )
  if (Option.isSome(answer)) return Next.Store({ stored, answer: answer.value })
  if (demand.purpose === "storage") return Next.Serve({ stored })
  const consumed = Option.filter(intent, (one) => one.state === "consumed")
  if (Option.isSome(consumed)) {
    const until = returnsUntil(question, consumed.value)
    return now < until ? Next.Wait({ until, why: "EarlierRequest" }) : login("RotationLost")
  }

  if (JournalChange.isRetired(journal, fingerprint)) return login("Stale")
  const mark = JournalChange.marked(journal, fingerprint)
  if (Option.isSome(mark)) return login(mark.value.reason, mark.value.detail)
  if (hasPassed(credential.loginExpiresAt, now)) return login("LoginExpired")
  if (hasPassed(credential.clientSecretExpiresAt, now)) return login("RegistrationExpired")

  if (demand.purpose === "rejected" && JournalChange.isStorm(journal, now)) return Next.Brake()

  // A rejected access token is no reason to let its refresh rest.
  const rest = demand.purpose === "rejected" ? Option.none() : JournalChange.resting(journal, fingerprint, now)
  if (Option.isSome(rest)) return Next.Wait({ until: rest.value.until, why: "Rest" })
  const cooldown = JournalChange.coolingDown(journal, now)
  if (Option.isSome(cooldown) && !(demand.purpose === "person" && cooldown.value.source === "backoff")) {
    return Next.Wait({
      until: cooldown.value.until,
      why: cooldown.value.source === "server" ? "RetryAfter" : "Backoff"
    })
  }

  if (Option.exists(intent, (one) => one.sends >= SENDS_ALLOWED) && !demand.acceptRisk) return login("OutcomeUnknown")

  const quiet = Duration.toMillis(question.policy.quietTime)
  const notBefore = Option.map(
    Option.filter(intent, (one) => one.sends > 0),
    // While the access token is valid, there is time to wait for the answer itself.
    (one) => Math.max(requestEnd(one, question) + quiet, access === "Ended" ? 0 : returnsUntil(question, one))
  )
  // A sender that may live is waited for without holding what it may come back for.
  return Option.exists(notBefore, (at) => evidence.senderMayLive && at > now + quiet)
    ? Next.Wait({ until: Option.getOrElse(notBefore, () => now), why: "EarlierRequest" })
    : Next.Redeem({ stored, fingerprint, previous: intent, notBefore })
}

/**
 * Judges a login.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (question: Question): Verdict => {
  if (Option.isNone(question.evidence.stored)) return { access: "Ended", next: login("Removed") }
  const stored = question.evidence.stored.value
  const traits = question.traits(stored.credential)
  const access = accessOf(question, stored.credential, traits)
  return { access, next: nextOf(question, stored, access, traits) }
}

/**
 * Judges what stands in the way of the next refresh, whatever the access token is still worth. A `person` passes our own
 * backoff.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofRefresh = (
  question: Omit<Question, "demand">,
  purpose: "expiry" | "person" = "expiry"
): Next => {
  const { stored } = question.evidence
  const demand = {
    ...Demand.make(),
    otherThan: Option.flatMap(stored, ({ credential }) => credential.accessToken),
    purpose
  }
  return of({ ...question, demand }).next
}

/**
 * Whether a login would be missed: its access token still works, or it can be refreshed without a person.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAlive = (question: Omit<Question, "demand">): boolean =>
  of({ ...question, demand: Demand.make() }).access !== "Ended" || !hasEnded(ofRefresh(question, "person"))

/**
 * Whether only a new login helps.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasEnded = (next: Next): boolean => next._tag === "Login"

/**
 * The error that a caller gets where nothing is served, stored or redeemed. `location` is what messages call the store.
 *
 * @since 0.1.0
 * @category errors
 */
export const toError = (
  next: Exclude<Next, { readonly _tag: "Serve" | "Store" | "Redeem" }>,
  { location, now, tenant }: { readonly tenant: TenantId; readonly location: string; readonly now: number }
): RefreshError => {
  switch (next._tag) {
    case "Login":
      return new ReauthorizationRequired({
        tenant,
        reason: next.reason,
        detail: Option.getOrUndefined(next.detail)
      })
    case "Wait":
      return new ProviderUnavailable({
        tenant,
        reason: "Cooldown",
        retryAfter: next.until - now,
        ...(WAITS[next.why] === undefined ? {} : { detail: WAITS[next.why] })
      })
    case "Brake":
      return new ProviderRejected({ tenant, reason: "FreshTokenRejected" })
    case "OtherAccount":
      return otherAccount(location, next)
  }
}

const WAITS: Partial<Record<Data.TaggedEnum.Value<Next, "Wait">["why"], string>> = {
  Rest: "an early refresh was refused; it is tried again when the access token expires",
  EarlierRequest: "the process that sent the last request may still bring its answer"
}

/**
 * The error of a caller whose account was replaced by another.
 *
 * @since 0.1.0
 * @category errors
 */
export const otherAccount = (
  location: string,
  { from, to }: { readonly from: string; readonly to: string }
): CredentialStoreError =>
  new CredentialStoreError({
    reason: "Superseded",
    location,
    detail: `account ${from} was replaced by account ${to}`
  })

/**
 * Names the accounts of two credentials, for {@link otherAccount}.
 *
 * @since 0.1.0
 * @category getters
 */
export const accounts = (
  from: Credential.Credential,
  to: Credential.Credential
): { readonly from: string; readonly to: string } => ({ from: accountOf(from), to: accountOf(to) })
