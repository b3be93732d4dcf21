import { readFileSync } from "node:fs"

const attempt = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

// Node starts processes on its main thread only.
const childrenOf = (pid: number): ReadonlyArray<number> =>
  attempt(() => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"), "")
    .split(" ")
    .filter((child) => child !== "")
    .map(Number)

/**
 * What `ps` would show of a process and of those that it started: arguments, or the title that replaced them. Empty
 * where there is no `/proc`, and for a process that has gone.
 */
export const commandLines = (pid: number): ReadonlyArray<string> => {
  const own = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"), "").replaceAll("\0", " ")
  return [own, ...childrenOf(pid).flatMap(commandLines)].filter((line) => line !== "")
}

/**
 * Whether a signal has stopped the process. The state follows the name, which may hold anything, parentheses included.
 */
export const isStopped = (pid: number): boolean =>
  attempt(() => /^.*\) [Tt] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8")), false)
