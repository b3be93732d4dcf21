/**
 * A line for every answer: who asked, for which tenant, what came of it, and the fingerprint of the access token that left.
 * Never a token.
 *
 * A line is written before the answer is, so that no token leaves without one. Refusals of strangers are counted beyond a
 * number: who is refused must not be able to push out what is worth reading.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Printable from "@lockstep/core/Printable"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"

/**
 * A line of the audit. Never a secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly event: string
  readonly [member: string]: string | number | boolean | undefined
}

/**
 * Where lines go.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuditLog {
  /** Writes a line. Throws where it cannot be written; then nothing may be answered. */
  readonly write: (entry: Entry) => void
  /** Writes a line of a refusal, or counts it. Never throws. */
  readonly refusal: (entry: Entry) => void
}

/**
 * How much is kept. Sizes are bytes, times milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** A file, or `undefined` for standard error. */
  readonly path: string | undefined
  /** Of one file; the one before is kept beside it. 8 MiB. */
  readonly limit?: number
  /** Refusals that are written in a minute; more are counted. 120. */
  readonly refusals?: number
  readonly now?: () => number
}

const LIMIT = 8 * 1_048_576
const REFUSALS = 120
const MINUTE = 60_000
const STDERR = 2

const OPEN = Fs.constants.O_WRONLY | Fs.constants.O_APPEND | Fs.constants.O_CREAT | (Fs.constants.O_NOFOLLOW ?? 0) |
  (Fs.constants.O_NONBLOCK ?? 0)

const openFile = (path: string): number => {
  const fd = Fs.openSync(path, OPEN, 0o600)
  try {
    const stat = Fs.fstatSync(fd)
    if (!stat.isFile() || stat.nlink !== 1) throw Object.assign(new Error("not a regular file"), { code: "EINVAL" })
    if ((stat.mode & 0o077) !== 0) Fs.fchmodSync(fd, 0o600)
    return fd
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

/**
 * Opens the audit, for as long as the scope lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (options: Options): Effect.Effect<AuditLog, CredentialStoreError, Scope.Scope> => {
  const { limit = LIMIT, now = Date.now, path, refusals = REFUSALS } = options
  let fd = STDERR
  let size = 0

  const begin = (file: string): void => {
    fd = openFile(file)
    size = Fs.fstatSync(fd).size
  }

  const write = (entry: Entry): void => {
    const line = Buffer.from(`${Printable.json({ at: new Date(now()).toISOString(), ...entry })}\n`)
    if (path !== undefined && size > 0 && size + line.length > limit) {
      Fs.closeSync(fd)
      Fs.renameSync(path, `${path}.1`)
      begin(path)
    }
    let written = 0
    while (written < line.length) written += Fs.writeSync(fd, line, written)
    size += line.length
  }

  let minute = 0
  let written = 0
  let counted = 0
  const refusal = (entry: Entry): void => {
    const current = Math.floor(now() / MINUTE)
    try {
      if (current !== minute) {
        const earlier = counted
        minute = current
        written = 0
        counted = 0
        if (earlier > 0) write({ event: "refusals", count: earlier })
      }
      if (written++ < refusals) write(entry)
      else counted++
    } catch {
      counted++
    }
  }

  return Effect.acquireRelease(
    Effect.try({
      try: (): AuditLog => {
        if (path !== undefined) begin(path)
        return { write, refusal }
      },
      catch: (cause) =>
        new CredentialStoreError({
          reason: "Write",
          location: path ?? "standard error",
          detail: (cause as NodeJS.ErrnoException).code ?? "UNKNOWN"
        })
    }),
    () =>
      Effect.sync(() => {
        if (counted > 0) refusal({ event: "refusals", count: counted })
        if (path !== undefined) Fs.closeSync(fd)
      })
  )
}
