import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import type { WritableStore } from "@lockstep/core/WritableStore"
import { Change } from "@lockstep/core/WritableStore"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as SealingKeys from "@lockstep/node/secrets/SealingKeys"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { open } from "@lockstep/testkit/homes/KeyringHomes"
import * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as KeyringHandover from "../../src/internal/keyringHandover.js"

type Store = WritableStore["Type"]

const CODEX = TenantId.make("codex")
const GOOD = TenantId.make("good")

const put = (store: Store, generation: number, tenant = CODEX) =>
  store.modify(tenant, () => Change.Put({ credential: credential(generation), value: () => generation }))

const remove = (store: Store, tenant = CODEX) => store.modify(tenant, () => Change.Remove({ value: undefined }))

const generation = (store: Store, tenant = CODEX) =>
  Effect.map(Effect.flatten(store.get(tenant)), (stored) => stored.credential.generation)

const sha256 = (text: string) => Crypto.createHash("sha256").update(text).digest("hex")

/** A home over one keyring in memory, and processes of it that count what they ask it for. */
const stage = Effect.gen(function*() {
  const entries = new Map<string, string>()
  const directory = Path.join(yield* Homes.temporary, "home")
  const index = Path.join(directory, "auth.json.keyring")
  const process = Effect.suspend(() => {
    const calls: Array<string> = []
    const faults: { before?: Keyring.MemoryFaults["before"] } = {}
    const keyring = Keyring.makeMemory({
      entries,
      before: (call) =>
        Effect.suspend(() => {
          calls.push(call.operation)
          return faults.before?.(call) ?? Effect.void
        })
    })
    return Effect.map(open(directory, keyring), ({ store }) => ({ calls, faults, store }))
  })
  const writeIds = (): Record<string, { readonly write_id: string }> =>
    JSON.parse(Fs.readFileSync(index, "utf8")).tenants
  return {
    directory,
    entries,
    index,
    process,
    /** What is handed on of a tenant. */
    file: (tenant: string) => Path.join(`${index}.next`, tenant),
    current: (tenant: string) => writeIds()[tenant]!.write_id,
    entryOf: (tenant: string) => [...entries].find(([account]) => account.includes(`|${tenant}|`))!
  }
})

/** One that wrote the first record of two tenants, and one that has read them. */
const followed = Effect.gen(function*() {
  const staged = yield* stage
  const writer = yield* staged.process
  const reader = yield* staged.process
  for (const tenant of [CODEX, GOOD]) {
    yield* put(writer.store, 1, tenant)
    yield* generation(reader.store, tenant)
  }
  reader.calls.length = 0
  return { ...staged, writer, reader }
})

/** What a writer leaves, of whatever home, tenant and writes. */
const seal = (
  key: SealingKeys.SealingKey,
  step: { readonly home: string; readonly tenant: string; readonly from: string; readonly to: string },
  text: string
) =>
  Effect.gen(function*() {
    const index = Path.join(yield* Homes.temporary, "index")
    const tenant = TenantId.make(step.tenant)
    yield* KeyringHandover.make({ file: Path.join(step.home, "auth.json") }, index).leave({
      tenant,
      from: Option.some({ writeId: step.from, nextKey: Option.some(key) }),
      to: step.to
    }, Redacted.make(text))
    return Fs.readFileSync(SidecarNames.handover(index, tenant), "utf8")
  })

const keyIn = (entry: string) => SealingKeys.fromBytes(Buffer.from(JSON.parse(entry).next_key, "base64"))

