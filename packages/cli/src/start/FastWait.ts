/**
 * Waiting for another process's refresh before anything is loaded: what `LockWait` does, of plain callbacks.
 *
 * Look at the store; adopt what will do, or try the lock once; sleep. A change of one of the two files cuts the sleep short,
 * and underneath the lock is asked for as by every other waiter, in one line with them, because a hint can be lost and a
 * holder that dies gives none. A process that waits has two watches, two timers and no thread, and the store is read only
 * when it changed.
 *
 * The lock that a wait ends with is an integer descriptor, which no garbage collector closes: it is the caller's, and dies
 * with the process.
 *
 * @since 0.1.0
 */
import type { EarlyLock } from "@lockstep/node/locks/EarlyLock"
import * as Fs from "node:fs"
import type { TokenText } from "../token/TokenText.js"
import type { Demand, FastHome } from "./FastHome.js"

/**
 * How a wait ended.
 *
 * `Served`: with a token that another process stored. `Held`: with the lock. `Settled`: patience was over, and the token
 * that was there is still valid. `Gone` and `OtherAccount`: the login that was waited for is not there any more.
 * `TimedOut`: the holder keeps the lock. `Left`: the program has to go on.
 *
 * @since 0.1.0
 * @category models
 */
export type Ending =
  | { readonly _tag: "Served" | "Settled"; readonly token: TokenText }
  | { readonly _tag: "Held"; readonly fd: number }
  | { readonly _tag: "OtherAccount"; readonly account: string }
  | { readonly _tag: "TimedOut"; readonly waited: number }
  | { readonly _tag: "Gone" | "Left" }

/** Milliseconds after which the lock is tried whatever is known of it: a sidecar can be replaced without a trace. */
const TRY_EVERY = 1_000

/** Milliseconds after which the store is looked at, where nothing was heard of it: a hint can be lost. */
const LOOK_EVERY = 100

/** The longest delay that a timer knows. */
const LONGEST = 2 ** 31 - 1

/** The share of the timeout after which the holder is asked for, to see later whether it changed. */
const HOLDER_AFTER = 0.1

/** Milliseconds on the monotonic clock: a wall clock that is set back must not prolong a wait. */
const elapsed = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

/**
 * Watches the two files themselves: a refresh makes and renames half a dozen others beside them, and each of those would
 * wake every process that waits. A file that is replaced tells so by its last event, so both are watched anew after one.
 */
const watch = (paths: ReadonlyArray<string>, onChange: () => void): () => void => {
  let watchers: ReadonlyArray<Fs.FSWatcher> = []
  let isClosed = false
  const close = (): void => watchers.forEach((one) => one.close())
  const open = (): void => {
    close()
    watchers = paths.flatMap((path) => {
      try {
        return [Fs.watch(path, { persistent: false }, onEvent).on("error", () => {})]
      } catch {
        // Out of watches, or between two files of that name: the backoff remains.
        return []
      }
    })
  }
  const onEvent = (): void => {
    if (isClosed) return
    onChange()
    if (isClosed) return
    open()
    // What changed before the new watch ran.
    onChange()
  }
  open()
  return () => {
    isClosed = true
    close()
  }
}

/**
 * Waits until the record will do, or the lock is ours.
 *
 * @since 0.1.0
 * @category constructors
 */
export const wait = (options: {
  readonly home: FastHome
  readonly demand: Demand
  readonly lock: EarlyLock
  /** After so many milliseconds a token that is still valid will do; `undefined`: never. */
  readonly staleWait: number | undefined
  readonly timeout: number
  /** When the program takes over, in milliseconds of this wait. */
  readonly leaveAfter: number | undefined
}): Promise<Ending> =>
  new Promise((resolve) => {
    const { demand, home, lock, timeout } = options
    const began = elapsed()
    const leaveAt = began + (options.leaveAfter ?? Infinity)
    let settleAt = began + (options.staleWait ?? Infinity)
    let askAt = began + timeout * HOLDER_AFTER
    let deadline = began + timeout
    let tryAt = began + TRY_EVERY
    let firstHolder: string | undefined
    let restarted = false
    let timer: NodeJS.Timeout | undefined
    let isOver = false
    let stop = () => {}

    const end = (ending: Ending): true => {
      isOver = true
      clearTimeout(timer)
      stop()
      resolve(ending)
      return true
    }

    /** What the record says, where it ends the wait. What cannot be judged now is judged under the lock. */
    const look = (): boolean => {
      const judgement = home.judge(demand)
      if (judgement._tag === "Serve") return end({ _tag: "Served", token: judgement.token })
      return judgement._tag === "OtherAccount" && end(judgement)
    }

    /** A lock that is had at last may have come with the record that was waited for. */
    const attempt = (): boolean => {
      const taken = lock.tryLock()
      if (taken === "busy") return false
      return end(taken === "failed" ? { _tag: "Left" } : { _tag: "Held", fd: taken })
    }

    const settle = (): boolean => {
      const judgement = home.judge(demand)
      if (judgement._tag === "Gone") return end({ _tag: "Gone" })
      return judgement._tag === "Refresh" && judgement.settle !== undefined &&
        end({ _tag: "Settled", token: judgement.settle })
    }

    const hasTimedOut = (now: number): boolean => {
      if (now >= askAt) {
        firstHolder = lock.holder()
        askAt = Infinity
      }
      if (now < deadline) return false
      const holder = lock.holder()
      if (restarted || firstHolder === undefined || holder === undefined || firstHolder === holder) {
        return end({ _tag: "TimedOut", waited: now - began })
      }
      // Once: the new holder may legally hold as long as the one before.
      restarted = true
      deadline = now + timeout
      return false
    }

    const onHint = (): boolean => isOver || home.hasChanged() && look() || attempt()

    /** What has its time, whatever is heard. */
    const onTime = (): void => {
      const now = elapsed()
      if (now >= tryAt) {
        tryAt = now + TRY_EVERY
        if (onHint()) return
      }
      if (now >= settleAt) {
        settleAt = Infinity
        if (settle()) return
      }
      if (now >= leaveAt) return void end({ _tag: "Left" })
      if (hasTimedOut(now)) return
      timer = setTimeout(onTime, Math.min(Math.min(tryAt, settleAt, leaveAt, askAt, deadline) - now, LONGEST))
    }

    if (attempt()) return
    let lookAt = began + LOOK_EVERY
    const probe = lock.listen({
      hasChanged: () => {
        const now = elapsed()
        if (now < lookAt) return false
        lookAt = now + LOOK_EVERY
        return home.hasChanged()
      },
      hint: onHint
    })
    const close = watch([home.store, lock.path], () => home.hasChanged() && look() || probe.soon())
    stop = () => {
      close()
      probe.end()
    }
    // What was stored or freed before the watch ran.
    if (!onHint()) onTime()
  })
