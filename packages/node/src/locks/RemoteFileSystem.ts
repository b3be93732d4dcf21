/**
 * Tells file systems whose locks and change events stop at this machine's border. It is asked before any lock call,
 * because `flock` on NFS can hang in the kernel, non-blocking calls included.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { codeOf, lockUnavailable } from "../internal/errno.js"

// statfs(2), <linux/magic.h>, and the headers of the file systems that are not in it.
const LINUX = new Map<number, string>([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  // FUSE proper (sshfs, gcsfuse, Docker Desktop's shares) and virtiofs answer alike.
  [0x65735546, "FUSE"],
  // WSL's view of Windows drives too.
  [0x01021997, "9p"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x564c, "NCP"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
  [0x786f4256, "VirtualBox shared folder"],
  [0xbacbacbc, "VMware shared folder"],
  [0x7c7c6673, "Parallels shared folder"]
])

// macOS numbers its file systems as they are loaded; only NFS has had the same number ever since.
const DARWIN = new Map<number, string>([[2, "NFS"]])

/**
 * Reads the type number of the file system that a path lies on, as `statfs(2)` tells it. Throws like `statfsSync`.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadType = (path: string) => bigint

const readType: ReadType = (path) => Fs.statfsSync(path, { bigint: true }).type

/**
 * Names the remote or shared file system that a path lies on; `None` is a local one. Throws what `statfs(2)` throws.
 *
 * macOS tells NFS only; Windows tells a share by its path and knows nothing of mapped drives.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (
  path: string,
  platform: NodeJS.Platform = process.platform,
  type: ReadType = readType
): Option.Option<string> => Option.fromNullable(findName(path, platform, type))

/**
 * The same as a plain value, for the start of the command.
 *
 * @since 0.1.0
 * @category getters
 */
export const findName = (
  path: string,
  platform: NodeJS.Platform = process.platform,
  type: ReadType = readType
): string | undefined => {
  switch (platform) {
    case "win32":
      return /^\\\\(?![.?]\\(?!UNC\\))/i.test(Path.win32.resolve(path)) ? "SMB" : undefined
    // Some kernels extend the sign of a 32-bit number.
    case "darwin":
      return DARWIN.get(Number(BigInt.asUintN(32, type(path))))
    default:
      return LINUX.get(Number(BigInt.asUintN(32, type(path))))
  }
}

/**
 * Refuses a directory on a remote or shared file system with `LockUnavailable(Remote)`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const refuse = (directory: string, type: ReadType = readType): Effect.Effect<void, LockUnavailable> =>
  Effect.suspend(() => refuseNow(directory, type))

/**
 * The same as a plain value.
 *
 * @since 0.1.0
 * @category getters
 */
export const refuseNow = (directory: string, type: ReadType = readType): Either.Either<void, LockUnavailable> => {
  try {
    const name = findName(directory, process.platform, type)
    return name === undefined
      ? Either.void
      : Either.left(new LockUnavailable({ reason: "Remote", path: directory, detail: name }))
  } catch (cause) {
    return Either.left(lockUnavailable(directory, codeOf(cause)))
  }
}
