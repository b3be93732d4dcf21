/**
 * What keeps a file from being replaced is known before anything is written: with real bind mounts and real attributes.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as Replaceable from "@lockstep/node/Replaceable"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as MountedFile from "@lockstep/testkit/processes/MountedFile"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Disks from "./support/disks.js"
import * as FileCalls from "./support/fileCalls.js"

const file = (name = "auth.json") =>
  Effect.map(Homes.temporary, (directory) => {
    const path = Path.join(directory, name)
    Fs.writeFileSync(path, "{}", { mode: 0o600 })
    return path
  })

const mounted = it.scopedLive.skipIf(!MountedFile.isPossible)
const attributed = it.scopedLive.skipIf(!Disks.canSetAttributes)

const told = ({ advice, detail, location, reason }: CredentialStoreError) => ({ reason, location, detail, advice })

/** Nothing of a trial stays behind. */
const assertClean = (path: string): void =>
  deepStrictEqual(Fs.readdirSync(Path.dirname(path)).filter((name) => name.endsWith(".tmp")), [])

const assertObstacle = (path: string, expected: Replaceable.Obstacle): Effect.Effect<void> =>
  Effect.gen(function*() {
    const before = Fs.readFileSync(path)
    assert.deepStrictEqual(Replaceable.obstacle(path), Option.some(expected))
    // What is foretold is what happens.
    const failures = [AtomicFile.probe(path, 10), AtomicFile.replace(path, "{\"new\":1}")]
    for (const failure of failures) {
      deepStrictEqual(told(yield* Effect.flip(failure)), told(Replaceable.failure(path, expected)))
    }
    deepStrictEqual(Fs.readFileSync(path), before)
    assertClean(path)
  }).pipe(Effect.orDie)

const assertReplaceable = (path: string): Effect.Effect<void> =>
  Effect.gen(function*() {
    assert.deepStrictEqual(Replaceable.obstacle(path), Option.none())
    yield* AtomicFile.probe(path, 10)
    assertClean(path)
    yield* AtomicFile.replace(path, "{\"new\":1}")
    assert.strictEqual(Fs.readFileSync(path, "utf8"), "{\"new\":1}")
  }).pipe(Effect.orDie)

describe("a file that can be replaced", () => {
  it.scopedLive("is any that nothing forbids, also one that is not there", () =>
    Effect.gen(function*() {
      yield* assertReplaceable(yield* file())
      yield* assertReplaceable(Path.join(yield* Homes.temporary, "auth.json"))
    }))

  it.scopedLive("is one whose mode lets nobody write: the name belongs to the directory", () =>
    Effect.gen(function*() {
      const path = yield* file()
      Fs.chmodSync(path, 0o400)
      yield* assertReplaceable(path)
    }))

  it.scopedLive("keeps its times and its names while it is asked", () =>
    Effect.gen(function*() {
      const path = yield* file()
      const before = Fs.statSync(path, { bigint: true })
      yield* AtomicFile.probe(path, 10)
      const { ctimeNs, ino, mtimeNs, nlink } = Fs.statSync(path, { bigint: true })
      deepStrictEqual([ino, nlink, mtimeNs, ctimeNs], [before.ino, before.nlink, before.mtimeNs, before.ctimeNs])
    }))

  mounted(
    "is one in a directory that is mounted, and one beneath another mount of its name",
    () =>
      Effect.gen(function*() {
        const source = yield* file()
        const directory = yield* Homes.temporary
        yield* MountedFile.mount(directory, { from: Path.dirname(source) })
        yield* assertReplaceable(Path.join(directory, "auth.json"))
        const hidden = yield* file()
        yield* MountedFile.mount(hidden)
        yield* MountedFile.mount(Path.dirname(hidden), { from: Path.dirname(source) })
        // The table names it still.
        assert.include(Fs.readFileSync("/proc/self/mountinfo", "utf8"), ` ${hidden} `)
        yield* assertReplaceable(hidden)
      })
  )

  mounted("is one that is mounted elsewhere", () =>
    Effect.gen(function*() {
      const source = yield* file()
      yield* MountedFile.mount(yield* file(), { from: source })
      yield* assertReplaceable(source)
    }))
})

describe("a file that cannot be replaced", () => {
  mounted(
    "is one that is mounted by itself, from another directory, device or from itself",
    () =>
      Effect.gen(function*() {
        const disk = yield* Disks.make
        const other = Path.join(disk.directory, "auth.json")
        Fs.writeFileSync(other, "{}", { mode: 0o600 })
        for (const from of [yield* file(), other, undefined]) {
          const path = yield* file()
          yield* MountedFile.mount(path, from === undefined ? {} : { from })
          yield* assertObstacle(path, "Mounted")
        }
      })
  )

  mounted("is one that a link leads to, whatever characters are in its name", () =>
    Effect.gen(function*() {
      const path = yield* file("a \\uth\tö.json")
      yield* MountedFile.mount(path)
      const link = Path.join(yield* Homes.temporary, "auth.json")
      Fs.symlinkSync(path, link)
      yield* assertObstacle(AtomicFile.follow(link), "Mounted")
    }))

  mounted("is one on a mount of its own that may only be read", () =>
    Effect.gen(function*() {
      const path = yield* file()
      yield* MountedFile.mount(path, { readOnly: true })
      yield* assertObstacle(path, "Mounted")
    }))

  attributed("is one that is immutable or append-only", () =>
    Effect.gen(function*() {
      for (const name of ["i", "a"] as const) {
        const path = yield* file()
        yield* Disks.withAttribute(path, name)
        yield* assertObstacle(path, "Immutable")
      }
    }))

  attributed("is one in a directory that takes names and lets none go", () =>
    Effect.gen(function*() {
      const path = yield* file()
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Disks.withAttribute(Path.dirname(path), "a")
        const error = yield* Effect.flip(AtomicFile.probe(path, 10))
        deepStrictEqual([error.reason, error.detail], ["Write", "EPERM"])
      }))
      yield* AtomicFile.sweep(path)
      assertClean(path)
    }))

  it.scopedLive("is none whose writer sweeps the trial away meanwhile", () =>
    Effect.gen(function*() {
      const path = yield* file()
      yield* FileCalls.failingWhere(["renameSync"], "ENOENT", () => true, AtomicFile.probe(path, 10))
      assertClean(path)
    }))
})
