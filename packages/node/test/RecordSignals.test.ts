import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as DirectoryWatch from "@lockstep/node/DirectoryWatch"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { until } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as FileCalls from "./support/fileCalls.js"

const TENANTS = Array.from({ length: 50 }, (_, i) => TenantId.make(`mcp:${i}`))
const ONE = TENANTS[7]!

const stage = Effect.gen(function*() {
  const directory = Path.join(yield* Homes.temporary, "home")
  const writer = yield* Homes.open(directory)
  const put = (tenant: TenantId.TenantId, generation: number) =>
    writer.store.modify(
      tenant,
      () => Change.Put({ credential: credential(generation), value: () => undefined })
    )
  for (const tenant of TENANTS) yield* put(tenant, 1)
  const { store } = yield* Homes.open(directory)
  const watch = yield* DirectoryWatch.open(directory)
  yield* until(() => {
    Fs.writeFileSync(Path.join(directory, "other"), "")
    store.epoch(ONE)
    return watch.isProven()
  })
  return { directory, file: Path.join(directory, "auth.json"), put, store, watch }
})

describe("the signals of a store", () => {
  it.scopedLive("one change is read once for all tenants and all callers, and changes one of them", () =>
    Effect.gen(function*() {
      const { put, store } = yield* stage
      const before = TENANTS.map((tenant) => store.epoch(tenant))
      yield* Effect.forEach(TENANTS, store.get)
      const counted = TENANTS.map((tenant) => store.epoch(tenant))
      deepStrictEqual(counted, before)
      yield* put(ONE, 2)
      yield* until(() => store.epoch(ONE) !== before[7])
      // The event may come in several: from here on the store is quiet.
      const { calls, result } = yield* FileCalls.record(
        Effect.sync(() => [1, 2, 3].map(() => TENANTS.map((tenant) => store.epoch(tenant))))
      )
      assert.isAtMost(calls.filter((name) => name === "openSync").length, 1)
      deepStrictEqual(result[2], before.map((epoch, i) => i === 7 ? result[0]![7] : epoch))
      const quiet = yield* FileCalls.record(Effect.sync(() => TENANTS.map((tenant) => store.epoch(tenant))))
      deepStrictEqual(quiet.calls, [])
    }))

  it.scopedLive("fifty waiters of other tenants sleep on, and the reads do not grow with them", () =>
    Effect.gen(function*() {
      const { put, store } = yield* stage
      const queues = yield* Effect.forEach(TENANTS, store.changes)
      const { calls } = yield* FileCalls.record(Effect.zipRight(put(ONE, 2), Queue.take(queues[7]!)))
      // The writer reads under its lock; the store, once for all that listen.
      assert.isAtMost(calls.filter((name) => name === "readSync").length, 20)
      deepStrictEqual(yield* Effect.forEach(queues, Queue.size), TENANTS.map(() => 0))
    }))

  it.scopedLive("a change that cannot be read counts for all, and so does the one that mends it", () =>
    Effect.gen(function*() {
      const { file, store } = yield* stage
      yield* Effect.forEach(TENANTS, store.get)
      const text = Fs.readFileSync(file, "utf8")
      let before = TENANTS.map((tenant) => store.epoch(tenant))
      for (const next of ["{", text]) {
        Fs.writeFileSync(file, next)
        yield* until(() => TENANTS.every((tenant, i) => store.epoch(tenant) !== before[i]))
        before = TENANTS.map((tenant) => store.epoch(tenant))
      }
    }))

  it.scopedLive("nothing is listened to any more once the last subscriber has gone", () =>
    Effect.gen(function*() {
      const { directory, put, store } = yield* stage
      const queue = yield* Effect.scoped(
        Effect.flatMap(store.changes(ONE), (one) => Effect.zipRight(put(ONE, 2), Effect.as(Queue.take(one), one)))
      )
      assert.isTrue(yield* Queue.isShutdown(queue))
      // And again for the next one.
      const again = yield* store.changes(ONE)
      yield* put(ONE, 3)
      yield* Queue.take(again)
      assert.isTrue(Fs.existsSync(directory))
    }))
})
