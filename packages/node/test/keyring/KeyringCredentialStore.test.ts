import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer } from "@lockstep/testkit/contract/journals"
import { attempt } from "@lockstep/testkit/contract/pendingLogins"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { open } from "@lockstep/testkit/homes/KeyringHomes"
import * as LeakCheck from "@lockstep/testkit/LeakCheck"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"

type Store = WritableStore["Type"]

const CODEX = TenantId.make("codex")
const GOOD = TenantId.make("good")

const put = (store: Store, generation: number, tenant = CODEX) =>
  store.modify(tenant, () => Change.Put({ credential: credential(generation), value: () => generation }))

const increment = (store: Store, tenant = CODEX) =>
  store.modify(tenant, (current) => {
    const generation = Option.match(current, { onNone: () => 0, onSome: (found) => found.credential.generation }) + 1
    return Change.Put({ credential: credential(generation), value: () => generation })
  })

const remove = (store: Store, tenant = CODEX) => store.modify(tenant, () => Change.Remove({ value: undefined }))

const generation = (store: Store, tenant = CODEX) =>
  Effect.map(Effect.flatten(store.get(tenant)), (stored) => stored.credential.generation)

const storeError = <A>(effect: Effect.Effect<A, CredentialStoreError | LockTimeout | LockUnavailable>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual(error._tag, "CredentialStoreError")
    return error as CredentialStoreError
  })

/** A keyring in memory, and faults that a test sets while it is used. */
const faulty = () => {
  const entries = new Map<string, string>()
  const faults: { before?: Keyring.MemoryFaults["before"]; after?: Keyring.MemoryFaults["after"] } = {}
  return {
    faults,
    /** Of credentials; keys of sealed files have other names. */
    accounts: (tenant = CODEX) => [...entries.keys()].filter((account) => account.includes(`|${tenant}|`)),
    entries,
    /** One more process's. */
    keyring: (limit?: number) =>
      Keyring.makeMemory({
        entries,
        ...(limit === undefined ? {} : { limit }),
        before: (call) => faults.before?.(call) ?? Effect.void,
        after: (call) => faults.after?.(call) ?? Effect.void
      })
  }
}

const stage = Effect.gen(function*() {
  const memory = faulty()
  const directory = Path.join(yield* Homes.temporary, "home")
  const index = Path.join(directory, "auth.json.keyring")
  const another = Effect.suspend(() => Effect.map(open(directory, memory.keyring()), ({ store }) => store))
  return { ...memory, directory, index, another, ...yield* open(directory, memory.keyring()) }
})

const indexOf = (path: string) =>
  JSON.parse(Fs.readFileSync(path, "utf8")) as {
    readonly tenants: Record<string, { readonly write_id: string }>
    readonly writing?: Record<string, unknown>
    readonly stale?: Record<string, unknown>
  }

const failing = (reason: Keyring.KeyringError["reason"]) => () =>
  Effect.fail(new Keyring.KeyringError({ reason, detail: "as told" }))

