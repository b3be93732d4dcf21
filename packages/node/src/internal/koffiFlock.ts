import type Koffi from "koffi"
import * as Fs from "node:fs"
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

/** The folder of a package as Node would find it from a file, links resolved; `undefined` where it would look elsewhere. */
const folderOf = (name: string, from: string): string | undefined => {
  for (let directory = Path.dirname(from);; directory = Path.dirname(directory)) {
    const folder = Path.join(directory, "node_modules", name)
    if (Fs.existsSync(folder)) return Fs.realpathSync(folder)
    if (Path.dirname(directory) === directory) return undefined
  }
}

/**
 * koffi's native part, without the part that finds out which one suits this machine: that reads the C library's name
 * out of Node's own binary, and together with Node's search for the package costs a fifth of a start of Node. A binary
 * for another C library does not load, and what does not load, or lies elsewhere, is left to koffi itself. Throws.
 */
const loadNative = (from: string): Koffi => {
  const folder = folderOf("koffi", from)
  const target = `${process.platform}_${process.arch}`
  const module = { exports: {} as Koffi }
  process.dlopen(
    module,
    Path.join(folder!, "..", "@koromix", `koffi-${target.replace("_", "-")}`, target, "koffi.node")
  )
  return module.exports
}

/** Loads koffi at once, as a file would find it; says why where that does not work. */
export const loadNow = (from: string): KernelLock.KernelLock | string => {
  try {
    return ofPlatform(loadNative(from))
  } catch {
    try {
      // Loaded here, since a start of the command notices what it does not need.
      return ofPlatform(process.getBuiltinModule("node:module").createRequire(from)("koffi") as Koffi)
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
  load: async () => {
    const loaded = loadNow(process.getBuiltinModule("node:url").fileURLToPath(import.meta.url))
    if (typeof loaded !== "string") return loaded
    // A program that was bundled may have koffi where only its bundler knows.
    try {
      return ofPlatform((await import("koffi")).default)
    } catch {
      return loaded
    }
  }
}
