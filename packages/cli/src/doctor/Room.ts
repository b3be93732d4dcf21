/**
 * Whether the home takes what a refresh writes: a disk that is full shows up here and not when a token has been redeemed.
 *
 * @since 0.1.0
 */
import * as AtomicFile from "@lockstep/node/AtomicFile"
import { Home } from "@lockstep/node/Home"
import * as Replaceable from "@lockstep/node/Replaceable"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Finding from "./Finding.js"

/** What a refresh reserves for its answer beside the size of the record. */
const RESERVED = 16 * 1024

const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** A directory of another user is only read, and a file that nothing replaces is told by the check of the files. */
const isWritten = (directory: string, file: string): boolean => {
  const stat = fs.statSync(directory, { throwIfNoEntry: false })
  const user = process.geteuid?.()
  return stat?.isDirectory() === true && (user === undefined || user === 0 || stat.uid === user) &&
    !(fs.existsSync(file) && Option.isSome(Replaceable.obstacle(fs.realpathSync(file))))
}

/**
 * Writes as many bytes as a refresh would beside the store, and in the home where that lies elsewhere, and removes them
 * again.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const home = yield* Home
  const { home: native } = yield* NativeHome
  const places = new Map([home.file, native.file].map((file) => [path.dirname(file), file]))
  const findings = yield* Effect.forEach(places, ([directory, file]) =>
    isWritten(directory, file)
      ? Effect.match(AtomicFile.probe(file, sizeOf(file) + RESERVED), {
        onSuccess: () => [],
        onFailure: (error) => [Finding.fromError(error, "no_room")]
      })
      : Effect.succeed([]))
  return { check: "room", findings: findings.flat() } satisfies Finding.Checked
})