describe("an entry", () => {
  it.scopedLive("holds the record and no member that is absent, under a name of this home, this tenant and this write", () =>
    Effect.gen(function*() {
      const { entries, index, store } = yield* stage
      const written = credential(3)
      yield* store.modify(CODEX, () => Change.Put({ credential: written, value: () => undefined }))
      const [[account, text]] = [...entries] as [[string, string]]
      assert.match(account, /^[0-9a-f]{16}\|codex\|[0-9a-f]{16}$/)
      assert.isTrue(account.endsWith(indexOf(index).tenants["codex"]!.write_id))
      const { next_key, ...record } = JSON.parse(text)
      deepStrictEqual(record, {
        access_token: Option.getOrThrow(Option.map(written.accessToken, Redacted.value)),
        refresh_token: Option.getOrThrow(Option.map(written.refreshToken, Redacted.value)),
        generation: 3
      })
      assert.strictEqual(Buffer.from(next_key, "base64").length, 32)
    }))

  it.scopedLive("of another write has another name, and is the only one that is left", () =>
    Effect.gen(function*() {
      const { accounts, store } = yield* stage
      const seen = new Set<string>()
      for (const next of [1, 2, 3]) {
        yield* put(store, next)
        assert.strictEqual(accounts().length, 1)
        seen.add(accounts()[0]!)
      }
      assert.strictEqual(seen.size, 3)
    }))

  it.scopedLive.each([
    ["is missing", () => undefined, "Read"],
    ["is another record", () => JSON.stringify({ access_token: FakeToken.make("at"), generation: 1 }), "Superseded"],
    ["is garbage", () => FakeToken.make("rt"), "Decode"],
    ["is empty", () => "", "Decode"]
  ])("that %s is an error and never an absence, and is not written over", ([, make, reason]) =>
    Effect.gen(function*() {
      const { accounts, another, entries, index } = yield* stage
      yield* put(yield* another, 2)
      const text = (make as () => string | undefined)()
      if (text === undefined) entries.delete(accounts()[0]!)
      else entries.set(accounts()[0]!, text)
      const before = [Fs.readFileSync(index, "utf8"), [...entries]]
      // One that has not read it before.
      const store = yield* another
      for (const effect of [store.get(CODEX), put(store, 3), remove(store), store.prepare(CODEX)]) {
        const error = yield* storeError<unknown>(effect)
        assert.strictEqual(error.reason, reason)
        const said = JSON.stringify(error) + error.message + error.advice
        if (text !== undefined && text !== "") {
          deepStrictEqual(
            LeakCheck.find([{ kind: "refresh_token", value: text }], [{ where: "", text: said, permitted: [] }]),
            []
          )
        }
      }
      deepStrictEqual([Fs.readFileSync(index, "utf8"), [...entries]], before)
      deepStrictEqual(yield* store.list, [CODEX])
      yield* put(store, 1, GOOD)
      assert.strictEqual(yield* generation(store, GOOD), 1)
    }))

  it.scopedLive("of another home is another entry, whatever both are called", () =>
    Effect.gen(function*() {
      const memory = faulty()
      const root = yield* Homes.temporary
      const [a, b] = yield* Effect.all(
        ["a", "b"].map((name) => open(Path.join(root, name), memory.keyring())) as [
          ReturnType<typeof open>,
          ReturnType<typeof open>
        ]
      )
      yield* put(a.store, 1)
      yield* put(b.store, 5)
      assert.strictEqual(yield* generation(a.store), 1)
      assert.strictEqual(yield* generation(b.store), 5)
      yield* remove(b.store)
      assert.strictEqual(yield* generation((yield* open(Path.join(root, "a"), memory.keyring())).store), 1)
      // A copied home finds nothing of the one that it was copied from.
      Fs.cpSync(Path.join(root, "a"), Path.join(root, "copy"), { recursive: true })
      // Newer lines of Node do not copy the mode of a directory.
      Fs.chmodSync(Path.join(root, "copy"), 0o700)
      const copy = yield* open(Path.join(root, "copy"), memory.keyring())
      const error = yield* storeError(copy.store.get(CODEX))
      assert.strictEqual(error.reason, "Read")
      assert.include(error.advice, "moved or copied")
    }))

  it.scopedLive("of a home behind a link that does not exist yet is found by the next process", () =>
    Effect.gen(function*() {
      const memory = faulty()
      const root = yield* Homes.temporary
      Fs.mkdirSync(Path.join(root, "real"))
      Fs.symlinkSync(Path.join(root, "real"), Path.join(root, "link"))
      const opened = yield* open(Path.join(root, "link", "home"), memory.keyring())
      yield* put(opened.store, 1)
      for (const way of ["link", "real"]) {
        const next = yield* open(Path.join(root, way, "home"), memory.keyring())
        assert.strictEqual(yield* generation(next.store), 1)
      }
    }))

  it.scopedLive("is split where the platform limits its size, and all parts go together", () =>
    Effect.gen(function*() {
      const memory = faulty()
      const directory = Path.join(yield* Homes.temporary, "home")
      const { store } = yield* open(directory, memory.keyring(100))
      const long = credential(1, { scope: Option.some("é\u{1f600}".repeat(200)) })
      yield* store.modify(CODEX, () => Change.Put({ credential: long, value: () => undefined }))
      assert.isAbove(memory.accounts().length, 10)
      for (const text of memory.entries.values()) assert.isAtMost(Buffer.byteLength(text), 100)
      const other = (yield* open(directory, memory.keyring(100))).store
      assertEquals((yield* Effect.flatten(other.get(CODEX))).credential, long)
      yield* put(store, 2)
      yield* remove(store)
      deepStrictEqual(memory.accounts(), [])
    }))

  it.scopedLive("that is too large for its platform is refused before anything is written", () =>
    Effect.gen(function*() {
      const memory = faulty()
      const { store } = yield* open(Path.join(yield* Homes.temporary, "home"), memory.keyring(1))
      const error = yield* storeError(put(store, 1))
      assert.strictEqual(error.reason, "TooLarge")
      assert.strictEqual(memory.entries.size, 0)
    }))
})

