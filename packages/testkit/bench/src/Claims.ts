/**
 * What Lockstep promises to be worth, beside what was measured.
 *
 * @since 0.1.0
 */
import type { Claim } from "./Claim.js"
import * as FleetClaims from "./FleetClaims.js"
import * as ColdCrowd from "./measure/ColdCrowd.js"
import type * as Contention from "./measure/Contention.js"
import * as Proxy from "./measure/Proxy.js"
import * as StartUp from "./measure/StartUp.js"
import type { Results } from "./Results.js"
import * as Statistics from "./Statistics.js"

/** How far "about" and "does not grow" reach. */
const TOLERANCE = 1.5

const SHORT = { maximumFractionDigits: 2 }

const show = (value: number): string => value.toLocaleString("en", SHORT)

const racesOf = (results: Results, name: string): ReadonlyArray<Contention.Race> =>
  results.contention?.find((entry) => entry.name === name)?.races ?? []

/** What a keeper is worth. */
const keeper = ({ keeper: measured }: Results): ReadonlyArray<Claim> => {
  if (measured === undefined) return []
  const { commandRatio, crowd, hot } = measured
  const within = (goal: string, value: number | undefined, limit: number, unit: string): Claim => ({
    goal,
    measured: value === undefined ? "not measured" : `${show(value)}${unit}`,
    met: value !== undefined && value <= limit
  })
  return [
    within("a token from a keeper, for a client whose connection stands: at most 1 ms", hot?.median, 1, " ms"),
    within(
      "lockstep token from a keeper: at most 1.4 times the wall time of node -e 0",
      commandRatio?.median,
      1.4,
      " times"
    ),
    within(
      `${crowd.processes} commands beside a keeper, one expired login: at most 1.3 times as many node -e 0, plus the provider`,
      crowd.ratio?.median,
      1.3,
      " times"
    ),
    {
      goal: "beside a keeper: exactly 1 redemption for each crowd, and a token for each command",
      measured: `${crowd.redemptions} redemptions in ${crowd.rounds} rounds, ${crowd.failed} without a token`,
      met: crowd.redemptions === crowd.rounds && crowd.failed === 0
    }
  ]
}

/**
 * The races of Lockstep that broke the promise that the project exists for.
 *
 * @since 0.1.0
 * @category getters
 */
export const broken = (results: Results): ReadonlyArray<Contention.Race> =>
  racesOf(results, "lockstep").filter((race) =>
    race.redemptions !== 1 || race.reuses !== 0 || race.survivors !== race.processes
  )

const oneRedemption = (results: Results): ReadonlyArray<Claim> => {
  const races = racesOf(results, "lockstep")
  if (races.length === 0) return []
  const bad = broken(results)
  const sizes = [...new Set(races.map(({ processes }) => processes))].join(", ")
  return [{
    goal: "N processes, one expired token: exactly 1 redemption, 0 reuse, N of N succeed",
    measured: bad.length === 0
      ? `so in all ${races.length} races of ${sizes}`
      : `not in ${bad.length} of ${races.length} races of ${sizes}`,
    met: bad.length === 0
  }]
}

const adoption = (results: Results): ReadonlyArray<Claim> => {
  const medianAt = (name: string, size: number) =>
    Statistics.median(
      racesOf(results, name).flatMap((race) => race.processes === size ? race.adoption ?? [] : [])
    )
  const sizes = [...new Set(racesOf(results, "lockstep").map(({ processes }) => processes))]
  const size = sizes.filter((count) => count >= 50).sort((a, b) => a - b)[0]
  if (size === undefined) return []
  const own = medianAt("lockstep", size)
  return [50, 100].flatMap((interval) => {
    const polled = medianAt(`flock-poll-${interval}`, size)
    const factor = interval === 50 ? 7 : 1
    return Number.isNaN(own) || Number.isNaN(polled) ? [] : [{
      goal: `from the winner's write until all ${size} have the token: ${
        factor === 1 ? "less than" : "at most a seventh of"
      } what polling every ${interval} ms needs`,
      measured: `${show(own)} ms against ${show(polled)} ms: ${show(polled / own)} times faster`,
      met: own * factor <= polled
    }]
  })
}

