/**
 * One keeper for a home: a lock of the kernel's, which a keeper that dies gives back.
 *
 * @since 0.1.0
 */
import type { LockUnavailable } from "@lockstep/core/Errors"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { KeeperUnavailable } from "./KeeperUnavailable.js"

const FILE = "serve.lock"

/**
 * Takes the keeper's place of a home for as long as the scope lives. Fails at once where another process has it, and names
 * that process.
 *
 * @since 0.1.0
 * @category combinators
 */
export const take = (options: {
  /** The store file, links resolved. */
  readonly file: string
  readonly lockDirectory: string
  readonly trustRemote: boolean
  /** What the keeper that is there says of itself, where it does. */
  readonly there: Effect.Effect<Option.Option<string>>
}): Effect.Effect<void, KeeperUnavailable | LockUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const path = SidecarNames.lockPath(options.file, options.lockDirectory, FILE)
    const lock = yield* Effect.provideService(FileLock.make({ trustRemote: options.trustRemote }), LockPaths, {
      directory: options.lockDirectory,
      plan: () => [LockFile.Kernel({ path })]
    })
    const target = LockTarget.Aggregate()
    const taken = yield* Effect.acquireRelease(
      lock.tryAcquire(target),
      Option.match({ onNone: () => Effect.void, onSome: (lease) => lease.release({ changed: false }) })
    )
    if (Option.isSome(taken)) return
    const holder = yield* lock.holder(target)
    const there = yield* options.there
    return yield* new KeeperUnavailable({
      reason: "Running",
      place: Option.getOrElse(there, () => path),
      detail: Option.match(holder, {
        onNone: () => "another process",
        onSome: ({ command, pid, stopped }) =>
          `${Option.match(command, { onNone: () => "process", onSome: (name) => name })} ${pid}${
            stopped ? ", which is stopped" : ""
          }`
      })
    })
  })
