import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as DirectoryWatch from "@lockstep/node/DirectoryWatch"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer } from "@lockstep/testkit/contract/journals"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { until } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Disks from "./support/disks.js"
import * as FileCalls from "./support/fileCalls.js"
import * as Processes from "./support/homeProcesses.js"

type Store = WritableStore["Type"]

const CODEX = TenantId.make("codex")
const GOOD = TenantId.make("good")
const NOBODY = 65_534

const put = (store: Store, generation: number, tenant = CODEX) =>
  store.modify(tenant, () => Change.Put({ credential: credential(generation), value: (stored) => stored.version }))

const generation = (store: Store, tenant = CODEX) =>
  Effect.map(Effect.flatten(store.get(tenant)), (stored) => stored.credential.generation)

const storeError = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, CredentialStoreError)
    return error as CredentialStoreError & E
  })

/** A home whose `auth.json` another program wrote. */
const seeded = (content: string | Uint8Array) =>
  Effect.map(Homes.temporary, (directory) => {
    const file = Path.join(directory, "auth.json")
    Fs.writeFileSync(file, content, { mode: 0o600 })
    return { directory, file }
  })

const mode = (path: string): number => Fs.statSync(path).mode & 0o7777

const temporaries = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory).filter((name) => name.endsWith(".tmp"))

describe("reading", () => {
  it.scopedLive("creates nothing", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "a", "home")
      const { store } = yield* Homes.open(directory)
      yield* store.get(CODEX)
      yield* store.list
      store.epoch(CODEX)
      yield* Effect.asVoid(store.changes(CODEX))
      assert.isFalse(Fs.existsSync(Path.dirname(directory)))
    }))

  it.scopedLive("sees a change in place that leaves size and tick as they were", () =>
    Effect.gen(function*() {
      const text = (generation: number) =>
        `{"version":1,"tenants":{"codex":{"access_token":"a","generation":${generation}}}}`
      const { directory, file } = yield* seeded(text(1))
      const { store } = yield* Homes.open(directory)
      for (const next of [2, 3, 4, 5, 6, 7, 8, 9]) {
        yield* store.get(CODEX)
        Fs.writeFileSync(file, text(next))
        assert.strictEqual(yield* generation(store), next)
      }
    }).pipe(FileCalls.withCoarseTimes))

  it.scopedLive("asks the system nothing about a quiet store, and reads a whole file once", () =>
    Effect.gen(function*() {
      const entries = Array.from({ length: 1_000 }, (_, i) => `"t${i}":{"access_token":"${FakeToken.make("at")}"}`)
      const { directory, file } = yield* seeded(`{"version":1,"tenants":{${entries.join(",")}}}`)
      // Long ago, so that its state is settled.
      Fs.utimesSync(file, 1, 1)
      const { store } = yield* Homes.open(directory)
      // The same one as the store's: there is one per directory and process.
      const watch = yield* DirectoryWatch.open(directory)
      yield* until(() => {
        Fs.writeFileSync(Path.join(directory, "other"), "")
        store.epoch(CODEX)
        return watch.isProven()
      })
      yield* until(() => Date.now() - Fs.statSync(file).ctimeMs > 500)
      yield* store.get(CODEX)
      store.epoch(CODEX)
      const epochs = yield* FileCalls.record(Effect.replicateEffect(Effect.sync(() => store.epoch(CODEX)), 1_000))
      deepStrictEqual(epochs.calls, [])
      assert.strictEqual(new Set(epochs.result).size, 1)
      const reads = yield* FileCalls.record(Effect.replicateEffect(store.get(TenantId.make("t7")), 3))
      deepStrictEqual(reads.calls, ["lstatSync", "lstatSync", "lstatSync"])
    }))
})

