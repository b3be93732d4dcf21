/**
 * Lets processes of one machine take themselves for processes of several hosts: a machine id for each name, and a clock that
 * is ahead or behind.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"

const PRELOAD = fileURLToPath(new URL("../../bin/host.cjs", import.meta.url))

/**
 * What stands before the program among the arguments of Node.
 *
 * @since 0.1.0
 * @category constants
 */
export const args: ReadonlyArray<string> = ["--require", PRELOAD]

/**
 * What a process is told of its host. `ahead` is in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const env = (name: string, ahead?: number): Readonly<Record<string, string>> => ({
  TESTKIT_MACHINE: createHash("sha256").update(`testkit ${name}`).digest("hex").slice(0, 32),
  ...(ahead === undefined ? {} : { TESTKIT_CLOCK: String(ahead) })
})
