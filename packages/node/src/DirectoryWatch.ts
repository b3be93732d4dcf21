/**
 * @since 0.1.0
 */
import { queued } from "@lockstep/core/CredentialStore"
import * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Watcher from "./internal/directoryWatcher.js"

/**
 * Notices what any process of this machine changes in one directory, which need not exist yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface DirectoryWatch {
  readonly directory: string

  /**
   * Subscribes to hints that an accepted file changed, or that any file may have. Several that arrive together are one.
   * Where watching fails the directory is polled every 250 ms while a subscription lasts.
   */
  readonly hints: (accepts: (file: string) => boolean) => Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>

  /** Calls back instead, once per event, and outside of any fiber. Returns how to end it. */
  readonly listen: (accepts: (file: string) => boolean, callback: () => void) => () => void

  /**
   * Whether events are known to arrive, so that silence means that nothing changed. Costs no system call while the
   * answer is yes, but for one `stat` in 5 s; while it is no, a look at the directory every 250 ms.
   */
  readonly isProven: () => boolean

  /** A number that grows with every event of this file, and whenever events may have been missed. */
  readonly count: (file: string) => number
}

interface Shared {
  readonly watcher: Watcher.DirectoryWatcher
  users: number
}

// One per process and not per layer: every watch of a directory is called for every event in it, and has to prove
// itself.
const watchers = new Map<string, Shared>()

const retain = (directory: string): Shared => {
  const shared = watchers.get(directory) ?? { watcher: Watcher.make(directory), users: 0 }
  shared.users++
  watchers.set(directory, shared)
  return shared
}

const release = (directory: string, shared: Shared): void => {
  if (--shared.users > 0) return
  watchers.delete(directory)
  shared.watcher.close()
}

/**
 * A watch that was opened without a scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attached {
  readonly watch: DirectoryWatch
  readonly close: () => void
}

/**
 * Watches a directory until it is closed, sharing one unreferenced watch with all callers in this process.
 *
 * Never fails: where watching is impossible it is never proven, and hints come from polling.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attach = (directory: string): Attached => {
  const shared = retain(directory)
  const { watcher } = shared
  let isClosed = false
  return {
    watch: {
      directory,
      hints: (accepts) => queued((callback) => watcher.subscribe(accepts, callback)),
      listen: watcher.subscribe,
      isProven: watcher.isProven,
      count: watcher.count
    },
    close: () => {
      if (isClosed) return
      isClosed = true
      release(directory, shared)
    }
  }
}

/**
 * Watches a directory for as long as the scope lives, as `attach` does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (directory: string): Effect.Effect<DirectoryWatch, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => attach(directory)),
      ({ close }) => Effect.sync(close)
    ),
    ({ watch }) => watch
  )
