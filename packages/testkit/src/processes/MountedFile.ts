/**
 * Files that are mounted by themselves, as a container has them whose files are given one by one. Linux, for a user who
 * may mount.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const run = (program: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(program, args, { stdio: "ignore" }).status === 0

/**
 * Whether this user may mount a file by itself. Where not, that is said once on stderr: what cannot be tested is seen to
 * be left out.
 *
 * @since 0.1.0
 * @category testing
 */
export const isPossible: boolean = (() => {
  const directory = mkdtempSync(join(tmpdir(), "lockstep-mount-"))
  try {
    const path = join(directory, "file")
    writeFileSync(path, "")
    const mounted = run("mount", "--bind", path, path)
    if (mounted) run("umount", "-l", path)
    else process.stderr.write("tests of files that are mounted by themselves are skipped: this user may not mount\n")
    return mounted
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})()

/**
 * Mounts a file or directory on a name of the same kind; `from` is that name itself where it is not said. Ends with the
 * scope.
 *
 * @since 0.1.0
 * @category testing
 */
export const mount = (
  path: string,
  options: { readonly from?: string; readonly readOnly?: boolean } = {}
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const isMounted = run("mount", "--bind", options.from ?? path, path) &&
        (options.readOnly !== true || run("mount", "-o", "remount,bind,ro", path))
      if (!isMounted) throw new Error(`${path} could not be mounted, and another file could a moment ago`)
    }),
    () => Effect.sync(() => void run("umount", "-l", path))
  )
