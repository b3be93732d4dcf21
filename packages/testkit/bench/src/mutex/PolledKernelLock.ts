/**
 * The kernel lock that Lockstep takes, waited for by trying it again and again.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as KernelLock from "@lockstep/node/locks/KernelLock"
import * as Effect from "effect/Effect"
import { closeSync, constants, openSync } from "node:fs"
import { join } from "node:path"
import type { Mutex } from "../Mutex.js"

/**
 * Tries once every `interval` milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (interval: number): Mutex => ({
  name: `flock-poll-${interval}`,
  label: `flock(2), tried every ${interval} ms`,
  open: (home) =>
    Effect.gen(function*() {
      const path = join(home, "credential.flock")
      const kernel = yield* KernelLock.load(path)
      return Effect.gen(function*() {
        // Closing it is what unlocks.
        const fd = yield* Effect.acquireRelease(
          Effect.sync(() => openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)),
          (opened) => Effect.sync(() => closeSync(opened))
        )
        const take: Effect.Effect<void, LockUnavailable> = Effect.suspend(() => {
          const attempt = kernel.tryLock(fd, path)
          if (attempt._tag === "Failed") return Effect.fail(new LockUnavailable(attempt.failure))
          return attempt._tag === "Acquired" ? Effect.void : Effect.zipRight(Effect.sleep(interval), take)
        })
        yield* take
      })
    })
})