describe("a write", () => {
  /** The n-th call of the keyring fails, before or after it had its effect. */
  const failAt = (n: number, when: "before" | "after", reason: Keyring.KeyringError["reason"] = "Unavailable") => {
    let calls = 0
    return {
      [when]: () => ++calls === n ? Effect.fail(new Keyring.KeyringError({ reason, detail: "as told" })) : Effect.void
    }
  }

  const CALLS = 3

  it.scopedLive.each(
    Array.from({ length: CALLS }, (_, i) => i + 1).flatMap((n) => [[n, "before"], [n, "after"]] as const)
  )(
    "whose call %d fails %s it had its effect leaves one whole record, and the next write one entry",
    ([n, when]) =>
      Effect.gen(function*() {
        const { accounts, another, faults, index, store } = yield* stage
        yield* put(store, 1)
        Object.assign(faults, failAt(n, when))
        const outcome = yield* Effect.either(put(store, 2))
        delete faults.before
        delete faults.after
        // The third call removes what was replaced; its failure fails no caller.
        assert.strictEqual(outcome._tag, n === CALLS ? "Right" : "Left")
        for (const view of [store, yield* another]) {
          assert.strictEqual(yield* generation(view), n === CALLS ? 2 : 1)
        }
        yield* put(yield* another, 3)
        assert.strictEqual(yield* generation(store), 3)
        assert.strictEqual(accounts().length, 1)
        deepStrictEqual(indexOf(index).writing, {})
      })
  )

  it.scopedLive("asks the keyring no more than three times", () =>
    Effect.gen(function*() {
      const { faults, store } = yield* stage
      yield* put(store, 1)
      const calls: Array<string> = []
      faults.before = ({ operation }) => Effect.sync(() => void calls.push(operation))
      yield* put(store, 2)
      deepStrictEqual(calls, ["set", "get", "remove"])
    }))

  it.scopedLive("that the keyring does not keep is not believed", () =>
    Effect.gen(function*() {
      const { another, entries, faults, store } = yield* stage
      yield* put(store, 1)
      faults.after = ({ account, operation }) =>
        Effect.sync(() => void (operation === "set" && entries.set(account, "something else")))
      assert.strictEqual((yield* storeError(put(store, 2))).reason, "Unavailable")
      delete faults.after
      assert.strictEqual(yield* generation(yield* another), 1)
    }))

  it.scopedLive("that was given up and arrives late lands where it is not read, and is removed", () =>
    Effect.gen(function*() {
      const { accounts, another, entries, faults, store } = yield* stage
      yield* put(store, 1)
      let late: string | undefined
      faults.before = ({ account, operation }) =>
        Effect.suspend(() => {
          if (operation !== "set") return Effect.void
          late = account
          return Effect.fail(new Keyring.KeyringError({ reason: "Timeout", detail: "as told" }))
        })
      assert.strictEqual((yield* storeError(put(store, 2))).reason, "Unavailable")
      delete faults.before
      const other = yield* another
      // Finds nothing to remove yet, and must not forget it for that.
      yield* put(other, 3)
      entries.set(late!, JSON.stringify({ access_token: FakeToken.make("at"), generation: 2 }))
      for (const view of [store, yield* another]) assert.strictEqual(yield* generation(view), 3)
      yield* put(other, 4)
      assert.isFalse(entries.has(late!))
      assert.strictEqual(accounts().length, 1)
    }))

  it.scopedLive("that was given up and overtaken, and arrives late, is removed, too", () =>
    Effect.gen(function*() {
      const { accounts, another, entries, faults, store } = yield* stage
      yield* put(store, 1)
      const other = yield* another
      let late: string | undefined
      faults.before = ({ account, operation }) =>
        Effect.suspend(() => {
          if (operation !== "set" || late !== undefined) return Effect.void
          late = account
          const error = new Keyring.KeyringError({ reason: "Timeout", detail: "as told" })
          return Effect.zipRight(Effect.orDie(increment(other)), Effect.fail(error))
        })
      assert.strictEqual(yield* increment(store), 3)
      entries.set(late!, JSON.stringify({ access_token: FakeToken.make("at"), generation: 2 }))
      yield* put(store, 4)
      assert.isFalse(entries.has(late!))
      assert.strictEqual(accounts().length, 1)
    }))

  it.scopedLive("that another one overtakes begins again with what that one wrote", () =>
    Effect.gen(function*() {
      const { accounts, another, faults, store } = yield* stage
      yield* put(store, 1)
      const arrived = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      let isFirst = true
      faults.before = ({ operation }) =>
        Effect.suspend(() => {
          if (operation !== "set" || !isFirst) return Effect.void
          isFirst = false
          return Effect.zipRight(Deferred.succeed(arrived, undefined), Deferred.await(goOn))
        })
      const seen: Array<number> = []
      const slow = yield* Effect.fork(store.modify(CODEX, (current) => {
        const present = Option.getOrThrow(current).credential.generation
        seen.push(present)
        return Change.Put({ credential: credential(present + 1), value: () => present + 1 })
      }))
      yield* Deferred.await(arrived)
      const other = yield* another
      assert.strictEqual(yield* increment(other), 2)
      yield* Deferred.succeed(goOn, undefined)
      assert.strictEqual(yield* Fiber.join(slow), 3)
      deepStrictEqual(seen, [1, 2])
      assert.strictEqual(yield* generation(other), 3)
      assert.strictEqual(accounts().length, 1)
    }))

  it.scopedLive("that is removed by the write that overtook it, before it was read back, begins again", () =>
    Effect.gen(function*() {
      const { accounts, another, faults, store } = yield* stage
      yield* put(store, 1)
      const other = yield* another
      let isFirst = true
      faults.after = ({ operation }) =>
        Effect.suspend(() => {
          if (operation !== "set" || !isFirst) return Effect.void
          isFirst = false
          return Effect.asVoid(Effect.orDie(increment(other)))
        })
      assert.strictEqual(yield* increment(store), 3)
      assert.strictEqual(yield* generation(other), 3)
      assert.strictEqual(accounts().length, 1)
    }))

  it.scopedLive("of a new login does not count once another one came and went", () =>
    Effect.gen(function*() {
      const { accounts, another, faults, store } = yield* stage
      const other = yield* another
      let isFirst = true
      faults.after = ({ operation }) =>
        Effect.suspend(() => {
          if (operation !== "get" || !isFirst) return Effect.void
          isFirst = false
          return Effect.orDie(Effect.zipRight(put(other, 5), remove(other)))
        })
      yield* put(store, 1)
      // Its first entry was taken for what the other one left behind, and removed.
      assert.strictEqual(yield* generation(yield* another), 1)
      assert.strictEqual(accounts().length, 1)
    }))

  it.scopedLive("that a removal overtakes finds nothing, and brings nothing back by itself", () =>
    Effect.gen(function*() {
      const { accounts, another, faults, store } = yield* stage
      yield* put(store, 1)
      const other = yield* another
      let isFirst = true
      faults.before = ({ operation }) =>
        Effect.suspend(() => {
          if (operation !== "set" || !isFirst) return Effect.void
          isFirst = false
          return Effect.orDie(remove(other))
        })
      const outcome = yield* store.modify(CODEX, (current) =>
        Option.match(current, {
          onNone: () => Change.Keep({ value: "gone" }),
          onSome: () => Change.Put({ credential: credential(2), value: () => "written" })
        }))
      assert.strictEqual(outcome, "gone")
      assertEquals(yield* other.get(CODEX), Option.none())
      deepStrictEqual(accounts(), [])
    }))

  it.scopedLive("that is interrupted leaves the old record, and the next write one entry", () =>
    Effect.gen(function*() {
      const { accounts, faults, index, store } = yield* stage
      yield* put(store, 1)
      const arrived = yield* Deferred.make<void>()
      faults.after = ({ operation }) =>
        operation === "set" ? Effect.zipRight(Deferred.succeed(arrived, undefined), Effect.never) : Effect.void
      const writing = yield* Effect.fork(put(store, 2))
      yield* Deferred.await(arrived)
      yield* Fiber.interrupt(writing)
      delete faults.after
      assert.strictEqual(yield* generation(store), 1)
      assert.strictEqual(accounts().length, 2)
      deepStrictEqual(indexOf(index).writing, {})
      assert.strictEqual(Object.keys(indexOf(index).stale!).length, 1)
      yield* put(store, 2)
      assert.strictEqual(accounts().length, 1)
    }))

  it.scopedLive("of an empty token is refused", () =>
    Effect.gen(function*() {
      const { entries, store } = yield* stage
      const empty = credential(1, { accessToken: Option.some(Redacted.make("")) })
      const error = yield* storeError(
        store.modify(CODEX, () => Change.Put({ credential: empty, value: () => undefined }))
      )
      assert.strictEqual(error.reason, "Write")
      assert.strictEqual(entries.size, 0)
    }))

  it.scopedLive("of an older generation is refused", () =>
    Effect.gen(function*() {
      const { store } = yield* stage
      yield* put(store, 7)
      assert.strictEqual((yield* storeError(put(store, 6))).reason, "Superseded")
      assert.strictEqual(yield* generation(store), 7)
    }))

  it.scopedLive("holds the aggregate lock over no call of the keyring", () =>
    Effect.gen(function*() {
      const { faults, lock, store } = yield* stage
      yield* put(store, 1)
      const free: Array<boolean> = []
      faults.before = () =>
        Effect.flatMap(
          Effect.orDie(lock.tryAcquire({ _tag: "Aggregate" })),
          Option.match({
            onNone: () => Effect.sync(() => void free.push(false)),
            onSome: (lease) =>
              Effect.zipRight(Effect.sync(() => void free.push(true)), lease.release({ changed: false }))
          })
        )
      yield* put(store, 2)
      yield* remove(store)
      deepStrictEqual(free, [true, true, true, true])
    }))
})

