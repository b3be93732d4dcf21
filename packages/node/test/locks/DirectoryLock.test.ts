import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as DirectoryLock from "@lockstep/node/locks/DirectoryLock"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import { isEvent, until } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import NodeFs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as Path from "node:path"
import { vi } from "vitest"

const place = Effect.map(LockDirectory.make, (directory) => Path.join(directory, "auth.json.lock"))

const acquire = (target: DirectoryLock.Directory, onLost: () => void = () => {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const attempt = DirectoryLock.tryLock(target, onLost)
      if (attempt._tag !== "Acquired") throw new Error(`the lock is ${attempt._tag}`)
      return attempt.lock
    }),
    (lock) => Effect.sync(lock.release)
  )

const tagOf = (target: DirectoryLock.Directory): string => {
  const attempt = DirectoryLock.tryLock(target, () => {})
  if (attempt._tag === "Acquired") attempt.lock.release()
  return attempt._tag
}

describe("DirectoryLock", () => {
  it.scoped("is a directory that is made, stays empty and private, and goes", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place)
      const lock = yield* acquire(target)
      deepStrictEqual(Fs.readdirSync(target.path), [])
      assert.strictEqual(Fs.statSync(target.path).mode & 0o777, 0o700)
      assert.strictEqual(tagOf(target), "Busy")
      assert.isFalse(DirectoryLock.isFree(target))
      assert.isTrue(lock.isHeld())
      lock.release()
      assert.isFalse(Fs.existsSync(target.path))
      assert.isTrue(DirectoryLock.isFree(target))
      assert.isFalse(lock.isHeld())
    }))

  it.scoped("a second release takes nothing from the next holder", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place)
      const first = yield* acquire(target)
      first.release()
      const second = yield* acquire(target)
      first.release()
      assert.isTrue(second.isHeld())
    }))

  it.scoped("one that is older than stale is taken over, and no younger one", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { stale: 60_000 })
      Fs.mkdirSync(target.path)
      DirectoryLocks.age(target.path, 50_000)
      assert.isFalse(DirectoryLock.isFree(target))
      assert.strictEqual(tagOf(target), "Busy")
      assert.isTrue(Fs.existsSync(target.path))
      DirectoryLocks.age(target.path, 61_000)
      assert.isTrue(DirectoryLock.isFree(target))
      const lock = yield* acquire(target)
      assert.isTrue(lock.isHeld())
      assert.isFalse(DirectoryLock.isFree(target))
    }))

  it.scoped("renews its time for as long as it is held", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { heartbeat: 5 })
      const lock = yield* acquire(target)
      for (let beats = 0; beats < 3; beats++) {
        const before = DirectoryLocks.lookAt(target)!.mtimeNs
        yield* until(() => DirectoryLocks.lookAt(target)!.mtimeNs !== before)
      }
      assert.isTrue(lock.isHeld())
    }))

  it.scoped("goes on when its time was late and it was not taken away", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { stale: 100, heartbeat: 300 })
      let losses = 0
      const lock = yield* acquire(target, () => losses++)
      const before = DirectoryLocks.lookAt(target)!.mtimeNs
      yield* until(() => DirectoryLocks.lookAt(target)!.mtimeNs !== before)
      deepStrictEqual({ held: lock.isHeld(), losses }, { held: true, losses: 0 })
    }))

  it.scoped("one that was taken away is told of once, and what lies there now is left alone", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { heartbeat: 5 })
      let losses = 0
      const lock = yield* acquire(target, () => losses++)
      const thief = DirectoryLocks.steal(target.path)
      yield* until(() => losses > 0)
      assert.isFalse(lock.isHeld())
      lock.release()
      const { ino, mtimeNs } = DirectoryLocks.lookAt(target)!
      deepStrictEqual({ ino, mtimeNs, losses }, { ino: thief.ino, mtimeNs: thief.mtimeNs, losses: 1 })
    }))

  it.scoped("a thief is found out before the next heartbeat, even one that wrote the very same time", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { heartbeat: 60_000 })
      const lock = yield* acquire(target)
      const { atime, mtime } = Fs.lstatSync(target.path)
      DirectoryLocks.steal(target.path)
      Fs.utimesSync(target.path, atime, mtime)
      assert.isFalse(lock.isHeld())
    }))

  it.scoped("a directory that another process renews is not held", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { heartbeat: 60_000 })
      const lock = yield* acquire(target)
      DirectoryLocks.age(target.path, 10)
      assert.isFalse(lock.isHeld())
      lock.release()
      assert.isTrue(Fs.existsSync(target.path))
    }))

  it.scoped("a process that was stopped between making and opening it takes nothing from the next maker", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place)
      const mkdirSync = NodeFs.mkdirSync
      const now = Date.now()
      let thief: Fs.BigIntStats | undefined
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          vi.restoreAllMocks()
          NodeFs.mkdirSync = mkdirSync
          syncBuiltinESMExports()
        })
      )
      NodeFs.mkdirSync = ((path: string, mode: number) => {
        mkdirSync(path, mode)
        NodeFs.mkdirSync = mkdirSync
        syncBuiltinESMExports()
        thief = DirectoryLocks.steal(path)
        vi.spyOn(Date, "now").mockReturnValue(now + DirectoryLocks.STALE + 1_000)
      }) as typeof mkdirSync
      syncBuiltinESMExports()
      assert.strictEqual(DirectoryLock.tryLock(target, () => {})._tag, "Busy")
      const { ino, mtimeNs } = DirectoryLocks.lookAt(target)!
      deepStrictEqual({ ino, mtimeNs }, { ino: thief!.ino, mtimeNs: thief!.mtimeNs })
    }))

  it.scoped("a heartbeat never renews what was made in its place, not even between its two steps", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { heartbeat: 5 })
      const lstatSync = NodeFs.lstatSync
      let thief: Fs.BigIntStats | undefined
      const restore = () => {
        Object.assign(NodeFs, { lstatSync })
        syncBuiltinESMExports()
      }
      yield* Effect.addFinalizer(() => Effect.sync(restore))
      let losses = 0
      yield* acquire(target, () => losses++)
      const stealing = (...args: Parameters<typeof lstatSync>) => {
        const seen = lstatSync(...args)
        restore()
        thief = DirectoryLocks.steal(target.path)
        return seen
      }
      Object.assign(NodeFs, { lstatSync: stealing })
      syncBuiltinESMExports()
      yield* until(() => losses > 0)
      assert.strictEqual(DirectoryLocks.lookAt(target)!.mtimeNs, thief!.mtimeNs)
    }))

  it.scoped("what is no lock is left alone, and named", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place)
      const refusal = () => {
        const attempt = DirectoryLock.tryLock(target, () => {})
        return attempt._tag === "Failed" ? `${attempt.error.reason} ${attempt.error.detail}` : attempt._tag
      }
      Fs.writeFileSync(target.path, "")
      assert.strictEqual(refusal(), "Permission it is not a directory")
      Fs.rmSync(target.path)
      Fs.symlinkSync(Path.dirname(target.path), target.path)
      assert.strictEqual(refusal(), "Permission it is not a directory")
      Fs.rmSync(target.path)
      Fs.mkdirSync(target.path)
      Fs.writeFileSync(Path.join(target.path, "note"), "")
      DirectoryLocks.age(target.path, 2 * DirectoryLocks.STALE)
      assert.strictEqual(refusal(), "Permission ENOTEMPTY")
      Fs.rmSync(target.path, { recursive: true })
      Fs.rmSync(Path.dirname(target.path), { recursive: true })
      assert.strictEqual(refusal(), "Permission ENOENT")
    }))
})

