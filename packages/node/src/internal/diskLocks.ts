/**
 * Taking one lock on disk: a sidecar of ours by the kernel, a lock of another tool by that tool's rules.
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Path from "node:path"
import * as ForeignLock from "../locks/ForeignLock.js"
import * as KernelLock from "../locks/KernelLock.js"
import type { LockFile } from "../locks/LockFile.js"
import * as RemoteFileSystem from "../locks/RemoteFileSystem.js"
import * as Ownership from "../Ownership.js"
import { type Grip, ofSidecar } from "./heldLocks.js"
import * as Sidecar from "./sidecar.js"

/** `None` where another process has it. */
export type Taken<A> = Either.Either<Option.Option<A>, LockUnavailable>

const busy: Taken<never> = Either.right(Option.none())

const warnLost = (path: string): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning(`${path} was taken away: this process did not run for longer than a holder may be silent`),
    { path }
  )

/** What a lock service says of the locks on disk; see the options of `FileLock`. */
interface Settings {
  readonly trustRemote?: boolean
  readonly providers?: ReadonlyArray<KernelLock.Provider>
  readonly inherited?: { readonly path: string; readonly fd: number } | undefined
  readonly fileSystemType?: RemoteFileSystem.ReadType
}

/** `isHeld` tells which paths this process holds already: those are not asked for. */
export const make = (options: Settings, isHeld: (path: string) => boolean) => {
  let kernel: KernelLock.KernelLock | undefined
  let inherited = options.inherited

  // A remote file system is refused before anything is asked of its locks, and a foreign directory before anything
  // is left in it.
  const enter = (directory: string): Either.Either<Ownership.Owner, LockUnavailable> => {
    const made = Ownership.makeDirectoryNow(directory)
    const isLocal = Either.isLeft(made) || options.trustRemote === true
      ? made
      : RemoteFileSystem.refuseNow(directory, options.fileSystemType)
    return Either.isLeft(isLocal) ? Either.left(isLocal.left) : Ownership.claimNow(directory)
  }

  /** Loads the way to lock, where it is not loaded and will be asked. */
  const load = (wanted: ReadonlyArray<LockFile>): Effect.Effect<unknown, LockUnavailable> => {
    const first = wanted.find(({ path, _tag }) => _tag === "Kernel" && !isHeld(path) && inherited?.path !== path)
    return kernel !== undefined || first === undefined ? Effect.void : Effect.zipRight(
      Effect.suspend(() => enter(Path.dirname(first.path))),
      Effect.map(KernelLock.load(first.path, options.providers), (loaded) => {
        kernel = loaded
      })
    )
  }

  const lockSidecar = (path: string): Taken<Grip> => {
    if (inherited?.path === path) {
      const { fd } = inherited
      inherited = undefined
      return Either.right(Option.some(ofSidecar(fd, path)))
    }
    const owner = enter(Path.dirname(path))
    if (Either.isLeft(owner)) return Either.left(owner.left)
    const attempt = Sidecar.tryLock(path, owner.right, kernel!)
    switch (attempt._tag) {
      case "Acquired":
        return Either.right(Option.some(ofSidecar(attempt.fd, path)))
      case "Busy":
        return busy
      case "Failed":
        return Either.left(new LockUnavailable(attempt.failure))
    }
  }

  const lockForeign = (one: ForeignLock.ForeignLock, runtime: Runtime.Runtime<never>): Taken<Grip> => {
    const attempt = ForeignLock.tryLock(one, () => void Runtime.runFork(runtime)(warnLost(one.path)))
    switch (attempt._tag) {
      case "Acquired":
        return Either.right(Option.some(attempt.lock))
      case "Busy":
        return busy
      case "Failed":
        return Either.left(attempt.error)
    }
  }

  const lockOne = (one: LockFile, runtime: Runtime.Runtime<never>): Taken<Grip> =>
    one._tag === "Kernel" ? lockSidecar(one.path) : lockForeign(one, runtime)

  return {
    /** The way to lock; `undefined` until it is loaded. */
    kernel: () => kernel,
    load,
    lockOne
  }
}
