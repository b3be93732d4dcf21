import { assert, describe, it } from "@effect/vitest"
import * as KernelLock from "@lockstep/node/locks/KernelLock"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import { foreignHolder, isFree } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Internal from "../../src/internal/kernelLock.js"

const open = (path: string): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Fs.openSync(path, Fs.constants.O_RDWR | Fs.constants.O_CREAT, 0o600)),
    (fd) =>
      Effect.sync(() => {
        try {
          Fs.closeSync(fd)
        } catch {
          // The test closed it.
        }
      })
  )

const sidecar = Effect.map(LockDirectory.make, (directory) => Path.join(directory, "sidecar"))

// Loaded before the tests are named, so that each of them says whether it can run here.
const loaded = await Promise.all(
  KernelLock.providers.map(async ({ load, name }) => ({ name, lock: await load() }))
)

describe("KernelLock", () => {
  for (const { lock, name } of loaded) {
    const absent = typeof lock === "string"
    const note = absent ? ` (not here: ${lock})` : ""
    const { tryLock } = absent ? { tryLock: () => Internal.BUSY } : lock

    it.scoped.skipIf(absent)(
      `${name}: excludes every other open file, in this process too${note}`,
      () =>
        Effect.gen(function*() {
          const path = yield* sidecar
          const first = yield* open(path)
          const second = yield* open(path)
          assert.deepStrictEqual(tryLock(first, path), { _tag: "Acquired", fd: first })
          assert.deepStrictEqual(tryLock(second, path), { _tag: "Busy" })
          // Closing some other descriptor of the file is no unlock.
          Fs.closeSync(second)
          assert.isFalse(isFree(path))
          Fs.closeSync(first)
          assert.isTrue(isFree(path))
        })
    )

    it.scoped.skipIf(absent)(`${name}: excludes flock(1), and is excluded by it${note}`, () =>
      Effect.gen(function*() {
        const path = yield* sidecar
        const fd = yield* open(path)
        const foreign = yield* foreignHolder(path)
        assert.deepStrictEqual(tryLock(fd, path), { _tag: "Busy" })
        yield* foreign.closeStdin
        yield* foreign.exit
        assert.strictEqual(tryLock(fd, path)._tag, "Acquired")
        assert.isFalse(isFree(path))
      }))

    it.scoped.skipIf(absent)(`${name}: excludes every other way to lock${note}`, () =>
      Effect.gen(function*() {
        const path = yield* sidecar
        const mine = yield* open(path)
        assert.strictEqual(tryLock(mine, path)._tag, "Acquired")
        for (const other of loaded) {
          if (typeof other.lock === "string") continue
          assert.deepStrictEqual(other.lock.tryLock(yield* open(path), path), { _tag: "Busy" }, other.name)
        }
      }))

    it.skipIf(absent)(`${name}: what is no open file is a failure and never a lock${note}`, () => {
      // Far above every descriptor in use. A number just closed would be taken at once by what a child is started with.
      assert.strictEqual(tryLock(10_000, "/nowhere")._tag, "Failed")
    })
  }

  it("a signal that ends the call is no answer; busy and unsupported are told apart", () => {
    const { EBADF, EINTR, ENOLCK, ENOSYS, EOPNOTSUPP, EROFS, EWOULDBLOCK } = Os.constants.errno
    const after = (...errnos: ReadonlyArray<number>) => {
      const left = [...errnos]
      let errno = 0
      const tryLock = Internal.flock(() => (errno = left.shift() ?? 0) === 0 ? 0 : -1, () => errno)
      const attempt = tryLock(3, "/sidecar")
      return attempt._tag === "Failed" ? `${attempt.failure.reason} ${attempt.failure.detail}` : attempt._tag
    }
    assert.strictEqual(after(), "Acquired")
    assert.strictEqual(after(EINTR, EINTR), "Acquired")
    assert.strictEqual(after(EINTR, EWOULDBLOCK), "Busy")
    assert.strictEqual(after(ENOLCK), "Unsupported ENOLCK")
    assert.strictEqual(after(ENOSYS), "Unsupported ENOSYS")
    assert.match(after(EOPNOTSUPP), /^Unsupported /)
    assert.strictEqual(after(EROFS), "ReadOnly EROFS")
    assert.strictEqual(after(EBADF), "Permission EBADF")
  })

  it.effect("the first way that works is taken, and the next are not even asked", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const candidate = (name: string, works: boolean): KernelLock.Provider => ({
        name,
        load: async () => {
          asked.push(name)
          return works ? { name, tryLock: () => Internal.BUSY } : "absent"
        }
      })
      const chosen = yield* KernelLock.load("/sidecar", [
        candidate("one", false),
        candidate("two", true),
        candidate("three", true)
      ])
      assert.strictEqual(chosen.name, "two")
      assert.deepStrictEqual(asked, ["one", "two"])
    }))
})
