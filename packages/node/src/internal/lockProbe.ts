/**
 * Asks over and over whether a lock that another process holds has become free, and whether its directory changed while
 * no watch runs. A foreign holder and a dead one leave no trace that a watch could see.
 *
 * Plain callbacks and one system call a turn: dozens of processes wait on two cores, and what they burn is missing where
 * the lock is held. A free lock is given back at once and only hinted at, since the fiber that waits takes it. A way to lock that is not a mere system call is asked more rarely, by the time that it takes.
 *
 * One of those that wait is enough to find that a holder died. So they form a line: the first of it, which holds a lock
 * of its own for as long as it waits, asks often; the others seldom, and each time whether they are the first by now.
 * That lock guards nothing: a process that gets it wrongly, or not at all, only asks more often or later.
 *
 * What does leave a trace, a sidecar that was touched or a file that was replaced, is a reason for each to ask at once,
 * and again and again for some milliseconds: a holder writes before it unlocks.
 */
import * as Fs from "node:fs"
import type { KernelLock } from "./kernelLock.js"

/** Milliseconds between two questions of the first in line: doubling from one to the other, half of it jitter. */
const FIRST = 4
const LAST = 25

/** The same of the others in line, which all come at the moment when the holder has its work to do. */
const FIRST_OF_OTHERS = 16
const LAST_OF_OTHERS = 150

/** The first of them after a trace. */
const SOON = 1

/** At most one part in so many of the time is spent on asking. */
const SHARE = 50

const OPEN = Fs.constants.O_RDWR | (Fs.constants.O_NOFOLLOW ?? 0)

/** Milliseconds. `performance` is loaded at its first use, which a start of the command notices. */
const elapsed = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

export interface LockProbe {
  /** Asks at once, and often for a while. */
  readonly soon: () => void
  readonly end: () => void
}

/** Starts asking. */
export const start = (options: {
  readonly paths: ReadonlyArray<string>
  /** Whether each lock of another tool is free: as cheap to ask, or more. */
  readonly foreign: ReadonlyArray<() => boolean>
  readonly kernel: () => KernelLock | undefined
  /** Whether something changed that no watch may have told: a reason to hint as well. */
  readonly hasChanged: () => boolean
  /** The most milliseconds between two questions of the first in line; 25 where nothing is said. */
  readonly longest?: () => number
  /** Tries to become the first in line, and answers with the descriptor to close when leaving it. */
  readonly lead: () => number | undefined
  readonly hint: () => void
}): LockProbe => {
  const { foreign, hasChanged, hint, kernel, lead, longest, paths } = options
  let first: number | undefined
  let delay = FIRST_OF_OTHERS

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
    foreign.every((isFree) => isFree()) &&
    (loaded === undefined ? foreign.length > 0 : paths.every((path) => isFree(path, loaded)))

  const ask = (): boolean => {
    try {
      return hasChanged() || areFree(kernel())
    } catch {
      // The try itself will say what is wrong.
      return true
    }
  }

  const advance = (): void => {
    if (first !== undefined) return
    first = lead()
    if (first !== undefined) delay = Math.min(delay, FIRST)
  }

  const turn = () => {
    const began = elapsed()
    const isHint = ask()
    // Where there is something to do, the place in the line can wait.
    if (!isHint) advance()
    const spent = elapsed() - began
    timer = setTimeout(turn, Math.max(delay * (0.5 + Math.random() / 2), spent * SHARE)).unref()
    delay = Math.min(delay * 2, first === undefined ? LAST_OF_OTHERS : longest?.() ?? LAST)
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
      if (first !== undefined) Fs.closeSync(first)
      first = undefined
    }
  }
}
