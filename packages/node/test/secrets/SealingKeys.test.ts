import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as Home from "@lockstep/node/Home"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringKeys from "@lockstep/node/keyring/KeyringKeys"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as KeyRotation from "@lockstep/node/secrets/KeyRotation"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer } from "@lockstep/testkit/contract/journals"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as SealedHomes from "../support/sealedHomes.js"

const CODEX = TenantId.make("codex")

/** A home that does not exist yet, and what its keyring holds. */
const place = Effect.map(Homes.temporary, (root) => {
  const directory = Path.join(root, "home")
  return { directory, index: Path.join(directory, "auth.json.keys"), entries: new Map<string, string>() }
})

type Place = Effect.Effect.Success<typeof place>

/** The keys as one more process has them. */
const process_ = ({ directory, entries }: Place, faults: Keyring.MemoryFaults = {}) =>
  Effect.provide(
    KeyringKeys.make,
    Layer.merge(Keyring.layerMemory({ ...faults, entries }), Home.layer({ directory, store: "secrets" }))
  )

/** A process with a whole home. */
const open = ({ directory, entries }: Place, faults: Keyring.MemoryFaults = {}) =>
  SealedHomes.open(directory, { keyring: Keyring.layerMemory({ ...faults, entries }) })

const put = ({ store }: SealedHomes.Opened, generation: number) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation), value: () => generation }))

const generation = ({ store }: SealedHomes.Opened) =>
  Effect.map(Effect.flatten(store.get(CODEX)), (stored) => stored.credential.generation)

const rotate = (opened: SealedHomes.Opened) => Effect.provide(KeyRotation.rotate, opened.context)

const unavailable = new Keyring.KeyringError({ reason: "Unavailable", detail: "gone" })

const failure = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => error as E & { readonly reason: string; readonly location: string })

describe("a key in the keyring", () => {
  it.scopedLive("is made by the first use, and found by every other process", () =>
    Effect.gen(function*() {
      const home = yield* place
      const first = yield* (yield* process_(home)).current
      const second = yield* process_(home)
      assert.strictEqual((yield* second.current).id, first.id)
      const [[account, secret]] = [...home.entries] as [[string, string]]
      assert.match(account, new RegExp(`^[0-9a-f]{16}#sealing-key:${first.id}$`))
      // The home names it and does not hold it.
      const key = secret.replace("lockstep-key-1 ", "")
      assert.strictEqual(Buffer.from(key, "base64").length, 32)
      deepStrictEqual([...SealedHomes.snapshot(home.directory).keys()].sort(), ["auth.json.keys", "store.json"])
      assert.isFalse(Fs.readFileSync(home.index, "utf8").includes(key))
      assert.strictEqual(Fs.statSync(home.index).mode & 0o777, 0o600)
    }))

  it.scopedLive("is one, whichever of two first users is first", () =>
    Effect.gen(function*() {
      const home = yield* place
      let kept = 0
      const both = yield* Deferred.make<void>()
      // Both have a key in the keyring before either says which one counts.
      const faults: Keyring.MemoryFaults = {
        after: ({ operation }) =>
          operation !== "set" ? Effect.void : Effect.suspend(() => {
            if (++kept === 2) Deferred.unsafeDone(both, Effect.void)
            return Deferred.await(both)
          })
      }
      const [a, b] = yield* Effect.all([process_(home, faults), process_(home, faults)])
      const [one, other] = yield* Effect.all([a.current, b.current], { concurrency: 2 })
      assert.strictEqual(kept, 2)
      assert.strictEqual(one.id, other.id)
      deepStrictEqual([...home.entries.keys()].map((account) => account.slice(-16)), [one.id])
    }))

  it.scopedLive("belongs to one home, and goes with it when it is moved", () =>
    Effect.gen(function*() {
      const home = yield* place
      const other = { ...(yield* place), entries: home.entries }
      yield* put(yield* open(home), 3)
      yield* put(yield* open(other), 4)
      assert.strictEqual(home.entries.size, 2)
      assert.strictEqual(new Set([...home.entries.keys()].map((account) => account.slice(0, 16))).size, 2)
      const directory = `${home.directory}-moved`
      Fs.renameSync(home.directory, directory)
      assert.strictEqual(yield* generation(yield* open({ ...home, directory })), 3)
    }))

  it.scopedLive("is asked for once per process, and never to seal what was made ready", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* put(yield* open(home), 1)
      const calls: Array<string> = []
      const opened = yield* open(home, { before: ({ operation }) => Effect.sync(() => void calls.push(operation)) })
      yield* opened.store.prepare(CODEX)
      deepStrictEqual(calls, ["get"])
      for (const next of [2, 3, 4]) yield* put(opened, next)
      deepStrictEqual(calls, ["get"])
    }))
})

