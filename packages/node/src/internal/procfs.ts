/** What Linux tells about processes in `/proc`. Elsewhere every answer is `None`. */
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Ticks per second of the times in `/proc`: `USER_HZ`, fixed for programs whatever the kernel was built with. */
const TICKS = 100

const MAX_COMMAND = 64

const read = (path: string): Option.Option<string> => {
  try {
    return Option.some(Fs.readFileSync(path, "utf8"))
  } catch {
    return Option.none()
  }
}

const readlink = Option.liftThrowable(Fs.readlinkSync as (path: string) => string)

/** The last part of a path, without what a terminal would act on. */
export const printableName = (path: string): string =>
  Path.basename(path).replace(/[^\x20-\x7e]/g, "?").slice(0, MAX_COMMAND)

/** One line of state; `startTicks` counts from the boot and tells apart two processes of one pid. */
export const stat = (
  pid: number | "self"
): Option.Option<{ readonly state: string; readonly startTicks: string }> =>
  Option.flatMap(read(`/proc/${pid}/stat`), (text) => {
    // The command in parentheses may hold anything, parentheses too, so count from the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    const [state, startTicks] = [fields[0], fields[19]]
    return state === undefined || startTicks === undefined ? Option.none() : Option.some({ state, startTicks })
  })

/** Opaque, and new with every boot. */
export const bootId: Option.Option<string> = Option.map(read("/proc/sys/kernel/random/boot_id"), (text) => text.trim())

/** Opaque; a pid means something within it alone. */
export const pidNamespace: Option.Option<string> = readlink("/proc/self/ns/pid")

/** Whether `/proc` has our own processes under our own pids: it may be that of the namespace around ours. */
export const isOurs: boolean = Option.contains(readlink("/proc/self"), String(process.pid))

/** Milliseconds since the epoch. */
export const startedAt = (startTicks: string): Option.Option<number> =>
  Option.flatMap(read("/proc/stat"), (text) => {
    const booted = /^btime (\d+)$/m.exec(text)?.[1]
    return booted === undefined ? Option.none() : Option.some(Number(booted) * 1000 + Number(startTicks) / TICKS * 1000)
  })

/** Scripts are known by their own name and not by that of what runs them. */
const INTERPRETERS = new Set(["node", "nodejs", "bun", "deno"])

/** The name of a program or script, never its arguments: they may hold secrets. */
export const commandOf = (pid: number): Option.Option<string> =>
  Option.map(
    Option.orElse(readlink(`/proc/${pid}/exe`), () => Option.map(read(`/proc/${pid}/comm`), (text) => text.trim())),
    (program) => {
      const name = Path.basename(program.replace(/ \(deleted\)$/, ""))
      const script = INTERPRETERS.has(name)
        ? Option.getOrElse(read(`/proc/${pid}/cmdline`), () => "").split("\0")[1]
        : undefined
      // An option would be read as a script's name, and what follows `-e` is no name at all.
      return printableName(script === undefined || script === "" || script.startsWith("-") ? name : script)
    }
  )

/** Whether a process has a file open, as far as this user may see. */
export const hasOpen = (pid: number, path: string, file: Fs.BigIntStats): Option.Option<boolean> => {
  const directory = `/proc/${pid}/fd`
  // By name first: to ask for the inode of everything that a process has open could touch a file system that is gone.
  const name = Path.basename(path)
  const isThat = (fd: string): boolean => {
    const link = Path.join(directory, fd)
    if (!Option.exists(readlink(link), (target) => Path.basename(target) === name)) return false
    const open = Fs.statSync(link, { bigint: true, throwIfNoEntry: false })
    return open?.ino === file.ino && open.dev === file.dev
  }
  try {
    return Option.some(Fs.readdirSync(directory).some(isThat))
  } catch {
    return Option.none()
  }
}

/** The kernel's table of file locks. */
export const locks = (): string => Option.getOrElse(read("/proc/locks"), () => "")

/** Whether the table of mounts of this process names a path. `None` where there is no such table. */
export const namesMount = (path: string): Option.Option<boolean> => {
  const written = path.replace(/[ \t\n\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`)
  return Option.map(read("/proc/self/mountinfo"), (table) => table.includes(` ${written} `))
}
