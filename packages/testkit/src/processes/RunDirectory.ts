/**
 * A directory for what one run of the tests builds. A test runner kills its workers, and then no process is left to
 * clean up, so each run removes what runs before it left behind.
 *
 * @since 0.1.0
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/**
 * Makes `PREFIX-PID-…` below `parent`, after removing those whose process has gone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (parent: string, prefix: string): string => {
  mkdirSync(parent, { recursive: true })
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(`${prefix}-`) ? /^(\d+)-/.exec(name.slice(prefix.length + 1))?.[1] : undefined
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true })
  }
  const directory = mkdtempSync(join(parent, `${prefix}-${process.pid}-`))
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }))
  return directory
}
