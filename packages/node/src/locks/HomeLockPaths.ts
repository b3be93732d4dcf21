/**
 * The lock files of a home: sidecars beside its store, or where `LOCKSTEP_LOCK_DIR` says.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import { Home } from "../Home.js"
import * as SidecarNames from "../SidecarNames.js"
import { agreeOnce } from "./LockAgreement.js"
import { LockFile } from "./LockFile.js"
import { LockPaths } from "./LockPaths.js"

/**
 * Names the lock files of a home. Trying a lock creates the home, and pins nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (home: Home["Type"]): LockPaths["Type"] => {
  const store = Path.basename(home.file)
  return LockPaths.of({
    directory: home.lockDirectory,
    plan: (target) => [
      LockFile.Kernel({
        path: SidecarNames.lockPath(home.file, home.lockDirectory, SidecarNames.lock(store, target))
      })
    ],
    prepare: agreeOnce(home)
  })
}

/**
 * The lock files of the home. Trying a lock creates the home, and pins nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<LockPaths, never, Home> = Layer.effect(LockPaths, Effect.map(Home, make))
