/**
 * Room for one secret that must not be lost, reserved while there still is some.
 *
 * A disk that is full refuses new files and new blocks, but lets a file be overwritten in place. So the file is filled
 * before the refresh token is sent, and what comes back is written over it, without truncation and without a rename.
 * Such a write can be torn; a header with length and SHA-256 tells, and a torn one counts as none.
 *
 * It is filled with random bytes: a file system that compresses keeps no room for zeros. Where blocks are never
 * overwritten in place (btrfs, ZFS) the room is not assured.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
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
const OPEN = Fs.constants.O_CREAT | Fs.constants.O_WRONLY | (Fs.constants.O_NOFOLLOW ?? 0) |
  (Fs.constants.O_NONBLOCK ?? 0)

const sha256 = (bytes: Uint8Array): string => Crypto.createHash("sha256").update(bytes).digest("hex")

const open = (path: string): number => {
  const fd = Fs.openSync(path, OPEN, 0o600)
  try {
    if (!Fs.fstatSync(fd).isFile()) throw Object.assign(new Error("not a regular file"), { code: "EEXIST" })
    Fs.fchmodSync(fd, 0o600)
    Ownership.give(fd, Fs.statSync(Path.dirname(path)))
    return fd
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

const overwrite = (path: string, bytes: Uint8Array): Effect.Effect<void, CredentialStoreError> =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => open(path), catch: (cause) => writeError(path, cause) }),
    (fd) =>
      step("write", path, () => {
        let written = 0
        while (written < bytes.length) written += Fs.writeSync(fd, bytes, written, bytes.length - written, written)
      }).pipe(Effect.zipRight(step("sync", path, () => {
        Fs.fsyncSync(fd)
        AtomicFile.syncDirectory(Path.dirname(path))
      }))),
    (fd) => Effect.ignore(Effect.try(() => Fs.closeSync(fd)))
  ).pipe(Effect.uninterruptible)

/**
 * Reserves room for a text of so many bytes. A text that was kept there is gone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const reserve = (path: string, bytes: number): Effect.Effect<void, CredentialStoreError> =>
  Effect.suspend(() => {
    const room = Crypto.randomBytes(HEADER_LENGTH + Math.max(0, Math.ceil(bytes)))
    return overwrite(path, room.fill(0, 0, HEADER_LENGTH))
  })

/**
 * Keeps a text, durably, in the room that was reserved or without it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const keep = (path: string, text: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.suspend(() => {
    const body = Buffer.from(text, "utf8")
    const header = `${MAGIC} ${String(body.length).padStart(10, "0")} ${sha256(body)}\n`
    return overwrite(path, Buffer.concat([Buffer.from(header, "latin1"), body]))
  })

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
  Effect.flatMap(
    WholeFile.read(path),
    (snapshot) =>
      Option.match(Option.flatMap(snapshot, ({ bytes }) => bodyOf(bytes)), {
        onNone: () => Effect.succeedNone,
        onSome: (body) => Effect.asSome(WholeFile.decodeText(path, body))
      })
  )

const unlink = (path: string): boolean => {
  try {
    Fs.unlinkSync(path)
    return true
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return false
    throw cause
  }
}

/**
 * Removes the file, durably; absent is fine.
 *
 * @since 0.1.0
 * @category combinators
 */
export const drop = (path: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.try({
    try: () => {
      if (unlink(path)) AtomicFile.syncDirectory(Path.dirname(path))
    },
    catch: (cause) => writeError(path, cause)
  })
