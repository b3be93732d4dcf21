/**
 * What a keeper leaves in its home about itself, for `status`, `doctor` and a second keeper. It explains and decides nothing:
 * whether a keeper is there the lock tells, and whether it answers is seen by asking.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/**
 * What is left.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeeperNote {
  readonly pid: number
  readonly socket: string | undefined
  readonly shared: string | undefined
  readonly url: string | undefined
}

/**
 * Its file in the home.
 *
 * @since 0.1.0
 * @category constants
 */
export const FILE = "serve.json"

const isOptional = (value: unknown): value is string | undefined => value === undefined || typeof value === "string"

/**
 * Reads it; nothing where there is none, or it says something else.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (home: string): KeeperNote | undefined => {
  try {
    const { pid, shared, socket, url } = JSON.parse(
      Fs.readFileSync(Path.join(home, FILE), "utf8")
    ) as Readonly<Record<string, unknown>>
    return Number.isSafeInteger(pid) && isOptional(socket) && isOptional(shared) && isOptional(url)
      ? { pid: pid as number, socket, shared, url }
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Reads what a keeper left that lives still, as far as the system tells by its process id.
 *
 * @since 0.1.0
 * @category constructors
 */
export const living = (home: string): KeeperNote | undefined => {
  const note = read(home)
  try {
    return note !== undefined && process.kill(note.pid, 0) ? note : undefined
  } catch {
    return undefined
  }
}

/**
 * Where the keeper is that left it.
 *
 * @since 0.1.0
 * @category rendering
 */
export const place = ({ shared, socket, url }: KeeperNote): string => socket ?? url ?? shared ?? "no known place"
