import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as LockWait from "@lockstep/core/LockWait"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileLock from "@lockstep/node/locks/FileLock"
import * as KernelLock from "@lockstep/node/locks/KernelLock"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { areWaiting, credentialLockContract, observe } from "@lockstep/testkit/contract/CredentialLockContract"
import { fileLockContract } from "@lockstep/testkit/contract/FileLockContract"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import { foreignHolder, isEvent, isFree, lockWorker, until } from "@lockstep/testkit/processes/LockProcesses"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ProcFs from "../../src/internal/procfs.js"
import { onCall } from "../support/instrument.js"
import { asNobody, giveToNobody, isRoot, withUmask } from "../support/privileges.js"

const CODEX = LockTarget.Tenant({ tenant: TenantId.make("codex") })
const AGGREGATE = LockTarget.Aggregate()
const OPTIONS = { label: "codex", timeout: Duration.minutes(1) }

type Lock = FileLock.FileLock["Type"]

const sidecarOf = (lock: Lock, target: LockTarget = CODEX): string => lock.plan(target)[0]!
const modeOf = (path: string): number => Fs.statSync(path).mode & 0o777
const isTaken = (lock: Lock, target: LockTarget = CODEX) => Effect.map(lock.tryAcquire(target), Option.isSome)

/** Another process, which holds the tenant. */
const holderIn = (directory: string) =>
  Effect.tap(
    lockWorker(directory),
    (holder) => Effect.zipRight(holder.send({ do: "try" }), holder.message(isEvent("acquired")))
  )

const layer = () =>
  Layer.provide(
    FileLock.layer(),
    Layer.scoped(LockPaths, Effect.map(LockDirectory.make, (directory) => LockDirectory.paths(directory)))
  )
credentialLockContract("files", layer)
fileLockContract("files", layer)

