/**
 * Which user is at the other end of a Unix socket, as the kernel says.
 *
 * Node has no call for it. koffi, which takes the locks, makes it: `SO_PEERCRED` on Linux, `getpeereid` on macOS. Where
 * neither is there the mode of the socket and of its directory are what guards it, and nothing is known of the peer.
 *
 * @since 0.1.0
 */
import type Koffi from "koffi"
import { createRequire } from "node:module"
import type * as Net from "node:net"
import { endianness } from "node:os"

/**
 * What is known of a peer. The process id is that of the process that connected, as this process's namespace numbers it; 0
 * where it has no number here.
 *
 * @since 0.1.0
 * @category models
 */
export interface PeerCredentials {
  readonly uid: number
  readonly pid: number | undefined
}

type Read = (fd: number) => PeerCredentials | undefined

const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** `struct ucred`: process, user and group, 4 bytes each. */
const UCRED = 12

const onLinux = (koffi: typeof Koffi): Read => {
  const getsockopt = koffi.load(null).func("getsockopt", "int", ["int", "int", "int", "void *", "void *"])
  return (fd) => {
    const credentials = Buffer.alloc(UCRED)
    const length = Buffer.alloc(4)
    const little = endianness() === "LE"
    if (little) length.writeUInt32LE(UCRED)
    else length.writeUInt32BE(UCRED)
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) return undefined
    const read = (at: number) => little ? credentials.readUInt32LE(at) : credentials.readUInt32BE(at)
    return { pid: read(0), uid: read(4) }
  }
}

const onMac = (koffi: typeof Koffi): Read => {
  const getpeereid = koffi.load(null).func("getpeereid", "int", ["int", "void *", "void *"])
  return (fd) => {
    const [uid, gid] = [Buffer.alloc(4), Buffer.alloc(4)]
    return getpeereid(fd, uid, gid) === 0 ? { uid: uid.readUInt32LE(0), pid: undefined } : undefined
  }
}

/** Linux's numbers differ on MIPS, SPARC, PA-RISC and Alpha, where Node has no builds of its line. */
const load = (): Read | undefined => {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi
    return process.platform === "linux" ? onLinux(koffi) : process.platform === "darwin" ? onMac(koffi) : undefined
  } catch {
    return undefined
  }
}

let loaded: { readonly read: Read | undefined } | undefined

/** The descriptor behind a socket: Node keeps it on the handle, which has it on every system but Windows. */
const descriptorOf = (socket: Net.Socket): number | undefined => {
  const fd: unknown = (socket as { readonly _handle?: { readonly fd?: unknown } | null })._handle?.fd
  return typeof fd === "number" && fd >= 0 ? fd : undefined
}

/**
 * Whether this system tells who is at the other end.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTold = (): boolean => (loaded ??= { read: load() }).read !== undefined

/**
 * Reads who connected; nothing where the system does not tell, or the connection has ended.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (socket: Net.Socket): PeerCredentials | undefined => {
  const { read } = loaded ??= { read: load() }
  const fd = descriptorOf(socket)
  return read === undefined || fd === undefined ? undefined : read(fd)
}
