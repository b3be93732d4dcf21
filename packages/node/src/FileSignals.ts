/**
 * How a store over a shared file learns and tells that the file changed.
 *
 * @since 0.1.0
 */
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as DirectoryWatch from "./DirectoryWatch.js"
import * as FileEpoch from "./FileEpoch.js"
import type { SharedFile } from "./SharedFile.js"

/**
 * Makes `epoch` and `changes` of a store from the file that every write of it replaces. The watch ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  file: Pick<SharedFile<unknown>, "path" | "writes" | "written">
): Effect.Effect<Pick<CredentialStore["Type"], "epoch" | "changes">, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const directory = Path.dirname(file.path)
    const name = Path.basename(file.path)
    const epoch = FileEpoch.make({
      path: file.path,
      file: name,
      openWatch: () => Effect.runSync(Scope.extend(DirectoryWatch.open(directory), scope))
    })
    return {
      epoch: () => epoch() + file.writes(),
      changes: Effect.gen(function*() {
        const queue = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
        const watch = yield* DirectoryWatch.open(directory)
        // Own writes are announced at once, also where the directory can only be polled.
        for (const source of [yield* file.written, yield* watch.hints((changed) => changed === name)]) {
          yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(source), Queue.offer(queue, undefined))))
        }
        return queue
      })
    }
  })
