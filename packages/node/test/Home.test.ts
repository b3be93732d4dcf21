import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change, WritableStore } from "@lockstep/core/WritableStore"
import * as FileCredentialStore from "@lockstep/node/FileCredentialStore"
import * as Home from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { observe } from "@lockstep/testkit/contract/CredentialLockContract"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Processes from "./support/homeProcesses.js"

const CODEX = TenantId.make("codex")

const put = ({ store }: Pick<Homes.Opened, "store">) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(1), value: () => undefined }))

const under = (variables: Record<string, string>, options: Home.Options = {}) =>
  Effect.withConfigProvider(Home.make(options), ConfigProvider.fromMap(new Map(Object.entries(variables))))

const pinOf = (directory: string): Record<string, unknown> =>
  JSON.parse(Fs.readFileSync(Path.join(directory, "store.json"), "utf8"))

const repin = (directory: string, change: Record<string, unknown>): void =>
  Fs.writeFileSync(Path.join(directory, "store.json"), JSON.stringify({ ...pinOf(directory), ...change }))

const isOtherDomain = (error: unknown): error is LockUnavailable =>
  error instanceof LockUnavailable && error.reason === "OtherDomain"

describe("where the home is", () => {
  it.scoped("an option, LOCKSTEP_HOME, the user's home directory, in this order", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const all = { HOME: Path.join(root, "user"), LOCKSTEP_HOME: Path.join(root, "variable") }
      const option = Path.join(root, "option")
      assert.strictEqual((yield* under(all, { directory: option })).directory, option)
      assert.strictEqual((yield* under(all)).directory, all.LOCKSTEP_HOME)
      for (const variables of [{ HOME: all.HOME }, { ...all, LOCKSTEP_HOME: "" }]) {
        const home = yield* under(variables)
        assert.strictEqual(home.directory, Path.join(all.HOME, ".lockstep"))
        assert.strictEqual(home.file, Path.join(all.HOME, ".lockstep", "auth.json"))
      }
      deepStrictEqual(Fs.readdirSync(root), [])
    }))

  it.effect("nowhere is a typed configuration error that names the variables", () =>
    Effect.gen(function*() {
      for (const variables of [{}, { HOME: "", LOCKSTEP_HOME: " " }]) {
        const error = yield* Effect.flip(under(variables))
        assert.isTrue(ConfigError.isConfigError(error))
        assert.include(String(error), "LOCKSTEP_HOME")
      }
    }))
})

