import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import type { WritableStore } from "@lockstep/core/WritableStore"
import { Change } from "@lockstep/core/WritableStore"
import { Home } from "@lockstep/node/Home"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KernelLock from "@lockstep/node/locks/KernelLock"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { open } from "@lockstep/testkit/homes/KeyringHomes"
import { foreignHolder, until } from "@lockstep/testkit/processes/LockProcesses"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as KeyringTurns from "../../src/internal/keyringTurns.js"

type Store = WritableStore["Type"]

const CODEX = TenantId.make("codex")

const put = (store: Store, generation: number) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation), value: () => generation }))

const generation = (store: Store) =>
  Effect.map(Effect.flatten(store.get(CODEX)), (stored) => stored.credential.generation)

/** Milliseconds, of the policy of these homes. */
const LOCK_TIMEOUT = 300_000

const LONG = { round: Duration.minutes(5), whole: Duration.minutes(5) }

const stage = Effect.gen(function*() {
  const entries = new Map<string, string>()
  const directory = Path.join(yield* Homes.temporary, "home")
  let asked = 0
  const keyring = Keyring.makeMemory({ entries, before: () => Effect.sync(() => void asked++) })
  const opened = open(directory, keyring)
  const process = Effect.map(opened, ({ store }) => store)
  const { home, store } = yield* opened
  yield* put(store, 1)
  asked = 0
  const turnsPath = Path.join(directory, "auth.json.keyring.turns")
  const turns = (options: Partial<KeyringTurns.Options> = {}) =>
    Effect.provideService(KeyringTurns.make({ ...LONG, ...options }), Home, home)
  /** Has all turns but the first, until the test ends. */
  const others = Effect.gen(function*() {
    const taken = yield* Effect.forEach(
      Array.from({ length: KeyringTurns.TURNS - 1 }, (_, i) => Path.join(turnsPath, `${i + 1}.lock`)),
      (path) => KernelLock.load(path).pipe(Effect.map((kernel) => kernel.tryLock(Fs.openSync(path, "r+"), path)))
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const one of taken) if (one._tag === "Acquired") Fs.closeSync(one.fd)
      })
    )
  })
  return {
    directory,
    entries,
    asked: () => asked,
    process,
    turns,
    turnsPath,
    index: Path.join(directory, "auth.json.keyring"),
    /** Every turn is taken, the first by another process. */
    taken: Effect.zipRight(others, foreignHolder(Path.join(turnsPath, "0.lock"))),
    /** Whether a process stands in line for a turn. */
    isWaiting: () => Fs.readdirSync(turnsPath).some((name) => name.endsWith(".line"))
  }
})

