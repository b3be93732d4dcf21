/**
 * Runs a concurrent program to its end inside one synchronous call, on virtual time and on a schedule that one seed
 * decides: which fiber goes on, where it is cut off, what its random numbers are.
 *
 * Only for programs that wait for nothing outside of Effect. What they log is dropped. Whatever waits for longer than the program needs is told
 * apart at once: when no fiber can go on and no fiber sleeps, the program hangs, and the run fails saying so.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import type * as Scheduler from "effect/Scheduler"

/**
 * What a program may ask of the world that it runs in.
 *
 * @since 0.1.0
 * @category models
 */
export interface World {
  /** Sets the wall clock forward or back, in milliseconds. The monotonic clock does not notice. */
  readonly shiftWallClock: (millis: number) => void
  /** After so many further operations, of one fiber or of all, that fiber yields and the action runs. Answers how to cancel. */
  readonly preempt: (after: number, action: () => void, of?: Fiber.RuntimeFiber<unknown, unknown>) => () => void
}

/**
 * How a program is scheduled.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly seed: number
  /** Takes the ready fibers in random order. In the order in which they became ready where not said. */
  readonly shuffle?: boolean
  /** Operations after which a fiber yields, on the average where `shuffle` is on. At least 16: see below. */
  readonly quantum?: number
  /** Steps after which a run is taken for endless. */
  readonly limit?: number
}

interface Sleeper {
  readonly at: bigint
  readonly wake: () => void
}

/** A fiber that yields earlier each time makes no headway: resuming it takes some operations of the runtime's own. */
const SMALLEST_QUANTUM = 16
/** Milliseconds since the epoch, as a wall clock has them. */
const EPOCH = 1_000_000_000_000

/** Marsaglia's xorshift: enough to vary a schedule, and the same everywhere. */
const generator = (seed: number) => {
  let state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0
  return (below: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/**
 * Runs a program to its end. Throws when it hangs or does not end.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = <A, E>(program: (world: World) => Effect.Effect<A, E>, options: Options): Exit.Exit<A, E> => {
  const random = generator(options.seed)
  const quantum = Math.max(SMALLEST_QUANTUM, options.quantum ?? 2_048)
  const ready: Array<() => void> = []
  const sleepers: Array<Sleeper> = []
  let monotonic = 0n
  let shift = 0
  let steps = 0
  let preemption: { left: number; readonly action: () => void; readonly of: unknown } | undefined

  const scheduler: Scheduler.Scheduler = {
    scheduleTask: (task) => void ready.push(task),
    shouldYield: (fiber) => {
      if (
        preemption !== undefined && (preemption.of === undefined || preemption.of === fiber) && --preemption.left <= 0
      ) {
        ready.unshift(preemption.action)
        preemption = undefined
        return 0
      }
      return (options.shuffle === true ? random(quantum) === 0 : fiber.currentOpCount >= quantum) ? 0 : false
    }
  }

  const millis = () => EPOCH + Number(monotonic / 1_000_000n) + shift
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    currentTimeMillis: Effect.sync(millis),
    unsafeCurrentTimeNanos: () => monotonic,
    currentTimeNanos: Effect.sync(() => monotonic),
    sleep: (duration) =>
      Effect.async((resume) => {
        const nanos = BigInt(Math.round(Duration.toMillis(duration) * 1_000_000))
        const sleeper = { at: monotonic + nanos, wake: () => resume(Effect.void) }
        const next = sleepers.findIndex((one) => one.at > sleeper.at)
        sleepers.splice(next === -1 ? sleepers.length : next, 0, sleeper)
        return Effect.sync(() => {
          const at = sleepers.indexOf(sleeper)
          if (at !== -1) sleepers.splice(at, 1)
        })
      })
  }

  const world: World = {
    shiftWallClock: (by) => {
      shift += by
    },
    preempt: (after, action, of) => {
      const own = preemption = { left: after, action, of }
      return () => {
        if (preemption === own) preemption = undefined
      }
    }
  }

  const exits: Array<Exit.Exit<A, E>> = []
  const fiber: Fiber.RuntimeFiber<A, E> = Runtime.runFork(Runtime.defaultRuntime)(
    Effect.suspend(() => program(world)).pipe(
      Effect.withClock(clock),
      Effect.withRandom(Random.make(options.seed)),
      Logger.withMinimumLogLevel(LogLevel.None)
    ),
    { scheduler, immediate: false }
  )
  fiber.addObserver((exit) => void exits.push(exit))

  const limit = options.limit ?? 1_000_000
  while (exits.length === 0) {
    if (ready.length === 0) {
      const sleeper = sleepers.shift()
      if (sleeper === undefined) throw new Error(`no fiber can go on after ${steps} steps (seed ${options.seed})`)
      if (sleeper.at > monotonic) monotonic = sleeper.at
      sleeper.wake()
      continue
    }
    if (++steps > limit) throw new Error(`no end after ${limit} steps (seed ${options.seed})`)
    const next = options.shuffle === true ? random(ready.length) : 0
    ready.splice(next, 1)[0]!()
  }
  return exits[0]!
}