describe("a write in parts", () => {
  /** Every record takes three of them. */
  const LIMIT = 80

  const split = Effect.gen(function*() {
    const memory = faulty()
    const directory = Path.join(yield* Homes.temporary, "home")
    const another = Effect.suspend(() => Effect.map(open(directory, memory.keyring(LIMIT)), ({ store }) => store))
    const store = yield* another
    yield* put(store, 1)
    assert.strictEqual(memory.accounts().length, 3)
    return { ...memory, another, store, index: Path.join(directory, "auth.json.keyring") }
  })

  /** Whatever else happened: the next write of any process is whole, and all that is left are its parts. */
  const assertTidy = ({ accounts, another, index }: Effect.Effect.Success<typeof split>) =>
    Effect.gen(function*() {
      yield* put(yield* another, 9)
      assert.strictEqual(yield* generation(yield* another), 9)
      const current = indexOf(index).tenants["codex"]!.write_id
      deepStrictEqual(accounts().map((account) => account.includes(`|${current}|`)), [true, true, true])
      deepStrictEqual(indexOf(index).writing, {})
    })

  // Three parts are written and read back one by one, then those that were replaced are removed.
  const CALLS = 9

  it.scopedLive.each(
    Array.from({ length: CALLS }, (_, i) => i + 1).flatMap((n) => [[n, "before"], [n, "after"]] as const)
  )(
    "whose writer dies at call %d, %s it had its effect, leaves one whole record and no part of another",
    ([n, when]) =>
      Effect.gen(function*() {
        const staged = yield* split
        const arrived = yield* Deferred.make<void>()
        let calls = 0
        staged.faults[when] = () =>
          Effect.suspend(() =>
            ++calls === n ? Effect.zipRight(Deferred.succeed(arrived, undefined), Effect.never) : Effect.void
          )
        // Not even a finalizer of a writer that was killed runs before the others go on.
        yield* Effect.forkScoped(put(staged.store, 2))
        yield* Deferred.await(arrived)
        delete staged.faults[when]
        assert.strictEqual(yield* generation(yield* staged.another), n <= 6 ? 1 : 2)
        yield* assertTidy(staged)
      })
  )

  it.scopedLive.each([0, 1, 2])(
    "of which part %d was given up and arrives when the others are removed leaves none of them",
    (late) =>
      Effect.gen(function*() {
        const staged = yield* split
        const { another, entries, faults, store } = staged
        let sets = 0
        let account: string | undefined
        faults.before = (call) =>
          Effect.suspend(() => {
            if (call.operation !== "set" || sets++ !== late) return Effect.void
            account = call.account
            return Effect.fail(new Keyring.KeyringError({ reason: "Timeout", detail: "as told" }))
          })
        assert.strictEqual((yield* storeError(put(store, 2))).reason, "Unavailable")
        delete faults.before
        const other = yield* another
        yield* put(other, 3)
        entries.set(account!, "a part of a token")
        assert.strictEqual(yield* generation(yield* another), 3)
        yield* put(other, 4)
        yield* assertTidy(staged)
      })
  )
})

