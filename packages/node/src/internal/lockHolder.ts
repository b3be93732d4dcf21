import { LockHolder } from "@lockstep/core/Errors"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import type * as DirectoryLock from "../locks/DirectoryLock.js"
import type { LockFile } from "../locks/LockFile.js"
import { parse } from "./flockTable.js"
import * as ProcFs from "./procfs.js"

const hex = (value: bigint): string => value.toString(16).padStart(2, "0")

/** `major:minor` as the kernel prints it, out of glibc's 64-bit encoding of both. */
const deviceOf = (dev: bigint): string => {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  return `${hex(major)}:${hex(minor & 0xffffffffn)}`
}

const describe = (pid: number): LockHolder => {
  const stat = ProcFs.stat(pid)
  return LockHolder.make({
    pid,
    command: ProcFs.commandOf(pid),
    startedAt: Option.flatMap(stat, ({ startTicks }) => ProcFs.startedAt(startTicks)),
    stopped: Option.exists(stat, ({ state }) => state === "T" || state === "t")
  })
}

/** A note is small. Bytes. */
const LONGEST_NOTE = 4_096

const pidIn = (note: string): number | undefined => {
  const value: unknown = JSON.parse(note)
  const pid = typeof value === "object" && value !== null && "pid" in value ? value.pid : undefined
  return typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
}

/** Whom a note names, where it is not older than what it is about. */
const noted = (note: string, bornAt: number): Option.Option<LockHolder> => {
  const stat = Fs.lstatSync(note, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.size > LONGEST_NOTE || stat.mtimeMs < bornAt) return Option.none()
  const pid = pidIn(Fs.readFileSync(note, "utf8"))
  return pid === undefined || Option.isNone(ProcFs.stat(pid)) ? Option.none() : Option.some(describe(pid))
}

const ofDirectory = ({ owner, path }: DirectoryLock.Directory): Option.Option<LockHolder> => {
  const directory = Fs.lstatSync(path, { throwIfNoEntry: false })
  return owner === undefined || directory === undefined ? Option.none() : noted(owner.path, directory.birthtimeMs)
}

/** A path that cannot be looked at names no holder. */
const look = Option.liftThrowable((path: string) => Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }))

/**
 * Who has locked a file, as far as `/proc` tells; never tries the lock.
 *
 * The kernel names the process that made the call, which may be gone (a child that locked on our behalf) or be one of
 * another pid namespace, so a process that is known not to have the file open is not named.
 */
export const find = (path: string): Option.Option<LockHolder> => {
  const stat = Option.getOrUndefined(look(path))
  if (stat === undefined) return Option.none()
  const sameInode = parse(ProcFs.locks()).filter(({ ino }) => ino === String(stat.ino))
  const exact = sameInode.filter(({ dev }) => dev === deviceOf(stat.dev))
  // btrfs and overlayfs tell one device to `stat` and another here. Then only an open file is proof.
  const candidates = exact.length > 0
    ? exact.filter(({ pid }) => !Option.contains(ProcFs.hasOpen(pid, path, stat), false))
    : sameInode.filter(({ pid }) => Option.contains(ProcFs.hasOpen(pid, path, stat), true))
  const holder = candidates.find(({ pid }) => pid > 0 && Option.isSome(ProcFs.stat(pid)))
  return Option.map(Option.fromNullable(holder), ({ pid }) => describe(pid))
}

/**
 * Who holds a lock of a plan, as far as the system or the tool's note tells. A note that is older than its directory was
 * left by a holder that was killed before.
 */
export const of = (one: LockFile): Option.Option<LockHolder> => {
  try {
    switch (one._tag) {
      case "Kernel":
        return find(one.path)
      case "Directory":
        return ofDirectory(one)
      case "Lease":
        return noted(one.path, 0)
    }
  } catch {
    return Option.none()
  }
}