describe("no key is made", () => {
  it.scopedLive("where something is sealed already: its own is to be found", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* put(yield* open(home), 1)
      home.entries.clear()
      Fs.rmSync(home.index)
      const before = SealedHomes.snapshot(home.directory)
      const opened = yield* open(home)
      for (const way of [opened.keys.current, opened.store.get(CODEX), put(opened, 2)]) {
        assert.strictEqual((yield* failure<unknown, unknown>(way)).reason, "Locked")
      }
      assert.strictEqual(home.entries.size, 0)
      deepStrictEqual(SealedHomes.snapshot(home.directory), before)
    }))

  it.scopedLive("where only a damaged store or a kept answer is sealed", () =>
    Effect.gen(function*() {
      for (const name of ["auth.json.sealed", "auth.json.pending.sealed"]) {
        const home = yield* place
        Fs.mkdirSync(home.directory, { mode: 0o700 })
        Fs.writeFileSync(Path.join(home.directory, name), "lockstep-sealed 1 k")
        assert.strictEqual((yield* failure((yield* process_(home)).current)).reason, "Locked")
        assert.strictEqual(home.entries.size, 0)
      }
      const home = yield* place
      yield* (yield* open(home)).journal.keepAnswer(CODEX, answer("kept"))
      home.entries.clear()
      Fs.rmSync(home.index)
      assert.strictEqual((yield* failure((yield* process_(home)).current)).reason, "Locked")
      assert.strictEqual(home.entries.size, 0)
    }))

  it.scopedLive("where the index names one that the keyring does not have", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* (yield* process_(home)).current
      home.entries.clear()
      assert.strictEqual((yield* failure((yield* process_(home)).current)).reason, "Unavailable")
      assert.strictEqual(home.entries.size, 0)
    }))

  it.scopedLive("that the keyring does not keep, changes, or takes for something else", () =>
    Effect.gen(function*() {
      const spoils: ReadonlyArray<(entries: Map<string, string>, account: string) => void> = [
        (entries, account) => entries.delete(account),
        (entries, account) => entries.set(account, "lockstep-key-1 "),
        (entries, account) => entries.set(account, `lockstep-key-1 ${Buffer.alloc(32).toString("base64")}`),
        (entries, account) => entries.set(account, entries.get(account)!.slice(4))
      ]
      for (const spoil of spoils) {
        const home = yield* place
        const keys = yield* process_(home, {
          after: ({ account, operation }) => Effect.sync(() => operation === "set" && void spoil(home.entries, account))
        })
        const error = yield* failure(keys.current)
        assert.strictEqual(error.reason, "Unavailable")
        assert.isFalse(Fs.existsSync(home.index))
      }
    }))

  it.scopedLive("when any call of the keyring fails, before it has an effect or after", () =>
    Effect.gen(function*() {
      for (const operation of ["set", "get"] as const) {
        for (const when of ["before", "after"] as const) {
          const home = yield* place
          const fail = (call: Keyring.Call) => call.operation === operation ? unavailable : Effect.void
          const error = yield* failure((yield* process_(home, { [when]: fail })).current)
          assert.strictEqual(error.reason, "Unavailable")
          assert.isFalse(Fs.existsSync(home.index))
          // The next one begins anew and is not disturbed by what is left.
          const opened = yield* open(home)
          yield* put(opened, 1)
          assert.strictEqual(yield* generation(yield* open(home)), 1)
        }
      }
    }))
})

