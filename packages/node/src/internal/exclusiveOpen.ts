import * as Fs from "node:fs"
import * as KernelLock from "./kernelLock.js"
import { codeOf, lockFailure } from "./lockFailure.js"

/** `O_EXLOCK` of `<fcntl.h>` on macOS and the BSDs: open and `flock` in one call. */
const O_EXLOCK = 0x20

const tryLock: KernelLock.KernelLock["tryLock"] = (_, path) => {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDWR } = Fs.constants
  try {
    return { _tag: "Acquired", fd: Fs.openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_EXLOCK) }
  } catch (cause) {
    const code = codeOf(cause)
    return code === "EAGAIN" || code === "EWOULDBLOCK"
      ? KernelLock.BUSY
      : KernelLock.failed(lockFailure(path, code))
  }
}

/** The lock that needs no binding at all, where the system has it. */
export const provider: KernelLock.Provider = {
  name: "O_EXLOCK",
  load: async () => process.platform === "darwin" ? { name: "O_EXLOCK", tryLock } : "this system does not have it"
}