describe("a record that is handed on", () => {
  it.scopedLive("reaches those who hold the one before without the keyring, write after write", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* followed
      for (const next of [2, 3, 4]) {
        yield* put(writer.store, next)
        assert.strictEqual(yield* generation(reader.store), next)
      }
      deepStrictEqual(reader.calls, [])
      // And a reader hands on in turn.
      yield* put(reader.store, 5)
      writer.calls.length = 0
      assert.strictEqual(yield* generation(writer.store), 5)
      deepStrictEqual(writer.calls, [])
    }))

  it.scopedLive("is in a file of its owner alone, in a directory of its owner alone, and written without a sync", () =>
    Effect.gen(function*() {
      const { file, process } = yield* stage
      const { store } = yield* process
      yield* put(store, 1)
      const steps: Array<string> = []
      yield* put(store, 2).pipe(Effect.provide(StepTracer.layer(({ at, name, within }) => {
        if (at === "end" && within.includes("lockstep.store.handover")) steps.push(name)
      })))
      deepStrictEqual(steps, ["lockstep.file.write", "lockstep.file.rename"])
      assert.strictEqual(Fs.statSync(file("codex")).mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(Path.dirname(file("codex"))).mode & 0o777, 0o700)
    }))

  it.scopedLive("is not for one who has read nothing, nor for one who missed a write", () =>
    Effect.gen(function*() {
      const { process, reader, writer } = yield* followed
      yield* put(writer.store, 2)
      yield* put(writer.store, 3)
      for (const one of [reader, yield* process]) {
        assert.strictEqual(yield* generation(one.store), 3)
        deepStrictEqual(one.calls, ["get"])
      }
    }))

  it.scopedLive("is that of the write that counts, whichever process overtook which", () =>
    Effect.gen(function*() {
      const { process, reader, writer } = yield* followed
      const overtaker = yield* process
      let seen: number | undefined
      let isFirst = true
      writer.faults.before = ({ operation }) =>
        Effect.suspend(() => {
          if (operation === "set" && isFirst) {
            isFirst = false
            return Effect.asVoid(Effect.orDie(put(overtaker.store, 2)))
          }
          // It has found out, and takes its own entry away before it begins again.
          if (operation !== "remove" || seen !== undefined) return Effect.void
          return Effect.map(Effect.orDie(generation(reader.store)), (found) => void (seen = found))
        })
      yield* put(writer.store, 3)
      assert.strictEqual(seen, 2)
      deepStrictEqual(reader.calls, [])
    }))

  it.scopedLive("goes with its login, and that of another stays", () =>
    Effect.gen(function*() {
      const { file, writer } = yield* followed
      for (const tenant of [CODEX, GOOD]) yield* put(writer.store, 2, tenant)
      // Of a writer that was killed.
      Fs.writeFileSync(`${file("codex")}.lockstep-1-1.tmp`, "")
      yield* remove(writer.store)
      deepStrictEqual(Fs.readdirSync(Path.dirname(file("codex"))), ["good"])
    }))
})

describe("what lies on the disk", () => {
  it.scopedLive("opens for no holder of another key, no later entry and no disk alone", () =>
    Effect.gen(function*() {
      const { current, directory, entryOf, index, writer } = yield* followed
      const [before, from] = [entryOf("codex")[1], current("codex")]
      yield* put(writer.store, 2)
      const [after, to] = [entryOf("codex")[1], current("codex")]
      const handover = KeyringHandover.make({ file: Path.join(directory, "auth.json") }, index)
      const opened = (key: SealingKeys.SealingKey) =>
        Option.map(
          handover.take({ tenant: CODEX, from: Option.some({ writeId: from, nextKey: Option.some(key) }), to }),
          Redacted.value
        )
      assertEquals(opened(keyIn(before)), Option.some(after))
      assert.notStrictEqual(keyIn(before).id, keyIn(after).id)
      for (const key of [keyIn(after), keyIn(entryOf("good")[1]), SealingKeys.fromBytes(Buffer.alloc(32))]) {
        assertEquals(opened(key), Option.none())
      }
      // No key lies in any file of the home, in whatever form.
      const keys = [before, after].map((entry) => Buffer.from(JSON.parse(entry).next_key, "base64"))
      for (const entry of Fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue
        const bytes = Fs.readFileSync(Path.join(entry.parentPath, entry.name))
        for (const key of keys) {
          for (const form of [key, key.toString("hex"), key.toString("base64"), key.toString("base64url")]) {
            assert.isFalse(bytes.includes(form), entry.name)
          }
        }
      }
    }))
})

