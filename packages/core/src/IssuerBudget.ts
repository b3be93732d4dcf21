/**
 * How many refreshes an authorization server is asked for in the background, among all that sweep.
 *
 * A bucket per issuer fills with half of what the issuer may be asked for: the other half is left to callers that wait for
 * a token, and these never ask here. A server that refuses (429) opens a breaker for its issuer: nothing is sent until the
 * time that it named, or until a pause that doubles; then come one, two, four probes and so on, each step once the one
 * before was answered well.
 *
 * What a bucket does is two pure functions. Where its state is kept, and how several sweeps change it one after the
 * other, is what `Cells` says.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CredentialStoreError } from "./Errors.js"

/**
 * What an issuer may be asked for: requests a second, and how many of them at once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Terms {
  readonly rate: number
  readonly burst: number
}

/**
 * The terms that are used where nothing else is said: 20 a second, 20 at once.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaults: Terms = { rate: 20, burst: 20 }

/**
 * The state of a bucket and its breaker. Times are milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly allowance: number
  /** When the allowance was right. */
  readonly at: number
  /** Nothing is sent before this. */
  readonly openUntil: number
  /** Refusals and failures since the last success. */
  readonly failures: number
  /** How many may be sent at this step after the breaker was open; zero where it is closed. */
  readonly probes: number
  /** How many of them were sent and not reported yet, since when. */
  readonly probing: number
  readonly probingSince: number
}

/**
 * What came of the requests that were allowed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly succeeded: number
  /** Answered with an error of the server, or not at all. */
  readonly failed: number
  /** Answered with 429. */
  readonly refused: number
  /** The longest time that a refusal asked for, in milliseconds. */
  readonly retryAfter: number
}

/**
 * How many may be sent now, and when it is worth asking again where that is fewer than were wanted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Allowance {
  readonly granted: number
  /** Milliseconds since the epoch. */
  readonly askAgainAt: number
  /** What is left in the bucket. */
  readonly left: number
}

/**
 * Whether requests pass: `closed`, all that the bucket allows; `probing`, a few; `open`, none.
 *
 * @since 0.1.0
 * @category models
 */
export type Breaker = "closed" | "probing" | "open"

/** The part of an issuer's terms that the background uses. */
const SHARE = 0.5
/** Failures without a success between them, after which the breaker opens as it does for a refusal. */
const FAILURES = 5
const PAUSE_FIRST = 1_000
const PAUSE_LAST = 300_000
/** A probe that was not reported by then died with its sender. */
const PROBE_LOST = 60_000

const limits = (terms: Terms) => ({
  perMillisecond: terms.rate * SHARE / 1_000,
  burst: Math.max(1, terms.burst * SHARE)
})

/**
 * A full bucket.
 *
 * @since 0.1.0
 * @category constructors
 */
export const full = (terms: Terms, now: number): State => ({
  allowance: limits(terms).burst,
  at: now,
  openUntil: 0,
  failures: 0,
  probes: 0,
  probing: 0,
  probingSince: 0
})

/**
 * Tells the state of the breaker.
 *
 * @since 0.1.0
 * @category getters
 */
export const breaker = (state: State, now: number): Breaker =>
  state.openUntil > now ? "open" : state.probes > 0 ? "probing" : "closed"

