/**
 * Room for one secret that must not be lost, reserved while there still is some.
 *
 * A disk that is full refuses new files and new blocks, and a process with a full table of descriptors opens nothing any
 * more. So the file is made, filled and opened before the refresh token is sent, and stays open: what comes back is
 * written over it through that descriptor, without truncation and without a rename. Such a write can be torn; a header
 * with length and SHA-256 tells, and a torn one counts as missing.
 *
 * It is filled with random bytes: a file system that compresses keeps no room for zeros. Where blocks are never
 * overwritten in place (btrfs, ZFS) the room is of no use as it is: what is written takes new blocks. So a ballast lies
 * behind it, which is thrown off then. A hole parts the two: of one extent nothing is freed before all of it is.
 *
 * The file is made exclusively, or it is a regular file of the expected owner with one name: a process of root writes in
 * the homes of others, and a link that was planted there would lead the secret, or the owner's rights, elsewhere.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import { codeOf } from "./internal/errno.js"
import { step, writeError } from "./internal/fileStep.js"
import * as Ownership from "./Ownership.js"
import * as WholeFile from "./WholeFile.js"

const MAGIC = "lockstep-answer-1"

/** `MAGIC`, ten digits of length, 64 digits of SHA-256, each followed by one separator. */
const HEADER_LENGTH = MAGIC.length + 1 + 10 + 1 + 64 + 1

// No O_TRUNC: truncation gives back the blocks that were reserved. O_NONBLOCK: a FIFO in its place must not hang.
const SAFE = Fs.constants.O_WRONLY | (Fs.constants.O_NOFOLLOW ?? 0) | (Fs.constants.O_NONBLOCK ?? 0)
const CREATE = SAFE | Fs.constants.O_CREAT | Fs.constants.O_EXCL

/** The ballast begins at a multiple of this, behind a hole of at least as much. No file system has larger blocks. */
const BLOCK = 64 * 1024

const sha256 = (bytes: Uint8Array): string => Crypto.createHash("sha256").update(bytes).digest("hex")

const refused = (detail: string): Error => Object.assign(new Error(detail), { code: detail })

/** Refuses what is not a file of ours alone. Throws. */
const judge = (stat: Fs.BigIntStats, directory: string): void => {
  if (!stat.isFile()) throw refused("not a regular file")
  if (stat.nlink !== 1n) throw refused("it has more than one name")
  const user = process.geteuid?.()
  if (user !== undefined && Number(stat.uid) !== user && Number(stat.uid) !== Fs.statSync(directory).uid) {
    throw refused("it belongs to another user")
  }
}

