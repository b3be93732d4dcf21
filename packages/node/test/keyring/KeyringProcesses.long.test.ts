import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { WritableStore } from "@lockstep/core/WritableStore"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as KeyringHomes from "@lockstep/testkit/homes/KeyringHomes"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import { isFree, until } from "@lockstep/testkit/processes/LockProcesses"
import type { Point } from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

GnomeKeyring.explain()

type Store = WritableStore["Type"]

const CODEX = TenantId.make("codex")
const HELPER = fileURLToPath(new URL("../../bin/keyring.cjs", import.meta.url))

const put = (store: Store, generation: number) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation), value: () => generation }))

const generation = (store: Store) =>
  Effect.map(store.get(CODEX), Option.match({ onNone: () => 0, onSome: (stored) => stored.credential.generation }))

const stage = Effect.gen(function*() {
  const gnome = yield* GnomeKeyring.make
  const directory = Path.join(yield* Homes.temporary, "home")
  const keyring = yield* KeyringHomes.native(gnome)
  const { store } = yield* KeyringHomes.open(directory, keyring)
  const spawn = (die?: Point) =>
    Effect.gen(function*() {
      const bundle = yield* Bundle.make(new URL("../fixtures/keyringWorker.ts", import.meta.url))
      const settings = JSON.stringify({ home: directory, helper: HELPER, ...(die === undefined ? {} : { die }) })
      const child = yield* ChildProcess.spawn({ args: [bundle, settings], env: gnome.environment })
      yield* child.message(({ event }) => event === "opened")
      return child
    })
  const accounts = Effect.map(keyring.find(""), (all) => all.filter((account) => account.includes("|codex|")))
  const current = () =>
    JSON.parse(Fs.readFileSync(Path.join(directory, "auth.json.keyring"), "utf8")).tenants?.codex?.write_id as string
  const handedOn = () => Fs.readdirSync(Path.join(directory, "auth.json.keyring.next"))
  return { gnome, directory, store, spawn, accounts, current, handedOn }
})