const reading = (results: Results): ReadonlyArray<Claim> => {
  const find = (name: string, tenants = 1) =>
    results.read?.find((one) => one.name === name && one.tenants === tenants)?.cost?.median
  const direct = find("lockstep-direct")
  const promised = find("lockstep-promise")
  const many = find("lockstep-direct", 1000)
  if (direct === undefined || promised === undefined || many === undefined) return []
  return [
    {
      goal: `fresh token in process: about 1 µs direct (met up to ${TOLERANCE})`,
      measured: `${show(direct)} µs`,
      met: direct <= TOLERANCE
    },
    {
      goal: `fresh token in process: about 5 µs through runPromise (met up to ${5 * TOLERANCE})`,
      measured: `${show(promised)} µs`,
      met: promised <= 5 * TOLERANCE
    },
    {
      goal: `a hot read does not grow with tenants (1,000 against 1: met up to ${TOLERANCE} times)`,
      measured: `${show(many)} µs against ${show(direct)} µs: ${show(many / direct)} times`,
      met: many <= direct * TOLERANCE
    }
  ]
}

const rotation = ({ rotation: seen }: Results): ReadonlyArray<Claim> =>
  seen === undefined ? [] : [{
    goal: "another process's rotation is seen within a few milliseconds (median up to 5)",
    measured: `${show(seen.median)} ms, at most ${show(seen.max)}`,
    met: seen.median <= 5
  }]

const startUp = (results: Results): ReadonlyArray<Claim> => {
  const of = (name: string) => results.startUp?.find((one) => one.name === name)
  const floor = of(StartUp.FLOOR)?.cpu
  const wall = of(StartUp.FRESH)?.ratio
  const within = (name: string, goal: number, less = 0): ReadonlyArray<Claim> => {
    const cpu = of(name)?.cpu
    if (cpu === undefined || floor === undefined) return []
    const ratio = (cpu.median - less) / floor.median
    return [{
      goal: `${name}${
        less === 0 ? "" : ", without its second process"
      }: at most ${goal} times the processor time of ${StartUp.FLOOR}`,
      measured: `${show(ratio)} times`,
      met: ratio <= goal
    }]
  }
  return [
    ...wall === undefined ? [] : [{
      goal: "lockstep token with a fresh token: within 1.5 times of node -e 0",
      measured: `${show(wall.median)} times`,
      met: wall.median <= 1.5
    }],
    ...within(StartUp.HELP, 4),
    ...within(StartUp.STATUS, 4),
    ...within(StartUp.DOCTOR, 4, of(StartUp.SECOND)?.cpu?.median ?? 0)
  ]
}

const recovery = (results: Results): ReadonlyArray<Claim> => {
  const own = results.recovery?.find(({ name }) => name === "lockstep")?.delay
  const inFlight = results.inFlight
  return [
    ...own === undefined ? [] : [{
      goal: "holder killed with SIGKILL: the next process has the lock in under 50 ms",
      measured: `${show(own.median)} ms, at most ${show(own.max)}`,
      met: own.max < 50
    }],
    ...inFlight?.delay === undefined ? [] : [{
      goal: "killed with a request in flight: the same, after quietTime, with 1 redemption and 0 reuse",
      measured: `${show(inFlight.delay.median - inFlight.quietTime)} ms more than ${
        show(inFlight.quietTime / 1000)
      } s; ${inFlight.redemptions} redemptions and ${inFlight.reuses} reuses in ${inFlight.rounds} rounds`,
      met: inFlight.delay.median - inFlight.quietTime < 50 && inFlight.redemptions === inFlight.rounds &&
        inFlight.reuses === 0
    }]
  ]
}

const cost = (results: Results): ReadonlyArray<Claim> => {
  const one = results.cost?.at(0)
  const most = results.cost?.at(-1)
  if (one?.winner === undefined || most?.winner === undefined || one === most) return []
  return [{
    goal: `the cost of a refresh does not grow with waiters (met up to ${TOLERANCE} times)`,
    measured: `${show(most.winner.median)} ms of processor time with ${most.waiters}, ${
      show(one.winner.median)
    } ms with 1: ${show(most.winner.median / one.winner.median)} times`,
    met: most.winner.median <= one.winner.median * TOLERANCE
  }]
}

