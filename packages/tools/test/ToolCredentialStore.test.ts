import { assert, describe, it } from "@effect/vitest"
import { assertSome } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { credential } from "@lockstep/testkit/contract/credentials"
import { tool } from "@lockstep/tools/adapters/Openab"
import * as Companion from "@lockstep/tools/Companion"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as ToolHomes from "./support/toolHomes.js"
import * as Processes from "./support/toolProcesses.js"

const CODEX = TenantId.make("codex")

const put = (store: ToolHomes.Opened["store"], fields: Parameters<typeof credential>[1], generation = 1) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation, fields), value: () => undefined }))

describe("readers", () => {
  it.scopedLive(
    "see whole records while other processes write, though they lie in two files",
    () =>
      Effect.gen(function*() {
        const { path, store } = yield* ToolHomes.withText(tool, "auth.json", "{}")
        yield* put(store, { clientId: Option.some("client") })
        const writers = yield* Effect.replicateEffect(Processes.spawn({ tool: "openab", path }), 2)
        const writing = yield* Effect.fork(Effect.forEach(
          writers,
          (child) => child.ask({ do: "write", tenant: CODEX, times: 50 }),
          { concurrency: "unbounded" }
        ))
        let last = 0
        let reads = 0
        while (last < 101) {
          const { credential: found } = yield* Effect.flatten(store.get(CODEX))
          // What has no place in openab's file is never missing, and never counts backwards.
          assertSome(found.clientId, "client")
          assert.isAtLeast(found.generation, last)
          last = found.generation
          reads++
          yield* Effect.yieldNow()
        }
        yield* Fiber.join(writing)
        assert.isAbove(reads, 100)
      }),
    60_000
  )

  it.scopedLive("are told of a change that only the companion holds", () =>
    Effect.gen(function*() {
      const { store } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      yield* put(store, {})
      const { credential: present } = yield* Effect.flatten(store.get(CODEX))
      const next = Credential.Credential.make({ ...present, generation: 2 })
      const before = store.epoch(CODEX)
      yield* store.modify(CODEX, () => Change.Put({ credential: next, value: () => undefined }))
      assert.notStrictEqual(store.epoch(CODEX), before)
      assert.strictEqual((yield* Effect.flatten(store.get(CODEX))).credential.generation, 2)
    }))
})

describe("a record that the file cannot hold", () => {
  it.scopedLive.each(
    [
      ["a token that says nothing", { accessToken: Option.some(Redacted.make("")) }],
      ["half a character, over which Rust and Python refuse the whole file", { scope: Option.some("a\ud800b") }]
    ] as const
  )("%s is refused, and neither file is touched", ([, fields]) =>
    Effect.gen(function*() {
      const { path, read, store } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      const error = yield* Effect.flip(put(store, fields))
      assert.strictEqual("reason" in error ? error.reason : error._tag, "Write")
      assert.strictEqual(read(), "{}")
      assert.isFalse(Fs.existsSync(Companion.pathOf(path)))
    }))
})

describe("preparing", () => {
  it.scopedLive("finds damage of either file before anything is spent", () =>
    Effect.gen(function*() {
      const { path, store, write } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      yield* store.prepare(CODEX)
      Fs.writeFileSync(Companion.pathOf(path), "{")
      const companion = yield* Effect.flip(store.prepare(CODEX))
      assert.include(companion.message, "auth.json.lockstep.json is damaged")
      Fs.rmSync(Companion.pathOf(path))
      write("{\"odd\":{}}")
      const file = yield* Effect.flip(store.prepare(CODEX))
      assert.include(file.message, "auth.json is damaged")
    }))
})
