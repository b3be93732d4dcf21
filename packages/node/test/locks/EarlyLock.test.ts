import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import * as EarlyLock from "@lockstep/node/locks/EarlyLock"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import { isFree } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const CODEX = TenantId.make("codex")
const TARGET = LockTarget.Tenant({ tenant: CODEX })

const earlyIn = (directory: string): EarlyLock.EarlyLock => {
  const lock = EarlyLock.make({
    store: Path.join(directory, "auth.json"),
    tenant: CODEX,
    lockDirectory: directory,
    trustRemote: false,
    from: fileURLToPath(import.meta.url)
  })
  assert.isDefined(lock)
  return lock!
}

const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.fail("not yet" as const)).pipe(
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.timeout("20 seconds"),
    Effect.orDie
  )

describe("EarlyLock", () => {
  it.scoped("locks the file that FileLock locks, and each finds it busy while the other has it", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const early = earlyIn(directory)
      assert.strictEqual(early.path, lock.plan(TARGET)[0])
      const fd = early.tryLock()
      assert.isNumber(fd)
      assert.isFalse(isFree(early.path))
      assert.isTrue(Option.isNone(yield* lock.tryAcquire(TARGET)))
      early.unlock(fd as number)
      const lease = Option.getOrThrow(yield* lock.tryAcquire(TARGET))
      // Asked by an open file, and again by a new one.
      assert.deepStrictEqual([early.tryLock(), early.tryLock(), early.tryLock()], ["busy", "busy", "busy"])
      yield* lease.release({ changed: false })
      assert.isNumber(early.tryLock())
    }))

  it.scoped("is excluded by a sidecar that took the place of the one that it asked", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const early = earlyIn(directory)
      const first = Option.getOrThrow(yield* lock.tryAcquire(TARGET))
      assert.strictEqual(early.tryLock(), "busy")
      Fs.renameSync(early.path, `${early.path}.old`)
      const second = yield* LockDirectory.lock(directory)
      assert.isTrue(Option.isSome(yield* second.tryAcquire(TARGET)))
      yield* first.release({ changed: false })
      // What it has open is free now, and is not the lock any more.
      assert.strictEqual(early.tryLock(), "busy")
    }))

  it.scoped("is handed over without a gap: the first try takes it, the second finds it busy, the release frees it", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const early = earlyIn(directory)
      const fd = early.tryLock() as number
      const lock = yield* LockDirectory.lock(directory, { inherited: { path: early.path, fd } })
      const other = yield* LockDirectory.lock(directory)
      assert.isTrue(Option.isNone(yield* other.tryAcquire(TARGET)))
      const lease = Option.getOrThrow(yield* lock.tryAcquire(TARGET))
      assert.isFalse(isFree(early.path))
      assert.isTrue(Option.isNone(yield* lock.tryAcquire(TARGET)))
      yield* lease.release({ changed: false })
      assert.isTrue(isFree(early.path))
      assert.isTrue(Option.isSome(yield* lock.tryAcquire(TARGET)))
    }))

  it.scopedLive("stands in the line of those that wait, leaves it to the next, and is told of a lock that is free", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const lock = yield* LockDirectory.lock(directory)
      const lease = Option.getOrThrow(yield* lock.tryAcquire(TARGET))
      const heard: Array<string> = []
      const wait = (who: string) => {
        const early = earlyIn(directory)
        return early.listen({ hasChanged: () => false, hint: () => void heard.push(who) })
      }
      const line = SidecarNames.line(lock.plan(TARGET)[0]!)
      const first = wait("first")
      yield* until(() => Fs.existsSync(line) && !isFree(line))
      const second = wait("second")
      first.end()
      assert.isTrue(isFree(line))
      yield* until(() => !isFree(line))
      assert.deepStrictEqual(heard, [])
      yield* lease.release({ changed: false })
      yield* until(() => heard.includes("second"))
      assert.notInclude(heard, "first")
      second.end()
      assert.isTrue(isFree(line))
    }))
})
