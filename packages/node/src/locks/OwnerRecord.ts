/**
 * The note beside a directory lock that says which process holds it, as Claude Code 2.1.332 writes and reads it: with it,
 * a holder that was killed is known to be dead at once, and not only when its last heartbeat is stale.
 *
 * A note is believed about the very directory that it names by the time of its birth, and only by a process that sees
 * the pids of the one that wrote it: of the same machine, host name and pid namespace. A pid that runs, but began at
 * another tick, is another process. Everything else proves nothing, and the heartbeat goes on deciding.
 *
 * Two locks may share one note, the first that is taken and one that is taken after it for the sake of older versions. The
 * dead holder's second lock goes before its first: a process that finds the first free has to find both free.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as AtomicNote from "../internal/atomicNote.js"
import { codeOf } from "../internal/errno.js"
import * as ProcFs from "../internal/procfs.js"

/**
 * Where a lock's note is, and what it says of this lock.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly path: string
  /** The member that holds the birth of this lock's directory, in milliseconds since the epoch. */
  readonly member: "lockBirthtimeMs" | "legacyLockBirthtimeMs"
  /** The directory of the other lock of the note. */
  readonly other?: string
}

interface Target {
  readonly path: string
  readonly owner?: Place
}

interface Note {
  readonly pid: number
  readonly procStart?: string
  readonly pidDomain: string
  readonly pidSpace: string
  readonly lockBirthtimeMs: number
  readonly legacyLockBirthtimeMs?: number
}

/** Bytes. A note is small. */
const LONGEST = 4_096

const readOr = (path: string, otherwise: string): string => {
  try {
    return Fs.readFileSync(path, "utf8").trim()
  } catch {
    return otherwise
  }
}

/** Such a note was never seen on another system, and only `/proc` tells what makes it good. */
const namespace = Option.filter(
  Option.flatMap(
    Option.some(process.platform),
    (platform) =>
      platform === "linux" ? Option.liftThrowable(() => Fs.readlinkSync("/proc/self/ns/pid"))() : Option.none()
  ),
  (link) => link !== ""
)

const seeing = (): Option.Option<Pick<Note, "pidDomain" | "pidSpace">> =>
  Option.map(namespace, (link) => ({
    pidDomain: `linux:${readOr("/etc/machine-id", "")}:${link}`,
    pidSpace: `${Os.hostname()}#${link}`
  }))

const isText = (value: unknown): value is string => typeof value === "string"
const isBirth = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value > 0

const isNote = (value: unknown): value is Note => {
  if (typeof value !== "object" || value === null) return false
  const { legacyLockBirthtimeMs, lockBirthtimeMs, pid, pidDomain, pidSpace, procStart } = value as Partial<Note>
  return Number.isSafeInteger(pid) && pid! > 1 && isText(pidDomain) && isText(pidSpace) && isBirth(lockBirthtimeMs) &&
    (procStart === undefined || isText(procStart)) &&
    (legacyLockBirthtimeMs === undefined || isBirth(legacyLockBirthtimeMs))
}

const read = ({ path }: Place): Option.Option<Note> => {
  const stat = Fs.lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.size > LONGEST) return Option.none()
  return Option.filter(Option.liftThrowable((text: string): unknown => JSON.parse(text))(readOr(path, "")), isNote)
}

const birthOf = (path: string): number | undefined => Fs.lstatSync(path, { throwIfNoEntry: false })?.birthtimeMs

const isGone = ({ pid, procStart }: Note): boolean => {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    if (codeOf(cause) === "ESRCH") return true
  }
  return procStart !== undefined && Option.exists(ProcFs.stat(pid), ({ startTicks }) => startTicks !== procStart)
}

const dead = (target: Target): Option.Option<Note> => {
  const { owner, path } = target
  if (owner === undefined) return Option.none()
  const birth = birthOf(path)
  return Option.filter(
    read(owner),
    (note) =>
      birth !== undefined && note[owner.member] === birth && isGone(note) &&
      Option.exists(seeing(), ({ pidDomain, pidSpace }) => note.pidDomain === pidDomain && note.pidSpace === pidSpace)
  )
}

/**
 * Whether the note proves that the holder of a directory runs no more, and holds no other lock that it does not name.
 *
 * @since 0.1.0
 * @category predicates
 */
export const provesGone = (target: Target): boolean => {
  try {
    return Option.exists(dead(target), (note) => isOthersToo(target, note))
  } catch {
    return false
  }
}

const isOthersToo = ({ owner }: Target, note: Note): boolean => {
  const other = owner?.member === "lockBirthtimeMs" && owner.other !== undefined ? birthOf(owner.other) : undefined
  return other === undefined || other === note.legacyLockBirthtimeMs
}

const removeDirectory = (path: string): void => {
  try {
    Fs.rmdirSync(path)
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause
  }
}

/**
 * Removes the directory of a holder that its note proves gone, and the other one of the note before. Answers whether it
 * did. Throws what `rmdir(2)` throws.
 *
 * @since 0.1.0
 * @category combinators
 */
export const removeOfGone = (target: Target): boolean => {
  if (!provesGone(target)) return false
  const { owner, path } = target
  if (owner?.member === "lockBirthtimeMs" && owner.other !== undefined) removeDirectory(owner.other)
  // Looked at again: another process may have done the same meanwhile, and hold it by now.
  if (!provesGone(target)) return birthOf(path) === undefined
  removeDirectory(path)
  return true
}

/**
 * Notes that this process holds a directory, which it has just made. A process that cannot is waited for as before
 * there were notes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const write = (target: Target): void => {
  const { owner, path } = target
  if (owner === undefined) return
  try {
    const mine = birthOf(path)
    const others = owner.other === undefined ? undefined : birthOf(owner.other)
    const isFirst = owner.member === "lockBirthtimeMs"
    const lock = isFirst ? mine : others
    const start = ProcFs.stat("self")
    const view = seeing()
    if (!isBirth(lock) || !isBirth(mine) || Option.isNone(start) || Option.isNone(view)) return
    const note: Note = {
      pid: process.pid,
      procStart: start.value.startTicks,
      ...view.value,
      lockBirthtimeMs: lock,
      ...(isFirst ? {} : { legacyLockBirthtimeMs: mine })
    }
    AtomicNote.replace(owner.path, JSON.stringify(note))
  } catch {
    // It only spares others time.
  }
}

/**
 * Takes back the note of this process, before the directory that it is about is removed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = ({ owner, path }: Target): void => {
  if (owner?.member !== "lockBirthtimeMs") return
  try {
    const birth = birthOf(path)
    if (Option.exists(read(owner), (note) => note.pid === process.pid && note.lockBirthtimeMs === birth)) {
      Fs.unlinkSync(owner.path)
    }
  } catch {
    // One that stays is about a directory that is gone.
  }
}
