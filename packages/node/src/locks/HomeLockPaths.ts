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
import { openOnce } from "../internal/openOnce.js"
import * as SidecarNames from "../SidecarNames.js"
import { LockFile } from "./LockFile.js"
import { LockPaths } from "./LockPaths.js"

/** A bind mount gives a directory another path, and the same device and inode. */
const directoryKey = (path: string): string => {
  const stat = Fs.statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? "0-0" : `${stat.dev}-${stat.ino}`
}

/**
 * The path of a lock file: beside the store, or in a directory of locks that several stores may share. Links of the
 * store's path are resolved.
 *
 * @since 0.1.0
 * @category getters
 */
export const pathOf = (store: string, lockDirectory: string, name: string): string => {
  const directory = Path.dirname(store)
  return Path.join(lockDirectory, lockDirectory === directory ? name : `${directoryKey(directory)}.${name}`)
}

/**
 * The lock files of the home. Trying a lock is a first write: it creates and pins the home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<LockPaths, never, Home> = Layer.effect(
  LockPaths,
  Effect.map(Home, (home) => {
    const store = Path.basename(home.file)
    return LockPaths.of({
      directory: home.lockDirectory,
      plan: (target) => [
        LockFile.Kernel({ path: pathOf(home.file, home.lockDirectory, SidecarNames.lock(store, target)) })
      ],
      prepare: openOnce(home)
    })
  })
)