describe("a file that must not be written", () => {
  const SECRET = FakeToken.make("rt")
  const good = "\"good\":{\"access_token\":\"a\",\"generation\":3}"

  it.scopedLive.each([
    ["torn", `{"version":1,"tenants":{${good},"codex":{"refresh_token":"${SECRET}`],
    ["empty", ""],
    ["of another version", `{"version":2,"tenants":{"codex":{"refresh_token":"${SECRET}"}}}`],
    ["no JSON at all", `refresh_token = ${SECRET}`],
    ["a list", `[{"refresh_token":"${SECRET}"}]`],
    ["not UTF-8", Buffer.from(`{"version":1,"x":"\xff${SECRET}"}`, "latin1")]
  ])("is damaged and never empty: %s", ([, content]) =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded(content!)
      const { store } = yield* Homes.open(directory)
      const before = Fs.readFileSync(file)
      const failures = [store.get(CODEX), store.list, put(store, 1), store.prepare(CODEX)]
      for (const effect of failures) {
        const error = yield* storeError<unknown, unknown>(effect)
        assert.strictEqual(error.reason, "Decode")
        assert.strictEqual(error.location, file)
        assert.isFalse(JSON.stringify(error).includes(SECRET) || error.message.includes(SECRET))
      }
      deepStrictEqual(Fs.readFileSync(file), before)
      deepStrictEqual(temporaries(directory), [])
    }))

  it.scopedLive.each([
    ["an empty token", "\"codex\":{\"refresh_token\":\"\"}", "tenants.codex.refresh_token"],
    ["an expiry of 0", `"codex":{"refresh_token":"${SECRET}","expires_at":0}`, "tenants.codex.expires_at"],
    ["a token that is no text", `"codex":{"refresh_token":["${SECRET}"]}`, "tenants.codex.refresh_token"],
    ["a tenant twice", `"codex":{"refresh_token":"${SECRET}"},"codex":{}`, "tenants.codex"]
  ])("serves the sound sibling of %s, and is written for neither", ([, bad, path]) =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded(`{"version":1,"tenants":{${good},${bad}}}`)
      const { store } = yield* Homes.open(directory)
      const before = Fs.readFileSync(file)
      assert.strictEqual(yield* generation(store, GOOD), 3)
      for (const effect of [store.get(CODEX), put(store, 9), put(store, 9, GOOD), store.prepare(GOOD)]) {
        const error = yield* storeError<unknown, unknown>(effect)
        assert.strictEqual(error.reason, "Decode")
        assert.isTrue(error.detail!.startsWith(`${path}: `))
        assert.isFalse(error.message.includes(SECRET))
      }
      deepStrictEqual(Fs.readFileSync(file), before)
    }))

  it.scopedLive("is no regular file: a directory, a FIFO without a writer", () =>
    Effect.gen(function*() {
      for (const make of [(path: string) => Fs.mkdirSync(path), (path: string) => Cp.execFileSync("mkfifo", [path])]) {
        const directory = yield* Homes.temporary
        make(Path.join(directory, "auth.json"))
        const { store } = yield* Homes.open(directory)
        for (const effect of [store.get(CODEX), store.list, put(store, 1), store.prepare(CODEX)]) {
          assert.strictEqual((yield* storeError<unknown, unknown>(effect)).reason, "Read")
        }
        assert.isFalse(Fs.lstatSync(Path.join(directory, "auth.json")).isFile())
      }
    }))

  it.scopedLive("became a link to somewhere else under a running process", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded("{\"version\":1}")
      const elsewhere = Path.join(yield* Homes.temporary, "auth.json")
      const { store } = yield* Homes.open(directory)
      yield* put(store, 1)
      Fs.renameSync(file, elsewhere)
      Fs.symlinkSync(elsewhere, file)
      const before = Fs.readFileSync(elsewhere)
      assert.strictEqual((yield* storeError(put(store, 2))).reason, "Superseded")
      assert.strictEqual((yield* storeError(store.get(CODEX))).reason, "Read")
      deepStrictEqual(Fs.readFileSync(elsewhere), before)
    }))

  it.scopedLive("was moved to another store", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded("{\"version\":1,\"tenants\":{}}")
      const { store } = yield* Homes.open(directory)
      yield* put(store, 1)
      const text = Fs.readFileSync(file, "utf8").replace("{", "{\"moved_to\":\"keyring\",")
      Fs.writeFileSync(file, text)
      for (const effect of [store.get(CODEX), store.list, put(store, 2), store.prepare(CODEX)]) {
        const error = yield* storeError<unknown, unknown>(effect)
        assert.strictEqual(error.reason, "Superseded")
        assert.include(error.message, "moved to keyring")
      }
      assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
    }))

  it.scopedLive("holds a newer generation", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded("{\"version\":1}")
      const { store } = yield* Homes.open(directory)
      yield* put(store, 7)
      const before = Fs.readFileSync(file)
      assert.strictEqual((yield* storeError(put(store, 6))).reason, "Superseded")
      deepStrictEqual(Fs.readFileSync(file), before)
    }))

  it.scopedLive("holds an entry of another program of that name", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded(
        "{\"version\":1,\"tenants\":{\"codex\":{\"key\":18446744073709551615}}}"
      )
      const { store } = yield* Homes.open(directory)
      const before = Fs.readFileSync(file)
      deepStrictEqual(yield* store.get(CODEX), Option.none())
      deepStrictEqual(yield* store.list, [])
      assert.strictEqual((yield* storeError(put(store, 1))).reason, "Write")
      deepStrictEqual(Fs.readFileSync(file), before)
    }))
})