describe("the index", () => {
  it.scopedLive("that was lost is made anew from what is sealed", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* put(yield* open(home), 1)
      const before = Fs.readFileSync(home.index, "utf8")
      Fs.rmSync(home.index)
      const opened = yield* open(home)
      assert.strictEqual(yield* generation(opened), 1)
      yield* put(opened, 2)
      assert.strictEqual(Fs.readFileSync(home.index, "utf8"), before)
      assert.strictEqual(home.entries.size, 1)
    }))

  it.scopedLive("that is anything else is damaged, is not written, and keeps no process from reading", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* put(yield* open(home), 1)
      const sound = Fs.readFileSync(home.index, "utf8")
      const texts = FastCheck.oneof(
        FastCheck.string({ maxLength: 60 }),
        FastCheck.tuple(FastCheck.nat({ max: sound.length - 1 }), FastCheck.nat({ max: 30 })).map(([at, cut]) =>
          sound.slice(0, at) + sound.slice(at + cut)
        ),
        FastCheck.constantFrom("", "{}", "[]", sound.replace("1,", "2,"), sound.replace(/"[0-9a-f]{16}"/g, "\"x\""))
      ).filter((text) => text !== sound)
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(texts, async (text) => {
            Fs.writeFileSync(home.index, text)
            const keys = await Effect.runPromise(process_(home))
            const answer = await Effect.runPromise(Effect.either(keys.current))
            if (answer._tag === "Left") {
              deepStrictEqual([answer.left.reason, answer.left.location], ["Decode", home.index])
              assert.include(answer.left.advice, "remove it")
            }
            assert.strictEqual(Fs.readFileSync(home.index, "utf8"), text)
            assert.strictEqual(home.entries.size, 1)
          }),
          { numRuns: 200 }
        )
      )
      Fs.writeFileSync(home.index, "{")
      assert.strictEqual(yield* generation(yield* open(home)), 1)
    }))
})

