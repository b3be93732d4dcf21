/**
 * A settings file of another program, in which one thing is changed: the change is a function of the text, every other
 * byte is the program's, and so are the mode of the file and the link that leads to it.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as WholeFile from "@lockstep/node/WholeFile"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { UsageError } from "../line/UsageError.js"
import type { Setting, State } from "./Setting.js"

/**
 * A text with the setting in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Edit {
  readonly state: State
  readonly text: string
}

/**
 * What keeps a text from being changed: where it is not in the format, or written in a way in which this setting cannot be
 * put without touching others.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = string

/** Bytes. Settings are written by people. */
const LIMIT = 4 * 1024 * 1024

const unusable = (path: string, what: string, advice: string) =>
  new UsageError({ reason: "Configuration", message: `${path}: ${what}`, advice })

const BY_HAND = "correct it, or add what this command prints without --write by hand"

const told = (path: string, verb: string) => (error: CredentialStoreError) =>
  unusable(
    path,
    `cannot be ${verb} (${error.detail ?? error.reason})`,
    "check that it is yours, a file, and not open to others alone"
  )

const read = (path: string): Effect.Effect<Option.Option<string>, UsageError> =>
  Effect.gen(function*() {
    const found = yield* Effect.mapError(
      Effect.flatMap(AtomicFile.resolve(path), WholeFile.read),
      told(path, "read")
    )
    if (Option.isNone(found)) return Option.none()
    const { bytes } = found.value
    if (bytes.byteLength > LIMIT) return yield* unusable(path, "is longer than 4 MiB", BY_HAND)
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
      catch: () => unusable(path, "is not UTF-8", BY_HAND)
    })
    return Option.some(text)
  })

/**
 * Looks into a file, to choose one among several; empty where it cannot be read.
 *
 * @since 0.1.0
 * @category getters
 */
export const peek = (path: string): string => {
  try {
    return Fs.statSync(path).isFile() ? Fs.readFileSync(path, "utf8") : ""
  } catch {
    return ""
  }
}

const modeOf = (path: string): number | undefined => Fs.statSync(path, { throwIfNoEntry: false })?.mode

const replace = (path: string, text: string): Effect.Effect<void, UsageError> =>
  Effect.gen(function*() {
    const mode = modeOf(path)
    yield* Effect.try({
      try: () => Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 }),
      catch: () => unusable(Path.dirname(path), "cannot be made", "check that the directory above is yours")
    })
    yield* Effect.mapError(AtomicFile.replace(path, text), told(path, "written"))
    // A new file is private; one that was there lets in those whom it let in.
    if (mode !== undefined) Fs.chmodSync(path, mode & 0o777)
  })

/**
 * Makes a setting of a change to a file. `edit` gets the text that is there; an absent file is `None`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly path: string
  /** What is shown as the setting. */
  readonly text: string
  readonly edit: (text: Option.Option<string>) => Either.Either<Edit, Fault>
  readonly next?: ReadonlyArray<string>
}): Effect.Effect<Setting, UsageError> =>
  Effect.gen(function*() {
    const { edit, path } = options
    const edited = (text: Option.Option<string>) =>
      Effect.mapError(edit(text), (fault) => unusable(path, fault, BY_HAND))
    const present = yield* read(path)
    const { state } = yield* edited(present)
    return {
      place: path,
      state,
      text: options.text,
      next: options.next ?? [],
      // What was read to tell of it may be some seconds old, and is not what is written.
      write: Effect.flatMap(
        Effect.flatMap(read(path), edited),
        ({ state, text }) => state === "same" ? Effect.void : replace(path, text)
      )
    }
  })
