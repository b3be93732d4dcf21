/**
 * Secrets that a person hands over in a file or through a pipe, and never as an argument: every process of the machine sees arguments.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../line/UsageError.js"
import * as InputFile from "./InputFile.js"
import * as Stdin from "./Stdin.js"

const LIMIT = 64 * 1024

const input = (message: string, advice: string) => new UsageError({ reason: "Input", message, advice })

const readFile = (path: string, what: string): Effect.Effect<Redacted.Redacted, UsageError> =>
  Effect.tryPromise({
    try: () => InputFile.read(path, LIMIT),
    catch: (cause) => {
      const code = (cause as NodeJS.ErrnoException).code ?? "unreadable"
      return input(`the file of ${what} cannot be read (${code})`, "check the path and its permissions")
    }
  }).pipe(
    Effect.filterOrFail(
      (bytes) => bytes !== undefined,
      () => input(`${what} is longer than 64 KiB`, "put the secret alone into the file")
    ),
    Effect.map((bytes) => bytes.toString("utf8").trim()),
    Effect.filterOrFail((text) => text !== "", () => input(`${what} is empty`, "put the secret into the file")),
    Effect.map(Redacted.make)
  )

/**
 * Reads a secret from a file, or from standard input where the path is `-`. White space around it is no part of it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = (from: string, what: string): Effect.Effect<Redacted.Redacted, UsageError, Stdin.Stdin> =>
  from === "-" ? Stdin.readSecret(what) : readFile(from, what)
