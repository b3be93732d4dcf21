import type Koffi from "koffi"
import { createRequire } from "node:module"
import * as Path from "node:path"
import * as KernelLock from "./kernelLock.js"
import { codeOf, lockFailure } from "./lockFailure.js"

type Koffi = typeof Koffi

const posix = (koffi: Koffi): KernelLock.KernelLock => {
  // The process itself: Node is linked with the C library, whatever that is called here.
  const flock = koffi.load(null).func("flock", "int", ["int", "int"])
  return { name: "koffi", tryLock: KernelLock.flock(flock, () => koffi.errno()) }
}

/** `LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY` */
const EXCLUSIVE_IMMEDIATE = 2 | 1
const WHOLE = 0xffffffff
const SIZE_OF_OVERLAPPED = 32

const ERROR_INVALID_FUNCTION = 1
const ERROR_ACCESS_DENIED = 5
const ERROR_WRITE_PROTECT = 19
const ERROR_LOCK_VIOLATION = 33
const ERROR_NOT_SUPPORTED = 50
const ERROR_IO_PENDING = 997

const ERRNO = new Map<number, string>([
  [ERROR_INVALID_FUNCTION, "ENOTSUP"],
  [ERROR_ACCESS_DENIED, "EACCES"],
  [ERROR_WRITE_PROTECT, "EROFS"],
  [ERROR_NOT_SUPPORTED, "ENOTSUP"]
])

const windows = (koffi: Koffi): KernelLock.KernelLock => {
  // Node's own table of descriptors. The C runtime's `_get_osfhandle` would look a descriptor up in another one.
  const handleOf = koffi.load(process.execPath).func("uv_get_osfhandle", "intptr_t", ["int"])
  const kernel32 = koffi.load("kernel32.dll")
  const lockFileEx = kernel32.func("__stdcall", "LockFileEx", "int", [
    "intptr_t",
    "uint32_t",
    "uint32_t",
    "uint32_t",
    "uint32_t",
    "void *"
  ])
  const lastError = kernel32.func("__stdcall", "GetLastError", "uint32_t", [])
  return {
    name: "koffi",
    tryLock: (fd, path) => {
      // Offset zero and the whole range, as Rust's standard library locks. The lock is mandatory within its range,
      // which is one more reason never to lock a file that holds data.
      const overlapped = new Uint8Array(SIZE_OF_OVERLAPPED)
      if (lockFileEx(handleOf(fd), EXCLUSIVE_IMMEDIATE, 0, WHOLE, WHOLE, overlapped) !== 0) {
        return { _tag: "Acquired", fd }
      }
      const error: number = lastError()
      return error === ERROR_LOCK_VIOLATION || error === ERROR_IO_PENDING
        ? KernelLock.BUSY
        : KernelLock.failed(lockFailure(path, ERRNO.get(error) ?? `Windows error ${error}`))
    }
  }
}

const ofPlatform = (koffi: Koffi): KernelLock.KernelLock => process.platform === "win32" ? windows(koffi) : posix(koffi)

/**
 * koffi's native part, without the part that finds out which one suits this machine: that reads the C library's name
 * out of Node's own binary and costs a fifth of a start of Node. A binary for another C library does not load, and what
 * does not load, or lies elsewhere, is left to koffi itself. Throws.
 */
const loadNative = (require: NodeRequire): Koffi => {
  const target = `${process.platform}_${process.arch}`
  const binary = Path.join(
    Path.dirname(require.resolve("koffi")),
    "..",
    "@koromix",
    `koffi-${target.replace("_", "-")}`,
    target,
    "koffi.node"
  )
  const module = { exports: {} as Koffi }
  process.dlopen(module, binary)
  return module.exports
}

/** Loads koffi at once, for the start of the command; says why where that does not work. */
export const loadNow = (require: NodeRequire): KernelLock.KernelLock | string => {
  try {
    return ofPlatform(loadNative(require))
  } catch {
    try {
      return ofPlatform(require("koffi") as Koffi)
    } catch (cause) {
      return codeOf(cause)
    }
  }
}

/**
 * koffi calls C from JavaScript. Its binaries come as optional dependencies, so it works where install scripts do not
 * run.
 */
export const provider: KernelLock.Provider = {
  name: "koffi",
  load: async () => loadNow(createRequire(import.meta.url))
}
