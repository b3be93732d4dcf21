import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as DirectoryLock from "@lockstep/node/locks/DirectoryLock"
import type * as OwnerRecord from "@lockstep/node/locks/OwnerRecord"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

interface Note {
  readonly pid: number
  readonly procStart: string
  readonly pidDomain: string
  readonly pidSpace: string
  readonly lockBirthtimeMs: number
  readonly legacyLockBirthtimeMs?: number
}

/** A pid that ran and runs no more. */
const goner = Effect.scoped(
  Effect.flatMap(ChildProcess.spawn({ args: ["-e", ""], env: {} }), (child) => Effect.as(child.exit, child.pid))
)

const birth = (path: string): number => Fs.lstatSync(path).birthtimeMs

/** The two locks of a refresh and their note, whose heartbeat is not missed within a test. */
const place = Effect.map(LockDirectory.make, (directory) => {
  const [primary, legacy, note] = ["a.lock", "b.lock", "a.lock.owner"].map((name) => Path.join(directory, name)) as [
    string,
    string,
    string
  ]
  const make = (path: string, owner: OwnerRecord.Place): DirectoryLock.Directory => ({
    ...DirectoryLocks.make(path, { stale: 600_000, heartbeat: 60_000 }),
    owner
  })
  return {
    first: make(primary, { path: note, member: "lockBirthtimeMs", other: legacy }),
    second: make(legacy, { path: note, member: "legacyLockBirthtimeMs", other: primary }),
    note,
    read: () => JSON.parse(Fs.readFileSync(note, "utf8")) as Note,
    write: (changes: Partial<Note>) => Fs.writeFileSync(note, JSON.stringify({ ...seen(), ...changes })),
    paths: [primary, legacy] as const
  }
})

/** What a process of this machine writes of itself. Said anew here. */
const seen = (): Omit<Note, "pid" | "procStart" | "lockBirthtimeMs"> => {
  const namespace = Fs.readlinkSync("/proc/self/ns/pid")
  const machine = Fs.existsSync("/etc/machine-id") ? Fs.readFileSync("/etc/machine-id", "utf8").trim() : ""
  return { pidDomain: `linux:${machine}:${namespace}`, pidSpace: `${Os.hostname()}#${namespace}` }
}

const startOf = (pid: number | "self"): string =>
  Fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19]!

const take = (target: DirectoryLock.Directory) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const attempt = DirectoryLock.tryLock(target, () => {})
      if (attempt._tag !== "Acquired") throw new Error(`the lock is ${attempt._tag}`)
      return attempt.lock
    }),
    (lock) => Effect.sync(lock.release)
  )

describe.skipIf(process.platform !== "linux")("the note beside a directory lock", () => {
  it.scoped("says who holds both locks, privately, and goes before the first of them", () =>
    Effect.gen(function*() {
      const { first, note, paths: [primary, legacy], read, second } = yield* place
      const one = yield* take(first)
      const two = yield* take(second)
      deepStrictEqual(read(), {
        pid: process.pid,
        procStart: startOf("self"),
        ...seen(),
        lockBirthtimeMs: birth(primary),
        legacyLockBirthtimeMs: birth(legacy)
      })
      assert.strictEqual(Fs.statSync(note).mode & 0o777, 0o600)
      two.release()
      assert.isTrue(Fs.existsSync(note))
      one.release()
      deepStrictEqual([Fs.existsSync(note), Fs.existsSync(primary)], [false, false])
    }))

  it.scoped("of a process that was killed frees both locks at once", () =>
    Effect.gen(function*() {
      const { first, paths: [primary, legacy], read, second, write } = yield* place
      const pid = yield* goner
      for (const path of [primary, legacy]) Fs.mkdirSync(path)
      const born = { lockBirthtimeMs: birth(primary), legacyLockBirthtimeMs: birth(legacy) }
      write({ pid, ...born })
      assert.isTrue(DirectoryLock.isFree(first))
      assert.isTrue(DirectoryLock.isFree(second))
      yield* take(first)
      assert.isFalse(Fs.existsSync(legacy))
      yield* take(second)
      assert.strictEqual(read().pid, process.pid)
    }))

  it.scoped("of a pid that another process has by now counts as that of a dead one", () =>
    Effect.gen(function*() {
      const { first, paths: [primary], write } = yield* place
      Fs.mkdirSync(primary)
      write({ pid: process.pid, procStart: "1", lockBirthtimeMs: birth(primary) })
      assert.isTrue(DirectoryLock.isFree(first))
      write({ pid: process.pid, procStart: startOf("self"), lockBirthtimeMs: birth(primary) })
      assert.isFalse(DirectoryLock.isFree(first))
    }))

  it.scoped("proves nothing about another directory, machine or process's second lock, or by damage", () =>
    Effect.gen(function*() {
      const { first, note, paths: [primary, legacy], write } = yield* place
      const pid = yield* goner
      Fs.mkdirSync(primary)
      const lockBirthtimeMs = birth(primary)
      const isFree = () => [DirectoryLock.isFree(first), DirectoryLock.tryLock(first, () => {})._tag]
      const busy = [false, "Busy"]
      write({ pid, lockBirthtimeMs: lockBirthtimeMs - 1 })
      deepStrictEqual(isFree(), busy)
      write({ pid, lockBirthtimeMs, pidDomain: "linux:other:pid:[1]" })
      deepStrictEqual(isFree(), busy)
      write({ pid, lockBirthtimeMs, pidSpace: "other" })
      deepStrictEqual(isFree(), busy)
      for (
        const text of ["", "{", "[]", JSON.stringify({ pid }), JSON.stringify({ ...seen(), pid: 1, lockBirthtimeMs })]
      ) {
        Fs.writeFileSync(note, text)
        deepStrictEqual(isFree(), busy, text)
      }
      Fs.mkdirSync(legacy)
      write({ pid, lockBirthtimeMs })
      deepStrictEqual(isFree(), busy)
      Fs.rmdirSync(legacy)
      write({ pid, lockBirthtimeMs })
      deepStrictEqual(isFree()[0], true)
    }))

  it.scoped("of another process is left alone by a process without a note there", () =>
    Effect.gen(function*() {
      const { first, paths: [primary], read, write } = yield* place
      const lock = yield* take(first)
      write({ pid: process.ppid, lockBirthtimeMs: birth(primary) })
      lock.release()
      assert.strictEqual(read().pid, process.ppid)
    }))
})