describe("DirectoryLock and the end of its process", () => {
  const holder = Effect.gen(function*() {
    const directory = yield* LockDirectory.make
    const target = DirectoryLocks.make(Path.join(directory, "auth.json.d"))
    const child = yield* DirectoryLocks.worker(directory, ["auth.json.d"])
    yield* child.send({ do: "try" })
    yield* child.message(isEvent("acquired"))
    assert.isTrue(Fs.existsSync(target.path))
    return { child, target }
  })

  it.scopedLive("the heartbeat keeps no process alive, and a process that ends gives back", () =>
    Effect.gen(function*() {
      const { child, target } = yield* holder
      yield* child.closeStdin
      assert.strictEqual((yield* child.exit).code, 0)
      assert.isFalse(Fs.existsSync(target.path))
    }))

  it.scopedLive("a process that exits without closing anything gives back", () =>
    Effect.gen(function*() {
      const { child, target } = yield* holder
      yield* child.send({ do: "exit" })
      assert.strictEqual((yield* child.exit).code, 0)
      assert.isFalse(Fs.existsSync(target.path))
    }))
})

describe("DirectoryLock and the real proper-lockfile", () => {
  const lockOf = ({ path }: DirectoryLock.Directory) => ({ lock: path, options: { stale: DirectoryLocks.STALE } })

  it.scopedLive("each excludes the other", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place)
      const tool = yield* DirectoryLocks.properLockfile
      const lock = yield* acquire(target)
      yield* tool.send({ do: "try", ...lockOf(target) })
      yield* tool.message(isEvent("busy"))
      lock.release()
      yield* tool.send({ do: "try", ...lockOf(target) })
      yield* tool.message(isEvent("acquired"))
      assert.strictEqual(tagOf(target), "Busy")
      yield* tool.send({ do: "release" })
      yield* tool.message(isEvent("released"))
      assert.strictEqual(tagOf(target), "Acquired")
    }))

  it.scopedLive("does not take a lock away that we keep alive", () =>
    Effect.gen(function*() {
      const target = DirectoryLocks.make(yield* place, { heartbeat: 100 })
      const tool = yield* DirectoryLocks.properLockfile
      const lock = yield* acquire(target)
      const first = DirectoryLocks.lookAt(target)!.mtimeMs
      // Past the time at which a lock without a heartbeat would be stale.
      yield* until(() => DirectoryLocks.lookAt(target)!.mtimeMs > first + BigInt(DirectoryLocks.STALE + 500))
      yield* tool.send({ do: "try", ...lockOf(target) })
      yield* tool.message(isEvent("busy"))
      assert.isTrue(lock.isHeld())
    }))

  it.scopedLive("takes over from a process of ours that was killed", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const target = DirectoryLocks.make(Path.join(directory, "auth.json.d"))
      const ours = yield* DirectoryLocks.worker(directory, ["auth.json.d"])
      const tool = yield* DirectoryLocks.properLockfile
      yield* ours.send({ do: "try" })
      yield* ours.message(isEvent("acquired"))
      yield* tool.send({ do: "wait", ...lockOf(target) })
      yield* ours.signal("SIGKILL")
      yield* tool.message(isEvent("acquired"))
    }))
})
