/** Who holds which `flock(2)`, as Linux tells it: plain, for a process that waits before it has loaded anything. */
import * as Fs from "node:fs"

export interface Line {
  readonly pid: number
  readonly dev: string
  readonly ino: string
}

// 1: FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF
const LINE = /^\d+: FLOCK +\S+ +WRITE (\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) /

/** Reads `/proc/locks`. A line of somebody who waits has an arrow and is none of a holder. */
export const parse = (text: string): ReadonlyArray<Line> =>
  text.split("\n").flatMap((line) => {
    const [, pid, dev, ino] = LINE.exec(line) ?? []
    return pid === undefined || dev === undefined || ino === undefined ? [] : [{ pid: Number(pid), dev, ino }]
  })

/** When a process started, in ticks since the boot: tells apart two processes of one pid. Throws. */
const startTicks = (pid: number): string => {
  const text = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

/**
 * Tells one holder of a file's lock from the next: a text that differs when the holder does. `undefined` where the system
 * does not say.
 */
export const holderOf = (path: string): string | undefined => {
  try {
    const ino = String(Fs.lstatSync(path, { bigint: true }).ino)
    const holder = parse(Fs.readFileSync("/proc/locks", "utf8")).find((one) => one.ino === ino && one.pid > 0)
    return holder === undefined ? undefined : `${holder.pid} ${startTicks(holder.pid)}`
  } catch {
    return undefined
  }
}