describe("FileLock and other processes", () => {
  it.scoped("excludes flock(1), and is excluded by it", () =>
    Effect.gen(function*() {
      const lock = yield* LockDirectory.lock(yield* LockDirectory.make)
      const sidecar = sidecarOf(lock)
      const lease = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      assert.isFalse(isFree(sidecar))
      yield* lease.release({ changed: false })
      assert.isTrue(isFree(sidecar))

      const foreign = yield* foreignHolder(sidecar)
      assert.isFalse(yield* isTaken(lock))
      yield* foreign.closeStdin
      yield* foreign.exit
      assert.isTrue(yield* isTaken(lock))
    }))

  it.scoped("excludes another Node process, and is excluded by it", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const other = yield* lockWorker(directory)
      const lease = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      yield* other.send({ do: "try" })
      yield* other.message(isEvent("busy"))
      yield* lease.release({ changed: false })
      yield* other.send({ do: "try" })
      yield* other.message(isEvent("acquired"))
      assert.isFalse(yield* isTaken(lock))
    }))

  it.scoped("a holder that is killed frees its lock, though a child of its own lives on", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const holder = yield* holderIn(directory)
      yield* holder.send({ do: "spawn" })
      const { pid } = yield* holder.message(isEvent("spawned"))
      yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(Number(pid), "SIGKILL")))
      assert.isFalse(yield* isTaken(lock))
      yield* holder.signal("SIGKILL")
      yield* holder.exit
      assert.isTrue(process.kill(Number(pid), 0))
      assert.isTrue(yield* isTaken(lock))
    }))

  it.scoped("the release of another process wakes a waiter at the first try", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const { lock, waiting } = yield* observe(yield* LockDirectory.lock(directory))
      const holder = yield* holderIn(directory)
      const waiter = yield* Effect.fork(LockWait.acquire(lock, CODEX, OPTIONS))
      yield* areWaiting(waiting)
      yield* holder.send({ do: "release" })
      // The clock stands still, so a first try that came too early would be the last.
      yield* Fiber.join(waiter)
    }))

  it.scoped("when waiters are woken the lock is free", () =>
    Effect.gen(function*() {
      const lock = yield* LockDirectory.lock(yield* LockDirectory.make)
      const lease = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      const freeAtTouch: Array<boolean> = []
      yield* onCall("lutimesSync", () => freeAtTouch.push(isFree(sidecarOf(lock))))
      yield* lease.release({ changed: false })
      deepStrictEqual(freeAtTouch, [true])
      const other = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      // What was written has woken them.
      yield* other.release({ changed: true })
      deepStrictEqual(freeAtTouch, [true])
    }))

  it.scoped("LockTimeout names the holder, and that it is stopped", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const { lock, waiting } = yield* observe(yield* LockDirectory.lock(directory))
      const holder = yield* holderIn(directory)
      const running = Option.getOrThrow(yield* lock.holder(CODEX))
      assert.strictEqual(running.pid, holder.pid)
      assert.isFalse(running.stopped)
      assert.match(Option.getOrThrow(running.command), /^lockWorker-[0-9a-f]+\.mjs$/)
      assert.isBelow(Math.abs(Date.now() - Option.getOrThrow(running.startedAt)), 3_600_000)

      yield* holder.signal("SIGSTOP")
      yield* until(() => Option.exists(ProcFs.stat(holder.pid), ({ state }) => state === "T"))
      const waiter = yield* Effect.fork(
        Effect.flip(LockWait.acquire(lock, CODEX, { ...OPTIONS, timeout: Duration.millis(200) }))
      )
      yield* areWaiting(waiting)
      yield* TestClock.adjust(Duration.seconds(1))
      const error = yield* Fiber.join(waiter)
      assert.strictEqual(error._tag, "LockTimeout")
      if (error._tag !== "LockTimeout") return
      const named = Option.getOrThrow(error.holder)
      deepStrictEqual({ pid: named.pid, stopped: named.stopped }, { pid: holder.pid, stopped: true })
      assert.include(error.message, String(holder.pid))
      assert.include(error.advice, `kill -CONT ${holder.pid}`)
      yield* holder.signal("SIGCONT")
    }))

  it.scoped("no process is named as the holder of a free lock, nor the child that locked on our behalf", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      assert.isTrue(Option.isNone(yield* lock.holder(CODEX)))
      const lease = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      assert.strictEqual(Option.getOrThrow(yield* lock.holder(CODEX)).pid, process.pid)
      yield* lease.release({ changed: false })
      assert.isTrue(Option.isNone(yield* lock.holder(CODEX)))

      const command = KernelLock.providers.filter(({ name }) => name === "flock(1)")
      const byChild = yield* LockDirectory.lock(directory, { providers: command })
      assert.isTrue(yield* isTaken(byChild))
      assert.isTrue(Option.isNone(yield* byChild.holder(CODEX)))
    }))
})

