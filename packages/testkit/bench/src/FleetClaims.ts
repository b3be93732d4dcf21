/**
 * What the fleet promises to be worth, beside what was measured.
 *
 * @since 0.1.0
 */
import type { Claim } from "./Claim.js"
import type { Size } from "./measure/FleetSizes.js"
import type { Results } from "./Results.js"

/** Of the contender that is Lockstep's own. */
const OWN = "Lockstep"

/** Milliseconds from the end of a holder's session. */
const TAKEOVER = 100

/** How much more reading and refreshing may cost among a hundred times as many tenants. */
const GROWTH = 1.5

const show = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: 2 })

const faults = ({ trials = [] }: Results): ReadonlyArray<Claim> => {
  const own = trials.filter(({ label, notRun }) => label.startsWith(OWN) && notRun === undefined)
  if (own.length === 0) return []
  const sum = (of: (trial: typeof own[number]) => number) => own.reduce((all, trial) => all + of(trial), 0)
  const [overlaps, revoked] = [sum((one) => one.overlaps), sum((one) => one.revoked)]
  return [{
    goal:
      "a fleet under any of the faults: no two requests with one token at a time, and no login lost that could be kept",
    measured: `${overlaps} overlaps and ${revoked} logins in ${sum((one) => one.redemptions)} redemptions`,
    met: overlaps + revoked === 0
  }]
}

const growth = (what: string, few: number | undefined, many: number | undefined): ReadonlyArray<Claim> =>
  few === undefined || many === undefined ? [] : [{
    goal: `${what} one of 100,000 tenants: within ${GROWTH} times of one of 1,000`,
    measured: `${show(many)} ms against ${show(few)} ms: ${show(many / few)} times`,
    met: many <= GROWTH * few
  }]

const times = ({ fleet }: Results): ReadonlyArray<Claim> => {
  if (fleet === undefined) return []
  const of = (tenants: number): Size | undefined => fleet.sizes.find((size) => size.tenants === tenants)
  const [few, many] = [of(1_000), of(100_000)]
  const { fromEnd } = fleet.takeover
  return [
    ...fromEnd === undefined ? [] : [{
      goal: `a holder that is killed: the next one within ${TAKEOVER} ms of the end of its session, in the middle`,
      measured: `${show(fromEnd.median)} ms`,
      met: fromEnd.median <= TAKEOVER
    }],
    ...growth("reading", few?.read?.median, many?.read?.median),
    ...growth("refreshing", few?.refresh?.median, many?.refresh?.median)
  ]
}

/**
 * Judges what was measured of a fleet; what was not is left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const judge = (results: Results): ReadonlyArray<Claim> => [...faults(results), ...times(results)]
