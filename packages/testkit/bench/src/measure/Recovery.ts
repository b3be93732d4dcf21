/**
 * The process that holds the lock is killed by a signal that it cannot catch; another one waits.
 *
 * @since 0.1.0
 */
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import * as Lockstep from "../contender/Lockstep.js"
import * as Field from "../Field.js"
import * as Monotonic from "../Monotonic.js"
import type { Mutex } from "../Mutex.js"
import * as CrossPlatformLock from "../mutex/CrossPlatformLock.js"
import * as ProperLockfile from "../mutex/ProperLockfile.js"
import type { Options } from "../Options.js"
import * as Remote from "../Remote.js"
import * as Statistics from "../Statistics.js"

/**
 * Milliseconds from the kill until the next process has the lock.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recovery {
  readonly name: string
  readonly label: string
  readonly delay: Statistics.Summary | undefined
  /** Milliseconds after which the wait was given up. */
  readonly gaveUpAfter?: number
  readonly notRun?: string
}

/**
 * A holder that was killed while the server had its request: what the next process needed, and what the server saw.
 *
 * @since 0.1.0
 * @category models
 */
export interface InFlight {
  /** Milliseconds from the kill until the next process has a new token. */
  readonly delay: Statistics.Summary | undefined
  /** Milliseconds of silence that are part of it. */
  readonly quietTime: number
  readonly redemptions: number
  readonly reuses: number
  readonly rounds: number
}

/** The default of proper-lockfile is to call a lock stale after 10 s. */
const BOUND = 15_000

const settle = Effect.sleep(100)

const killHolder = (name: string) =>
  Effect.scoped(Effect.gen(function*() {
    const { makeHome, start } = yield* Bench
    const home = yield* makeHome
    const [holder, waiter] = yield* Effect.all([start, start], { concurrency: 2 })
    yield* holder.call("hold", { mutex: name, home })
    const acquired = yield* Effect.fork(waiter.call("acquire", { mutex: name, home }))
    yield* waiter.child.message((message) => message["event"] === "waiting" && message["home"] === home)
    yield* settle
    const killedAt = Monotonic.now()
    yield* holder.child.signal("SIGKILL")
    return Option.map(
      yield* Effect.timeoutOption(acquired, BOUND),
      ({ at }) => at - killedAt
    )
  }))

const recover = (mutex: Mutex, rounds: number) =>
  Effect.gen(function*() {
    const delays = yield* Effect.either(Effect.replicateEffect(killHolder(mutex.name), rounds))
    const base = { name: mutex.name, label: mutex.label }
    if (delays._tag === "Left") {
      return { ...base, delay: undefined, notRun: Remote.reasonOf(delays.left) } satisfies Recovery
    }
    return {
      ...base,
      delay: Statistics.summarise(delays.right.flatMap(Option.toArray)),
      ...delays.right.some(Option.isNone) ? { gaveUpAfter: BOUND } : {}
    } satisfies Recovery
  })

const SLOW: ReadonlyArray<Mutex> = [ProperLockfile.mutex, CrossPlatformLock.mutex]

/**
 * Measures every lock. Those that are known to take long wait side by side, and once only.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.gen(function*() {
    const rounds = quick ? 3 : 10
    yield* progress(`recovery after SIGKILL: ${rounds} rounds`)
    const fast = yield* Effect.forEach(
      Field.mutexes.filter((mutex) => !SLOW.includes(mutex)),
      (mutex) => recover(mutex, rounds)
    )
    const slow = yield* Effect.forEach(SLOW, (mutex) => recover(mutex, 1), { concurrency: "unbounded" })
    return [...fast, ...slow]
  })

/**
 * Kills a holder whose request the server never answers, while another process waits for the token.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measureInFlight = ({ quick }: Options) =>
  Effect.gen(function*() {
    const { makeHome, provider, start } = yield* Bench
    const rounds = quick ? 1 : 4
    yield* progress(`recovery of a request in flight: ${rounds} rounds`)
    const before = yield* provider.call("tallyFast")
    const delays = yield* Effect.replicateEffect(
      Effect.scoped(Effect.gen(function*() {
        const home = yield* makeHome
        const [login] = yield* provider.call("issue", { server: "fast", count: 1 })
        yield* Lockstep.contender.seed(home, { ...login!, tenant: TENANT })
        const [holder, waiter] = yield* Effect.all([start, start], { concurrency: 2 })
        for (const { call } of [holder, waiter]) yield* call("open", { contender: "lockstep", home })
        const arrived = yield* Effect.fork(provider.call("hangNext"))
        yield* settle
        yield* Effect.fork(Effect.ignore(holder.call("obtain", {})))
        yield* arrived
        const obtained = yield* Effect.fork(waiter.call("obtain", {}))
        yield* settle
        const killedAt = Monotonic.now()
        yield* holder.child.signal("SIGKILL")
        const { endedAt, error } = yield* obtained
        return error === undefined ? [endedAt - killedAt] : []
      })),
      rounds
    )
    const after = yield* provider.call("tallyFast")
    return {
      delay: Statistics.summarise(delays.flat()),
      quietTime: Duration.toMillis(RefreshPolicy.defaults.quietTime),
      redemptions: after.redemptions - before.redemptions,
      reuses: after.reuses - before.reuses,
      rounds
    } satisfies InFlight
  })