describe("FileLock and its sidecars", () => {
  it.scoped("a sidecar is 0600 whatever the umask, empty, and never removed", () =>
    Effect.gen(function*() {
      for (const mask of [0o000, 0o777]) {
        const directory = yield* LockDirectory.make
        const lock = yield* LockDirectory.lock(directory)
        yield* Effect.flatMap(lock.tryAcquire(AGGREGATE), () => Effect.void)
        const lease = withUmask(mask, () => Option.getOrThrow(Effect.runSync(lock.tryAcquire(CODEX))))
        const { ino, size } = Fs.statSync(sidecarOf(lock))
        deepStrictEqual({ mode: modeOf(sidecarOf(lock)), size }, { mode: 0o600, size: 0 })
        yield* lease.release({ changed: false })
        assert.strictEqual(Fs.statSync(sidecarOf(lock)).ino, ino)
      }
    }))

  it.scoped("a missing directory is created", () =>
    Effect.gen(function*() {
      const home = Path.join(yield* LockDirectory.make, "a", "home")
      assert.isTrue(yield* isTaken(yield* LockDirectory.lock(home)))
      assert.strictEqual(modeOf(home), 0o700)
    }))

  it.scoped("a sidecar that is replaced under our hands is noticed, and the present one is locked", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const real = yield* KernelLock.load(directory)
      let replacements = 0
      // Replaced between open and lock, the moment that only the question under the lock can notice.
      const lock = yield* LockDirectory.lock(directory, {
        providers: [{
          name: "replacing",
          load: async () => ({
            name: "replacing",
            tryLock: (fd, path) => {
              if (replacements++ < 2) {
                Fs.writeFileSync(`${path}.new`, "")
                Fs.renameSync(`${path}.new`, path)
              }
              return real.tryLock(fd, path)
            }
          })
        }]
      })
      assert.isTrue(yield* isTaken(lock))
      assert.strictEqual(replacements, 3)
      assert.isFalse(isFree(sidecarOf(lock)))
    }))

  it.scoped("releasing twice gives back once", () =>
    Effect.gen(function*() {
      const lock = yield* LockDirectory.lock(yield* LockDirectory.make)
      const first = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      yield* first.release({ changed: false })
      yield* Effect.asVoid(lock.tryAcquire(CODEX))
      yield* first.release({ changed: false })
      assert.isFalse(yield* isTaken(lock))
      assert.isFalse(isFree(sidecarOf(lock)))
    }))

  it.scoped("a target of several sidecars is taken whole or not at all", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory, {}, () => ["one.lock", "two.lock", "one.lock"])
      const [one, two] = ["one.lock", "two.lock"].map((name) => Path.join(directory, name)) as [string, string]
      const foreign = yield* foreignHolder(two)
      assert.isFalse(yield* isTaken(lock))
      assert.isTrue(isFree(one))
      yield* foreign.closeStdin
      yield* foreign.exit
      const lease = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      deepStrictEqual([isFree(one), isFree(two)], [false, false])
      yield* lease.release({ changed: true })
      deepStrictEqual([isFree(one), isFree(two)], [true, true])
    }))
})

describe("FileLock where one lock serves both roles", () => {
  const shared = Effect.flatMap(
    LockDirectory.make,
    (directory) => LockDirectory.lock(directory, {}, () => ["auth.lock"])
  )

  it.scoped("it is entered once more within its lease, from any fiber, and both must end", () =>
    Effect.gen(function*() {
      const lock = yield* shared
      const tenant = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      const aggregate = Option.getOrThrow(yield* lock.tryAcquire(AGGREGATE, { within: tenant }))
      yield* aggregate.release({ changed: true })
      assert.isFalse(isFree(sidecarOf(lock)))
      const elsewhere = yield* Effect.fork(lock.tryAcquire(AGGREGATE, { within: tenant }))
      const again = Option.getOrThrow(yield* Fiber.join(elsewhere))
      yield* tenant.release({ changed: true })
      assert.isFalse(isFree(sidecarOf(lock)))
      yield* again.release({ changed: true })
      assert.isTrue(isFree(sidecarOf(lock)))
    }))

  it.scoped("a fiber that took it finds it busy without its lease", () =>
    Effect.gen(function*() {
      const lock = yield* shared
      yield* Effect.asVoid(lock.tryAcquire(CODEX))
      assert.isFalse(yield* isTaken(lock, AGGREGATE))
      assert.isFalse(yield* isTaken(lock, CODEX))
    }))

  it.scoped("a lease of another lock, and one that was given back, open nothing", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const [lock, other] = yield* Effect.all([
        LockDirectory.lock(directory, {}, () => ["auth.lock"]),
        LockDirectory.lock(directory, {}, () => ["other.lock"])
      ])
      const foreign = Option.getOrThrow(yield* other.tryAcquire(CODEX))
      const gone = Option.getOrThrow(yield* lock.tryAcquire(CODEX))
      yield* gone.release({ changed: true })
      yield* Effect.asVoid(lock.tryAcquire(CODEX))
      for (const within of [foreign, gone]) {
        assert.isTrue(Option.isNone(yield* lock.tryAcquire(AGGREGATE, { within })))
      }
    }))
})