describe("what the first write pins", () => {
  it.scopedLive("nothing is pinned by reading; the first write records store, lock directory and host", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      const opened = yield* Homes.open(directory)
      yield* opened.store.get(CODEX)
      deepStrictEqual(yield* opened.home.pin, Option.none())
      yield* put(opened)
      const pin = pinOf(directory)
      deepStrictEqual(Object.keys(pin).sort(), ["host", "lock_dir", "store"])
      deepStrictEqual([pin["store"], pin["lock_dir"]], ["file", null])
      assert.strictEqual(typeof pin["host"], "string")
      assert.isTrue(Option.isSome(yield* opened.home.pin))
      yield* put(yield* Homes.open(directory))
      deepStrictEqual(pinOf(directory), pin)
    }))

  it.scopedLive("a lock pins nothing, and a refused one leaves no settings behind for the others", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      const first = yield* Homes.open(directory)
      assert.isTrue(Option.isSome(yield* first.lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX }))))
      assert.isFalse(Fs.existsSync(Path.join(directory, "store.json")))
    }))

  it.scopedLive("a refresh pins before it sends: of two that lock in different places, one at most gets to send", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      const first = yield* Homes.open(directory)
      const other = yield* Homes.open(directory, { lockDirectory: Path.join(root, "locks") })
      for (const { lock } of [first, other]) {
        assert.isTrue(Option.isSome(yield* lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX }))))
      }
      yield* first.store.prepare(CODEX)
      assert.strictEqual(pinOf(directory)["lock_dir"], null)
      assert.isTrue(isOtherDomain(yield* Effect.flip<unknown, unknown, never>(other.store.prepare(CODEX))))
    }))

  it.scopedLive("two first writers agree: one of two lock directories wins, the other process stops", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const locks = ["locks-0", "locks-1"].map((name) => Path.join(root, name))
      const pair = yield* Effect.forEach(locks, () => Processes.spawn({ home: root }))
      for (let round = 0; round < 40; round++) {
        const directory = Path.join(root, `home-${round}`)
        const answers = yield* Effect.forEach(
          [...pair.entries()],
          ([i, child]) => child.ask({ do: "open", home: directory, lockDirectory: locks[i] }),
          { concurrency: 2 }
        )
        const winner = answers.findIndex(({ event }) => event === "done")
        const loser = answers[1 - winner]!
        deepStrictEqual([loser["tag"], loser["reason"]], ["LockUnavailable", "OtherDomain"])
        assert.strictEqual(pinOf(directory)["lock_dir"], locks[winner])
        for (const path of locks) assert.include(String(loser["detail"]), path)
        deepStrictEqual(Fs.readdirSync(directory), ["store.json"])
      }
    }))

  it.scopedLive("a lock directory that others can write is refused, and pins nothing", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      const locks = Path.join(root, "locks")
      Fs.mkdirSync(locks)
      for (const mode of [0o777, 0o1777, 0o775]) {
        Fs.chmodSync(locks, mode)
        const { home } = yield* Homes.open(directory, { lockDirectory: locks })
        const error = yield* Effect.flip(home.open)
        assert.instanceOf(error, LockUnavailable)
        assert.deepInclude(error, { reason: "Permission", path: locks })
        assert.strictEqual(error.advice, `close it with \`chmod go-w ${locks}\``)
        deepStrictEqual(Fs.readdirSync(directory), [])
      }
      Fs.chmodSync(locks, 0o755)
      yield* (yield* Homes.open(directory, { lockDirectory: locks })).home.open
      assert.strictEqual(pinOf(directory)["lock_dir"], locks)
    }))

  it.scopedLive("another lock directory stops every write and no read", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      yield* put(yield* Homes.open(directory))
      const before = Fs.readFileSync(Path.join(directory, "auth.json"))
      const other = yield* Homes.open(directory, { lockDirectory: Path.join(root, "locks") })
      for (const effect of [put(other), other.store.prepare(CODEX)]) {
        const error = yield* Effect.flip<unknown, unknown, never>(effect)
        assert.isTrue(isOtherDomain(error) && error.message.includes(Path.join(root, "locks")))
      }
      assert.strictEqual((yield* Effect.flip(other.journal.reserveAnswer(CODEX, 1))).reason, "Write")
      assert.isTrue(Option.isSome(yield* other.store.get(CODEX)))
      deepStrictEqual(Fs.readFileSync(Path.join(directory, "auth.json")), before)
    }))

  it.scopedLive("another host stops every write and no read, unless locks are said to reach it", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      yield* put(yield* Homes.open(directory))
      repin(directory, { host: "elsewhere" })
      const strict = yield* Homes.open(directory)
      const error = yield* Effect.flip(put(strict))
      assert.isTrue(isOtherDomain(error) && error.message.includes("elsewhere"))
      assert.isTrue(Option.isSome(yield* strict.store.get(CODEX)))
      yield* put(yield* Homes.open(directory, { trustLocks: true }))
    }))

  it.scopedLive("locks that were moved are never shared with another host", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      const options = { lockDirectory: Path.join(root, "locks"), trustLocks: true }
      yield* put(yield* Homes.open(directory, options))
      repin(directory, { host: "elsewhere" })
      assert.isTrue(isOtherDomain(yield* Effect.flip(put(yield* Homes.open(directory, options)))))
    }))

  it.scopedLive("another store stops reads and writes, naming both", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      yield* put(yield* Homes.open(directory))
      repin(directory, { store: "keyring" })
      const opened = yield* Homes.open(directory)
      for (const effect of [put(opened), opened.store.get(CODEX), opened.store.list, opened.store.prepare(CODEX)]) {
        const error = yield* Effect.flip<unknown, unknown, never>(effect)
        assert.isTrue(error instanceof CredentialStoreError && error.reason === "Superseded", String(error))
        assert.isTrue(String(error).includes("keyring") && String(error).includes("file"))
      }
      const locked = yield* Effect.flip(opened.lock.tryAcquire(LockTarget.Aggregate()))
      assert.isTrue(isOtherDomain(locked))
    }))

  it.scopedLive("an auth.json that is not pinned keeps every other store out, and creates no pin", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      Fs.writeFileSync(Path.join(directory, "auth.json"), "{\"version\":1,\"tenants\":{}}")
      const home = yield* Home.make({ directory, store: "keyring" })
      for (const effect of [home.check, home.open]) {
        const error = yield* Effect.flip<unknown, unknown, never>(effect)
        assert.isTrue(error instanceof CredentialStoreError && error.reason === "Superseded", String(error))
      }
      deepStrictEqual(Fs.readdirSync(directory), ["auth.json"])
    }))

  it.scopedLive("a process with a store open is told that it moved, one that names another is told which it is", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const first = yield* Home.make({ directory })
      yield* first.open
      const second = yield* Home.make({ directory })
      yield* first.repin("secrets")
      for (const home of [first, second]) {
        assert.include((yield* Effect.flip(home.check)).message, "moved to secrets: open it again")
      }
      const told = yield* Effect.flip((yield* Home.make({ directory, store: "file" })).check)
      assert.include(told.message, "its store is secrets, and this process was told file")
      assert.include(told.advice, "lockstep store move --to file")
    }))

  it.scopedLive("a write that waited for the lock while the store was moved is not made", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      const mover = yield* Homes.open(directory)
      yield* put(mover)
      const { busy, lock } = yield* observe((yield* Homes.open(directory)).lock)
      const store = yield* Effect.provide(
        WritableStore,
        FileCredentialStore.layer.pipe(
          Layer.provide(Home.layer({ directory })),
          Layer.provide(Layer.succeed(FileLock, lock)),
          Layer.provide(RefreshPolicy.layerDefaults)
        )
      )
      // A file that it knows, so that it has no reason to ask about the home again.
      yield* store.get(CODEX)
      const held = yield* Effect.flatten(mover.lock.tryAcquire(LockTarget.Aggregate()))
      const writer = yield* Effect.fork(Effect.flip(put({ store })))
      yield* Queue.take(busy)
      yield* mover.home.repin("secrets")
      yield* held.release({ changed: false })
      assert.include((yield* Fiber.join(writer)).message, "moved to secrets")
      assert.notInclude(Fs.readFileSync(Path.join(directory, "auth.json"), "utf8"), "secrets")
    }))

  it.scopedLive("a pin that does not decode stops reads and writes, and stays as it is", () =>
    Effect.gen(function*() {
      for (const text of ["", "{\"store\":\"file\"", "{\"store\":1,\"host\":\"s3cret\"}"]) {
        const directory = yield* Homes.temporary
        Fs.writeFileSync(Path.join(directory, "store.json"), text)
        const opened = yield* Homes.open(directory)
        for (const effect of [put(opened), opened.store.get(CODEX)]) {
          const error = yield* Effect.flip<unknown, unknown, never>(effect)
          assert.isTrue(error instanceof CredentialStoreError && error.reason === "Decode", String(error))
          assert.isFalse(String(error).includes("s3cret"))
        }
        assert.strictEqual(Fs.readFileSync(Path.join(directory, "store.json"), "utf8"), text)
      }
    }))
})