describe.skipIf(!GnomeKeyring.isInstalled)("a process that is killed with a keyring", () => {
  const DURABLE = 2
  const STEPS: ReadonlyArray<
    readonly [span: string, at: Point["at"], within: string | undefined, generation: number, occurrence?: number]
  > = [
    ["lockstep.store.begin", "start", undefined, 1],
    ["lockstep.file.rename", "start", "lockstep.store.begin", 1],
    ["lockstep.file.rename", "end", "lockstep.store.begin", 1],
    ["lockstep.store.begin", "end", undefined, 1],
    ["lockstep.keyring.set", "start", "lockstep.store.write", 1],
    ["lockstep.keyring.set", "end", "lockstep.store.write", 1],
    ["lockstep.keyring.get", "end", "lockstep.store.write", 1],
    ["lockstep.store.write", "end", undefined, 1],
    ["lockstep.store.commit", "start", undefined, 1],
    ["lockstep.store.handover", "start", undefined, 1],
    ["lockstep.file.write", "start", "lockstep.store.handover", 1],
    ["lockstep.file.write", "end", "lockstep.store.handover", 1],
    ["lockstep.file.rename", "end", "lockstep.store.handover", 1],
    ["lockstep.store.handover", "end", undefined, 1],
    // The second: what is handed on is renamed before the index.
    ["lockstep.file.rename", "start", "lockstep.store.commit", 1, 2],
    ["lockstep.file.rename", "end", "lockstep.store.commit", DURABLE, 2],
    ["lockstep.store.commit", "end", undefined, DURABLE],
    ["lockstep.keyring.remove", "start", "lockstep.store.collect", DURABLE],
    ["lockstep.keyring.remove", "end", "lockstep.store.collect", DURABLE],
    ["lockstep.store.modify", "end", undefined, DURABLE]
  ]

  it.scopedLive.each(STEPS)(
    "leaves one whole record, and nothing in the keyring that the next write does not remove: %s %s in %s",
    ([span, at, within, expected, occurrence]) =>
      Effect.gen(function*() {
        const { accounts, current, handedOn, spawn, store } = yield* stage
        yield* put(store, 1)
        const child = yield* spawn({
          span,
          at,
          ...(within === undefined ? {} : { within }),
          ...(occurrence === undefined ? {} : { occurrence })
        })
        yield* child.send({ do: "write" })
        assert.strictEqual((yield* child.exit).signal, "SIGKILL")
        assert.strictEqual(yield* generation(store), expected)
        assert.strictEqual(yield* put(store, 9), 9)
        assert.strictEqual(yield* generation(store), 9)
        const left = yield* accounts
        assert.strictEqual(left.length, 1)
        assert.isTrue(left[0]!.endsWith(current()))
        deepStrictEqual(handedOn(), ["codex"])
      })
  )

  it.scopedLive.each(
    [
      ["lockstep.file.rename", "start", 1],
      ["lockstep.file.rename", "end", 0],
      ["lockstep.keyring.remove", "start", 0],
      ["lockstep.keyring.remove", "end", 0]
    ] as const
  )("while it removes a login leaves the login or nothing: %s %s", ([span, at, expected]) =>
    Effect.gen(function*() {
      const { accounts, handedOn, spawn, store } = yield* stage
      yield* put(store, 0)
      yield* put(store, 1)
      deepStrictEqual(handedOn(), ["codex"])
      const child = yield* spawn({ span, at })
      yield* child.send({ do: "remove" })
      assert.strictEqual((yield* child.exit).signal, "SIGKILL")
      // Before the login itself: what is not logged in is handed on to none.
      deepStrictEqual(handedOn(), [])
      assert.strictEqual(yield* generation(store), expected)
      yield* put(store, 2)
      assert.strictEqual((yield* accounts).length, 1)
      yield* store.modify(CODEX, () => Change.Remove({ value: undefined }))
      deepStrictEqual(yield* accounts, [])
    }))
})

describe.skipIf(!GnomeKeyring.isInstalled)("processes that share a keyring", () => {
  it.scopedLive("lose nothing when they write one login at once", () =>
    Effect.gen(function*() {
      const { accounts, spawn, store } = yield* stage
      const children = yield* Effect.replicateEffect(spawn(), 3)
      const answers = yield* Effect.forEach(
        children,
        (child) =>
          Effect.zipRight(
            child.send({ do: "write", times: 3 }),
            child.message(({ event }) => event === "done" || event === "failed")
          ),
        { concurrency: "unbounded" }
      )
      for (const { detail, event } of answers) deepStrictEqual([event, detail], ["done", undefined])
      assert.strictEqual(yield* generation(store), 9)
      assert.strictEqual((yield* accounts).length, 1)
    }), 180_000)

  it.scopedLive("see each other's writes when they are told", () =>
    Effect.gen(function*() {
      const { spawn, store } = yield* stage
      yield* put(store, 1)
      const changes = yield* store.changes(CODEX)
      const child = yield* spawn()
      for (const expected of [2, 3]) {
        yield* Queue.takeAll(changes)
        const before = store.epoch(CODEX)
        const woken = yield* Effect.fork(Queue.take(changes))
        yield* child.send({ do: "write" })
        yield* Fiber.join(woken)
        yield* until(() => store.epoch(CODEX) !== before)
        yield* child.message(({ generation }) => generation === expected)
        assert.strictEqual(yield* generation(store), expected)
      }
    }))
})