describe("FileLock where it cannot work", () => {
  const refusal = (lock: Lock) => Effect.flip(lock.tryAcquire(CODEX))

  it.scoped("a remote file system is refused before anything is asked of its locks", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      let loads = 0
      const providers = KernelLock.providers.map(({ load, name }) => ({ name, load: () => (loads++, load()) }))
      const nfs = { fileSystemType: () => 0x6969n, providers }
      const error = yield* refusal(yield* LockDirectory.lock(directory, nfs))
      assert.deepInclude(error, { reason: "Remote", path: directory, detail: "NFS" })
      assert.include(error.advice, "local disk")
      deepStrictEqual(Fs.readdirSync(directory), [])
      assert.strictEqual(loads, 0)
      assert.isTrue(yield* isTaken(yield* LockDirectory.lock(directory, { ...nfs, trustRemote: true })))
    }))

  it.effect("LOCKSTEP_TRUST_LOCKS says that remote locks are believed", () =>
    Effect.gen(function*() {
      const read = (values: ReadonlyArray<readonly [string, string]>) =>
        Effect.withConfigProvider(FileLock.trustRemote, ConfigProvider.fromMap(new Map(values)))
      assert.isFalse(yield* read([]))
      assert.isTrue(yield* read([["LOCKSTEP_TRUST_LOCKS", "1"]]))
      assert.isFalse(yield* read([["LOCKSTEP_TRUST_LOCKS", "0"]]))
      assert.strictEqual((yield* Effect.flip(read([["LOCKSTEP_TRUST_LOCKS", "perhaps"]])))._op, "InvalidData")
    }))

  it.scoped("without a way to call the kernel there is no lock", () =>
    Effect.gen(function*() {
      const lock = yield* LockDirectory.lock(yield* LockDirectory.make, {
        providers: [
          { name: "first", load: async () => "MODULE_NOT_FOUND" },
          { name: "second", load: async () => "ENOENT" }
        ]
      })
      const error = yield* refusal(lock)
      assert.deepInclude(error, { reason: "NoBinding", path: sidecarOf(lock) })
      assert.strictEqual(error.detail, "first: MODULE_NOT_FOUND; second: ENOENT")
    }))

  it.scoped("whatever lies in the place of a sidecar is not followed, and left alone", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const sidecar = sidecarOf(lock)
      const victim = Path.join(directory, "victim")
      Fs.symlinkSync(victim, sidecar)
      assert.deepInclude(yield* refusal(lock), { reason: "Permission", detail: "ELOOP" })
      assert.isFalse(Fs.existsSync(victim))
      Fs.rmSync(sidecar)
      Fs.mkdirSync(sidecar)
      assert.deepInclude(yield* refusal(lock), { reason: "Permission", detail: "EISDIR" })
      Fs.rmdirSync(sidecar)
      Cp.execFileSync("mkfifo", [sidecar])
      assert.deepInclude(yield* refusal(lock), { reason: "Permission", detail: "it is not a regular file" })
    }))

  it.scoped("a try that fails halfway leaves nothing held", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      Fs.mkdirSync(Path.join(directory, "two.lock"))
      const lock = yield* LockDirectory.lock(directory, {}, () => ["one.lock", "two.lock"])
      assert.strictEqual((yield* refusal(lock)).detail, "EISDIR")
      assert.isTrue(isFree(Path.join(directory, "one.lock")))
    }))

  it.scoped.skipIf(!isRoot)("a read-only file system is ReadOnly (root mounts one)", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      Cp.execFileSync("mount", ["-t", "tmpfs", "-o", "ro,size=64k", "lockstep-test", directory])
      yield* Effect.addFinalizer(() => Effect.sync(() => Cp.execFileSync("umount", [directory])))
      assert.deepInclude(yield* refusal(yield* LockDirectory.lock(directory)), { reason: "ReadOnly", detail: "EROFS" })
    }))

  it.scoped.skipIf(!isRoot)(
    "another user's directory is Permission, and nothing is left in it (root plays both)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        Fs.chmodSync(directory, 0o777)
        const lock = yield* LockDirectory.lock(directory)
        const error = asNobody(() => Effect.runSync(refusal(lock)))
        assert.deepInclude(error, { reason: "Permission", path: directory })
        assert.include(error.detail!, "user 65534")
        deepStrictEqual(Fs.readdirSync(directory), [])
      })
  )

  it.scoped.skipIf(!isRoot)("another user's sidecar is Permission (root plays both)", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      giveToNobody(directory)
      const lock = yield* LockDirectory.lock(directory)
      yield* Effect.asVoid(lock.tryAcquire(AGGREGATE))
      Fs.writeFileSync(sidecarOf(lock), "", { mode: 0o600 })
      assert.deepInclude(asNobody(() => Effect.runSync(refusal(lock))), { reason: "Permission", detail: "EACCES" })
    }))

  it.scoped.skipIf(!isRoot)(
    "an own sidecar that was left without its mode is repaired (root plays the user)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        giveToNobody(directory)
        const lock = yield* LockDirectory.lock(directory)
        // What a process leaves that dies between creating and fchmod under umask 0777.
        Fs.writeFileSync(sidecarOf(lock), "")
        Fs.chmodSync(sidecarOf(lock), 0)
        giveToNobody(sidecarOf(lock))
        yield* Effect.asVoid(lock.tryAcquire(AGGREGATE))
        assert.isTrue(Option.isSome(asNobody(() => Effect.runSync(lock.tryAcquire(CODEX)))))
        assert.strictEqual(modeOf(sidecarOf(lock)), 0o600)
      })
  )

  it.scoped.skipIf(!isRoot)(
    "root gives the directories and sidecars that it creates to the owner (root is needed)",
    () =>
      Effect.gen(function*() {
        const parent = yield* LockDirectory.make
        giveToNobody(parent)
        const lock = yield* LockDirectory.lock(Path.join(parent, "home"))
        assert.isTrue(yield* isTaken(lock))
        for (const path of [Path.join(parent, "home"), sidecarOf(lock)]) {
          const { gid, uid } = Fs.statSync(path)
          deepStrictEqual({ uid, gid }, { uid: 65534, gid: 65534 })
        }
      })
  )
})