describe("what was left is passed over, and the keyring asked,", () => {
  type Staged = Effect.Effect.Success<typeof followed>

  const text = (entries: Staged["entries"], write: string) =>
    [...entries].find(([account]) => account.endsWith(write))![1]

  type Before = { readonly from: string; readonly key: SealingKeys.SealingKey }

  type Damage = (staged: Staged, before: Before) => Effect.Effect<unknown, never, Scope.Scope>

  const forged = (
    change: Partial<{ home: string; tenant: string; from: string; to: string; key: SealingKeys.SealingKey }>,
    edit: (entry: string) => string = (entry) => entry
  ): Damage =>
  ({ current, directory, entries, file }, { from, key }) =>
    Effect.gen(function*() {
      const to = current("codex")
      const entry = text(entries, to)
      const made = yield* seal(
        change.key ?? key,
        { home: directory, tenant: "codex", from, to, ...change },
        edit(entry)
      )
      Fs.writeFileSync(file("codex"), made)
    })

  const changed = (run: (file: (tenant: string) => string) => void): Damage => ({ file }) =>
    Effect.sync(() => run(file))

  const DAMAGE: ReadonlyArray<readonly [string, Damage, asked?: boolean]> = [
    [
      "is as another process of this home writes it: the other cases are not passed over for their making",
      forged({}),
      false
    ],
    ["is lost", changed((file) => Fs.rmSync(file("codex")))],
    ["is empty", changed((file) => Fs.truncateSync(file("codex"), 0))],
    ["is torn", changed((file) => Fs.truncateSync(file("codex"), Fs.statSync(file("codex")).size - 40))],
    [
      "ends in zeros",
      changed((file) => {
        const bytes = Fs.readFileSync(file("codex"))
        Fs.writeFileSync(file("codex"), bytes.fill(0, bytes.length >> 1))
      })
    ],
    [
      "is a directory",
      changed((file) => {
        Fs.rmSync(file("codex"))
        Fs.mkdirSync(file("codex"))
      })
    ],
    [
      "is a link",
      changed((file) => {
        Fs.renameSync(file("codex"), `${file("codex")}.real`)
        Fs.symlinkSync(`${file("codex")}.real`, file("codex"))
      })
    ],
    ["is another tenant's", changed((file) => Fs.copyFileSync(file("good"), file("codex")))],
    ["is sealed with another key", forged({ key: SealingKeys.fromBytes(Crypto.randomBytes(32)) })],
    ["is of another home", forged({ home: "/other" })],
    ["is sealed for another tenant", forged({ tenant: "good" })],
    ["is of another write", forged({ to: "0".repeat(16) })],
    ["follows another write", forged({ from: "0".repeat(16) })],
    [
      "holds another record than the index says",
      forged({}, (entry) => JSON.stringify({ ...JSON.parse(entry), generation: 7 }))
    ]
  ]

  it.scopedLive.each(DAMAGE)("where it %s", ([, damage, asked = true]) =>
    Effect.gen(function*() {
      const staged = yield* followed
      const { reader, writer } = staged
      const before = { from: staged.current("codex"), key: keyIn(staged.entryOf("codex")[1]) }
      for (const tenant of [CODEX, GOOD]) yield* put(writer.store, 2, tenant)
      yield* damage(staged, before)
      assert.strictEqual(yield* generation(reader.store), 2)
      deepStrictEqual(reader.calls, asked ? ["get"] : [])
      // It is sound again with the next write, whatever lay there, or never.
      yield* put(writer.store, 3)
      assert.strictEqual(yield* generation(reader.store), 3)
    }))

  it.scopedLive("and nothing is written or removed where a link leads, in place of its directory", () =>
    Effect.gen(function*() {
      const { directory, file, reader, writer } = yield* followed
      const elsewhere = Path.join(directory, "..", "elsewhere")
      Fs.mkdirSync(elsewhere)
      Fs.writeFileSync(Path.join(elsewhere, "codex"), "another program's")
      Fs.rmSync(Path.dirname(file("codex")), { recursive: true, force: true })
      Fs.symlinkSync(elsewhere, Path.dirname(file("codex")))
      yield* put(writer.store, 2)
      assert.strictEqual(yield* generation(reader.store), 2)
      yield* remove(writer.store)
      deepStrictEqual(Fs.readdirSync(elsewhere), ["codex"])
      assert.strictEqual(Fs.readFileSync(Path.join(elsewhere, "codex"), "utf8"), "another program's")
    }))

  it.scopedLive("and no write fails, where it cannot be written", () =>
    Effect.gen(function*() {
      const { file, process } = yield* stage
      const writer = yield* process
      yield* put(writer.store, 1)
      const reader = yield* process
      yield* generation(reader.store)
      Fs.writeFileSync(Path.dirname(file("codex")), "")
      yield* put(writer.store, 2)
      assert.strictEqual(yield* generation(reader.store), 2)
      yield* remove(writer.store)
      assertEquals(yield* reader.store.get(CODEX), Option.none())
    }))
})

