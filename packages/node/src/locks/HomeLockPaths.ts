/**
 * The lock files of a home: sidecars beside its store, or where `LOCKSTEP_LOCK_DIR` says.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Home } from "../Home.js"
import { agreeOnce } from "../internal/agreeOnce.js"
import * as SidecarNames from "../SidecarNames.js"
import { LockFile } from "./LockFile.js"
import { LockPaths } from "./LockPaths.js"

/** A bind mount gives a directory another path, and the same device and inode. */
const directoryKey = (path: string): string => {
  const stat = Fs.statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? "0-0" : `${stat.dev}-${stat.ino}`
}

/**
 * The lock files of the home. Trying a lock creates the home, and pins nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<LockPaths, never, Home> = Layer.effect(
  LockPaths,
  Effect.map(Home, (home) => {
    const storeDirectory = Path.dirname(home.file)
    const store = Path.basename(home.file)
    const prefix = () => home.lockDirectory === storeDirectory ? "" : `${directoryKey(storeDirectory)}.`
    return LockPaths.of({
      directory: home.lockDirectory,
      plan: (target) => [
        LockFile.Kernel({ path: Path.join(home.lockDirectory, prefix() + SidecarNames.lock(store, target)) })
      ],
      prepare: agreeOnce(home)
    })
  })
)
