import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Trace from "@lockstep/core/Trace"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Path from "node:path"
import { codeOf } from "./errno.js"

/** What to do where the file is not at fault. */
export const remedyOf = (code: string): { readonly remedy?: string } =>
  code === "EMFILE" || code === "ENFILE"
    ? { remedy: "allow more open files, such as with `ulimit -n 256`, then try again; nothing was changed" }
    : {}

/** What a failed system call means for a write. */
export const writeError = (path: string, cause: unknown): CredentialStoreError => {
  const detail = codeOf(cause)
  return new CredentialStoreError({ reason: "Write", location: path, detail, ...remedyOf(detail) })
}

/** One step of a durable write, under a name by which an observer can stop the process there. */
export const step = <A>(
  name: "write" | "sync" | "rename",
  path: string,
  run: () => A
): Effect.Effect<A, CredentialStoreError> =>
  Trace.withSpan(
    Effect.suspend(() => Either.try({ try: run, catch: (cause) => writeError(path, cause) })),
    `lockstep.file.${name}`,
    { attributes: { file: Path.basename(path) } }
  )
