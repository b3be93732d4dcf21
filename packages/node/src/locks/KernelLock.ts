/**
 * The one system call that everything rests on.
 *
 * `flock(2)` locks an open file description: it dies with its process whatever that died of, it excludes a second
 * description in the same process, and closing some other descriptor of the file does not drop it. A lock of
 * `fcntl(2)` has none of the three, and neither kind sees the other, so a library that locks "files" by `fcntl` would
 * not exclude `flock(1)`, Rust's `File::lock` or the other tools that guard the same credentials. Windows has
 * `LockFileEx`, which Rust's standard library takes there on the same range as we do.
 *
 * Node offers none of these calls. The ways to reach them are tried in order, and only once a lock is first needed: a
 * process that is served from a fresh token pays for none. Each of them may say *acquired* only when the kernel did;
 * whatever it does not understand is a failure.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as Trace from "@lockstep/core/Trace"
import * as Effect from "effect/Effect"
import type { KernelLock, Provider } from "../internal/kernelLock.js"
import { providers as known } from "../internal/providers.js"

export type { Attempt, KernelLock, Provider } from "../internal/kernelLock.js"

/**
 * The ways to reach the system call, best first.
 *
 * @since 0.1.0
 * @category defaults
 */
export const providers: ReadonlyArray<Provider> = known

/**
 * Loads the first way to lock that works here. Fails with `LockUnavailable(NoBinding)`, naming the path that was to be
 * locked and why each of them does not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  path: string,
  candidates: ReadonlyArray<Provider> = providers
): Effect.Effect<KernelLock, LockUnavailable> =>
  Effect.gen(function*() {
    const why: Array<string> = []
    for (const candidate of candidates) {
      const loaded = yield* Effect.promise(candidate.load)
      if (typeof loaded !== "string") return loaded
      why.push(`${candidate.name}: ${loaded}`)
    }
    return yield* new LockUnavailable({ reason: "NoBinding", path, detail: why.join("; ") })
  }).pipe(Trace.withSpan("lockstep.lock.load"))