describe("a removal", () => {
  it.scopedLive("takes the token out of the keyring", () =>
    Effect.gen(function*() {
      const { accounts, store } = yield* stage
      yield* put(store, 1)
      yield* remove(store)
      deepStrictEqual(accounts(), [])
      deepStrictEqual(yield* store.list, [])
    }))

  it.scopedLive("that the keyring refuses counts all the same, and any process's next write makes up for it", () =>
    Effect.gen(function*() {
      const { accounts, another, faults, store } = yield* stage
      yield* put(store, 1)
      faults.before = failing("Locked")
      yield* remove(store)
      assertEquals(yield* store.get(CODEX), Option.none())
      assert.strictEqual(accounts().length, 1)
      delete faults.before
      yield* put(yield* another, 1, GOOD)
      deepStrictEqual(accounts(), [])
    }))
})

describe("a reader", () => {
  it.scopedLive("that a write overtakes between index and entry reads the new record", () =>
    Effect.gen(function*() {
      const { another, faults, store } = yield* stage
      yield* put(store, 1)
      const reader = yield* another
      let isFirst = true
      faults.before = ({ operation }) =>
        Effect.suspend(() => {
          if (operation !== "get" || !isFirst) return Effect.void
          isFirst = false
          return Effect.asVoid(Effect.orDie(put(store, 2)))
        })
      assert.strictEqual(yield* generation(reader), 2)
    }))

  it.scopedLive("asks the keyring once, and follows a write without it", () =>
    Effect.gen(function*() {
      const { another, faults, store } = yield* stage
      yield* put(store, 1)
      const reader = yield* another
      let calls = 0
      faults.before = () => Effect.sync(() => void calls++)
      yield* Effect.replicateEffect(reader.get(CODEX), 5)
      assert.strictEqual(calls, 1)
      delete faults.before
      yield* put(store, 2)
      faults.before = () => Effect.sync(() => void calls++)
      yield* Effect.replicateEffect(reader.get(CODEX), 5)
      assert.strictEqual(yield* generation(reader), 2)
      assert.strictEqual(calls, 1)
    }))

  it.scopedLive("creates nothing and asks nothing in a home that does not exist", () =>
    Effect.gen(function*() {
      const { directory, faults, store } = yield* stage
      faults.before = () => Effect.dieMessage("asked")
      assertEquals(yield* store.get(CODEX), Option.none())
      deepStrictEqual(yield* store.list, [])
      store.epoch(CODEX)
      assert.isFalse(Fs.existsSync(directory))
    }))
})

