/**
 * Waiting for another process's refresh before anything is loaded: the same loop as `LockWait`, of plain callbacks.
 *
 * Look at the store; adopt what will do, or try the lock once; sleep. A change of the directory cuts the sleep short and
 * starts a burst of tries, since a holder writes before it unlocks; a jittered backoff runs underneath, because a hint can
 * be lost. A process that waits has one watch, one timer and no thread, and the file is read only when it changed.
 *
 * The lock that a wait ends with is an integer descriptor, which no garbage collector closes: it is the caller's, and dies
 * with the process.
 *
 * @since 0.1.0
 */
import type { EarlyLock } from "@lockstep/node/locks/EarlyLock"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Demand, FastHome } from "./FastHome.js"
import type { TokenText } from "./TokenText.js"

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

/** Milliseconds after a hint: the holder has written and is about to unlock. */
const BURST = [1, 1, 2, 2, 4, 4, 8] as const

/** The jittered backoff, in milliseconds. */
const FIRST = 2
const LAST = 25

/** A wait of so many milliseconds is for something slow, and asks more seldom: still soon enough after a holder's death. */
const LONG = 1_000
const LAST_OF_LONG = 45

/** Where no hint came, the store is looked at once in so many tries of the lock: hints can be lost. */
const LOOK_EVERY = 4

/** The share of the timeout after which the holder is asked for, to see later whether it changed. */
const HOLDER_AFTER = 0.1

/** Milliseconds on the monotonic clock: a wall clock that is set back must not prolong a wait. */
const elapsed = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

const watch = (store: string, lock: string, onChange: () => void): () => void => {
  // What else happens here, temporary files, journals and the lock of the writes, frees nothing and stores nothing.
  const names: ReadonlySet<string | null> = new Set([null, Path.basename(store), Path.basename(lock)])
  try {
    const watcher = Fs.watch(Path.dirname(store), { persistent: false }, (_, name) => {
      if (names.has(name)) onChange()
    })
    watcher.on("error", () => {})
    return () => watcher.close()
  } catch {
    // Out of watches: the backoff remains.
    return () => {}
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
    let firstHolder: string | undefined
    let restarted = false
    let turns = 0
    let burst: number = BURST.length
    let quiet = FIRST
    let timer: NodeJS.Timeout | undefined
    let close = () => {}

    const end = (ending: Ending): true => {
      clearTimeout(timer)
      timer = undefined
      close()
      close = () => {}
      lock.forget()
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

    const turn = (isHinted: boolean): void => {
      const isLooking = isHinted || ++turns % LOOK_EVERY === 0
      if (isLooking && home.hasChanged() && look() || attempt()) return
      const now = elapsed()
      if (now >= settleAt) {
        settleAt = Infinity
        if (settle()) return
      }
      if (now >= leaveAt) return void end({ _tag: "Left" })
      if (hasTimedOut(now)) return
      let delay: number
      if (burst < BURST.length) delay = BURST[burst++]!
      else {
        delay = quiet * (0.5 + Math.random() / 2)
        quiet = Math.min(quiet * 2, now - began < LONG ? LAST : LAST_OF_LONG)
      }
      timer = setTimeout(turn, Math.min(delay, deadline - now, settleAt - now, leaveAt - now), false)
    }

    if (attempt()) return
    close = watch(home.store, lock.path, () => {
      if (timer === undefined) return
      clearTimeout(timer)
      burst = 0
      quiet = FIRST
      turn(true)
    })
    turn(true)
  })
