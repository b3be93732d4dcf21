/**
 * The lock of a store whose processes share a directory: `flock(2)` on sidecar files, so that the kernel gives back
 * what a dead process held, and so that every program that locks the same files takes part.
 *
 * A store that belongs to another tool has that tool's locks in its plan too, after our own sidecar: among processes of
 * ours the kernel excludes, whatever becomes of the tool's lock. A directory of the tool's can be taken away from a
 * holder that did not run for too long (see `DirectoryLock`). Who enters a later role then takes it anew, so that every
 * write of the file is made under the tool's lock; what the earlier role decided stays in doubt, and `findLost` tells.
 *
 * The kernel excludes two descriptors of one process like those of two, so there is no second table of locks in here,
 * with one exception. A foreign tool may have one lock where we have two, and whoever holds it for a tenant must not
 * wait for itself when it writes the file. The fiber that holds it, and those that it starts, may therefore take it
 * once more in a later role; any other fiber finds it busy.
 *
 * @since 0.1.0
 */
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import type { Lease } from "@lockstep/core/CredentialLock"
import type { LockUnavailable } from "@lockstep/core/Errors"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Path from "node:path"
import * as DirectoryWatch from "../DirectoryWatch.js"
import * as LockHolder from "../internal/lockHolder.js"
import * as LockProbe from "../internal/lockProbe.js"
import * as Sidecar from "../internal/sidecar.js"
import * as Ownership from "../Ownership.js"
import * as ForeignLock from "./ForeignLock.js"
import * as KernelLock from "./KernelLock.js"
import type { LockFile } from "./LockFile.js"
import * as LockPaths from "./LockPaths.js"
import * as RemoteFileSystem from "./RemoteFileSystem.js"

/**
 * How file locks are taken.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether locks on remote and shared file systems are believed. Off. */
  readonly trustRemote?: boolean
  /** The ways to reach the system call, in the order in which they are tried. */
  readonly providers?: ReadonlyArray<KernelLock.Provider>
  /** Where the type of a file system is read. `statfs(2)`. */
  readonly fileSystemType?: RemoteFileSystem.ReadType
}

/** Locks are taken in this order, so only a later role can find a path that its own fiber holds already. */
const roleOf = LockTarget.$match({ RotationGroup: () => 0, Tenant: () => 1, Aggregate: () => 2 })

/** What was taken on disk. */
interface Grip {
  readonly isHeld: () => boolean
  readonly release: (options: { readonly touch: boolean }) => void
}

interface Held {
  grip: Grip
  /** Whether somebody had it since the first role was entered. */
  lost: boolean
  readonly path: string
  /** Ascending; the path is given back when the last one ends. */
  readonly roles: Array<number>
}

/** The locks that were taken by this fiber, or by those that started it. Some may be released since. */
const inherited = FiberRef.unsafeMake<ReadonlySet<Held>>(new Set())

const wasLost = (one: Held): boolean => {
  one.lost ||= !one.grip.isHeld()
  return one.lost
}

// A release touches its sidecar, a write renames the file that it replaces. What else happens here, temporary files,
// journals and answers, frees no lock and would only make every waiter try in vain.
const mayFreeALock = (file: string): boolean =>
  file.endsWith(".lock") || !(file.includes(".lockstep-") || file.includes(".refresh."))

/** What cannot be looked at is tried, and the try says what is wrong. */
const seemsFreeForeign = (one: ForeignLock.ForeignLock): boolean => {
  try {
    return ForeignLock.isFree(one)
  } catch {
    return true
  }
}

const warnLost = (path: string): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning(`${path} was taken away: this process did not run for longer than a holder may be silent`),
    { path }
  )

/** The kernel takes a lock away from nobody. */
const ofSidecar = (fd: number, path: string): Grip => ({
  isHeld: () => true,
  release: (options) => Sidecar.unlock(fd, path, options)
})

/**
 * Finds a lock that this fiber, or one that started it, took and that somebody else has taken away since: what it
 * decided under that lock may be outdated.
 *
 * @since 0.1.0
 * @category getters
 */
