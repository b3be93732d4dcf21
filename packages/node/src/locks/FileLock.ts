/**
 * The lock of a store whose processes share a directory: `flock(2)` on sidecar files, so that the kernel gives back
 * what a dead process held, and so that every program that locks the same files takes part.
 *
 * A store that belongs to another tool has that tool's locks in its plan too, after our own sidecar: among processes of
 * ours the kernel excludes, whatever becomes of the tool's lock. A directory of the tool's can be taken away from a
 * holder that did not run for too long (see `DirectoryLock`). A write that is made within a lease takes such a directory
 * anew, so that every write of the file is made under the tool's lock; what was decided under the lease stays in doubt,
 * and its `lost` tells.
 *
 * The kernel excludes two descriptors of one process like those of two, so there is no second table of locks in here,
 * with one exception. A foreign tool may have one lock where we have two, and a process that holds it for a tenant must
 * not wait for itself when it writes the file. So a lock may be entered once more within a lease that holds it, by the
 * innermost lease alone: two writers within one lease are two, and the second finds it busy, like every other.
 *
 * @since 0.1.0
 */
import { CredentialLock, type Lease } from "@lockstep/core/CredentialLock"
import type { WaitableLock } from "@lockstep/core/LockWait"
import * as Trace from "@lockstep/core/Trace"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Runtime from "effect/Runtime"
import * as Path from "node:path"
import * as DiskLocks from "../internal/diskLocks.js"
import { type Entry, giveBack, type Held, noteLoss, wasLost } from "../internal/heldLocks.js"
import * as LockHolder from "../internal/lockHolder.js"
import * as LockListening from "../internal/lockListening.js"
import * as Sidecar from "../internal/sidecar.js"
import * as Ownership from "../Ownership.js"
import * as SidecarNames from "../SidecarNames.js"
import * as ForeignLock from "./ForeignLock.js"
import type * as KernelLock from "./KernelLock.js"
import type { LockFile } from "./LockFile.js"
import * as LockPaths from "./LockPaths.js"
import type { LockTarget } from "./LockTarget.js"
import type * as RemoteFileSystem from "./RemoteFileSystem.js"

/**
 * A lock that was taken before this service was made. Its descriptor is the lock: an integer, which no garbage collector
 * closes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Inherited {
  readonly path: string
  readonly fd: number
}

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
  /** A lock of this path that this process holds already, by this descriptor: the first try of that path takes it over. */
  readonly inherited?: Inherited | undefined
  /** Where the type of a file system is read. `statfs(2)`. */
  readonly fileSystemType?: RemoteFileSystem.ReadType
}

/**
 * The locks of a store: a `CredentialLock` that also guards the writes, and that is entered once more within a lease.
 *
 * @since 0.1.0
 * @category services
 */
export class FileLock extends Context.Tag("@lockstep/node/locks/FileLock")<
  FileLock,
  WaitableLock<LockTarget> & {
    /** The paths of the locks that a target stands for, in the order in which they are taken. */
    readonly plan: (target: LockTarget) => ReadonlyArray<string>
  }
>() {}

/** What cannot be looked at is tried, and the try says what is wrong. */
const seemsFreeForeign = (one: ForeignLock.ForeignLock): boolean => {
  try {
    return ForeignLock.isFree(one)
  } catch {
    return true
  }
}