describe("LOCKSTEP_LOCK_DIR", () => {
  it.scopedLive("moves lock files only, and by any path to the same directory they are the same", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      const lockDirectory = Path.join(root, "locks")
      const first = yield* Homes.open(directory, { lockDirectory })
      yield* put(first)
      yield* first.journal.write(CODEX, yield* first.journal.read(CODEX))
      deepStrictEqual(Fs.readdirSync(directory).sort(), [
        "auth.json",
        "auth.json.refresh.codex.json",
        "store.json"
      ])
      const { dev, ino } = Fs.statSync(directory)
      deepStrictEqual(Fs.readdirSync(lockDirectory), [`${dev}-${ino}.auth.json.global.lock`])
      Fs.symlinkSync(directory, Path.join(root, "alias"))
      Fs.symlinkSync(lockDirectory, Path.join(root, "locks-alias"))
      const second = yield* Homes.open(Path.join(root, "alias"), { lockDirectory: Path.join(root, "locks-alias") })
      const lease = yield* Effect.flatten(first.lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX })))
      deepStrictEqual(yield* second.lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX })), Option.none())
      yield* lease.release({ changed: true })
      assert.isTrue(Option.isSome(yield* second.lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX }))))
    }))

  it.scopedLive("keeps the locks of two homes apart", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const options = { lockDirectory: Path.join(root, "locks") }
      const homes = yield* Effect.forEach(["a", "b"], (name) => Homes.open(Path.join(root, name), options))
      for (const { lock } of homes) {
        assert.isTrue(Option.isSome(yield* lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX }))))
      }
    }))
})