describe("writing", () => {
  it.scopedLive("keeps a link a link, and puts everything else beside what it names", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const directory = Path.join(root, "home")
      const target = Path.join(root, "volume", "nested")
      Fs.mkdirSync(directory, { mode: 0o700 })
      Fs.mkdirSync(target, { recursive: true })
      // A link to a link, relative to where it really lies, to a file that does not exist yet.
      Fs.symlinkSync(Path.join(root, "volume", "nested"), Path.join(root, "alias"))
      Fs.symlinkSync("../real.json", Path.join(target, "link.json"))
      Fs.symlinkSync("../alias/link.json", Path.join(directory, "auth.json"))
      const { home, journal, store } = yield* Homes.open(directory)
      yield* put(store, 1)
      yield* put(store, 2)
      yield* journal.reserveAnswer(CODEX, 1)
      assert.strictEqual(home.file, Path.join(root, "volume", "real.json"))
      assert.isTrue(Fs.lstatSync(Path.join(directory, "auth.json")).isSymbolicLink())
      assert.isTrue(Fs.lstatSync(Path.join(target, "link.json")).isSymbolicLink())
      deepStrictEqual(Fs.readdirSync(directory).sort(), ["auth.json", "store.json"])
      deepStrictEqual(Fs.readdirSync(Path.join(root, "volume")).sort(), [
        "nested",
        "real.json",
        "real.json.global.lock",
        "real.json.refresh.codex.answer"
      ])
      assert.strictEqual(yield* generation((yield* Homes.open(directory)).store), 2)
    }))

  it.scopedLive.each([0, 0o022, 0o777])(
    "makes files 0600 and directories 0700 under umask %o",
    (umask) =>
      Effect.gen(function*() {
        const root = yield* Homes.temporary
        const home = Path.join(root, "a", "home")
        const locks = Path.join(root, "locks")
        // Not root, whom no mode stops.
        Fs.chmodSync(root, 0o777)
        const uid = process.geteuid?.() === 0 ? { uid: NOBODY } : {}
        const child = yield* Processes.spawn({ home, lockDirectory: locks, umask, ...uid })
        assert.strictEqual((yield* child.ask({ do: "write", times: 2 }))["event"], "done")
        assert.strictEqual((yield* child.ask({ do: "journal" }))["event"], "done")
        for (const directory of [home, locks]) {
          assert.strictEqual(mode(directory), 0o700)
          for (const name of Fs.readdirSync(directory)) {
            assert.strictEqual(mode(Path.join(directory, name)), 0o600, name)
          }
        }
        assert.strictEqual(Fs.readdirSync(home).length, 4)
      })
  )

  it.scopedLive("syncs the file before the rename, and the directory after it", () =>
    Effect.gen(function*() {
      const { directory } = yield* seeded("{\"version\":1}")
      const { journal, store } = yield* Homes.open(directory)
      yield* put(store, 1)
      const durable = ["writeFileSync", "writeSync", "fsyncSync", "renameSync"]
      const steps = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.map(FileCalls.record(effect), ({ calls }) => calls.filter((name) => durable.includes(name)))
      deepStrictEqual(yield* steps(put(store, 2)), ["writeFileSync", "fsyncSync", "renameSync", "fsyncSync"])
      deepStrictEqual(
        yield* steps(journal.write(CODEX, yield* journal.read(CODEX))),
        ["writeFileSync", "fsyncSync", "renameSync", "fsyncSync"]
      )
      // The room, its name with the intent, and the answer in it; without an intent or without room, both at once.
      const kept = journal.keepAnswer(CODEX, answer("attempt"))
      const reserved = journal.reserveAnswer(CODEX, 10)
      const note = (mustLast: boolean) =>
        Effect.flatMap(journal.read(CODEX), (record) => journal.write(CODEX, record, { mustLast }))
      deepStrictEqual(yield* steps(reserved), ["writeSync", "writeSync", "fsyncSync"])
      deepStrictEqual(yield* steps(note(true)), ["writeFileSync", "fsyncSync", "renameSync", "fsyncSync"])
      deepStrictEqual(yield* steps(kept), ["writeSync", "fsyncSync"])
      // What need not last is whole all the same, and makes no name durable.
      yield* reserved
      deepStrictEqual(yield* steps(note(false)), ["writeFileSync", "fsyncSync", "renameSync"])
      deepStrictEqual(yield* steps(kept), ["writeSync", "fsyncSync", "fsyncSync"])
      yield* journal.dropAnswer(CODEX)
      deepStrictEqual(yield* steps(kept), ["writeSync", "fsyncSync", "fsyncSync"])
    }))

  it.scopedLive("leaves nothing behind when it fails, and the file as it was", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded("{\"version\":1}")
      const { store } = yield* Homes.open(directory)
      yield* put(store, 1)
      const before = Fs.readFileSync(file)
      const error = yield* FileCalls.failing("renameSync", "EBUSY", storeError(put(store, 2)))
      deepStrictEqual([error.reason, error.detail], ["Write", "EBUSY"])
      deepStrictEqual(Fs.readFileSync(file), before)
      deepStrictEqual(temporaries(directory), [])
    }))

  it.scopedLive("removes what killed writers left, and nothing that only looks like it", () =>
    Effect.gen(function*() {
      const { directory } = yield* seeded("{\"version\":1}")
      const left = ["auth.json.lockstep-99-1.tmp", "auth.json.lockstep-4194304-123.tmp"]
      const other = [
        "auth.json.lockstep-x-1.tmp",
        "auth.json.lockstep-1-1.tmp.bak",
        "my-auth.json.lockstep-1-1.tmp",
        "auth.json.refresh.codex.json.lockstep-1-1.tmp"
      ]
      for (const name of [...left, ...other]) Fs.writeFileSync(Path.join(directory, name), "")
      const { journal, store } = yield* Homes.open(directory)
      yield* put(store, 1)
      const names = Fs.readdirSync(directory)
      deepStrictEqual(left.filter((name) => names.includes(name)), [])
      deepStrictEqual(other.filter((name) => !names.includes(name)), [])
      // Another tenant's journal may be being written; this one's is not, under the tenant lock.
      yield* journal.reserveAnswer(TenantId.make("other"), 1)
      assert.include(Fs.readdirSync(directory), other[3])
      yield* journal.reserveAnswer(CODEX, 1)
      assert.notInclude(Fs.readdirSync(directory), other[3])
    }))

  it.scopedLive("goes on under a pid that a killed writer had", () =>
    Effect.gen(function*() {
      const { directory } = yield* seeded("{\"version\":1}")
      const { journal } = yield* Homes.open(directory)
      const name = (n: number) => Path.join(directory, `auth.json.refresh.codex.json.lockstep-${process.pid}-${n}.tmp`)
      for (let n = 0; n < 300; n++) Fs.writeFileSync(name(n), "")
      yield* journal.write(CODEX, yield* journal.read(CODEX))
      assert.isTrue(Fs.existsSync(Path.join(directory, "auth.json.refresh.codex.json")))
    }))

  it.scopedLive("drops pending logins that are over, and keeps the rest of the file byte for byte", () =>
    Effect.gen(function*() {
      const rest =
        "\"x\": 18446744073709551615,\r\n\t\"tenants\": {\"codex\": {\"expires_at\": 1, \"access_token\" : \"a\"}}"
      const { directory, file } = yield* seeded(
        `\uFEFF{"version": 1,"pending":{"a:local":{"created_at":1},"b:local":{}},\t${rest}}\r\n\r\n`
      )
      const { store } = yield* Homes.open(directory)
      yield* put(store, 1, GOOD)
      yield* store.modify(GOOD, () => Change.Remove({ value: undefined }))
      assert.strictEqual(
        Fs.readFileSync(file, "utf8"),
        `\uFEFF{"version": 1,"pending":{},\t${rest}}\r\n\r\n`
      )
    }))

  it.scopedLive("makes a home anew that was deleted", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      const { store } = yield* Homes.open(directory)
      yield* put(store, 1)
      Fs.rmSync(directory, { recursive: true })
      deepStrictEqual(yield* store.get(CODEX), Option.none())
      yield* put(store, 2)
      assert.strictEqual(yield* generation(store), 2)
    }))

  it.scopedLive("preparing proves and leaves nothing", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* seeded("{\"version\":1}")
      const { store } = yield* Homes.open(directory)
      const before = Fs.statSync(file, { bigint: true })
      yield* store.prepare(CODEX)
      deepStrictEqual(Fs.statSync(file, { bigint: true }).mtimeNs, before.mtimeNs)
      deepStrictEqual(Fs.readdirSync(directory).sort(), ["auth.json", "auth.json.global.lock", "store.json"])
    }))
})