/**
 * Makes a lock over the locks that `LockPaths` names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<FileLock["Type"], never, LockPaths.LockPaths> =>
  Effect.map(LockPaths.LockPaths, (paths) => {
    const held = new Map<string, Held>()
    /** What each lease of this lock has; another lock's lease has nothing here. */
    const entered = new WeakMap<Lease, ReadonlyArray<Entry>>()

    const plan = (
      target: LockTarget
    ): ReadonlyArray<LockFile> => [...new Map(paths.plan(target).map((one) => [one.path, one])).values()]

    const { kernel, load, lockOne } = DiskLocks.make(options, (path) => held.has(path))
    const busy: DiskLocks.Taken<never> = Either.right(Option.none())

    const enterWithin = (present: Held, one: LockFile, runtime: Runtime.Runtime<never>): DiskLocks.Taken<Entry> => {
      const push = (): Entry => {
        const entry: Entry = { held: present, lost: false }
        present.entries.push(entry)
        return entry
      }
      if (present.grip.isHeld()) return Either.right(Option.some(push()))
      // Another process has it or had it, and may be writing.
      noteLoss(present)
      return Either.map(
        lockOne(one, runtime),
        Option.map((grip) => {
          present.grip.release({ touch: false })
          present.grip = grip
          return push()
        })
      )
    }

    const take = (
      one: LockFile,
      within: ReadonlyArray<Entry>,
      runtime: Runtime.Runtime<never>
    ): DiskLocks.Taken<Entry> => {
      const { path } = one
      const present = held.get(path)
      if (present === undefined) {
        return Either.map(
          lockOne(one, runtime),
          Option.map((grip) => {
            const taken: Held = { grip, path, entries: [] }
            const entry: Entry = { held: taken, lost: false }
            taken.entries.push(entry)
            held.set(path, taken)
            return entry
          })
        )
      }
      return within.includes(present.entries.at(-1)!) ? enterWithin(present, one, runtime) : busy
    }

    // Asked before anything is taken: a first directory that is made and removed because the second is busy would wake
    // every waiter of the first, ourselves included, and each try would cause the next.
    const seemsFree = (plan: ReadonlyArray<LockFile>): boolean =>
      plan.every((one) => one._tag === "Kernel" || held.has(one.path) || seemsFreeForeign(one))

    const leaseOf = (taken: ReadonlyArray<Entry>): Lease => {
      let released = false
      const lease: Lease = {
        lost: Effect.sync(() =>
          released
            ? Option.none()
            : Option.map(Option.fromNullable(taken.find(wasLost)), (entry) => entry.held.path)
        ),
        release: ({ changed }) =>
          Effect.sync(() => {
            if (released) return
            released = true
            giveBack(held, taken, !changed)
          }).pipe(Trace.withSpan("lockstep.lock.release"))
      }
      entered.set(lease, taken)
      return lease
    }

    /** All or nothing, in one synchronous step. */
    const takeAll = (
      wanted: ReadonlyArray<LockFile>,
      within: ReadonlyArray<Entry>,
      runtime: Runtime.Runtime<never>
    ): DiskLocks.Taken<Lease> => {
      const taken: Array<Entry> = []
      let isWhole = false
      try {
        for (const one of wanted) {
          const next = take(one, within, runtime)
          if (Either.isLeft(next)) return Either.left(next.left)
          if (Option.isNone(next.right)) return busy
          taken.push(next.right.value)
        }
        isWhole = true
        return Either.right(Option.some(leaseOf(taken)))
      } finally {
        // A try that fails halfway frees what it took without a touch: no process was kept waiting, and two that wake
        // each other would try for ever.
        if (!isWhole) giveBack(held, taken, false)
      }
    }

    /** Becomes the first in line; `undefined` where another process is, or where there is no line. */
    const lead = (wanted: ReadonlyArray<LockFile>): number | undefined => {
      const path = wanted.find(({ _tag }) => _tag === "Kernel")?.path
      const loaded = kernel()
      if (path === undefined || loaded === undefined) return undefined
      const owner = Ownership.claimNow(Path.dirname(path))
      if (Either.isLeft(owner)) return undefined
      const attempt = Sidecar.tryLock(SidecarNames.line(path), owner.right, loaded)
      return attempt._tag === "Acquired" ? attempt.fd : undefined
    }

    const tryAcquire: FileLock["Type"]["tryAcquire"] = (target, { within } = {}) =>
      Effect.flatMap(Effect.zipRight(paths.prepare ?? Effect.void, Effect.runtime<never>()), (runtime) => {
        const wanted = plan(target)
        if (!seemsFree(wanted)) return Effect.succeedNone
        const outer = within === undefined ? [] : entered.get(within) ?? []
        return Effect.zipRight(load(wanted), Effect.suspend(() => takeAll(wanted, outer, runtime)))
      }).pipe(Effect.uninterruptible)

    return FileLock.of({
      plan: (target) => plan(target).map(({ path }) => path),
      tryAcquire,
      holder: (target) => Effect.sync(() => Option.firstSomeOf(plan(target).map(LockHolder.of))),
      listen: (target, hint) =>
        LockListening.listen({ wanted: plan(target), directory: paths.directory, kernel, lead, hint }),
      // The probe hints within 25 ms; this is for what it cannot see, such as a sidecar that was replaced.
      backoff: { min: 1_000, max: 1_000 }
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
 * Makes a lock over the locks that `LockPaths` names, believed on remote file systems as a caller says or else as
 * `LOCKSTEP_TRUST_LOCKS` does. One that this process holds already is taken over.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFromEnv = (
  trustLocks?: boolean,
  inherited?: Inherited
): Effect.Effect<FileLock["Type"], ConfigError.ConfigError, LockPaths.LockPaths> =>
  Effect.flatMap(
    trustLocks === undefined ? trustRemote : Effect.succeed(trustLocks),
    (trustRemote) => make({ trustRemote, inherited })
  )

/**
 * A lock over the locks that `LockPaths` names, believed on remote file systems as a caller says or else as
 * `LOCKSTEP_TRUST_LOCKS` does. One that this process holds already is taken over.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  trustLocks?: boolean,
  inherited?: Inherited
): Layer.Layer<FileLock | CredentialLock, ConfigError.ConfigError, LockPaths.LockPaths> =>
  Layer.effectContext(
    Effect.map(
      makeFromEnv(trustLocks, inherited),
      (lock) => Context.add(Context.make(FileLock, lock), CredentialLock, lock)
    )
  )
