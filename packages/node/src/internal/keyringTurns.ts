/**
 * Turns of the processes that read an entry of a keyring.
 *
 * A keyring answers one question at a time, and each process that asks starts a program of its own for it. Two hundred that
 * begin at one moment and have read nothing yet would be answered later than any of them waits for an answer. So a few ask
 * at a time, and the bound of an answer begins with the turn.
 *
 * A turn is a kernel lock, so it ends with its process. It guards nothing and keeps no reader from reading (I9): no writer
 * and no refresh holds it, a process that has read once never asks for one again, and where it cannot be had, or no turn
 * ends with an answer any more, the keyring is asked without. The locks lie in a directory of their own, which no process
 * watches: those that wait find a turn that ended by asking for it, the first in line often and the others seldom. A writer
 * makes them, since reading creates nothing.
 */
import * as LockWait from "@lockstep/core/LockWait"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Home } from "../Home.js"
import * as FileLock from "../locks/FileLock.js"
import { LockFile } from "../locks/LockFile.js"
import { LockPaths } from "../locks/LockPaths.js"
import { LockTarget } from "../locks/LockTarget.js"
import * as SidecarNames from "../SidecarNames.js"

/** So many read at a time: starting their programs is most of the work, and more of them than processors only wait. */
export const TURNS = 4

export interface Turns {
  /** Asks the keyring once it is this process's turn. */
  readonly inTurn: <A, E>(ask: Effect.Effect<A, E>) => Effect.Effect<A, E>

  /** Makes the locks, where they are missing. Never fails. */
  readonly lay: Effect.Effect<void>
}

/** How long a turn is waited for. */
export interface Patience {
  /** Without seeing any other turn end with an answer. */
  readonly standing: Duration.Duration
  /** In all. */
  readonly moving: Duration.Duration
}

interface Turn {
  readonly _tag: "KeyringTurn"
}

const TURN: Turn = { _tag: "KeyringTurn" }

const lockOf = (home: Home["Type"], path: string): Effect.Effect<LockWait.WaitableLock<Turn>> => {
  const target = LockTarget.Aggregate()
  const paths = LockPaths.of({ directory: home.lockDirectory, plan: () => [LockFile.Kernel({ path })] })
  return Effect.map(Effect.provideService(FileLock.make(), LockPaths, paths), (lock) => ({
    // Asking who it is reads the system's table of locks, and by then the turn is another one's.
    holder: () => Effect.succeedNone,
    listen: (_, hint) => lock.listen(target, hint),
    tryAcquire: () => lock.tryAcquire(target),
    backoff: lock.backoff
  }))
}

/** When the last turn ended with an answer. */
const movedAt = (path: string): number | undefined => {
  try {
    return Fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs
  } catch {
    return undefined
  }
}

/** One could lead root, who may write in a home of another user, elsewhere. */
const isLink = (path: string): boolean => {
  try {
    return Fs.lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}

export const make = (patience: Patience): Effect.Effect<Turns, never, Home> =>
  Effect.gen(function*() {
    const home = yield* Home
    const store = Path.basename(home.file)
    const paths = () =>
      Array.from(
        { length: TURNS },
        (_, turn) => SidecarNames.lockPath(home.file, home.lockDirectory, SidecarNames.turnLock(store, turn))
      )
    const mine = Math.floor(Math.random() * TURNS)
    const rounds = Math.ceil(Duration.toMillis(patience.moving) / Duration.toMillis(patience.standing))

    /** A keyring that hangs hangs for all: where no turn ends with an answer, waiting longer is of no use. */
    const take = (
      lock: LockWait.WaitableLock<Turn>,
      path: string,
      left: number
    ): Effect.Effect<Option.Option<LockWait.HeldLock>, never, Scope.Scope> =>
      Effect.suspend(() => {
        const before = movedAt(path)
        return LockWait.acquire(lock, TURN, { timeout: patience.standing, label: "a turn at the keyring" }).pipe(
          Effect.asSome,
          Effect.catchTags({
            LockTimeout: () => left > 1 && movedAt(path) !== before ? take(lock, path, left - 1) : Effect.succeedNone,
            LockUnavailable: () => Effect.succeedNone
          })
        )
      })

    const layOne = (path: string) =>
      Fs.existsSync(path) || isLink(Path.dirname(path)) ? Effect.void : Effect.uninterruptible(Effect.ignore(
        Effect.flatMap(
          lockOf(home, path),
          (lock) => Effect.flatMap(lock.tryAcquire(TURN), Effect.flatMap((lease) => lease.release({ changed: true })))
        )
      ))

    return {
      inTurn: (ask) =>
        Effect.suspend(() => {
          const path = paths()[mine]!
          if (movedAt(path) === undefined) return ask
          return Effect.scoped(Effect.gen(function*() {
            const held = yield* take(yield* lockOf(home, path), path, rounds)
            // A release marks the file, unless something else told of it: here that there was no answer.
            return yield* Option.isNone(held) ? ask : Effect.tapError(ask, () => held.value.wrote)
          }))
        }),
      lay: Effect.suspend(() => Effect.forEach(paths(), layOne, { discard: true }))
    }
  })