export const findLost: Effect.Effect<Option.Option<string>> = Effect.map(
  FiberRef.get(inherited),
  (all) => Option.fromNullable([...all].find((one) => one.roles.length > 0 && wasLost(one))?.path)
)

/**
 * Makes a lock over the locks that `LockPaths` names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<CredentialLock["Type"], never, LockPaths.LockPaths> =>
  Effect.map(LockPaths.LockPaths, (paths) => {
    const held = new Map<string, Held>()
    let kernel: KernelLock.KernelLock | undefined

    const plan = (
      target: LockTarget
    ): ReadonlyArray<LockFile> => [...new Map(paths.plan(target).map((one) => [one.path, one])).values()]

    // A remote file system is refused before anything is asked of its locks, and a foreign directory before anything
    // is left in it.
    const enter = (directory: string): Effect.Effect<Ownership.Owner, LockUnavailable> =>
      Ownership.makeDirectory(directory).pipe(
        Effect.zipRight(
          options.trustRemote === true ? Effect.void : RemoteFileSystem.refuse(directory, options.fileSystemType)
        ),
        Effect.zipRight(Ownership.claim(directory))
      )

    const load = (path: string): Effect.Effect<KernelLock.KernelLock, LockUnavailable> =>
      Effect.suspend(() =>
        kernel === undefined
          ? Effect.tap(KernelLock.load(path, options.providers), (loaded) => {
            kernel = loaded
          })
          : Effect.succeed(kernel)
      )

    const lockSidecar = (path: string): Effect.Effect<Option.Option<Grip>, LockUnavailable> =>
      Effect.gen(function*() {
        const owner = yield* enter(Path.dirname(path))
        const attempt = Sidecar.tryLock(path, owner, yield* load(path))
        switch (attempt._tag) {
          case "Acquired":
            return Option.some(ofSidecar(attempt.fd, path))
          case "Busy":
            return Option.none()
          case "Failed":
            return yield* attempt.error
        }
      })

    const lockForeign = (one: ForeignLock.ForeignLock): Effect.Effect<Option.Option<Grip>, LockUnavailable> =>
      Effect.flatMap(Effect.runtime<never>(), (runtime) => {
        const attempt = ForeignLock.tryLock(one, () => void Runtime.runFork(runtime)(warnLost(one.path)))
        switch (attempt._tag) {
          case "Acquired":
            return Effect.succeedSome(attempt.lock)
          case "Busy":
            return Effect.succeedNone
          case "Failed":
            return attempt.error
        }
      })

    const lockOne = (one: LockFile): Effect.Effect<Option.Option<Grip>, LockUnavailable> =>
      one._tag === "Kernel" ? lockSidecar(one.path) : lockForeign(one)

    const take = (
      one: LockFile,
      role: number,
      own: ReadonlySet<Held>
    ): Effect.Effect<Option.Option<Held>, LockUnavailable> =>
      Effect.suspend(() => {
        const { path } = one
        const present = held.get(path)
        if (present === undefined) {
          return Effect.map(
            lockOne(one),
            Option.map((grip) => {
              const taken: Held = { grip, lost: false, path, roles: [role] }
              held.set(path, taken)
              return taken
            })
          )
        }
        // Two writers of one flight are two: a role is entered by one at a time.
        if (!own.has(present) || role <= present.roles.at(-1)!) return Effect.succeedNone
        if (present.grip.isHeld()) {
          present.roles.push(role)
          return Effect.succeedSome(present)
        }
        // Somebody has it or had it, and may be writing.
        present.lost = true
        return Effect.map(
          lockOne(one),
          Option.map((grip) => {
            present.grip.release({ touch: false })
            present.grip = grip
            present.roles.push(role)
            return present
          })
        )
      })

    // Asked before anything is taken: a first directory that is made and removed because the second is busy would wake
    // every waiter of the first, ourselves included, and each try would cause the next.
    const seemsFree = (plan: ReadonlyArray<LockFile>): boolean =>
      plan.every((one) => one._tag === "Kernel" || held.has(one.path) || seemsFreeForeign(one))

    const giveBack = (taken: ReadonlyArray<Held>, role: number, touch: boolean): void => {
      // Backwards: whoever waits for all of them begins at the first.
      for (const one of taken.toReversed()) {
        one.roles.splice(one.roles.indexOf(role), 1)
        if (one.roles.length > 0) continue
        held.delete(one.path)
        one.grip.release({ touch })
      }
    }

    const tryAcquire = (target: LockTarget): Effect.Effect<Option.Option<Lease>, LockUnavailable> => {
      const role = roleOf(target)
      return Effect.gen(function*() {
        if (paths.prepare !== undefined) yield* paths.prepare
        const wanted = plan(target)
        if (!seemsFree(wanted)) return Option.none()
        const own = yield* FiberRef.get(inherited)
        const taken: Array<Held> = []
        // All or nothing. A try that fails halfway frees what it took without a touch: nobody was kept waiting, and
        // two that wake each other would try for ever.
        const abandon = Effect.sync(() => giveBack(taken, role, false))
        for (const next of wanted) {
          const one = yield* Effect.onError(take(next, role, own), () => abandon)
          if (Option.isNone(one)) return yield* Effect.as(abandon, Option.none())
          taken.push(one.value)
        }
        const alive = [...own].filter((one) => one.roles.length > 0)
        yield* FiberRef.set(inherited, new Set([...alive, ...taken]))
        let released = false
        return Option.some<Lease>({
          release: ({ changed }) =>
            Effect.sync(() => {
              if (released) return
              released = true
              giveBack(taken, role, !changed)
            }).pipe(Effect.withSpan("lockstep.lock.release"))
        })
      }).pipe(Effect.uninterruptible)
    }

    return CredentialLock.of({
      plan: (target) => plan(target).map(({ path }) => path),
      tryAcquire,
      holder: (target) => Effect.sync(() => Option.firstSomeOf(plan(target).map(LockHolder.of))),
      // Opened by the first who waits: an uncontended process watches nothing.
      wakeups: (target) =>
        Effect.gen(function*() {
          const queue = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
          const hint = () => void queue.unsafeOffer(undefined)
          const watch = yield* DirectoryWatch.open(paths.directory)
          yield* watch.listen(mayFreeALock, hint)
          yield* Effect.acquireRelease(
            Effect.sync(() =>
              LockProbe.start({
                paths: plan(target).flatMap((one) => one._tag === "Kernel" ? [one.path] : []),
                foreign: plan(target).flatMap((one) => one._tag === "Kernel" ? [] : [one]),
                directory: paths.directory,
                kernel: () => kernel,
                isWatched: watch.isProven,
                hint
              })
            ),
            (end) => Effect.sync(end)
          )
          return queue
        }),
      // The probe hints within 25 ms; this is for what it cannot see, such as a sidecar that was replaced.
      backoff: { min: 250, max: 1_000 }
    })
  })

/**
 * Whether locks on remote and shared file systems are believed: `LOCKSTEP_TRUST_LOCKS`.
 *
 * @since 0.1.0
 * @category config
 */
export const trustRemote: Config.Config<boolean> = Config.boolean("LOCKSTEP_TRUST_LOCKS").pipe(
  Config.withDefault(false),
  Config.withDescription("believe in file locks on network and shared file systems")
)

/**
 * A lock over the locks that `LockPaths` names.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CredentialLock, ConfigError.ConfigError, LockPaths.LockPaths> = Layer.effect(
  CredentialLock,
  Effect.flatMap(trustRemote, (trusted) => make({ trustRemote: trusted }))
)

/**
 * A lock over the sidecars that `LockPaths` names, believed on remote file systems as a caller says or else as
 * `LOCKSTEP_TRUST_LOCKS` does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTrusting = (
  trustLocks: boolean | undefined
): Layer.Layer<CredentialLock, ConfigError.ConfigError, LockPaths.LockPaths> =>
  trustLocks === undefined ? layer : Layer.effect(CredentialLock, make({ trustRemote: trustLocks }))
