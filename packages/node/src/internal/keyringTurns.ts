/**
 * Turns of the processes that read their first entry of a keyring.
 *
 * A keyring answers one question at a time, and each process that asks starts a program of its own for it. Two hundred that
 * begin at one moment and have read nothing yet would be answered later than any of them waits for an answer. So no more
 * ask at a time than are answered in time.
 *
 * A turn is a kernel lock, so it ends with its process. It guards nothing and keeps no reader from reading (I9): no writer
 * and no refresh holds it, a process that has read once never asks for one again, and where none can be had the keyring is
 * asked without. The locks lie in a directory of their own, which no process watches: those that wait find a turn that
 * ended by asking for it, the first in line often and the others seldom. A writer makes them, since reading creates nothing.
 */
import type { LockUnavailable } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Home } from "../Home.js"
import * as FileLock from "../locks/FileLock.js"
import { LockFile } from "../locks/LockFile.js"
import { LockPaths } from "../locks/LockPaths.js"
import { LockTarget } from "../locks/LockTarget.js"
import * as SidecarNames from "../SidecarNames.js"

/** A program that asks takes a tenth of a second of a processor to start, so that so many take a second or two. */
const EACH_PROCESSOR = 16
const MOST = 64

/** So many read at a time on this machine. */
export const TURNS = Math.min(MOST, EACH_PROCESSOR * Os.availableParallelism())

export interface Turns {
  /** Asks the keyring once it is this process's turn. */
  readonly inTurn: <A, E>(ask: Effect.Effect<A, E>) => Effect.Effect<A, E>

  /** Makes the locks, where they are missing. Never fails. */
  readonly lay: Effect.Effect<void>
}

export interface Options {
  /** How long one turn is waited for before all are looked at again: its holder may have been stopped. */
  readonly round: Duration.Duration
  /** How long any turn is waited for. */
  readonly whole: Duration.Duration
  /** How many there are. */
  readonly turns?: number
}

interface Turn {
  readonly _tag: "KeyringTurn"
  readonly turn: number
}

const pathOf = (home: Home["Type"], turn: number): string =>
  SidecarNames.lockPath(home.file, home.lockDirectory, SidecarNames.turnLock(Path.basename(home.file), turn))

/** One could lead root, who may write in a home of another user, elsewhere. */
const isLink = (path: string): boolean => {
  try {
    return Fs.lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}

/** The turns as a lock that can be waited for. */
const lockOf = (home: Home["Type"]): Effect.Effect<LockWait.WaitableLock<Turn>> => {
  const paths = LockPaths.of({
    directory: home.lockDirectory,
    plan: (target) =>
      target._tag === "RotationGroup" ? [LockFile.Kernel({ path: pathOf(home, Number(target.group)) })] : []
  })
  const targetOf = ({ turn }: Turn) => LockTarget.RotationGroup({ group: String(turn) })
  return Effect.map(Effect.provideService(FileLock.make(), LockPaths, paths), (lock) => ({
    // Asking who it is reads the system's table of locks, and by then the turn is another one's.
    holder: () => Effect.succeedNone,
    listen: (turn, hint) => lock.listen(targetOf(turn), hint),
    tryAcquire: (turn) => lock.tryAcquire(targetOf(turn)),
    backoff: lock.backoff
  }))
}

export const make = ({ round, turns = TURNS, whole }: Options): Effect.Effect<Turns, never, Home> =>
  Effect.gen(function*() {
    const home = yield* Home
    const lock = yield* lockOf(home)
    const rounds = Math.ceil(Duration.toMillis(whole) / Duration.toMillis(round))
    const turnOf = (turn: number): Turn => ({ _tag: "KeyringTurn", turn: turn % turns })

    const tryOne = (turn: number): Effect.Effect<boolean, LockUnavailable, Scope.Scope> =>
      Effect.uninterruptible(Effect.flatMap(
        lock.tryAcquire(turnOf(turn)),
        Option.match({
          onNone: () => Effect.succeed(false),
          onSome: (lease) => Effect.as(Effect.addFinalizer(() => lease.release({ changed: true })), true)
        })
      ))

    const tryAll = (from: number, left: number): Effect.Effect<boolean, LockUnavailable, Scope.Scope> =>
      Effect.flatMap(
        tryOne(from),
        (isTaken) => isTaken || left <= 1 ? Effect.succeed(isTaken) : tryAll(from + 1, left - 1)
      )

    /** Takes a turn, or gives up in the end: it guards nothing. */
    const take = (left: number): Effect.Effect<unknown, LockUnavailable, Scope.Scope> =>
      Effect.suspend(() => {
        const mine = Math.floor(Math.random() * turns)
        return Effect.flatMap(tryAll(mine, turns), (isTaken) =>
          isTaken ? Effect.void : Effect.catchTag(
            LockWait.acquire(lock, turnOf(mine), { timeout: round, label: "a turn at the keyring" }),
            "LockTimeout",
            () => left > 1 ? take(left - 1) : Effect.void
          ))
      })

    const layOne = (turn: number): Effect.Effect<void> =>
      Effect.uninterruptible(Effect.ignore(
        Effect.flatMap(lock.tryAcquire(turnOf(turn)), Effect.flatMap((lease) => lease.release({ changed: true })))
      ))

    return {
      inTurn: (ask) =>
        Effect.suspend(() =>
          Fs.existsSync(pathOf(home, turns - 1))
            ? Effect.scoped(Effect.zipRight(Effect.ignore(take(rounds)), ask))
            : ask
        ),
      lay: Effect.suspend(() => {
        const last = pathOf(home, turns - 1)
        return Fs.existsSync(last) || isLink(Path.dirname(last))
          ? Effect.void
          : Effect.forEach(Array.from({ length: turns }, (_, turn) => turn), layOne, { discard: true })
      })
    }
  })
