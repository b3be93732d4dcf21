import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { Stored } from "@lockstep/core/Credential"
import type { Lease } from "@lockstep/core/CredentialLock"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as LockWait from "@lockstep/core/LockWait"
import { Intent } from "@lockstep/core/RefreshJournal"
import * as RefreshJournals from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import * as WritableStores from "@lockstep/core/WritableStore"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as NodeHost from "@lockstep/node/NodeHost"
import { areWaiting, credentialLockContract, observe } from "@lockstep/testkit/contract/CredentialLockContract"
import { credential } from "@lockstep/testkit/contract/credentials"
import { fileLockContract } from "@lockstep/testkit/contract/FileLockContract"
import { answer } from "@lockstep/testkit/contract/journals"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import { isEvent, isFree, until } from "@lockstep/testkit/processes/LockProcesses"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { onCall } from "../support/instrument.js"

const TENANT = TenantId.make("codex")
const CODEX = LockTarget.Tenant({ tenant: TENANT })
const AGGREGATE = LockTarget.Aggregate()
const OPTIONS = { label: "codex", timeout: Duration.minutes(1) }

type Lock = FileLock.FileLock["Type"]

const isTaken = (lock: Lock, target: LockTarget = CODEX) => Effect.map(lock.tryAcquire(target), Option.isSome)
const take = (lock: Lock, target: LockTarget = CODEX, options?: { readonly within: Lease }) =>
  Effect.map(lock.tryAcquire(target, options), Option.getOrThrow)
const toolOf = (path: string) => ({ lock: path, options: { stale: DirectoryLocks.STALE } })

const suffix = LockTarget.$match({
  RotationGroup: ({ group }) => `group.${group}`,
  Tenant: ({ tenant }) => `tenant.${encodeURIComponent(tenant)}`,
  Aggregate: () => "aggregate"
})

const contract = (name: string, planOf: (base: string) => ReadonlyArray<LockFile>) =>
  [credentialLockContract, fileLockContract].forEach((register) =>
    register(name, () =>
      Layer.provide(
        FileLock.layer(),
        Layer.scoped(
          LockPaths,
          Effect.map(LockDirectory.make, (directory) => ({
            directory,
            plan: (target) => planOf(Path.join(directory, suffix(target)))
          }))
        )
      ))
  )

contract("directories", (base) => [DirectoryLocks.make(`${base}.lock`)])
contract("a sidecar and two directories", (base) => [
  LockFile.Kernel({ path: `${base}.sidecar.lock` }),
  DirectoryLocks.make(`${base}.one.lock`),
  DirectoryLocks.make(`${base}.two.lock`)
])

