/**
 * One try of one lock file by a process that does nothing else: the same system call and the same checks as `FileLock`
 * makes, without what is needed to wait, to tell and to give back.
 *
 * @since 0.1.0
 */
import * as Path from "node:path"
import type { Attempt } from "../internal/kernelLock.js"
import { providers } from "../internal/providers.js"
import * as Sidecar from "../internal/sidecar.js"
import * as Ownership from "../Ownership.js"

/**
 * Tries to lock a file in a directory that exists. What was acquired is this process's until it ends.
 *
 * @since 0.1.0
 * @category combinators
 */
export const make = async (path: string): Promise<Attempt["_tag"]> => {
  try {
    const owner = Ownership.ownerOf(Path.dirname(path))
    if (!Ownership.mayWrite(owner)) return "Failed"
    for (const provider of providers) {
      const kernel = await provider.load()
      if (typeof kernel !== "string") return Sidecar.tryLock(path, owner, kernel)._tag
    }
    return "Failed"
  } catch {
    return "Failed"
  }
}
