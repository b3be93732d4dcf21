import { assert, describe, it } from "@effect/vitest"
import * as Ownership from "@lockstep/node/Ownership"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as LockDirectory from "./support/lockDirectory.js"
import { asNobody, giveToNobody, isRoot, withUmask } from "./support/privileges.js"

const modeOf = (path: string): number => Fs.statSync(path).mode & 0o777

describe("Ownership", () => {
  it.scoped("a directory and its missing parents are created 0700, whatever the umask", () =>
    Effect.gen(function*() {
      for (const mask of [0o000, 0o777]) {
        const parent = Path.join(yield* LockDirectory.make, "config")
        const home = Path.join(parent, "home")
        withUmask(mask, () => Effect.runSync(Ownership.makeDirectory(home)))
        assert.deepStrictEqual([modeOf(parent), modeOf(home)], [0o700, 0o700])
      }
    }))

  it.scoped("a directory that exists is left as it is", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      Fs.chmodSync(directory, 0o750)
      yield* Ownership.makeDirectory(directory)
      assert.strictEqual(modeOf(directory), 0o750)
    }))

  it.scoped("a file in the place of a parent, and a link to nowhere, are told by their errno", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      Fs.writeFileSync(Path.join(directory, "file"), "")
      Fs.symlinkSync(Path.join(directory, "nowhere"), Path.join(directory, "link"))
      const through = (name: string) => Effect.flip(Ownership.makeDirectory(Path.join(directory, name, "home")))
      assert.deepInclude(yield* through("file"), { reason: "Permission", detail: "ENOTDIR" })
      assert.deepInclude(yield* through("link"), { reason: "Permission", detail: "ENOENT" })
    }))

  it.scoped("the own directory is claimed for its owner", () =>
    Effect.gen(function*() {
      const { gid, uid } = yield* Ownership.claim(yield* LockDirectory.make)
      assert.deepStrictEqual({ uid, gid }, { uid: process.geteuid!(), gid: process.getegid!() })
    }))

  it.effect.skipIf(isRoot)("the directory of another user is refused", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* Effect.flip(Ownership.claim("/usr")), { reason: "Permission", path: "/usr" })
    }))

  it.scoped.skipIf(!isRoot)(
    "the directory of another user is refused, however open it is (root plays the user)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        Fs.chmodSync(directory, 0o777)
        const error = asNobody(() => Effect.runSync(Effect.flip(Ownership.claim(directory))))
        assert.deepInclude(error, { reason: "Permission", path: directory })
      })
  )

  it.scoped.skipIf(!isRoot)(
    "a user without rights creates 0700 under every umask (root plays the user)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        giveToNobody(directory)
        const home = Path.join(directory, "config", "home")
        withUmask(0o777, () => asNobody(() => Effect.runSync(Ownership.makeDirectory(home))))
        assert.strictEqual(modeOf(home), 0o700)
      })
  )

  it.scoped.skipIf(!isRoot)(
    "root creates in a user's directory for that user (root is needed)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        giveToNobody(directory)
        const home = Path.join(directory, "config", "home")
        yield* Ownership.makeDirectory(home)
        const owner = yield* Ownership.claim(home)
        assert.deepStrictEqual(owner, { uid: 65534, gid: 65534 })
        const file = Fs.openSync(Path.join(home, "file"), "wx", 0o600)
        Ownership.give(file, owner)
        assert.strictEqual(Fs.fstatSync(file).uid, 65534)
        Fs.closeSync(file)
      })
  )
})
