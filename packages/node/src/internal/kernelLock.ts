import { type LockFailure, lockFailure } from "./lockFailure.js"

/**
 * What a single try came to.
 *
 * @since 0.1.0
 * @category models
 */
export type Attempt =
  /** The lock belongs to this descriptor and ends when it is closed. It may be another one than was passed in. */
  | { readonly _tag: "Acquired"; readonly fd: number }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Failed"; readonly failure: LockFailure }

/**
 * A way to lock an open file.
 *
 * @since 0.1.0
 * @category models
 */
export interface KernelLock {
  readonly name: string
  /** Tries once to lock a file that is open for reading and writing. Never waits, never throws. */
  readonly tryLock: (fd: number, path: string) => Attempt
}

/**
 * Finds out whether a way to lock works on this machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Provider {
  readonly name: string
  /** Answers with the way to lock, or says why it does not work here. Never rejects. */
  readonly load: () => Promise<KernelLock | string>
}

export const BUSY: Attempt = { _tag: "Busy" }

export const failed = (failure: LockFailure): Attempt => ({ _tag: "Failed", failure })

/** `LOCK_EX | LOCK_NB` of `<sys/file.h>`, the same on every Unix. */
const EXCLUSIVE_NONBLOCKING = 2 | 4

// Loaded with the first failure, since a start of the command notices what it does not need. libuv's own table of names
// lacks ENOLCK, the one that matters most here.
const nameOf = (errno: number): string =>
  Object.entries(process.getBuiltinModule("node:os").constants.errno).find(([, value]) => value === errno)?.[0] ??
    `errno ${errno}`

/** `EWOULDBLOCK` of `<errno.h>`, which every process that waits sees: of Linux, and of the BSDs. */
const WOULD_BLOCK: Partial<Record<NodeJS.Platform, number>> = {
  linux: 11,
  android: 11,
  darwin: 35,
  freebsd: 35,
  netbsd: 35,
  openbsd: 35
}

const wouldBlock = (errno: number): boolean => {
  const known = WOULD_BLOCK[process.platform]
  return known === undefined ? nameOf(errno) === "EAGAIN" || nameOf(errno) === "EWOULDBLOCK" : errno === known
}

/** Tries `flock(2)`, reached by `call`, which answers 0 or leaves an errno. */
export const flock = (
  call: (fd: number, operation: number) => number,
  errno: () => number
): KernelLock["tryLock"] =>
(fd, path) => {
  while (true) {
    if (call(fd, EXCLUSIVE_NONBLOCKING) === 0) return { _tag: "Acquired", fd }
    const code = errno()
    if (wouldBlock(code)) return BUSY
    // A signal may end even a call that does not wait.
    const name = nameOf(code)
    if (name !== "EINTR") return failed(lockFailure(path, name))
  }
}