describe("a keyring that fails", () => {
  it.scopedLive.each([
    ["Absent", "Unavailable"],
    ["Locked", "Locked"],
    ["Unavailable", "Unavailable"],
    ["Timeout", "Unavailable"]
  ])(
    "because it is %s is a typed error, and nothing is written anywhere else",
    ([reason, expected]) =>
      Effect.gen(function*() {
        const { another, directory, entries, faults, index, store } = yield* stage
        yield* put(store, 1)
        const before = [Fs.readdirSync(directory).sort(), Fs.readFileSync(index, "utf8"), [...entries]]
        faults.before = failing(reason as Keyring.KeyringError["reason"])
        const fresh = yield* another
        const failures = [fresh.get(CODEX), fresh.prepare(CODEX), put(fresh, 2), store.prepare(CODEX)]
        for (const effect of failures) assert.strictEqual((yield* storeError<unknown>(effect)).reason, expected)
        // What was read before is still served.
        assert.strictEqual(yield* generation(store), 1)
        deepStrictEqual(yield* fresh.list, [CODEX])
        deepStrictEqual([Fs.readdirSync(directory).sort(), Fs.readFileSync(index, "utf8"), [...entries]], before)
        assert.isFalse(Fs.existsSync(Path.join(directory, "auth.json")))
        assert.strictEqual((yield* storeError(put(store, 2))).reason, expected)
        delete faults.before
        assert.strictEqual(yield* generation(fresh), 1)
        assert.strictEqual(yield* increment(fresh), 2)
        assert.strictEqual(yield* generation(store), 2)
      })
  )

  it.scopedLive("is found out by preparing, which leaves nothing", () =>
    Effect.gen(function*() {
      const { entries, faults, index, store } = yield* stage
      yield* put(store, 1)
      const before = [Fs.readFileSync(index, "utf8"), [...entries]]
      yield* store.prepare(CODEX)
      yield* store.prepare(GOOD)
      deepStrictEqual([Fs.readFileSync(index, "utf8"), [...entries]], before)
      const sizes: Array<number> = []
      faults.after = ({ account, operation }) =>
        Effect.sync(() => void (operation === "set" && sizes.push(entries.get(account)!.length)))
      yield* store.prepare(CODEX)
      // The coming record has room to be longer than the present one.
      assert.isAbove(sizes[0]!, 16_384)
    }))
})