/**
 * Takes as much of what is wanted as is allowed now.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = (state: State, terms: Terms, wanted: number, now: number): readonly [Allowance, State] => {
  const { burst, perMillisecond } = limits(terms)
  const allowance = Math.min(burst, state.allowance + Math.max(0, now - state.at) * perMillisecond)
  const filled = { ...state, allowance, at: now }
  if (breaker(state, now) === "open") return [{ granted: 0, askAgainAt: state.openUntil, left: 0 }, filled]
  const probing = now - state.probingSince > PROBE_LOST ? 0 : state.probing
  const room = state.probes > 0 ? Math.max(0, state.probes - probing) : Infinity
  const granted = Math.min(wanted, Math.floor(allowance), room)
  // It asks again for a whole handful: one by one would be a claim for each.
  const missing = Math.min(wanted - granted, burst) - (allowance - granted)
  return [
    {
      granted,
      askAgainAt: room <= granted ? now + PAUSE_FIRST : now + Math.ceil(Math.max(0, missing) / perMillisecond),
      left: allowance - granted
    },
    {
      ...filled,
      allowance: allowance - granted,
      probing: state.probes > 0 ? probing + granted : 0,
      probingSince: state.probes > 0 && granted > 0 ? now : state.probingSince
    }
  ]
}

const opened = (state: State, pauses: number, retryAfter: number, now: number): State => ({
  ...state,
  allowance: 0,
  at: now,
  openUntil: Math.max(
    state.openUntil,
    now + Math.max(retryAfter, Math.min(PAUSE_LAST, PAUSE_FIRST * 2 ** Math.min(pauses, 20)))
  ),
  probes: 1,
  probing: 0
})

/**
 * Takes note of how requests were answered.
 *
 * @since 0.1.0
 * @category combinators
 */
export const report = (state: State, terms: Terms, outcome: Report, now: number): State => {
  if (outcome.refused > 0) {
    // Requests of one moment are refused together, and are one refusal.
    const isKnown = state.openUntil > now
    const pauses = isKnown ? state.failures - 1 : state.failures
    return {
      ...opened(state, Math.max(0, pauses), outcome.retryAfter, now),
      failures: isKnown ? state.failures : state.failures + 1
    }
  }
  if (outcome.succeeded > 0) {
    // What was sent before the server refused says nothing of now.
    if (state.openUntil > now || state.probes === 0) {
      return { ...state, failures: state.probes > 0 ? state.failures : 0 }
    }
    const probing = Math.max(0, state.probing - outcome.succeeded - outcome.failed)
    if (probing > 0) return { ...state, probing }
    const probes = state.probes * 2
    return { ...state, probing, probes: probes > limits(terms).burst ? 0 : probes, failures: 0 }
  }
  if (outcome.failed === 0) return state
  const failures = state.failures + outcome.failed
  return failures < FAILURES && state.probes === 0
    ? { ...state, failures }
    : { ...opened(state, Math.max(0, failures - FAILURES), 0, now), failures }
}

/**
 * The budgets of all issuers.
 *
 * @since 0.1.0
 * @category services
 */
export class IssuerBudget extends Context.Tag("@lockstep/core/IssuerBudget")<IssuerBudget, {
  /** Takes as much of what is wanted as the issuer may be asked for now. */
  readonly take: (issuer: string, wanted: number) => Effect.Effect<Allowance, CredentialStoreError>
  /** Reports how requests were answered, and tells what became of the breaker. */
  readonly report: (issuer: string, outcome: Report) => Effect.Effect<Breaker, CredentialStoreError>
}>() {}

/**
 * Where states are kept. `modify` changes one of them, with no other change between the look and the write; the function may
 * be asked more than once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cells {
  readonly modify: <A>(
    issuer: string,
    change: (state: State, terms: Terms, now: number) => readonly [A, State]
  ) => Effect.Effect<A, CredentialStoreError>
}

/**
 * Budgets over what keeps their states.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (cells: Cells): IssuerBudget["Type"] => ({
  take: (issuer, wanted) => cells.modify(issuer, (state, terms, now) => take(state, terms, wanted, now)),
  report: (issuer, outcome) =>
    cells.modify(issuer, (state, terms, now) => {
      const next = report(state, terms, outcome, now)
      return [breaker(next, now), next]
    })
})

/**
 * Budgets in the memory of this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (termsOf: (issuer: string) => Terms = () => defaults): IssuerBudget["Type"] => {
  const states = new Map<string, State>()
  return make({
    modify: (issuer, change) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const terms = termsOf(issuer)
        const [value, state] = change(states.get(issuer) ?? full(terms, now), terms, now)
        states.set(issuer, state)
        return value
      })
  })
}

/**
 * Budgets in the memory of this process, for the stores of one machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (termsOf?: (issuer: string) => Terms): Layer.Layer<IssuerBudget> =>
  Layer.sync(IssuerBudget, () => makeMemory(termsOf))
