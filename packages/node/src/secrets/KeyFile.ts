/**
 * Sealing keys that a person brings in a file: for servers and containers without a keyring. One key a line; the first
 * seals, the others still open.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "../AtomicFile.js"
import { Home } from "../Home.js"
import { codeOf } from "../internal/errno.js"
import * as SealKeyFile from "../internal/sealKeyFile.js"
import * as KeyLines from "../internal/sealKeyLines.js"
import * as WholeFile from "../WholeFile.js"
import * as SealingKeys from "./SealingKeys.js"

type SealingKey = SealingKeys.SealingKey

/**
 * Whose file it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether systemd put it there. Only systemd writes in there, and its access lists look like rights of a group. */
  readonly systemd?: boolean
}

/** The errors of a write to a file that belongs to another user or another mount. */
const NOT_OURS = new Set(["EACCES", "EPERM", "EROFS", "EBUSY", "EXDEV"])

const ownerOf = (directory: string): number | undefined => Fs.statSync(directory, { throwIfNoEntry: false })?.uid

/**
 * Makes the keys of a file. Links are followed, at every use: a file that is mounted may be replaced by replacing a
 * link.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  path: string,
  options: Options = {}
): Effect.Effect<SealingKeys.SealingKeys["Type"], never, Home> =>
  Effect.map(Home, (home) => {
    let loaded: NonEmptyReadonlyArray<SealingKey> | undefined
    const known = new Map<string, SealingKey>()

    const unavailable = (detail: string, remedy: string) =>
      new CredentialStoreError({ reason: "Unavailable", location: path, detail, remedy })

    /** The file, which no other user may read or write. */
    const guard = (target: string): Effect.Effect<void, CredentialStoreError> =>
      Effect.suspend(() => {
        let stat: Fs.Stats
        try {
          stat = Fs.lstatSync(target)
        } catch (cause) {
          const detail = codeOf(cause)
          return detail === "ENOENT"
            ? unavailable("there is no such file", "bring the key back, or make one: openssl rand -base64 32")
            : new CredentialStoreError({ reason: "Read", location: path, detail })
        }
        if (!stat.isFile()) {
          return new CredentialStoreError({ reason: "Read", location: path, detail: "not a regular file" })
        }
        if (stat.size > KeyLines.LIMIT) {
          return damaged(`longer than ${KeyLines.LIMIT} bytes`)
        }
        const user = process.geteuid?.()
        if (user === undefined) return Effect.void
        const mode = stat.mode & (options.systemd === true ? 0o027 : 0o077)
        if (mode !== 0) {
          return unavailable(`other users may use it: mode ${(stat.mode & 0o777).toString(8)}`, "chmod 600 it")
        }
        return [user, 0, ownerOf(home.directory)].includes(stat.uid)
          ? Effect.void
          : unavailable(`it belongs to user ${stat.uid}`, "use a key that belongs to the user of the home, or to root")
      })

    const damaged = (detail: string) =>
      new CredentialStoreError({
        reason: "Decode",
        location: path,
        detail,
        remedy: "put one key on each line, the current one first: openssl rand -base64 32"
      })

    const readText = Effect.flatMap(AtomicFile.resolve(path), (target) =>
      guard(target).pipe(
        Effect.zipRight(WholeFile.read(target)),
        Effect.flatMap(Option.match({
          onNone: () => unavailable("there is no such file", "bring the key back"),
          onSome: ({ bytes }) => Effect.mapError(WholeFile.decodeText(path, bytes), () => damaged("not text"))
        })),
        Effect.map((text) => ({ target, text }))
      ))

    const parse = (text: string) =>
      Effect.tap(Either.mapLeft(KeyLines.parse(text), damaged), (keys) =>
        Effect.sync(() => {
          loaded = keys
          for (const key of keys) known.set(key.id, key)
        }))

    const load = Effect.flatMap(readText, ({ text }) => parse(text))

    const renew = Effect.gen(function*() {
      const { target, text } = yield* readText
      yield* parse(text)
      const key = yield* SealingKeys.generate
      yield* Effect.catchIf(
        SealKeyFile.replace(target, KeyLines.prepend(text, key)),
        // Another user's to write: then its first key is the one to use.
        ({ detail }) => options.systemd !== true && NOT_OURS.has(detail ?? ""),
        () => Effect.void
      ).pipe(Effect.unless(() => options.systemd === true))
      const [first] = yield* load
      return first
    }).pipe(Effect.withSpan("lockstep.keys.renew"))

    return SealingKeys.SealingKeys.of({
      location: path,
      // Once the key is loaded, a file that cannot be read for a moment does not stop sealing.
      current: Effect.map(
        Effect.catchAll(load, (error) => loaded === undefined ? error : Effect.succeed(loaded)),
        ([first]) => first
      ),
      find: (id) =>
        Effect.suspend(() =>
          known.has(id)
            ? Effect.succeedSome(known.get(id)!)
            : Effect.map(load, (keys) => Option.fromNullable(keys.find((key) => key.id === id)))
        ),
      renew,
      // Other homes may be sealed with the same file, and backups are: only the person who brought a key knows when it
      // can go.
      retire: Effect.void
    })
  })

/**
 * The keys of a file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  path: string,
  options: Options = {}
): Layer.Layer<SealingKeys.SealingKeys, never, Home> =>
  Layer.effect(SealingKeys.SealingKeys, Effect.suspend(() => make(Path.resolve(path), options)))