describe("many processes", () => {
  it.scopedLive("lose nothing when they write different tenants at once", () =>
    Effect.gen(function*() {
      const foreign = "\"other\":{\"expires\":18446744073709551615}"
      const { directory, file } = yield* seeded(`{"version":1,"tenants":{${foreign}}}`)
      const tenants = ["a", "b", "c", "d"]
      const children = yield* Effect.forEach(tenants, () => Processes.spawn({ home: directory }))
      const rounds = Effect.forEach(
        [...children.entries()],
        ([i, child]) => child.ask({ do: "write", tenant: tenants[i], times: 15 }),
        { concurrency: "unbounded" }
      )
      deepStrictEqual((yield* rounds).map((answer) => answer["generation"]), [15, 15, 15, 15])
      const { store } = yield* Homes.open(directory)
      for (const tenant of tenants) assert.strictEqual(yield* generation(store, TenantId.make(tenant)), 15)
      assert.isTrue(Fs.readFileSync(file, "utf8").includes(foreign))
      deepStrictEqual(temporaries(directory), [])
    }), 240_000)

  it.scopedLive("lose nothing when they write one tenant at once", () =>
    Effect.gen(function*() {
      const { directory } = yield* seeded("{\"version\":1}")
      const children = yield* Effect.replicateEffect(Processes.spawn({ home: directory }), 3)
      yield* Effect.forEach(children, (child) => child.ask({ do: "write", times: 15 }), { concurrency: "unbounded" })
      assert.strictEqual(yield* generation((yield* Homes.open(directory)).store), 45)
    }), 240_000)

  it.scopedLive("wake each other, and see each other's writes through the epoch", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      const { store } = yield* Homes.open(directory)
      const changes = yield* store.changes(CODEX)
      const child = yield* Processes.spawn({ home: directory })
      // The first write creates the home, the second replaces a file in it.
      for (const expected of [1, 2, 3]) {
        const before = store.epoch(CODEX)
        const woken = yield* Effect.fork(Queue.take(changes))
        yield* child.ask({ do: "write" })
        yield* Fiber.join(woken)
        yield* until(() => store.epoch(CODEX) !== before)
        assert.strictEqual(yield* generation(store), expected)
      }
    }))

  it.scopedLive.each([
    ["before the temporary file is synced", "lockstep.file.sync", "start", 1, 1],
    ["between temporary file and rename", "lockstep.file.rename", "start", 1, 1],
    ["after the rename", "lockstep.file.rename", "end", 1, 2],
    ["when all is done", "lockstep.store.modify", "end", 1, 2]
  ])(
    "leave the old file or the new one when one is killed %s",
    ([, span, at, occurrence, expected]) =>
      Effect.gen(function*() {
        const { directory } = yield* seeded("{\"version\":1}")
        const { store } = yield* Homes.open(directory)
        yield* put(store, 1)
        const child = yield* Processes.spawn({
          home: directory,
          die: { span: span as string, at: at as "start" | "end", occurrence: occurrence as number }
        })
        yield* Effect.forkScoped(Effect.either(child.ask({ do: "write" })))
        assert.strictEqual((yield* child.exit).signal, "SIGKILL")
        assert.strictEqual(yield* generation(store), expected)
        assert.strictEqual(temporaries(directory).length, expected === 1 ? 1 : 0)
        // The kernel gave the lock back, and the next writer cleans up.
        yield* put(store, 9)
        assert.strictEqual(yield* generation(store), 9)
        deepStrictEqual(temporaries(directory), [])
      })
  )
})

