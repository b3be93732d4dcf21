import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Credential from "../../Credential.js"
import type { Claim, Keep, Noted } from "../../DueTimes.js"
import type { RefreshError } from "../../Errors.js"

/** What is done with a tenant that was claimed. Times are milliseconds. */
export type Plan = Data.TaggedEnum<{
  /** It is refreshed, unless what is stored by then has more validity left than `minTtl`. */
  Refresh: { readonly minTtl: number; readonly noted: Noted }
  Wait: { readonly dueAt: number; readonly noted: Noted }
}>
export const Plan = Data.taggedEnum<Plan>()

/** The part of a lifetime in which a refresh is due, at a moment of chance: no crowd that logged in at once stays one. */
const FROM = 0.5
const TO = 0.85
/** What a token lives whose beginning is not known. */
const USUAL = 3_600_000
const DAY = 86_400_000
/** How often a refresh token is used that no one needs, where its server names no end of idleness. */
const ALIVE = 7 * DAY
/** A tenant that cannot be refreshed is looked at so often, which takes no lock: a person may have logged in again. */
const OVER = 900_000
/** Between two looks lies at least so much, whatever a server issues. */
const SHORTEST = 10_000

interface Question {
  readonly keep: Keep
  readonly now: number
  /** From 0 to 1. */
  readonly chance: number
  /** Milliseconds after which an unused refresh token expires. */
  readonly idle: Option.Option<number>
}

const window = (credential: Credential.Credential, { idle, keep, now }: Question): readonly [number, number] => {
  if (keep === "alive") {
    const began = Option.match(credential.obtainedAt, { onNone: () => now, onSome: (at) => at * 1_000 })
    const span = Option.match(idle, { onNone: () => ALIVE, onSome: (limit) => limit / 4 })
    return [began + span * TO, began + span]
  }
  const ends = Option.match(credential.expiresAt, { onNone: () => now, onSome: (at) => at * 1_000 })
  const began = Option.match(credential.obtainedAt, { onNone: () => ends - USUAL, onSome: (at) => at * 1_000 })
  const lifetime = Math.max(0, ends - began)
  return [began + FROM * lifetime, began + TO * lifetime]
}

/** Whether there is anything that a refresh could present, or that it would be made for. */
const isRefreshable = (credential: Credential.Credential): boolean =>
  Option.isSome(Credential.presented(credential)) && Option.isSome(credential.expiresAt)

/**
 * Decides on the record as it is now. A due time that was chosen for this very record is kept; for another record one is
 * drawn anew, so that what a caller refreshed meanwhile is not refreshed again.
 */
export const of = (stored: Credential.Stored, claim: Pick<Claim, "noted">, question: Question): Plan => {
  const { credential, version } = stored
  const { chance, keep, now } = question
  const own = Option.filter(claim.noted, (noted) => noted.version === version)
  const noted: Noted = { version, keep, isOver: Option.exists(own, ({ isOver }) => isOver) }
  if (noted.isOver) return Plan.Wait({ dueAt: now + OVER, noted })
  if (keep === "cold" || !isRefreshable(credential)) return Plan.Wait({ dueAt: now + DAY, noted })
  const [from, to] = window(credential, question)
  const isDrawn = Option.isSome(own)
  const dueAt = isDrawn && now >= from ? now : Math.max(from, now) + chance * Math.max(0, to - Math.max(from, now))
  if (dueAt > now) return Plan.Wait({ dueAt: Math.max(dueAt, now + SHORTEST), noted })
  const left = Option.match(credential.expiresAt, { onNone: () => 0, onSome: (at) => at * 1_000 - now })
  return Plan.Refresh({ minTtl: Math.max(0, left), noted })
}

/** What a failed refresh says about its issuer, and when the tenant is due again. */
export interface Failure {
  readonly after: number
  readonly isOver: boolean
  readonly issuer: "refused" | "failed" | "silent"
  readonly retryAfter: number
}

/** Judges a failed refresh. `chance` is from 0 to 1. */
export const afterFailure = (error: RefreshError, chance: number): Failure => {
  const within = (millis: number) => Math.ceil(millis * (1 + chance))
  const failure = { after: within(30_000), isOver: false, issuer: "silent", retryAfter: 0 } as const
  switch (error._tag) {
    case "ReauthorizationRequired":
      return { ...failure, after: OVER, isOver: true }
    case "ProviderRejected":
      return { ...failure, after: within(1_800_000) }
    case "ProviderTimeout":
      return { ...failure, issuer: "failed" }
    case "ProviderUnavailable": {
      const after = within(Math.max(SHORTEST, error.retryAfter))
      switch (error.reason) {
        case "RateLimited":
          return { ...failure, after, issuer: "refused", retryAfter: error.retryAfter }
        case "ServerError":
        case "Transport":
          return { ...failure, after, issuer: "failed" }
        default:
          return { ...failure, after }
      }
    }
    default:
      return failure
  }
}
