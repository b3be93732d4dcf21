import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import type { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** A directory that goes with the scope. */
export const make: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-lock-")))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

const nameOf = (target: LockTarget): string => {
  switch (target._tag) {
    case "RotationGroup":
      return `auth.json.group.${encodeURIComponent(target.group)}.lock`
    case "Tenant":
      return `auth.json.refresh.${encodeURIComponent(target.tenant)}.lock`
    case "Aggregate":
      return "auth.json.global.lock"
  }
}

/** One sidecar per target, or those that are named. */
export const paths = (
  directory: string,
  names: (target: LockTarget) => ReadonlyArray<string> = (target) => [nameOf(target)]
): LockPaths["Type"] => ({
  directory,
  plan: (target) => names(target).map((name) => LockFile.Kernel({ path: Path.join(directory, name) }))
})

/** The lock of one more process over a directory. */
export const lock = (
  directory: string,
  options?: FileLock.Options,
  names?: (target: LockTarget) => ReadonlyArray<string>
): Effect.Effect<FileLock.FileLock["Type"]> =>
  Effect.provideService(FileLock.make(options), LockPaths, paths(directory, names))