describe("an entry", () => {
  it.scopedLive("of a version that hands nothing on is read, and its successor is in no file", () =>
    Effect.gen(function*() {
      const { current, entries, entryOf, file, index, reader, writer } = yield* followed
      yield* put(writer.store, 2)
      // As that version has it.
      const [account, text] = entryOf("codex")
      const { next_key, ...record } = JSON.parse(text)
      const old = JSON.stringify(record)
      entries.set(account, old)
      Fs.writeFileSync(index, Fs.readFileSync(index, "utf8").replace(sha256(text), sha256(old)))
      assert.isDefined(next_key)
      assert.isTrue(account.endsWith(current("codex")))
      assert.strictEqual(yield* generation(reader.store), 2)
      reader.calls.length = 0
      yield* put(reader.store, 3)
      // What lay there was of the write before.
      assert.isFalse(Fs.existsSync(file("codex")))
      assert.strictEqual(yield* generation(writer.store), 3)
      yield* put(writer.store, 4)
      assert.isTrue(Fs.existsSync(file("codex")))
    }))

  it.scopedLive.each(
    [["no text", 7], ["no base64", "%"], ["too short", "AAAA"], ["too long", "A".repeat(88)]] as const
  )("whose key is %s is a credential all the same", ([, next_key]) =>
    Effect.gen(function*() {
      const { entries, entryOf, file, index, process, writer } = yield* followed
      yield* put(writer.store, 2)
      const [account, text] = entryOf("codex")
      const other = JSON.stringify({ ...JSON.parse(text), next_key })
      entries.set(account, other)
      Fs.writeFileSync(index, Fs.readFileSync(index, "utf8").replace(sha256(text), sha256(other)))
      const fresh = yield* process
      assert.strictEqual(yield* generation(fresh.store), 2)
      yield* put(fresh.store, 3)
      assert.isFalse(Fs.existsSync(file("codex")))
      assert.strictEqual(yield* generation(writer.store), 3)
    }))

  it.scopedLive("is read by a version that hands nothing on", () =>
    Effect.gen(function*() {
      const { entryOf, process } = yield* stage
      const { store } = yield* process
      yield* put(store, 3)
      const read = Schema.decodeSync(Schema.parseJson(Credential.Credential))(entryOf("codex")[1])
      assertEquals(Option.some(read), Option.map(yield* store.get(CODEX), (stored) => stored.credential))
    }))
})

describe("a home that was put back to an earlier state", () => {
  const KEPT = ["auth.json.keyring", "auth.json.keyring.next"]

  it.scopedLive("is found out before anything is spent, also by one who follows what lies there", () =>
    Effect.gen(function*() {
      const { directory, reader, writer } = yield* followed
      yield* put(writer.store, 2)
      const copy = Path.join(directory, "..", "copy")
      for (const name of KEPT) Fs.cpSync(Path.join(directory, name), Path.join(copy, name), { recursive: true })
      yield* put(writer.store, 3)
      for (const name of KEPT) Fs.cpSync(Path.join(copy, name), Path.join(directory, name), { recursive: true })
      assert.strictEqual(yield* generation(reader.store), 2)
      deepStrictEqual(reader.calls, [])
      const error = yield* Effect.flip(reader.store.prepare(CODEX))
      deepStrictEqual([error._tag, "reason" in error && error.reason], ["CredentialStoreError", "Read"])
      // One who holds the newer record has nothing to follow.
      const gone = yield* Effect.flip(writer.store.get(CODEX))
      assert.strictEqual(gone.reason, "Read")
    }))

  it.scopedLive("is asked for in the keyring once, and not again by one who has it from there", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* followed
      yield* put(writer.store, 2)
      yield* generation(reader.store)
      yield* reader.store.prepare(CODEX)
      deepStrictEqual(reader.calls, ["get", "set", "remove"])
      reader.calls.length = 0
      yield* reader.store.prepare(CODEX)
      deepStrictEqual(reader.calls, ["set", "remove"])
    }))
})
