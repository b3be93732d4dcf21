import * as Option from "effect/Option"
import type * as Credential from "../../Credential.js"
import type { Claim, Settlement } from "../../DueTimes.js"
import type { Report } from "../../IssuerBudget.js"

/** A tenant whose record was read. */
export interface Looked {
  readonly claim: Claim
  readonly issuer: string
}

const UNKNOWN = "unknown"

/** Without what an address may carry beside the server's name: user and password, query and fragment. */
const plain = (address: string): string => {
  if (!URL.canParse(address)) return UNKNOWN
  const { origin, pathname } = new URL(address)
  return origin === "null" ? UNKNOWN : `${origin}${pathname === "/" ? "" : pathname}`
}

/** Whose budget a refresh spends: the issuer's, or that of the server that is asked. */
export const issuerOf = (credential: Credential.Credential): string =>
  Option.match(Option.orElse(credential.issuer, () => credential.tokenEndpoint), {
    onNone: () => Option.getOrElse(credential.vendor, () => UNKNOWN),
    onSome: plain
  })

/** How labels and messages call an issuer. */
export const nameOf = (issuer: string): string => URL.canParse(issuer) ? new URL(issuer).host : issuer

export const byIssuer = <A extends Looked>(all: ReadonlyArray<A>): Map<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const one of all) {
    const group = groups.get(one.issuer)
    if (group === undefined) groups.set(one.issuer, [one])
    else group.push(one)
  }
  return groups
}

interface Counted {
  succeeded: number
  failed: number
  refused: number
  retryAfter: number
}

/** Gathers what came of refreshes until the next round writes it. */
export const makeResults = () => {
  let settlements: Array<Settlement> = []
  let answers = new Map<string, Counted>()
  return {
    settled: (one: Settlement): void => void settlements.push(one),
    answered: (issuer: string, how: "succeeded" | "failed" | "refused", retryAfter: number): void => {
      let counted = answers.get(issuer)
      if (counted === undefined) answers.set(issuer, counted = { succeeded: 0, failed: 0, refused: 0, retryAfter: 0 })
      counted[how] += 1
      counted.retryAfter = Math.max(counted.retryAfter, retryAfter)
    },
    takeSettlements: (): ReadonlyArray<Settlement> => {
      const taken = settlements
      settlements = []
      return taken
    },
    takeAnswers: (): ReadonlyMap<string, Report> => {
      const taken = answers
      answers = new Map()
      return taken
    }
  }
}

/** A pause after a slow claim is so many times as long as the claim was. */
const SHARE = 4

/**
 * How much is claimed at once. A store that is slow is asked for half as much and left alone in between; one that is quick
 * again, for a little more each time.
 */
export const makePace = (most: number, slowAfter: number) => {
  let batch = most
  return {
    batch: () => batch,
    /** Milliseconds to pause after a claim that took so long. */
    took: (millis: number): number => {
      if (millis <= slowAfter) {
        batch = Math.min(most, batch + 1)
        return 0
      }
      batch = Math.max(1, Math.floor(batch / 2))
      return millis * SHARE
    }
  }
}
