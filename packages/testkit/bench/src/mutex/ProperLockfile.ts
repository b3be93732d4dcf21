/**
 * `proper-lockfile`: a directory, kept alive by touching it, and taken over once it looks stale.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import type { Mutex } from "../Mutex.js"
import * as Peer from "../Peer.js"

interface ProperLockfile {
  readonly default: {
    readonly lock: (file: string, options: {
      readonly realpath: boolean
      readonly retries: { readonly retries: number; readonly factor: number; readonly minTimeout: number }
    }) => Promise<() => Promise<void>>
  }
}

/** Milliseconds between two tries; the package has no default, it does not wait at all unless told how often. */
const INTERVAL = 50

/**
 * With its default of 10 s until a lock is stale.
 *
 * @since 0.1.0
 * @category constructors
 */
export const mutex: Mutex = {
  name: "proper-lockfile",
  label: `${Peer.version("proper-lockfile")}, tried every ${INTERVAL} ms`,
  open: (home) =>
    Effect.map(
      Peer.load<ProperLockfile>("proper-lockfile/index.js"),
      ({ default: { lock } }) =>
        Effect.asVoid(Effect.acquireRelease(
          Effect.tryPromise(() =>
            lock(join(home, "credential.json"), {
              realpath: false,
              retries: { retries: 10_000, factor: 1, minTimeout: INTERVAL }
            })
          ),
          (release) => Effect.promise(release)
        ))
    )
}
