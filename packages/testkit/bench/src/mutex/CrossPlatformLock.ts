/**
 * The lock of `@azure/msal-node-extensions`: a file that exists while it is held.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import type { Mutex } from "../Mutex.js"
import * as Peer from "../Peer.js"

interface Lock {
  readonly lock: () => Promise<void>
  readonly unlock: () => Promise<void>
}

interface Logger {
  readonly info: (message: string) => void
  readonly warning: (message: string) => void
  readonly error: (message: string) => void
}

interface MsalLock {
  readonly CrossPlatformLock: new(path: string, logger: Logger) => Lock
}

const quiet: Logger = { info: () => {}, warning: () => {}, error: () => {} }

/**
 * With its defaults: 500 tries, 100 ms apart. Loaded past the package's entry, which needs a native keychain.
 *
 * @since 0.1.0
 * @category constructors
 */
export const mutex: Mutex = {
  name: "msal",
  label: `${Peer.version("@azure/msal-node-extensions")} lock, tried every 100 ms`,
  open: (home) =>
    Effect.map(
      Peer.load<MsalLock>("@azure/msal-node-extensions/dist/lock/CrossPlatformLock.mjs"),
      ({ CrossPlatformLock }) =>
        Effect.suspend(() => {
          const lock = new CrossPlatformLock(join(home, "credential.lockfile"), quiet)
          return Effect.asVoid(Effect.acquireRelease(
            Effect.tryPromise(() => lock.lock()),
            () => Effect.promise(() => lock.unlock())
          ))
        })
    )
}
