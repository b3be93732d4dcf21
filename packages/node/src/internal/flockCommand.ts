import type * as ChildProcess from "node:child_process"
import * as KernelLock from "./kernelLock.js"
import { codeOf } from "./lockFailure.js"

/** What `flock(1)` shall answer when the lock is held. Its own failures answer 64 and above, but not this. */
const BUSY_STATUS = 75

const LIMIT = { timeout: 5_000, killSignal: "SIGKILL" } as const

const tryLock = ({ spawnSync }: typeof ChildProcess): KernelLock.KernelLock["tryLock"] => (fd, path) => {
  // The child locks the open file description that it inherits, and that is ours: the lock stays when the child ends.
  // It has ended when this returns, so that no copy of the descriptor outlives our own.
  const { error, signal, status } = spawnSync(
    "flock",
    ["-n", "-E", String(BUSY_STATUS), "-x", "3"],
    { stdio: ["ignore", "ignore", "ignore", fd], ...LIMIT }
  )
  if (status === 0) return { _tag: "Acquired", fd }
  if (status === BUSY_STATUS) return KernelLock.BUSY
  const detail = error === undefined ? `flock(1) ended with ${status ?? signal}` : `flock(1): ${codeOf(error)}`
  return KernelLock.failed({ reason: "NoBinding", path, detail })
}

/** `flock(1)` of util-linux. Others (busybox, BSD) know neither `-E` nor, some of them, a descriptor. */
export const provider: KernelLock.Provider = {
  name: "flock(1)",
  load: async () => {
    if (process.platform !== "linux") return "not used on this system"
    const loaded = await import("node:child_process")
    const { error, stdout } = loaded.spawnSync("flock", ["--version"], {
      stdio: ["ignore", "pipe", "ignore"],
      encoding: "utf8",
      ...LIMIT
    })
    if (error !== undefined) return codeOf(error)
    return stdout.includes("util-linux") ? { name: "flock(1)", tryLock: tryLock(loaded) } : "not the one of util-linux"
  }
}
