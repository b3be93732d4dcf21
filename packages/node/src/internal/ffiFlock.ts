import * as KernelLock from "./kernelLock.js"
import { codeOf } from "./lockFailure.js"

/** The part of `node:ffi` (Node 26.1 and later) that is used. */
interface Ffi {
  readonly dlopen: (
    library: null,
    definitions: Record<string, { readonly arguments: ReadonlyArray<string>; readonly return: string }>
  ) => { readonly functions: Record<string, (...args: ReadonlyArray<number>) => unknown> }
  readonly getInt32: (pointer: unknown, offset: number) => number
}

const errnoLocation = process.platform === "linux" || process.platform === "android" ? "__errno_location" : "__error"

/** Node's own way to call C, experimental: it prints a warning, and it is asked only where koffi is missing. */
export const provider: KernelLock.Provider = {
  name: "node:ffi",
  load: async () => {
    if (process.platform === "win32") return "not used on Windows"
    const ffi = process.getBuiltinModule?.("node:ffi") as Ffi | undefined
    if (ffi === undefined) return "this Node does not have it"
    try {
      const { functions } = ffi.dlopen(null, {
        flock: { arguments: ["i32", "i32"], return: "i32" },
        [errnoLocation]: { arguments: [], return: "pointer" }
      })
      const call = functions.flock!
      const location = functions[errnoLocation]!
      return {
        name: "node:ffi",
        tryLock: KernelLock.flock((fd, operation) => Number(call(fd, operation)), () => ffi.getInt32(location(), 0))
      }
    } catch (cause) {
      return codeOf(cause)
    }
  }
}