describe("a lock file of others", () => {
  it.scoped("that they can write is closed where no other user can come to it, and refused where they can", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const sidecar = sidecarOf(lock)
      const before = yield* Effect.scoped(Effect.map(lock.tryAcquire(CODEX), () => Fs.statSync(sidecar).ino))
      for (const mode of [0o666, 0o620, 0o602]) {
        Fs.chmodSync(sidecar, mode)
        Fs.chmodSync(directory, 0o755)
        const other = yield* LockDirectory.lock(directory)
        const error = yield* Effect.flip(other.tryAcquire(AGGREGATE).pipe(Effect.zipRight(other.tryAcquire(CODEX))))
        assert.deepInclude(error, { reason: "Permission", path: sidecar })
        assert.strictEqual(error.advice, `close it with \`chmod 600 ${sidecar}\``)
        Fs.chmodSync(directory, 0o700)
        yield* other.tryAcquire(CODEX)
        assert.strictEqual(modeOf(sidecar), 0o600)
        // Never made anew: a process that has it open would hold a lock that no other sees.
        assert.strictEqual(Fs.statSync(sidecar).ino, before)
      }
    }))

  it.scoped.skipIf(!isRoot)(
    "that belongs to another user is refused, and one that root did not get to give away is given (root is needed)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        const lock = yield* LockDirectory.lock(directory)
        const sidecar = sidecarOf(lock)
        Fs.writeFileSync(sidecar, "", { mode: 0o600 })
        Fs.chownSync(sidecar, 1, 1)
        const error = yield* Effect.flip(lock.tryAcquire(CODEX))
        assert.deepInclude(error, { reason: "Permission", path: sidecar, detail: "it belongs to user 1" })
        Fs.chownSync(sidecar, 0, 0)
        giveToNobody(directory)
        assert.isTrue(yield* isTaken(lock))
        assert.strictEqual(Fs.statSync(sidecar).uid, 65534)
      })
  )
})
