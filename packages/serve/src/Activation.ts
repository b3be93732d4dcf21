/**
 * Sockets that systemd holds for a service, and what a service tells it (sd_listen_fds(3), sd_notify(3)).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type Koffi from "koffi"
import { spawn } from "node:child_process"
import { createRequire } from "node:module"

/**
 * A socket that was handed over. It listens already.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handed {
  readonly fd: number
  /** `FileDescriptorName=` of its unit. */
  readonly name: string
}

const FIRST = 3

/**
 * Takes the sockets that were handed to this process, and out of the environment what tells of them: no child shall take
 * them for its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const take = (env: NodeJS.ProcessEnv, pid: number): ReadonlyArray<Handed> => {
  const { LISTEN_FDNAMES: names = "", LISTEN_FDS: count, LISTEN_PID: to } = env
  delete env["LISTEN_FDS"]
  delete env["LISTEN_PID"]
  delete env["LISTEN_FDNAMES"]
  if (to !== String(pid) || count === undefined || !/^[1-9]\d{0,2}$/.test(count)) return []
  const each = names.split(":")
  return Array.from({ length: Number(count) }, (_, index) => ({ fd: FIRST + index, name: each[index] ?? "" }))
}

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = process.platform === "linux" ? 0o2000000 : 0
/** Two bytes of family, then the path. */
const PATH_AT = 2
const SIZE = 110

/** `struct sockaddr_un`. A name that begins with `@` is an abstract one: systemd's own, of older versions. */
const addressOf = (path: string): readonly [Buffer, number] | undefined => {
  const text = Buffer.from(path)
  if (text.length === 0 || text.length > SIZE - PATH_AT - 1) return undefined
  const address = Buffer.alloc(SIZE)
  Buffer.from(new Uint16Array([AF_UNIX]).buffer).copy(address)
  text.copy(address, PATH_AT)
  if (path.startsWith("@")) address[PATH_AT] = 0
  return [address, PATH_AT + text.length + (path.startsWith("@") ? 0 : 1)]
}

/** Node has no datagrams on Unix sockets: koffi makes the calls. Throws where it is missing. */
const send = (path: string, text: string): boolean => {
  const address = addressOf(path)
  if (address === undefined) return false
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi
  const libc = koffi.load(null)
  const socket = libc.func("socket", "int", ["int", "int", "int"])
  const sendto = libc.func("sendto", "int64_t", ["int", "void *", "size_t", "int", "void *", "uint32_t"])
  const close = libc.func("close", "int", ["int"])
  const fd: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) return false
  try {
    const bytes = Buffer.from(text)
    return Number(sendto(fd, bytes, bytes.length, 0, address[0], address[1])) === bytes.length
  } finally {
    close(fd)
  }
}

/**
 * The path of a Unix socket that was handed over, which Node does not know; nothing where it is none, or has no path.
 *
 * @since 0.1.0
 * @category getters
 */
export const pathOf = (fd: number): string | undefined => {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi
    const getsockname = koffi.load(null).func("getsockname", "int", ["int", "void *", "void *"])
    const address = Buffer.alloc(SIZE)
    const length = Buffer.from(new Uint32Array([SIZE]).buffer)
    if (getsockname(fd, address, length) !== 0) return undefined
    const family = new Uint16Array(new Uint8Array(address.subarray(0, PATH_AT)).buffer)[0]
    const path = address.subarray(PATH_AT, address.indexOf(0, PATH_AT)).toString()
    return family === AF_UNIX && path !== "" ? path : undefined
  } catch {
    return undefined
  }
}

/**
 * Tells the service manager something, where there is one that wants to know: `READY=1`, `STOPPING=1`. Never fails: a
 * manager that does not hear is no reason not to serve.
 *
 * @since 0.1.0
 * @category combinators
 */
export const notify = (env: NodeJS.ProcessEnv, state: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const path = env["NOTIFY_SOCKET"]
    if (path === undefined || process.platform === "win32") return resume(Effect.void)
    try {
      if (send(path, state)) return resume(Effect.void)
    } catch {
      // Without koffi: systemd's own program says it for us, where the unit takes that from a child.
    }
    const child = spawn("systemd-notify", [`--pid=${process.pid}`, state], { stdio: "ignore", env })
    child.once("error", () => resume(Effect.void))
    child.once("exit", () => resume(Effect.void))
  })