describe("a key that was replaced", () => {
  it.scopedLive("is forgotten by the keyring once nothing is sealed with it", () =>
    Effect.gen(function*() {
      const home = yield* place
      const opened = yield* open(home)
      yield* put(opened, 1)
      const before = yield* opened.keys.current
      const { isNew, key, left } = yield* rotate(opened)
      deepStrictEqual([isNew, left], [true, []])
      assert.notStrictEqual(key, before.id)
      deepStrictEqual([...home.entries.keys()].map((account) => account.slice(-16)), [key])
      const fresh = yield* open(home)
      assert.isTrue(Option.isNone(yield* fresh.keys.find(before.id)))
      assert.strictEqual(yield* generation(fresh), 1)
    }))

  it.scopedLive("stays when the new one cannot be kept", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* put(yield* open(home), 1)
      const before = SealedHomes.snapshot(home.directory)
      const failing = yield* open(home, { before: ({ operation }) => operation === "set" ? unavailable : Effect.void })
      assert.strictEqual((yield* failure(rotate(failing))).reason, "Unavailable")
      const after = SealedHomes.snapshot(home.directory)
      for (const name of ["auth.json.sealed", "auth.json.keys"]) assert.strictEqual(after.get(name), before.get(name))
      assert.strictEqual(home.entries.size, 1)
    }))

  it.scopedLive("is removed by the next one when the keyring would not", () =>
    Effect.gen(function*() {
      const home = yield* place
      yield* put(yield* open(home), 1)
      const failing = yield* open(home, {
        before: ({ operation }) => operation === "remove" ? unavailable : Effect.void
      })
      assert.strictEqual((yield* failure(rotate(failing))).reason, "Unavailable")
      assert.strictEqual(home.entries.size, 2)
      assert.strictEqual(yield* generation(yield* open(home)), 1)
      const { key } = yield* rotate(yield* open(home))
      deepStrictEqual([...home.entries.keys()].map((account) => account.slice(-16)), [key])
    }))

  it.scopedLive("still seals where it is loaded, while the new one cannot be had and the index has the old one", () =>
    Effect.gen(function*() {
      const home = yield* place
      let isGone = false
      const opened = yield* open(home, { before: () => Effect.suspend(() => isGone ? unavailable : Effect.void) })
      yield* put(opened, 1)
      const old = yield* opened.keys.current
      yield* (yield* process_(home)).renew
      isGone = true
      assert.strictEqual((yield* opened.keys.current).id, old.id)
      isGone = false
      const { id } = yield* opened.keys.current
      assert.notStrictEqual(id, old.id)
      yield* (yield* process_(home)).retire
      const other = yield* process_(home, { before: () => unavailable })
      assert.strictEqual((yield* failure(other.current)).reason, "Unavailable")
    }))

  it.scopedLive("is not forgotten while a process refreshes that may keep an answer under it", () =>
    Effect.gen(function*() {
      const home = yield* place
      let isGone = false
      const holder = yield* open(home, { before: () => Effect.suspend(() => isGone ? unavailable : Effect.void) })
      yield* put(holder, 1)
      yield* holder.journal.write(CODEX, RefreshJournal.empty(CODEX))
      const lease = Option.getOrThrow(yield* holder.lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX })))
      yield* holder.journal.reserveAnswer(CODEX, 1_024)
      const old = yield* holder.keys.current
      const other = yield* open(home)
      const isRenewed = yield* Deferred.make<void>()
      const rotating = yield* Effect.fork(Effect.provide(
        rotate(other),
        StepTracer.layer(StepTracer.atPoint(
          { span: "lockstep.rotation.answer", at: "start" },
          () => Deferred.unsafeDone(isRenewed, Effect.void)
        ))
      ))
      yield* Deferred.await(isRenewed)
      isGone = true
      const kept = answer("kept")
      yield* holder.journal.keepAnswer(CODEX, kept)
      yield* lease.release({ changed: true })
      const { key, left } = yield* Fiber.join(rotating)
      deepStrictEqual(left, [])
      assert.notStrictEqual(key, old.id)
      assert.isTrue(Equal.equals(yield* (yield* open(home)).journal.keptAnswer(CODEX), Option.some(kept)))
    }))

  it.scopedLive("may go between reading a file and looking for its key", () =>
    Effect.gen(function*() {
      const home = yield* place
      const opened = yield* open(home)
      yield* put(opened, 1)
      const asked = yield* Deferred.make<void>()
      const rotated = yield* Deferred.make<void>()
      let isFirst = true
      const reader = yield* open(home, {
        before: () =>
          Effect.suspend(() => {
            if (!isFirst) return Effect.void
            isFirst = false
            return Effect.zipRight(Deferred.succeed(asked, undefined), Deferred.await(rotated))
          })
      })
      const reading = yield* Effect.fork(generation(reader))
      yield* Deferred.await(asked)
      yield* rotate(opened)
      yield* Deferred.succeed(rotated, undefined)
      assert.strictEqual(yield* Fiber.join(reading), 1)
    }))
})

describe("a key", () => {
  it.scopedLive("is in no message", () =>
    Effect.gen(function*() {
      const home = yield* place
      const keys = yield* process_(home)
      const { id, key } = yield* keys.current
      const secret = Buffer.from(Redacted.value(key)).toString("base64")
      home.entries.set([...home.entries.keys()][0]!, `lockstep-key-1 ${secret.slice(0, -4)}AAA=`)
      const error = yield* failure((yield* process_(home)).find(id))
      assert.strictEqual(error.reason, "Unavailable")
      assert.isFalse(`${String(error)} ${JSON.stringify(error)}`.includes(secret.slice(0, 12)))
    }))
})
