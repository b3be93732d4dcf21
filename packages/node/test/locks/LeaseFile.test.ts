import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as LeaseFile from "@lockstep/node/locks/LeaseFile"
import { LockFile } from "@lockstep/node/locks/LockFile"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import { until } from "@lockstep/testkit/processes/LockProcesses"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

interface Note {
  readonly pid: number
  readonly nonce: string
  readonly at: number
}

const place = Effect.map(LockDirectory.make, (directory) => {
  const target = (times: { readonly heartbeat?: number } = {}) =>
    LockFile.Lease({
      path: Path.join(directory, "hash_refresh_in_progress.json"),
      stale: Duration.seconds(30),
      heartbeat: Duration.millis(times.heartbeat ?? 60_000)
    })
  const { path } = target()
  return {
    target,
    path,
    read: () => JSON.parse(Fs.readFileSync(path, "utf8")) as Note,
    write: (note: Partial<Note>) => Fs.writeFileSync(path, JSON.stringify({ nonce: "theirs", at: Date.now(), ...note }))
  }
})

const take = (target: LeaseFile.Lease, onLost: () => void = () => {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const attempt = LeaseFile.tryLock(target, onLost)
      if (attempt._tag !== "Acquired") throw new Error(`the lease is ${attempt._tag}`)
      return attempt.lock
    }),
    (lock) => Effect.sync(lock.release)
  )

const tagOf = (target: LeaseFile.Lease): string => {
  const attempt = LeaseFile.tryLock(target, () => {})
  if (attempt._tag === "Acquired") attempt.lock.release()
  return attempt._tag
}

const goner = Effect.scoped(
  Effect.flatMap(ChildProcess.spawn({ args: ["-e", ""], env: {} }), (child) => Effect.as(child.exit, child.pid))
)

describe("LeaseFile", () => {
  it.scoped("says who holds it since when, privately, and goes", () =>
    Effect.gen(function*() {
      const { path, read, target } = yield* place
      const before = Date.now()
      const lock = yield* take(target())
      deepStrictEqual(read().pid, process.pid)
      assert.isAtLeast(read().at, before)
      assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
      assert.strictEqual(tagOf(target()), "Busy")
      assert.isFalse(LeaseFile.isFree(target()))
      assert.isTrue(lock.isHeld())
      lock.release()
      assert.isFalse(lock.isHeld())
      assert.isTrue(LeaseFile.isFree(target()))
      deepStrictEqual(Fs.readdirSync(Path.dirname(path)), [])
    }))

  it.scoped("one whose holder is dead, or has it for too long, is taken over, and no other one", () =>
    Effect.gen(function*() {
      const { path, target, write } = yield* place
      const pid = yield* goner
      write({ pid: process.ppid })
      deepStrictEqual([LeaseFile.isFree(target()), tagOf(target())], [false, "Busy"])
      for (const note of [{ pid }, { pid: process.ppid, at: Date.now() - 30_000 }]) {
        write(note)
        deepStrictEqual([LeaseFile.isFree(target()), tagOf(target())], [true, "Acquired"])
      }
      deepStrictEqual(Fs.readdirSync(Path.dirname(path)), [])
    }))

  it.scoped("one that cannot be read yet is being written, and is abandoned when it stays so", () =>
    Effect.gen(function*() {
      const { path, target } = yield* place
      for (const text of ["", "{\"pid\":1", "[]", "{\"pid\":\"1\",\"nonce\":\"a\",\"at\":1}"]) {
        Fs.writeFileSync(path, text)
        deepStrictEqual([LeaseFile.isFree(target()), tagOf(target())], [false, "Busy"], text)
        Fs.utimesSync(path, 1, 1)
        deepStrictEqual([LeaseFile.isFree(target()), tagOf(target())], [true, "Acquired"], text)
      }
    }))

  it.scoped("is renewed for as long as it is held", () =>
    Effect.gen(function*() {
      const { read, target } = yield* place
      yield* take(target({ heartbeat: 10 }))
      const first = read()
      yield* until(() => read().at > first.at)
      assert.strictEqual(read().nonce, first.nonce)
    }))

  it.scoped("one that was taken away is told of once, and what lies there now is left alone", () =>
    Effect.gen(function*() {
      const { path, read, target, write } = yield* place
      let lost = 0
      const lock = yield* take(target(), () => void lost++)
      write({ pid: process.ppid })
      deepStrictEqual([lock.isHeld(), lock.isHeld(), lost], [false, false, 1])
      lock.release()
      assert.strictEqual(read().nonce, "theirs")
      Fs.unlinkSync(path)
    }))

  it.scoped("what is no file is left alone, and named", () =>
    Effect.gen(function*() {
      const { path, target } = yield* place
      Fs.mkdirSync(path)
      const attempt = LeaseFile.tryLock(target(), () => {})
      assert.strictEqual(attempt._tag, "Failed")
      if (attempt._tag === "Failed") assert.strictEqual(attempt.error.path, path)
      assert.isTrue(Fs.statSync(path).isDirectory())
    }))
})