describe("rights", () => {
  const isRoot = process.geteuid?.() === 0
  if (!isRoot) process.stderr.write("tests of other users' homes are skipped: this user is not root\n")

  it.scopedLive.skipIf(!isRoot)(
    "an unreadable file is an error, not an empty store, and is not written",
    () =>
      Effect.gen(function*() {
        const { directory, file } = yield* seeded("{\"version\":1,\"tenants\":{}}")
        for (const path of [directory, file]) Fs.chownSync(path, NOBODY, NOBODY)
        Fs.chmodSync(file, 0)
        const child = yield* Processes.spawn({ home: directory, uid: NOBODY })
        for (const question of ["read", "write", "prepare"]) {
          const answer = yield* child.ask({ do: question })
          deepStrictEqual([answer["tag"], answer["reason"]], ["CredentialStoreError", "Read"])
        }
        assert.strictEqual(Fs.readFileSync(file, "utf8"), "{\"version\":1,\"tenants\":{}}")
      })
  )

  it.scopedLive.skipIf(!isRoot)(
    "a directory without write permission is read, and says why it is not written",
    () =>
      Effect.gen(function*() {
        const { directory, file } = yield* seeded("{\"version\":1,\"tenants\":{\"codex\":{\"access_token\":\"a\"}}}")
        for (const path of [directory, file]) Fs.chownSync(path, NOBODY, NOBODY)
        Fs.chmodSync(directory, 0o500)
        const child = yield* Processes.spawn({ home: directory, uid: NOBODY })
        assert.strictEqual((yield* child.ask({ do: "read" }))["generation"], 0)
        for (const question of ["write", "prepare"]) {
          const answer = yield* child.ask({ do: question })
          deepStrictEqual([answer["tag"], answer["reason"]], ["LockUnavailable", "Permission"])
        }
        deepStrictEqual(Fs.readdirSync(directory), ["auth.json"])
      })
  )

  it.scopedLive.skipIf(!isRoot)(
    "another user's home is neither read nor written, even where modes would allow it",
    () =>
      Effect.gen(function*() {
        const { directory, file } = yield* seeded("{\"version\":1,\"tenants\":{\"codex\":{\"access_token\":\"a\"}}}")
        Fs.chmodSync(directory, 0o777)
        Fs.chmodSync(file, 0o666)
        const child = yield* Processes.spawn({ home: directory, uid: NOBODY })
        // Root is trusted, and yet every user may have put this login here.
        const open = yield* child.ask({ do: "read" })
        deepStrictEqual([open["tag"], open["reason"]], ["CredentialStoreError", "Read"])
        for (const path of [directory, file]) Fs.chownSync(path, 1, 1)
        Fs.chmodSync(directory, 0o755)
        const theirs = yield* child.ask({ do: "read" })
        deepStrictEqual([theirs["tag"], theirs["reason"]], ["CredentialStoreError", "Read"])
        for (const question of ["write", "prepare"]) {
          const answer = yield* child.ask({ do: question })
          deepStrictEqual([answer["tag"], answer["reason"]], ["LockUnavailable", "Permission"])
        }
        assert.strictEqual((yield* child.ask({ do: "journal" }))["reason"], "Write")
        deepStrictEqual(Fs.readdirSync(directory), ["auth.json"])
      })
  )

  it.scopedLive.skipIf(!isRoot)("root gives what it creates to the owner, who goes on", () =>
    Effect.gen(function*() {
      const parent = yield* Homes.temporary
      const directory = Path.join(parent, "home")
      Fs.chownSync(parent, NOBODY, NOBODY)
      const root = yield* Processes.spawn({ home: directory })
      yield* root.ask({ do: "write" })
      yield* root.ask({ do: "journal" })
      assert.isAtLeast(Fs.readdirSync(directory).length, 5)
      for (const name of [".", ...Fs.readdirSync(directory)]) {
        assert.strictEqual(Fs.statSync(Path.join(directory, name)).uid, NOBODY, name)
      }
      const owner = yield* Processes.spawn({ home: directory, uid: NOBODY })
      assert.strictEqual((yield* owner.ask({ do: "write" }))["generation"], 2)
      assert.strictEqual((yield* owner.ask({ do: "journal" }))["event"], "done")
    }))
})

