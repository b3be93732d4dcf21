import { assert, describe, it } from "@effect/vitest"
import * as AnswerFile from "@lockstep/node/AnswerFile"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as KernelLock from "@lockstep/node/locks/KernelLock"
import * as Ownership from "@lockstep/node/Ownership"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicNote from "../src/internal/atomicNote.js"
import * as Sidecar from "../src/internal/sidecar.js"
import * as FileCalls from "./support/fileCalls.js"
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

  // The owner of a directory can put a link in its place between two calls of root.
  it.scoped.skipIf(!isRoot || process.platform !== "linux")(
    "root changes and gives away no directory that a swapped parent leads to (root is needed)",
    () =>
      Effect.gen(function*() {
        for (const victim of ["victim", "empty"]) {
          const root = yield* LockDirectory.make
          const theirs = Path.join(root, "theirs")
          const ours = Path.join(root, "ours")
          Fs.mkdirSync(theirs)
          giveToNobody(theirs)
          // Root's own, of the name that is made: with something in it, and with nothing.
          Fs.mkdirSync(Path.join(ours, "home"), { recursive: true, mode: 0o755 })
          if (victim === "victim") Fs.writeFileSync(Path.join(ours, "home", "precious"), "")
          const swap = () => {
            Fs.renameSync(theirs, `${theirs}.aside`)
            Fs.symlinkSync(ours, theirs)
          }
          const home = Path.join(theirs, "home")
          const made = FileCalls.around(
            "mkdirSync",
            { when: (path) => path === home, after: swap },
            Ownership.makeDirectory(home)
          )
          assert.strictEqual((yield* Effect.flip(made)).reason, "Permission")
          const stat = Fs.statSync(Path.join(ours, "home"))
          assert.deepStrictEqual([stat.uid, stat.mode & 0o777], [0, 0o755])
        }
      })
  )

  it.scoped.skipIf(!isRoot || process.platform !== "linux")(
    "root gives away no directory of its own that was moved into the place of the one that it made (root is needed)",
    () =>
      Effect.gen(function*() {
        const theirs = yield* LockDirectory.make
        giveToNobody(theirs)
        const planted = Path.join(theirs, "planted")
        Fs.mkdirSync(planted, { mode: 0o755 })
        const home = Path.join(theirs, "home")
        // It is older than what is made, by more than a tick of the clock.
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 120)))
        const swap = () => {
          Fs.rmdirSync(home)
          Fs.renameSync(planted, home)
        }
        const made = FileCalls.around(
          "mkdirSync",
          { when: (path) => path === home, after: swap },
          Ownership.makeDirectory(home)
        )
        assert.strictEqual((yield* Effect.flip(made)).reason, "Permission")
        assert.strictEqual(Fs.statSync(home).uid, 0)
      })
  )

  it.scoped.skipIf(!isRoot || process.platform !== "linux")(
    "root gives away no file that a swapped parent led it to make elsewhere (root is needed)",
    () =>
      Effect.gen(function*() {
        const root = yield* LockDirectory.make
        const theirs = Path.join(root, "theirs")
        const ours = Path.join(root, "ours")
        for (const directory of [theirs, ours]) Fs.mkdirSync(directory)
        giveToNobody(theirs)
        const kernel = yield* KernelLock.load(theirs)
        const acts: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          AtomicFile.replaceResolved(Path.join(theirs, "auth.json"), "{}"),
          AnswerFile.reserve(Path.join(theirs, "auth.json.refresh.codex.answer"), 10),
          Effect.suspend(() => {
            const attempt = Sidecar.tryLock(
              Path.join(theirs, "auth.json.global.lock"),
              { uid: 65534, gid: 65534 },
              kernel
            )
            return attempt._tag === "Failed" ? Effect.fail(attempt) : Effect.void
          }),
          Effect.try(() => AtomicNote.create(Path.join(theirs, "auth.json.lock.owner"), "{}"))
        ]
        for (const act of acts) {
          const there = () => {
            Fs.renameSync(theirs, `${theirs}.aside`)
            Fs.symlinkSync(ours, theirs)
          }
          const back = () => {
            Fs.rmSync(theirs)
            Fs.renameSync(`${theirs}.aside`, theirs)
          }
          // The link is there for the one call that makes the file, and gone when its owner is looked up.
          const made = FileCalls.around(
            "openSync",
            {
              when: (path, flags) =>
                String(path).startsWith(`${theirs}/`) &&
                (flags === "wx" || (Number(flags) & Fs.constants.O_CREAT) !== 0),
              before: there,
              after: back
            },
            act
          )
          yield* Effect.flip(made)
          for (const name of Fs.readdirSync(ours)) assert.strictEqual(Fs.statSync(Path.join(ours, name)).uid, 0, name)
        }
      })
  )

  it.scoped.skipIf(process.geteuid === undefined)(
    "a home is its owner's alone, and root's is trusted as to its owner",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        assert.isUndefined(Ownership.exposureOf(directory))
        assert.isUndefined(Ownership.exposureOf(Path.join(directory, "missing")))
        for (const mode of [0o750, 0o701, 0o777]) {
          Fs.chmodSync(directory, mode)
          assert.deepStrictEqual(Ownership.exposureOf(directory), {
            detail: `it is open to others (mode ${mode.toString(8)})`,
            remedy: `close it with \`chmod 700 ${directory}\``
          })
          assert.strictEqual(Ownership.exposureOf(directory, "writable") === undefined, mode !== 0o777)
        }
        if (!isRoot) return
        Fs.chmodSync(directory, 0o700)
        assert.isUndefined(asNobody(() => Ownership.exposureOf(directory)), "root's own")
        Fs.chownSync(directory, 1, 1)
        assert.match(asNobody(() => Ownership.exposureOf(directory))!.detail, /^it belongs to user 1, /)
        assert.isUndefined(Ownership.exposureOf(directory), "root may use what is another user's")
      })
  )
})
