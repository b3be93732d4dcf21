/**
 * Replacing a file that a person owns: mode and owner stay what they are.
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "../AtomicFile.js"
import * as Ownership from "../Ownership.js"
import { step, writeError } from "./fileStep.js"

const CREATE = Fs.constants.O_CREAT | Fs.constants.O_EXCL | Fs.constants.O_WRONLY | (Fs.constants.O_NOFOLLOW ?? 0)

let counter = 0

const openLike = (target: string, like: Fs.Stats): { readonly path: string; readonly fd: number } => {
  const directory = Fs.realpathSync(Path.dirname(target))
  const path = Path.join(directory, `${Path.basename(target)}.lockstep-${process.pid}-${++counter}.tmp`)
  const fd = Fs.openSync(path, CREATE, 0o600)
  try {
    Ownership.give(fd, like, directory)
    Fs.fchmodSync(fd, like.mode & 0o777)
    return { path, fd }
  } catch (cause) {
    Fs.closeSync(fd)
    Fs.unlinkSync(path)
    throw cause
  }
}

/** Atomic and durable. When it fails, the file is what it was. */
export const replace = (path: string, text: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.acquireUseRelease(
    Effect.zipRight(
      AtomicFile.sweep(path),
      Effect.try({ try: () => openLike(path, Fs.statSync(path)), catch: (cause) => writeError(path, cause) })
    ),
    (temporary) =>
      step("write", path, () => Fs.writeFileSync(temporary.fd, text)).pipe(
        Effect.zipRight(step("sync", path, () => Fs.fsyncSync(temporary.fd))),
        Effect.zipRight(step("rename", path, () => Fs.renameSync(temporary.path, path))),
        Effect.zipRight(step("sync", path, () => AtomicFile.syncDirectory(Path.dirname(path))))
      ),
    (temporary) =>
      Effect.ignore(Effect.try(() => {
        Fs.closeSync(temporary.fd)
        Fs.rmSync(temporary.path, { force: true })
      }))
  ).pipe(Effect.uninterruptible)
