import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const run = (program: string, ...args: ReadonlyArray<string>): boolean =>
  Cp.spawnSync(program, args, { stdio: "ignore" }).status === 0

const mount = (options: string): string | undefined => {
  const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-disk-")))
  if (run("mount", "-t", "tmpfs", "-o", options, "tmpfs", directory)) return directory
  Fs.rmdirSync(directory)
  return undefined
}

const unmount = (directory: string): void => {
  if (run("umount", "-l", directory)) Fs.rmdirSync(directory)
}

/** Whether this user may mount a file system of a test's own. */
export const canMount: boolean = (() => {
  const directory = mount("size=64k")
  if (directory !== undefined) unmount(directory)
  else process.stderr.write("tests of a full and of a read-only disk are skipped: this user may not mount a tmpfs\n")
  return directory !== undefined
})()

const attribute = (path: string, change: string): boolean => run("chattr", change, path)

/** Whether the temporary directory's file system has attributes that this user may set. */
export const canSetAttributes: boolean = (() => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-attribute-"))
  try {
    const path = Path.join(directory, "file")
    Fs.writeFileSync(path, "")
    return attribute(path, "+i") && attribute(path, "-i")
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
})()
if (!canSetAttributes) process.stderr.write("tests of immutable files are skipped: this user may not make any\n")

/** Gives a file or directory an attribute (`i` immutable, `a` append-only) until the scope ends. */
export const withAttribute = (path: string, name: "i" | "a"): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      if (!attribute(path, `+${name}`)) throw new Error("an attribute could be set a moment ago")
    }),
    () => Effect.sync(() => void attribute(path, `-${name}`))
  )

export interface Disk {
  readonly directory: string
  /** Takes all the room that is left. */
  readonly fill: () => void
  /** Gives that room back. */
  readonly free: () => void
  readonly makeReadOnly: () => void
}

/** A small file system of its own. */
export const make: Effect.Effect<Disk, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync((): Disk => {
    const directory = mount("size=256k")
    if (directory === undefined) throw new Error("a tmpfs could be mounted a moment ago")
    const filler = Path.join(directory, "filler")
    return {
      directory,
      fill: () => {
        const fd = Fs.openSync(filler, "a")
        try {
          for (const size of [4_096, 1]) {
            try {
              for (;;) if (Fs.writeSync(fd, Buffer.alloc(size)) === 0) break
            } catch (cause) {
              if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw cause
            }
          }
        } finally {
          Fs.closeSync(fd)
        }
      },
      free: () => Fs.rmSync(filler, { force: true }),
      makeReadOnly: () => {
        if (!run("mount", "-o", "remount,ro", directory)) throw new Error("the tmpfs could not be made read-only")
      }
    }
  }),
  ({ directory }) => Effect.sync(() => unmount(directory))
)