describe("FileLock with directories in its plan", () => {
  const NAMES = ["own.lock", "one.d", "two.d"]
  const setUp = Effect.gen(function*() {
    const directory = yield* LockDirectory.make
    const [own, one, two] = NAMES.map((name) => Path.join(directory, name)) as [string, string, string]
    return { directory, own, one, two, lock: yield* DirectoryLocks.lock(directory, NAMES) }
  })

  it.scoped("takes all of them in order, and gives them back the other way round", () =>
    Effect.gen(function*() {
      const { directory, lock, own, one, two } = yield* setUp
      const seen: Array<string> = []
      const present = () => Fs.readdirSync(directory).filter((name) => name.endsWith(".d"))
      yield* onCall("mkdirSync", () => seen.push(`make after ${present().join()}`))
      yield* onCall("rmdirSync", () => seen.push(`remove of ${present().join()} while own is ${isFree(own)}`))
      const lease = yield* take(lock)
      deepStrictEqual([isFree(own), Fs.existsSync(one), Fs.existsSync(two)], [false, true, true])
      yield* lease.release({ changed: false })
      deepStrictEqual([isFree(own), Fs.existsSync(one), Fs.existsSync(two)], [true, false, false])
      deepStrictEqual(seen, [
        "make after ",
        "make after one.d",
        "remove of one.d,two.d while own is false",
        "remove of one.d while own is false"
      ])
    }))

  it.scoped("one that is busy makes the others untouched: none is made only to be removed", () =>
    Effect.gen(function*() {
      const { lock, own, one, two } = yield* setUp
      const made: Array<unknown> = []
      Fs.mkdirSync(two)
      yield* onCall("mkdirSync", () => made.push("made"))
      assert.isFalse(yield* isTaken(lock))
      deepStrictEqual({ made, one: Fs.existsSync(one), own: isFree(own) }, { made: [], one: false, own: true })
      Fs.rmdirSync(two)
      assert.isTrue(yield* isTaken(lock))
    }))

  it.scoped("one that turns out to be busy gives the others back", () =>
    Effect.gen(function*() {
      const { lock, own, one, two } = yield* setUp
      let calls = 0
      // The tool comes between the look at all of them and the second directory.
      yield* onCall("mkdirSync", () => ++calls === 2 && Cp.execFileSync("mkdir", [two]))
      assert.isFalse(yield* isTaken(lock))
      deepStrictEqual({ calls, one: Fs.existsSync(one), own: isFree(own) }, { calls: 2, one: false, own: true })
    }))

  it.scoped("one that cannot be a lock gives the others back", () =>
    Effect.gen(function*() {
      const { lock, own, one, two } = yield* setUp
      Fs.writeFileSync(two, "")
      DirectoryLocks.age(two, 60_000)
      assert.deepInclude(yield* Effect.flip(lock.tryAcquire(CODEX)), { reason: "Permission", path: two })
      deepStrictEqual({ one: Fs.existsSync(one), own: isFree(own) }, { one: false, own: true })
    }))

  it.scoped("the release of a tool wakes a waiter, also where no watch runs", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const elsewhere = Path.join(yield* LockDirectory.make, "legacy.d")
      const { lock, waiting } = yield* observe(yield* DirectoryLocks.lock(directory, ["own.lock", elsewhere]))
      const tool = yield* DirectoryLocks.properLockfile
      yield* tool.send({ do: "try", ...toolOf(elsewhere) })
      yield* tool.message(isEvent("acquired"))
      const waiter = yield* Effect.fork(LockWait.acquire(lock, CODEX, OPTIONS))
      yield* areWaiting(waiting)
      yield* tool.send({ do: "release" })
      yield* Fiber.join(waiter)
    }))

  it.scoped("a waiter goes on when the tool was killed and its lock is stale", () =>
    Effect.gen(function*() {
      const { directory, two } = yield* setUp
      const { lock, waiting } = yield* observe(yield* DirectoryLocks.lock(directory, NAMES))
      const tool = yield* DirectoryLocks.properLockfile
      yield* tool.send({ do: "try", ...toolOf(two) })
      yield* tool.message(isEvent("acquired"))
      const waiter = yield* Effect.fork(LockWait.acquire(lock, CODEX, OPTIONS))
      yield* areWaiting(waiting)
      yield* tool.signal("SIGKILL")
      yield* tool.exit
      const last = DirectoryLocks.lookAt({ path: two })!.mtimeMs
      yield* Fiber.join(waiter)
      assert.isTrue(Date.now() - Number(last) > DirectoryLocks.STALE)
    }))

  it.scoped("names who holds it: by its own sidecar, else by what the tool noted", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const path = Path.join(directory, "refresh.d")
      const owner = `${path}.owner`
      const lock = yield* Effect.provideService(FileLock.make(), LockPaths, {
        directory,
        plan: () => [LockFile.Kernel({ path: Path.join(directory, "own.lock") }), {
          ...DirectoryLocks.make(path),
          owner: { path: owner, member: "lockBirthtimeMs" }
        }]
      })
      const pid = Effect.map(lock.holder(CODEX), Option.map((holder) => holder.pid))
      const lease = yield* take(lock)
      deepStrictEqual(yield* pid, Option.some(process.pid))
      yield* lease.release({ changed: false })

      const tool = yield* DirectoryLocks.properLockfile
      Fs.writeFileSync(owner, JSON.stringify({ pid: tool.pid }))
      DirectoryLocks.age(owner, 60_000)
      yield* tool.send({ do: "try", ...toolOf(path) })
      yield* tool.message(isEvent("acquired"))
      // Left by another holder.
      deepStrictEqual(yield* pid, Option.none())
      for (
        const note of ["", "{", "[1]", "{\"pid\":\"1\"}", "{\"pid\":0}", "{\"pid\":4194304999}", " ".repeat(5_000)]
      ) {
        Fs.writeFileSync(owner, note)
        deepStrictEqual(yield* pid, Option.none())
      }
      Fs.writeFileSync(owner, JSON.stringify({ pid: tool.pid, since: 1 }))
      deepStrictEqual(yield* pid, Option.some(tool.pid))
      yield* tool.send({ do: "release" })
      yield* tool.message(isEvent("released"))
      deepStrictEqual(yield* pid, Option.none())
    }))
})