const proxy = ({ proxy: measured }: Results): ReadonlyArray<Claim> => {
  const own = measured?.passages.find(({ name }) => name === Proxy.LOCKSTEP)
  if (measured === undefined || own?.held === undefined || own.rateShare === undefined) return []
  return [
    {
      goal: `the proxy holds ${measured.streams} streams both ways`,
      measured: `each says something and hears it within ${show(own.held.median)} ms, ${own.held.n} times`,
      met: own.held.n > 0
    },
    {
      goal: "the proxy: at least 0.8 of the requests a second of a proxy of twenty lines",
      measured: `${own.rateShare.median.toFixed(2)} in the middle of ${own.rateShare.n} rounds (${
        own.rateShare.min.toFixed(2)
      } to ${own.rateShare.max.toFixed(2)})`,
      met: own.rateShare.median >= 0.8
    }
  ]
}

/** All of a crowd but one adopt; what one costs that redeems is known from the crowd of one. */
const adopting = (
  { crowds }: ColdCrowd.Measured,
  own: ColdCrowd.Crowd,
  nothing: ColdCrowd.Crowd
): ReadonlyArray<Claim> => {
  const alone = crowds.find(({ name, processes }) => name === ColdCrowd.LOCKSTEP && processes === 1)?.cpu
  if (own.processes === 1 || alone === undefined || own.cpu === undefined || nothing.cpu === undefined) return []
  const each = (own.cpu.median - alone.median) / (own.processes - 1)
  const ratio = each / (nothing.cpu.median / own.processes)
  return [{
    goal: `a cold command that adopts, one of ${own.processes}: at most 1.5 times the processor time of node -e 0`,
    measured: `${show(ratio)} times`,
    met: ratio <= 1.5
  }]
}

const cold = ({ cold: measured, surroundings }: Results): ReadonlyArray<Claim> =>
  (measured?.crowds ?? []).flatMap((own) => {
    const beside = (name: string) =>
      measured!.crowds.find((one) => one.name === name && one.processes === own.processes)
    const nothing = beside(ColdCrowd.NOTHING)
    const unlocked = beside(ColdCrowd.UNLOCKED)
    if (
      own.name !== ColdCrowd.LOCKSTEP || own.wall === undefined || nothing?.wall === undefined ||
      own.cpu === undefined || nothing.cpu === undefined || unlocked?.wall === undefined
    ) return []
    const { processes } = own
    const once = own.redemptions === measured!.rounds && own.reuses === 0 && own.failed === 0
    // What the machine gave to processes that do nothing is what a busy machine gives to these.
    const busy = Math.max(1, nothing.wall.median * surroundings.cores / nothing.cpu.median)
    const bound = nothing.cpu.median * busy / surroundings.cores + measured!.latency
    return [
      {
        goal:
          `${processes} cold commands on one expired login: 1 redemption, and the last has a token before the last of ` +
          "as many scripts without a lock",
        measured:
          `${show(own.wall.median)} ms against ${show(unlocked.wall.median)} ms; ${own.redemptions} redemptions in ` +
          `${measured!.rounds} rounds, ${own.failed} without a token`,
        met: once && own.wall.median < unlocked.wall.median
      },
      {
        goal:
          `${processes} cold commands: within 1.5 times of starting as many processes that do nothing, and the latency`,
        measured: `${show(own.wall.median)} ms against ${show(bound)} ms: ${show(own.wall.median / bound)} times`,
        met: own.wall.median <= 1.5 * bound
      },
      ...adopting(measured!, own, nothing),
      ...processes === 1
        ? [{
          goal: "one cold command that redeems: at most 4 times the processor time of node -e 0",
          measured: `${show(own.cpu.median / nothing.cpu.median)} times`,
          met: own.cpu.median <= 4 * nothing.cpu.median
        }]
        : []
    ]
  })

/**
 * Judges what was measured; what was not is left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const judge = (results: Results): ReadonlyArray<Claim> =>
  [oneRedemption, adoption, reading, rotation, startUp, cold, recovery, cost, proxy, keeper, FleetClaims.judge].flatMap(
    (claims) => claims(results)
  )