const create = (path: string): number => {
  const fd = Fs.openSync(path, CREATE, 0o600)
  try {
    Fs.fchmodSync(fd, 0o600)
    Ownership.give(fd, Fs.statSync(Path.dirname(path)))
    return fd
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

/** Opens the file that is there, or makes it. */
const open = (path: string): number => {
  let fd: number
  try {
    fd = Fs.openSync(path, SAFE)
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return create(path)
    throw cause
  }
  try {
    judge(Fs.fstatSync(fd, { bigint: true }), Path.dirname(path))
    Fs.fchmodSync(fd, 0o600)
    return fd
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

/** Makes the file anew; a text that was kept there is gone. */
const renew = (path: string): number => {
  const present = Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (present !== undefined) {
    judge(present, Path.dirname(path))
    Fs.unlinkSync(path)
  }
  return create(path)
}

const writeAll = (fd: number, bytes: Uint8Array, at = 0): void => {
  let written = 0
  while (written < bytes.length) written += Fs.writeSync(fd, bytes, written, bytes.length - written, at + written)
}

/** What a disk says that is full, and what it says that fails: it may take other blocks. */
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EIO"])

/**
 * Room that is reserved and open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Room {
  readonly path: string
  readonly fd: number
  /** Where the room ends, and what is behind it is ballast. */
  readonly length: number
  /** Whether its name outlasts a loss of power: once its directory was synced after the reservation. */
  readonly isNamed: boolean
}

/** Gives back what lies behind so many bytes. A file system may count it as free only once that is synced. */
const giveBack = (fd: number, length: number): void => {
  Fs.ftruncateSync(fd, length)
  try {
    Fs.fsyncSync(fd)
  } catch {
    // The write that follows says what is wrong.
  }
}

/**
 * Writes over what is there, durably: from here on a crash loses nothing. Where that takes new blocks, and there are
 * none, the ballast is given back for them, and at last the room itself.
 */
const overwrite = (
  { fd, length, path }: Pick<Room, "fd" | "length" | "path">,
  bytes: Uint8Array
): Effect.Effect<void, CredentialStoreError> => {
  const durably = (write: () => void) =>
    Effect.zipRight(step("write", path, write), step("sync", path, () => Fs.fsyncSync(fd)))
  const after = (left: number) =>
    durably(() => {
      giveBack(fd, left)
      writeAll(fd, bytes)
    })
  const isFull = ({ detail }: CredentialStoreError): boolean => NO_ROOM.has(detail ?? "")
  return durably(() => writeAll(fd, bytes)).pipe(
    Effect.catchIf(isFull, () => after(length)),
    Effect.catchIf(isFull, () => after(0))
  )
}

/**
 * Closes a room. What was kept in it stays.
 *
 * @since 0.1.0
 * @category combinators
 */
export const close = ({ fd }: Pick<Room, "fd">): void => {
  try {
    Fs.closeSync(fd)
  } catch {
    // It is closed.
  }
}

/** Whether the room is still the file of that name, and of no other. Needs no descriptor. */
const isCurrent = ({ fd, path }: Pick<Room, "fd" | "path">): boolean => {
  try {
    const mine = Fs.fstatSync(fd, { bigint: true })
    const named = Fs.lstatSync(path, { bigint: true })
    return mine.nlink === 1n && mine.ino === named.ino && (process.platform === "win32" || mine.dev === named.dev)
  } catch {
    return false
  }
}

/**
 * Reserves room for a text of so many bytes. A text that was kept there is gone. The caller closes it. Its name is left
 * to the next sync of the directory, which the intent brings; `keep` makes up for one that did not come.
 *
 * @since 0.1.0
 * @category combinators
 */
export const reserve = (path: string, bytes: number): Effect.Effect<Room, CredentialStoreError> =>
  Effect.suspend(() => {
    const room = Crypto.randomBytes(HEADER_LENGTH + Math.max(0, Math.ceil(bytes))).fill(0, 0, HEADER_LENGTH)
    const { length } = room
    const blocks = Math.ceil(length / BLOCK)
    const ballast = Crypto.randomBytes(blocks * BLOCK)
    return Effect.flatMap(
      Effect.try({ try: () => renew(path), catch: (cause) => writeError(path, cause) }),
      (fd) =>
        step("write", path, () => {
          writeAll(fd, room)
          writeAll(fd, ballast, (blocks + 1) * BLOCK)
        }).pipe(
          // Blocks that are only promised may be refused when they are wanted.
          Effect.zipRight(step("sync", path, () => Fs.fsyncSync(fd))),
          Effect.as({ path, fd, length, isNamed: false }),
          Effect.onError(() => Effect.sync(() => close({ fd })))
        )
    )
  }).pipe(Effect.uninterruptible)

const framed = (text: string): Uint8Array => {
  const body = Buffer.from(text, "utf8")
  const header = `${MAGIC} ${String(body.length).padStart(10, "0")} ${sha256(body)}\n`
  return Buffer.concat([Buffer.from(header, "latin1"), body])
}

const keepAnew = (path: string, bytes: Uint8Array): Effect.Effect<void, CredentialStoreError> =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => open(path), catch: (cause) => writeError(path, cause) }),
    (fd) =>
      Effect.zipRight(
        overwrite({ path, fd, length: HEADER_LENGTH }, bytes),
        step("sync", path, () => AtomicFile.syncDirectory(Path.dirname(path)))
      ),
    (fd) => Effect.sync(() => close({ fd }))
  )

/**
 * Keeps a text, durably, in the room that was reserved or without it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const keep = (path: string, text: string, room?: Room): Effect.Effect<void, CredentialStoreError> =>
  Effect.suspend(() => {
    const bytes = framed(text)
    if (room === undefined || !isCurrent(room)) return keepAnew(path, bytes)
    // The mode may have been widened since.
    return Effect.try({ try: () => Fs.fchmodSync(room.fd, 0o600), catch: (cause) => writeError(path, cause) }).pipe(
      Effect.zipRight(overwrite(room, bytes)),
      Effect.zipRight(
        // What was written in the room is found only under its name.
        room.isNamed ? Effect.void : step("sync", path, () => AtomicFile.syncDirectory(Path.dirname(path)))
      ),
      Effect.orElse(() => keepAnew(path, bytes))
    )
  }).pipe(Effect.uninterruptible)

const bodyOf = (bytes: Uint8Array): Option.Option<Uint8Array> => {
  const header = Buffer.from(bytes.subarray(0, HEADER_LENGTH)).toString("latin1")
  const match = /^lockstep-answer-1 (\d{10}) ([0-9a-f]{64})\n$/.exec(header)
  if (match === null) return Option.none()
  const body = bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + Number(match[1]))
  return sha256(body) === match[2] ? Option.some(body) : Option.none()
}

/**
 * Reads the text that was kept. No file, a reservation and a torn write are `None`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = (path: string): Effect.Effect<Option.Option<string>, CredentialStoreError> =>
  Effect.suspend(() =>
    WholeFile.isAbsent(path) ? Either.right(Option.none()) : Either.flatMap(
      WholeFile.readNow(path),
      (snapshot) =>
        Option.match(Option.flatMap(snapshot, ({ bytes }) => bodyOf(bytes)), {
          onNone: () => Either.right(Option.none()),
          onSome: (body) => Either.map(WholeFile.decodeText(path, body), Option.some)
        })
    )
  )

/**
 * Removes the file; absent is fine.
 *
 * Nothing is synced. A file that a power loss brings back belongs to no record any more: the journal, which is durable
 * by then, says that it is stored.
 *
 * @since 0.1.0
 * @category combinators
 */
export const drop = (path: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.try({
    try: () => {
      try {
        Fs.unlinkSync(path)
      } catch (cause) {
        if (codeOf(cause) !== "ENOENT") throw cause
      }
    },
    catch: (cause) => writeError(path, cause)
  })
