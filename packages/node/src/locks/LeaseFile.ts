/**
 * The lease of mcp-remote 0.15, a file that is created exclusively: `{pid, nonce, at}`, `at` in milliseconds. Its holder is
 * dead when its pid is, or when `at` is older than the lease lasts. Read in mcp-remote, `src/lib/mcp-auth-config.ts`.
 *
 * mcp-remote writes the file after it created it, and takes one that it cannot read for an abandoned one. Ours is put
 * there whole, by `link(2)`, and one that cannot be read is given the time that a write takes. What is removed as
 * abandoned is taken aside first and looked at: two that find one dead lease never remove the other's new one unseen.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import type * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as AtomicNote from "../internal/atomicNote.js"
import { codeOf, lockUnavailable } from "../internal/errno.js"
import * as Heartbeat from "../internal/heartbeat.js"
import * as RenewedLock from "../internal/renewedLock.js"
import type { Attempt, DirectoryLock } from "./DirectoryLock.js"
import type { LockFile } from "./LockFile.js"

/**
 * What a lease is on disk, and how long it lasts without being renewed.
 *
 * @since 0.1.0
 * @category models
 */
export type Lease = Data.TaggedEnum.Value<LockFile, "Lease">

interface Note {
  readonly pid: number
  readonly nonce: string
  readonly at: number
}

const BUSY: Attempt = { _tag: "Busy" }

/** Milliseconds. The process that creates the file needs less to write it. */
const WRITING = 2_000

const isNote = (value: unknown): value is Note => {
  if (typeof value !== "object" || value === null) return false
  const { at, nonce, pid } = value as Partial<Note>
  return Number.isSafeInteger(pid) && pid! > 0 && typeof nonce === "string" && nonce !== "" && Number.isFinite(at)
}

const evaluate = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** `None` for a file that is not a lease, or not one yet; throws where the file is missing. */
const read = (path: string): Option.Option<Note> => Option.filter(evaluate(Fs.readFileSync(path, "utf8")), isNote)

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    return codeOf(cause) === "EPERM"
  }
}

const isAbandoned = (path: string, note: Option.Option<Note>, { stale }: Lease): boolean =>
  Option.match(note, {
    onNone: () => Date.now() - Fs.lstatSync(path).mtimeMs > WRITING,
    onSome: ({ at, pid }) => Date.now() - at >= Duration.toMillis(stale) || !isRunning(pid)
  })

/** Whether the path is free now. Throws what the system calls throw, but for a file that has gone. */
const clear = (target: Lease): boolean => {
  const { path } = target
  try {
    const found = read(path)
    if (!isAbandoned(path, found, target)) return false
    const aside = `${path}.${process.pid}.${Crypto.randomBytes(6).toString("hex")}.tmp`
    Fs.renameSync(path, aside)
    const taken = read(aside)
    const isSame = Option.getOrUndefined(taken)?.nonce === Option.getOrUndefined(found)?.nonce
    if (!isSame) Fs.linkSync(aside, path)
    Fs.unlinkSync(aside)
    return isSame
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return true
    throw cause
  }
}

const create = (path: string, nonce: string): boolean => {
  try {
    AtomicNote.create(path, textOf(nonce))
    return true
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    throw cause
  }
}

const textOf = (nonce: string): string => JSON.stringify({ pid: process.pid, nonce, at: Date.now() }, null, 2)

const hold = (target: Lease, nonce: string, onLost: () => void): DirectoryLock => {
  const { path } = target
  let lost = false

  const isHeld = (): boolean => {
    if (lost) return false
    try {
      lost = Option.getOrUndefined(read(path))?.nonce !== nonce
    } catch (cause) {
      if (codeOf(cause) !== "ENOENT") throw cause
      lost = true
    }
    if (lost) onLost()
    return !lost
  }

  const stop = Heartbeat.start(target, () => {
    if (!isHeld()) return false
    AtomicNote.replace(path, textOf(nonce))
    return true
  })

  return RenewedLock.make({ path, isHeld, stop, remove: () => Fs.unlinkSync(path) })
}

/**
 * Tries once to create the lease, after removing one that is abandoned. `onLost` is called once, when it is found out
 * that it was taken away. Never waits, never throws.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tryLock = (target: Lease, onLost: () => void): Attempt => {
  const { path } = target
  try {
    const nonce = Crypto.randomUUID()
    const isMade = create(path, nonce) || (clear(target) && create(path, nonce))
    return isMade ? { _tag: "Acquired", lock: hold(target, nonce, onLost) } : BUSY
  } catch (cause) {
    const code = codeOf(cause)
    return {
      _tag: "Failed",
      error: code === "EISDIR"
        ? new LockUnavailable({ reason: "Permission", path, detail: "it is a directory" })
        : lockUnavailable(path, code)
    }
  }
}

/**
 * Whether a try could succeed now. Takes nothing. Throws what the system calls throw.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFree = (target: Lease): boolean => {
  try {
    return isAbandoned(target.path, read(target.path), target)
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return true
    throw cause
  }
}