describe("first reads of a keyring", () => {
  it.scopedLive("are made by as many at a time as there are turns", () =>
    Effect.gen(function*() {
      const { turns } = yield* stage
      const three = yield* Effect.replicateEffect(turns({ turns: 3 }), 10)
      const gate = yield* Deferred.make<void>()
      let now = 0
      let most = 0
      const ask = Effect.gen(function*() {
        most = Math.max(most, ++now)
        if (now === 3) yield* Deferred.succeed(gate, undefined)
        yield* Deferred.await(gate)
        now--
      })
      yield* Effect.forEach(three, ({ inTurn }) => inTurn(ask), { concurrency: "unbounded" })
      assert.strictEqual(most, 3)
    }))

  it.scopedLive("wait for a turn, and have it as soon as its holder is killed", () =>
    Effect.gen(function*() {
      const { asked, isWaiting, process, taken } = yield* stage
      const holder = yield* taken
      const reading = yield* Effect.fork(Effect.flatMap(process, generation))
      yield* until(isWaiting)
      assert.strictEqual(asked(), 0)
      yield* holder.signal("SIGKILL")
      assert.strictEqual(yield* Fiber.join(reading), 1)
    }))

  it.scopedLive("that waited ask for what counts by then", () =>
    Effect.gen(function*() {
      const { asked, isWaiting, process, taken } = yield* stage
      const writer = yield* process
      yield* generation(writer)
      const holder = yield* taken
      const reading = yield* Effect.fork(Effect.flatMap(process, generation))
      yield* until(isWaiting)
      yield* put(writer, 2)
      const before = asked()
      yield* holder.signal("SIGKILL")
      assert.strictEqual(yield* Fiber.join(reading), 2)
      assert.strictEqual(asked(), before + 1)
    }))

  it.scopedLive("look at all turns again where the one that they wait for does not end", () =>
    Effect.gen(function*() {
      const { turns } = yield* stage
      const holder = yield* turns({ turns: 2 })
      const first = yield* Deferred.make<void>()
      const held = yield* Deferred.make<void>()
      yield* Effect.forkScoped(holder.inTurn(Effect.zipRight(Deferred.succeed(held, undefined), Effect.never)))
      yield* Deferred.await(held)
      const other = yield* turns({ turns: 2 })
      const ended = yield* Effect.fork(other.inTurn(Deferred.await(first)))
      const waiting = yield* Effect.replicateEffect(turns({ turns: 2, round: Duration.millis(20) }), 4)
      yield* Deferred.succeed(first, undefined)
      let now = 0
      let most = 0
      const ask = Effect.promise(async () => {
        most = Math.max(most, ++now)
        for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
        now--
      })
      yield* Effect.forEach(waiting, ({ inTurn }) => inTurn(ask), { concurrency: "unbounded" })
      yield* Fiber.join(ended)
      assert.strictEqual(most, 1)
    }))

  it.scopedLive("ask without a turn where none ends", () =>
    Effect.gen(function*() {
      const { taken, turns } = yield* stage
      yield* taken
      const { inTurn } = yield* turns({ round: Duration.millis(20), whole: Duration.millis(60) })
      assert.strictEqual(yield* inTurn(Effect.succeed("asked")), "asked")
    }))

  it.scopedLive("ask without a turn where there can be none, and make none", () =>
    Effect.gen(function*() {
      const { process, turnsPath } = yield* stage
      for (const name of Fs.readdirSync(turnsPath)) {
        Fs.rmSync(Path.join(turnsPath, name))
        Fs.mkdirSync(Path.join(turnsPath, name))
      }
      assert.strictEqual(yield* Effect.flatMap(process, generation), 1)
      Fs.rmSync(turnsPath, { recursive: true })
      assert.strictEqual(yield* Effect.flatMap(process, generation), 1)
      assert.isFalse(Fs.existsSync(turnsPath))
      Fs.writeFileSync(turnsPath, "")
      assert.strictEqual(yield* Effect.flatMap(process, generation), 1)
      assert.strictEqual(yield* Effect.flatMap(process, (store) => put(store, 2)), 2)
      Fs.rmSync(turnsPath)
      const elsewhere = `${turnsPath}.elsewhere`
      Fs.mkdirSync(elsewhere)
      Fs.symlinkSync(elsewhere, turnsPath)
      assert.strictEqual(yield* Effect.flatMap(process, (store) => put(store, 3)), 3)
      deepStrictEqual(Fs.readdirSync(elsewhere), [])
      Fs.rmSync(turnsPath)
      assert.strictEqual(yield* Effect.flatMap(process, (store) => put(store, 4)), 4)
      assert.lengthOf(Fs.readdirSync(turnsPath), KeyringTurns.TURNS)
      assert.strictEqual(Fs.statSync(turnsPath).mode & 0o777, 0o700)
    }))

  it.scopedLive("are given time for their program to start, and no other read is", () =>
    Effect.gen(function*() {
      const { directory, entries, index, process } = yield* stage
      const seen: Array<number> = []
      const memory = Keyring.makeMemory({ entries })
      const get: typeof memory.get = (account, options) => {
        seen.push(Duration.toMillis(options?.starting ?? 0))
        return memory.get(account)
      }
      const reader = (yield* open(directory, { ...memory, get })).store
      yield* generation(reader)
      yield* Effect.flatMap(process, (writer) => put(writer, 2))
      Fs.rmSync(`${index}.next`, { recursive: true })
      yield* generation(reader)
      deepStrictEqual(seen, [LOCK_TIMEOUT, 0])
    }))

  it.scopedLive("are the only ones: one who has read something waits for no turn", () =>
    Effect.gen(function*() {
      const { asked, index, process, taken } = yield* stage
      const reader = yield* process
      const writer = yield* process
      for (const one of [reader, writer]) yield* generation(one)
      yield* taken
      yield* put(writer, 2)
      Fs.rmSync(`${index}.next`, { recursive: true })
      const before = asked()
      assert.strictEqual(yield* generation(reader), 2)
      assert.strictEqual(asked(), before + 1)
    }))
})