describe("a disk", () => {
  it.scopedLive.skipIf(!Disks.canMount)(
    "that is full fails the write, keeps the file, and is still read",
    () =>
      Effect.gen(function*() {
        const disk = yield* Disks.make
        const directory = Path.join(disk.directory, "home")
        const { store } = yield* Homes.open(directory)
        yield* put(store, 1)
        const before = Fs.readFileSync(Path.join(directory, "auth.json"))
        disk.fill()
        for (const effect of [put(store, 2), store.prepare(CODEX)]) {
          const error = yield* storeError<unknown, unknown>(effect)
          deepStrictEqual([error.reason, error.detail], ["Write", "ENOSPC"])
        }
        deepStrictEqual(Fs.readFileSync(Path.join(directory, "auth.json")), before)
        deepStrictEqual(temporaries(directory), [])
        assert.strictEqual(yield* generation(store), 1)
        disk.free()
        yield* put(store, 2)
        assert.strictEqual(yield* generation(store), 2)
      })
  )

  it.scopedLive.skipIf(!Disks.canMount)(
    "that is read-only is read, and says why it is not written",
    () =>
      Effect.gen(function*() {
        const disk = yield* Disks.make
        const pinned = Path.join(disk.directory, "pinned")
        const bare = Path.join(disk.directory, "bare")
        yield* put((yield* Homes.open(pinned)).store, 1)
        Fs.mkdirSync(bare)
        Fs.copyFileSync(Path.join(pinned, "auth.json"), Path.join(bare, "auth.json"))
        disk.makeReadOnly()
        for (const directory of [pinned, bare]) {
          const { store } = yield* Homes.open(directory)
          assert.strictEqual(yield* generation(store), 1)
          for (const effect of [put(store, 2), store.prepare(CODEX)]) {
            const error = yield* Effect.flip<unknown, unknown, never>(effect)
            assert.isTrue(error instanceof LockUnavailable && error.reason === "ReadOnly", String(error))
          }
        }
      })
  )
})
