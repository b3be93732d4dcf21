/**
 * Asks over and over whether a lock that somebody else holds has become free, and whether its directory changed while
 * nobody watches it. A foreign holder and a dead one leave no trace that a watch could see.
 *
 * Plain callbacks and one system call a turn: dozens of processes wait on two cores, and what they burn is missing where
 * the lock is held. A free lock is given back at once and only hinted at, since to take it is the business of whoever
 * waits. A way to lock that is not a mere system call is asked more rarely, by the time that it takes.
 *
 * What does leave a trace, a sidecar that was touched or a file that was replaced, is a reason to ask at once, and again
 * and again for some milliseconds: a holder writes before it unlocks.
 */
import * as Fs from "node:fs"
import * as ForeignLock from "../locks/ForeignLock.js"
import type { KernelLock } from "./kernelLock.js"

/** Milliseconds between two questions: doubling from the first to the last, half of it jitter. */
const FIRST = 4
const LAST = 25

/** The first of them after a trace. */
const SOON = 1

/** At most one part in so many of the time is spent on asking. */
const SHARE = 50

const OPEN = Fs.constants.O_RDWR | (Fs.constants.O_NOFOLLOW ?? 0)

const changeTime = (directory: string): bigint | undefined =>
  Fs.statSync(directory, { bigint: true, throwIfNoEntry: false })?.mtimeNs

export interface LockProbe {
  /** Asks at once, and often for a while. */
  readonly soon: () => void
  readonly end: () => void
}

/** Starts asking. */
export const start = (options: {
  readonly paths: ReadonlyArray<string>
  readonly foreign: ReadonlyArray<ForeignLock.ForeignLock>
  readonly directory: string
  readonly kernel: () => KernelLock | undefined
  readonly isWatched: () => boolean
  readonly hint: () => void
}): LockProbe => {
  const { directory, foreign, hint, isWatched, kernel, paths } = options
  let delay = FIRST
  let seen = changeTime(directory)

  const hasChanged = (): boolean => {
    if (isWatched()) return false
    const now = changeTime(directory)
    const changed = now !== seen
    seen = now
    return changed
  }

  // Kept open from one question to the next; closing gives a lock back.
  const open = new Map<string, number>()

  const forget = (path: string): void => {
    const fd = open.get(path)
    if (fd === undefined) return
    open.delete(path)
    Fs.closeSync(fd)
  }

  const isFree = (path: string, loaded: KernelLock): boolean => {
    const fd = open.get(path) ?? Fs.openSync(path, OPEN)
    open.set(path, fd)
    const attempt = loaded.tryLock(fd, path)
    if (attempt._tag === "Busy") return false
    forget(path)
    if (attempt._tag === "Acquired" && attempt.fd !== fd) Fs.closeSync(attempt.fd)
    return true
  }

  // Other tools' locks first: to look at one takes nothing, and to ask for a sidecar takes it for a moment. Where one
  // was busy at the first try, no sidecar was tried yet and nothing is loaded.
  const areFree = (loaded: KernelLock | undefined): boolean =>
    foreign.every(ForeignLock.isFree) &&
    (loaded === undefined ? foreign.length > 0 : paths.every((path) => isFree(path, loaded)))

  const ask = (): boolean => {
    try {
      return hasChanged() || areFree(kernel())
    } catch {
      // The try itself will say what is wrong.
      return true
    }
  }

  const turn = () => {
    const began = performance.now()
    const isHint = ask()
    const spent = performance.now() - began
    timer = setTimeout(turn, Math.max(delay * (0.5 + Math.random() / 2), spent * SHARE)).unref()
    delay = Math.min(delay * 2, LAST)
    // Last: it may end the asking.
    if (isHint) hint()
  }

  let timer = setTimeout(turn, FIRST).unref()
  return {
    soon: () => {
      clearTimeout(timer)
      delay = SOON
      turn()
    },
    end: () => {
      clearTimeout(timer)
      paths.forEach(forget)
    }
  }
}