describe("FileLock where one directory serves both roles", () => {
  const NAMES = ["both.d"]
  const shared = Effect.gen(function*() {
    const directory = yield* LockDirectory.make
    return { path: Path.join(directory, NAMES[0]!), lock: yield* DirectoryLocks.lock(directory, NAMES) }
  })

  it.scoped("it is taken once, and goes when both leases have ended", () =>
    Effect.gen(function*() {
      const { lock, path } = yield* shared
      const made: Array<unknown> = []
      yield* onCall("mkdirSync", () => made.push("made"))
      const tenant = yield* take(lock)
      const aggregate = yield* take(lock, AGGREGATE, { within: tenant })
      deepStrictEqual(made, ["made"])
      yield* tenant.release({ changed: false })
      assert.isTrue(Fs.existsSync(path))
      yield* aggregate.release({ changed: false })
      assert.isFalse(Fs.existsSync(path))
    }))

  it.scoped("a holder that lost it writes once the thief has gone, and its lease says that it was lost", () =>
    Effect.gen(function*() {
      const { lock, path } = yield* shared
      const warnings: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(message))
      const program = Effect.gen(function*() {
        const tenant = yield* take(lock)
        deepStrictEqual(yield* tenant.lost, Option.none())
        const thief = DirectoryLocks.steal(path)
        assert.isTrue(Option.isNone(yield* lock.tryAcquire(AGGREGATE, { within: tenant })))
        assert.strictEqual(DirectoryLocks.lookAt({ path })!.ino, thief.ino)
        Fs.rmdirSync(path)
        const aggregate = yield* take(lock, AGGREGATE, { within: tenant })
        // Held again, and what was decided before is in doubt all the same.
        assert.isTrue(Fs.existsSync(path))
        deepStrictEqual(yield* tenant.lost, Option.some(path))
        deepStrictEqual(yield* aggregate.lost, Option.none())
        yield* aggregate.release({ changed: true })
        deepStrictEqual(yield* tenant.lost, Option.some(path))
        yield* tenant.release({ changed: true })
        assert.isFalse(Fs.existsSync(path))
        const next = yield* take(lock)
        deepStrictEqual(yield* next.lost, Option.none())
      })
      yield* Effect.provide(program, Logger.replace(Logger.defaultLogger, logger))
      yield* until(() => warnings.length > 0)
      assert.strictEqual(warnings.length, 1)
      assert.include(String(warnings[0]), path)
    }))

  it.scoped("a theft is seen by whichever lease asks first, and known to both", () =>
    Effect.gen(function*() {
      const { lock, path } = yield* shared
      const tenant = yield* take(lock)
      const aggregate = yield* take(lock, AGGREGATE, { within: tenant })
      DirectoryLocks.steal(path)
      deepStrictEqual(yield* aggregate.lost, Option.some(path))
      deepStrictEqual(yield* tenant.lost, Option.some(path))
    }))

  it.scopedLive("a process of ours that was stopped, and lost its lock to the tool, knows it when it goes on", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const path = Path.join(directory, NAMES[0]!)
      const ours = yield* DirectoryLocks.worker(directory, NAMES)
      const tool = yield* DirectoryLocks.properLockfile
      yield* ours.send({ do: "try" })
      yield* ours.message(isEvent("acquired"))
      yield* ours.send({ do: "lost" })
      assert.isNull((yield* ours.message(isEvent("lost")))["lock"])
      yield* ours.signal("SIGSTOP")
      yield* ours.stopped
      yield* tool.send({ do: "wait", ...toolOf(path) })
      yield* tool.message(isEvent("acquired"))
      const { ino } = DirectoryLocks.lookAt({ path })!
      yield* ours.send({ do: "lost" })
      yield* ours.signal("SIGCONT")
      assert.strictEqual((yield* ours.message(({ event, lock }) => event === "lost" && lock !== null))["lock"], path)
      yield* ours.send({ do: "release" })
      yield* ours.message(isEvent("released"))
      assert.strictEqual(DirectoryLocks.lookAt({ path })!.ino, ino)
      yield* tool.send({ do: "release" })
      yield* tool.message(isEvent("released"))
    }))
})

describe("LockedCustody over a directory that can be taken away", () => {
  const intent = (over: Stored) =>
    Intent.make({
      attempt: "a",
      version: over.version,
      fingerprint: "0",
      state: "sending",
      sends: 1,
      ambiguous: false,
      at: 0,
      endedAt: Option.none(),
      by: NodeHost.self()
    })

  it.scoped("announces no request under a lock that was lost, and stores what was answered before", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const path = Path.join(directory, "both.d")
      const lock = yield* DirectoryLocks.lock(directory, ["both.d"])
      const store = yield* WritableStores.makeMemory()
      const journal = yield* RefreshJournals.makeMemory()
      const custody = LockedCustody.fromParts({ lock, store, journal })
      const over = yield* store.modify(
        TENANT,
        () => WritableStores.Change.Put({ credential: credential(1), value: (stored) => stored })
      )
      const announced = RefreshJournals.JournalRecord.make({
        ...RefreshJournals.empty(TENANT),
        intent: Option.some(intent(over))
      })
      const hold = yield* custody.hold(TENANT, { timeout: Duration.seconds(1) })
      if (hold._tag !== "Held") return assert.fail("nothing was looked for")
      const { held } = hold

      assert.isTrue(yield* held.begin(Option.some(announced), over))
      DirectoryLocks.steal(path)
      for (const record of [Option.some(announced), Option.none()]) {
        const error = yield* Effect.flip(held.begin(record, over))
        deepStrictEqual(error.reason, "Superseded")
        assert.include(error.detail!, path)
      }
      yield* held.capture(answer("a"))
      const { settled } = yield* held.commit({
        act: "refresh",
        decide: () => WritableStores.Change.Put({ credential: credential(2), value: () => undefined }),
        settle: () => Option.some({ journal: RefreshJournals.empty(TENANT), discard: true })
      })
      assert.isTrue(Either.isRight(settled))
      const evidence = yield* held.read()
      deepStrictEqual(Option.map(evidence.stored, (one) => one.credential.generation), Option.some(2))
      deepStrictEqual(evidence.kept, Option.none())
    }))
})
