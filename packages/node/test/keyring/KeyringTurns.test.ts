import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import type { WritableStore } from "@lockstep/core/WritableStore"
import { Change } from "@lockstep/core/WritableStore"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { open } from "@lockstep/testkit/homes/KeyringHomes"
import { foreignHolder, until } from "@lockstep/testkit/processes/LockProcesses"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Path from "node:path"

type Store = WritableStore["Type"]

const CODEX = TenantId.make("codex")
const TURNS = 4

const put = (store: Store, generation: number) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation), value: () => generation }))

const generation = (store: Store) =>
  Effect.map(Effect.flatten(store.get(CODEX)), (stored) => stored.credential.generation)

const stage = Effect.gen(function*() {
  const entries = new Map<string, string>()
  const directory = Path.join(yield* Homes.temporary, "home")
  let asked = 0
  const faults: { before?: Keyring.MemoryFaults["before"] } = {}
  const process = (timeout?: Duration.Duration) =>
    Effect.map(
      open(
        directory,
        Keyring.makeMemory({
          entries,
          ...(timeout === undefined ? {} : { timeout }),
          before: (call) =>
            Effect.suspend(() => {
              asked++
              return faults.before?.(call) ?? Effect.void
            })
        })
      ),
      ({ store }) => store
    )
  const turns = Path.join(directory, "auth.json.keyring.turns")
  yield* put(yield* process(), 1)
  asked = 0
  return {
    asked: () => asked,
    faults,
    process,
    turns,
    index: Path.join(directory, "auth.json.keyring"),
    /** Processes that have every turn. */
    taken: Effect.forEach(
      Array.from({ length: TURNS }, (_, turn) => turn),
      (turn) => foreignHolder(Path.join(turns, `${turn}.lock`))
    ),
    /** Whether a process stands in line for a turn. */
    isWaiting: () => Fs.readdirSync(turns).some((name) => name.endsWith(".line"))
  }
})

describe("first reads of a keyring", () => {
  it.scopedLive("of many processes are made by four at a time", () =>
    Effect.gen(function*() {
      const { faults, process } = yield* stage
      let now = 0
      let most = 0
      faults.before = () =>
        Effect.promise(async () => {
          most = Math.max(most, ++now)
          for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
          now--
        })
      const stores = yield* Effect.replicateEffect(process(), 16)
      const read = yield* Effect.forEach(stores, generation, { concurrency: "unbounded" })
      deepStrictEqual(new Set(read), new Set([1]))
      assert.isAtMost(most, TURNS)
    }))

  it.scopedLive("wait for a turn, and have it as soon as its holder is killed", () =>
    Effect.gen(function*() {
      const { asked, isWaiting, process, taken } = yield* stage
      const holders = yield* taken
      const store = yield* process()
      const reading = yield* Effect.fork(generation(store))
      yield* until(isWaiting)
      assert.strictEqual(asked(), 0)
      for (const holder of holders) yield* holder.signal("SIGKILL")
      assert.strictEqual(yield* Fiber.join(reading), 1)
    }))

  it.scopedLive("that waited ask for what counts by then", () =>
    Effect.gen(function*() {
      const { asked, isWaiting, process, taken } = yield* stage
      const writer = yield* process()
      yield* generation(writer)
      const holders = yield* taken
      const reading = yield* Effect.fork(Effect.flatMap(process(), generation))
      yield* until(isWaiting)
      yield* put(writer, 2)
      const before = asked()
      for (const holder of holders) yield* holder.signal("SIGKILL")
      assert.strictEqual(yield* Fiber.join(reading), 2)
      assert.strictEqual(asked(), before + 1)
    }))

  it.scopedLive("ask without a turn where none ends with an answer", () =>
    Effect.gen(function*() {
      const { process, taken } = yield* stage
      yield* taken
      assert.strictEqual(yield* Effect.flatMap(process(Duration.millis(50)), generation), 1)
    }))

  it.scopedLive("ask without a turn where there can be none", () =>
    Effect.gen(function*() {
      const { process, turns } = yield* stage
      Fs.rmSync(turns, { recursive: true })
      assert.strictEqual(yield* Effect.flatMap(process(), generation), 1)
      // Reading creates nothing.
      assert.isFalse(Fs.existsSync(turns))
      Fs.writeFileSync(turns, "")
      assert.strictEqual(yield* Effect.flatMap(process(), generation), 1)
      assert.strictEqual(yield* Effect.flatMap(process(), (store) => put(store, 2)), 2)
      Fs.rmSync(turns)
      assert.strictEqual(yield* Effect.flatMap(process(), (store) => put(store, 3)), 3)
      deepStrictEqual(Fs.readdirSync(turns).sort(), Array.from({ length: TURNS }, (_, turn) => `${turn}.lock`))
      assert.strictEqual(Fs.statSync(turns).mode & 0o777, 0o700)
    }))

  it.scopedLive("are the only ones: one who has read something waits for no turn", () =>
    Effect.gen(function*() {
      const { asked, index, process, taken } = yield* stage
      const reader = yield* process()
      yield* generation(reader)
      const writer = yield* process()
      yield* generation(writer)
      yield* taken
      yield* put(writer, 2)
      Fs.rmSync(`${index}.next`, { recursive: true })
      const before = asked()
      assert.strictEqual(yield* generation(reader), 2)
      assert.strictEqual(asked(), before + 1)
    }))
})