describe("an index", () => {
  it.scopedLive("that is damaged is not written, and its sound entries are served", () =>
    Effect.gen(function*() {
      const { another, index, store } = yield* stage
      yield* put(store, 1)
      yield* put(store, 1, GOOD)
      const text = Fs.readFileSync(index, "utf8")
      const codex = indexOf(index).tenants["codex"]!.write_id
      const wrong = text.replace(`"${codex}"`, "\"nonsense\"")
      Fs.writeFileSync(index, wrong)
      const fresh = yield* another
      assert.strictEqual(yield* generation(fresh, GOOD), 1)
      for (const effect of [fresh.get(CODEX), put(fresh, 2), put(fresh, 2, GOOD), fresh.prepare(GOOD)]) {
        const error = yield* storeError<unknown>(effect)
        deepStrictEqual([error.reason, error.location], ["Decode", index])
        assert.include(error.detail!, "tenants.codex.write_id: ")
      }
      assert.strictEqual(Fs.readFileSync(index, "utf8"), wrong)
    }))

  it.scopedLive("of a store that was moved is neither read nor written", () =>
    Effect.gen(function*() {
      const { index, store } = yield* stage
      yield* put(store, 1)
      Fs.writeFileSync(index, Fs.readFileSync(index, "utf8").replace("{", "{\"moved_to\":\"file\","))
      for (const effect of [store.get(CODEX), put(store, 2), store.prepare(CODEX)]) {
        assert.strictEqual((yield* storeError<unknown>(effect)).reason, "Superseded")
      }
    }))
})

describe("a home", () => {
  it.scopedLive("shows no token in any of its files", () =>
    Effect.gen(function*() {
      const { directory, journal, pending, store } = yield* stage
      const secrets: Array<{ readonly kind: "refresh_token"; readonly value: string }> = []
      const note = (value: string) => secrets.push({ kind: "refresh_token", value })
      for (const next of [1, 2]) {
        const written = credential(next)
        for (const token of [written.accessToken, written.refreshToken]) note(Redacted.value(Option.getOrThrow(token)))
        yield* store.modify(CODEX, () => Change.Put({ credential: written, value: () => undefined }))
      }
      const verifier = FakeToken.make("rt")
      note(verifier)
      yield* pending.put(
        { tenant: CODEX, user: "local" },
        attempt(Math.floor(Date.now() / 1_000), { codeVerifier: Option.some(Redacted.make(verifier)) })
      )
      const kept = answer("attempt")
      note(Redacted.value(kept.grant.accessToken))
      yield* journal.reserveAnswer(CODEX, 1_024)
      yield* journal.keepAnswer(CODEX, kept)
      const files = Fs.readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile()
      )
      const names = files.map((entry) => Path.relative(directory, Path.join(entry.parentPath, entry.name)))
      for (
        const name of [
          "auth.json.keyring",
          "auth.json.keyring.next/codex",
          "auth.json.pending.sealed",
          "auth.json.refresh.codex.answer"
        ]
      ) {
        assert.include(names, name)
      }
      deepStrictEqual(
        LeakCheck.find(
          secrets,
          names.map((name) => ({
            where: name,
            text: `${name}\n${Fs.readFileSync(Path.join(directory, name), "utf8")}`,
            permitted: []
          }))
        ),
        []
      )
    }))

  it.scopedLive("is not built where the bounds leave no time for the keyring", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const error = yield* Effect.flip(Layer.build(
        KeyringHome.layer({ directory }).pipe(
          Layer.provide(Layer.merge(
            // Enough for a file: 15 + 5 + 2 s.
            RefreshPolicy.layer({ lockTimeout: Duration.seconds(30) }),
            Keyring.layerMemory()
          ))
        )
      ))
      assert.include(String(error), "writes may take")
    }))
})