describe.skipIf(!GnomeKeyring.isInstalled)("readers of a keyring", () => {
  it.scopedLive(
    "that wait for one refresh take it over while the keyring answers no question",
    () =>
      Effect.gen(function*() {
        const { gnome, spawn, store } = yield* stage
        yield* put(store, 1)
        const children = yield* Effect.replicateEffect(spawn(), 3)
        const read = (expected: number) =>
          Effect.forEach(children, (child) =>
            Effect.zipRight(
              child.send({ do: "read" }),
              child.message((said) => said["generation"] === expected)
            ), {
            concurrency: "unbounded"
          })
        yield* read(1)
        yield* put(store, 2)
        yield* gnome.freeze
        yield* read(2)
        yield* gnome.thaw
      }),
    60_000
  )

  it.scopedLive("give up their turns when they are killed", () =>
    Effect.gen(function*() {
      const { directory, gnome, spawn, store } = yield* stage
      yield* put(store, 1)
      const children = yield* Effect.replicateEffect(spawn(), 3)
      yield* gnome.freeze
      const turns = Path.join(directory, "auth.json.keyring.turns")
      const isHeld = () => Fs.readdirSync(turns).some((name) => !isFree(Path.join(turns, name)))
      assert.isFalse(isHeld())
      for (const child of children) yield* child.send({ do: "read" })
      yield* until(isHeld)
      for (const child of children) yield* child.signal("SIGKILL")
      for (const child of children) yield* child.exit
      assert.isFalse(isHeld())
      yield* gnome.thaw
      const next = yield* spawn()
      yield* next.send({ do: "read" })
      yield* next.message((said) => said["generation"] === 1)
    }), 60_000)
})

describe.skipIf(!GnomeKeyring.isInstalled)("a real keyring under a store", () => {
  it.scopedLive("that is locked, gone or frozen fails what needs it, and serves what was read", () =>
    Effect.gen(function*() {
      const { directory, gnome, store } = yield* stage
      yield* put(store, 1)
      const faults = [
        ["Locked", gnome.lock],
        ["Unavailable", gnome.kill],
        ["Unavailable", Effect.zipRight(gnome.restart, gnome.freeze)]
      ] as const
      for (const [reason, fault] of faults) {
        yield* fault
        const fresh = yield* KeyringHomes.open(directory, yield* KeyringHomes.native(gnome, "1 second"))
        for (const effect of [fresh.store.get(CODEX), fresh.store.prepare(CODEX), put(fresh.store, 2)]) {
          const error = yield* Effect.flip<unknown, { readonly _tag: string; readonly reason?: string }, never>(effect)
          deepStrictEqual([error._tag, error.reason], ["CredentialStoreError", reason])
        }
        assert.strictEqual(yield* generation(store), 1)
        yield* gnome.thaw
        yield* gnome.restart
      }
      assert.isFalse(Fs.existsSync(Path.join(directory, "auth.json")))
      assert.strictEqual(yield* put(store, 2), 2)
      const other = yield* KeyringHomes.open(directory, yield* KeyringHomes.native(gnome))
      assert.strictEqual(yield* generation(other.store), 2)
    }))

  it.scopedLive("that dies in the middle of a write leaves the old record or the new one, and no other", () =>
    Effect.gen(function*() {
      const { accounts, directory, gnome, store } = yield* stage
      yield* put(store, 1)
      yield* gnome.freeze
      const writing = yield* Effect.fork(Effect.either(put(store, 2)))
      yield* until(() => {
        const { writing } = JSON.parse(Fs.readFileSync(Path.join(directory, "auth.json.keyring"), "utf8"))
        return Object.keys(writing ?? {}).length > 0
      })
      yield* gnome.kill
      assert.strictEqual((yield* Fiber.join(writing))._tag, "Left")
      yield* gnome.restart
      const other = yield* KeyringHomes.open(directory, yield* KeyringHomes.native(gnome))
      assert.strictEqual(yield* generation(other.store), 1)
      yield* put(other.store, 2)
      assert.strictEqual((yield* accounts).length, 1)
    }))

  it.scopedLive("is absent from a home that has none of its entries", () =>
    Effect.gen(function*() {
      const { store } = yield* stage
      assertEquals(yield* store.get(CODEX), Option.none())
    }))
})
