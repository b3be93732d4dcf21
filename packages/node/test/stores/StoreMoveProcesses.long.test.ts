import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { Credential } from "@lockstep/core/Credential"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { StoreKind } from "@lockstep/node/HomePin"
import * as MoveNote from "@lockstep/node/stores/MoveNote"
import { credential } from "@lockstep/testkit/contract/credentials"
import { attempt } from "@lockstep/testkit/contract/pendingLogins"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import type { Point } from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Sealed from "../support/sealedHomes.js"
import * as Processes from "../support/storeProcesses.js"
import * as Stores from "../support/stores.js"

const TENANTS = ["codex", "mcp:linear"].map((name) => TenantId.make(name))
const USER = { tenant: TENANTS[0]!, user: "local" }

const DURABLE: ReadonlySet<string> = new Set([
  "lockstep.file.rename",
  "lockstep.store.write",
  "lockstep.keys.keep",
  "lockstep.home.repin"
])

interface Content {
  readonly records: ReadonlyMap<TenantId.TenantId, Credential>
  readonly pending: PendingLogin
}

const fill = (place: Stores.Place, kind: StoreKind) =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* Stores.open(place, { kind })
    const records = new Map(TENANTS.map((tenant) => [tenant, credential(1)]))
    for (const [tenant, record] of records) {
      yield* opened.store.modify(tenant, () => Change.Put({ credential: record, value: () => undefined }))
    }
    const pending = attempt(Math.floor(Date.now() / 1_000))
    yield* opened.pending.put(USER, pending)
    return { records, pending } satisfies Content
  }))

/** What a process that starts now finds: everything or not. */
const isWhole = (place: Stores.Place, { pending, records }: Content) =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* Stores.open(place)
    for (const [tenant, record] of records) {
      const stored = yield* opened.store.get(tenant)
      if (!Option.exists(stored, (one) => Equal.equals(one.credential, record))) return false
    }
    const kept = yield* opened.pending.get(USER)
    return (yield* opened.store.list).length === records.size &&
      Option.exists(kept, (one) => Equal.equals(one, pending))
  }))

/** Every point of a move at which something may have become durable, in a real run. */
const pointsOf = (from: StoreKind, to: StoreKind) =>
  Effect.scoped(Effect.gen(function*() {
    const root = yield* Homes.temporary
    yield* fill(Stores.place(root), from)
    const child = yield* Processes.spawn({ root, tell: true })
    const done = yield* child.ask({ do: "move", to })
    assert.strictEqual(done["event"], "done", String(done["detail"]))
    const seen = new Map<string, number>()
    const points: Array<Point> = []
    for (const line of (yield* child.stdout).split("\n")) {
      if (!line.includes("\"event\":\"step\"")) continue
      const { at, span } = JSON.parse(line.slice(line.indexOf("{"))) as Pick<Point, "span" | "at">
      const occurrence = (seen.get(`${span} ${at}`) ?? 0) + 1
      seen.set(`${span} ${at}`, occurrence)
      // Where one step ends and the next has not begun, and after everything that changes a name in the home.
      const matters = at === "end" && (span.startsWith("lockstep.move.") || DURABLE.has(span))
      if (matters) points.push({ span, at, occurrence, within: "lockstep.move" })
    }
    return points
  }))

describe("a move that is killed", () => {
  for (
    const [from, to] of [["file", "keyring"], ["keyring", "file"], ["secrets", "keyring"]] as const
  ) {
    it.scopedLive(
      `from ${from} to ${to}, at any step: one store is whole, and repeating it finishes what is left`,
      () =>
        Effect.gen(function*() {
          const points = yield* pointsOf(from, to)
          assert.isAbove(points.length, 15)
          yield* Effect.forEach(points, (point) =>
            Effect.scoped(Effect.gen(function*() {
              const where = `${point.span} ${point.at} ${point.occurrence}`
              const root = yield* Homes.temporary
              const place = Stores.place(root)
              const content = yield* fill(place, from)
              const child = yield* Processes.spawn({ root, die: point })
              yield* child.tell({ do: "move", to })
              deepStrictEqual((yield* child.exit).signal, "SIGKILL", where)
              assert.include([from, to], Stores.pinOf(place.home), where)
              assert.isTrue(yield* isWhole(place, content), `${where}: ${Stores.pinOf(place.home)}`)

              const opened = yield* Stores.open(place)
              yield* opened.move(to)
              assert.strictEqual(Stores.pinOf(place.home), to, where)
              assert.isTrue(yield* isWhole(place, content), `${where}, again`)
              deepStrictEqual(Sealed.leaks(place.home), to === "file" ? ["auth.json"] : [], where)
              const entries = [...place.entries.keys()].filter((name) => name.includes("|"))
              assert.lengthOf(entries, to === "keyring" ? TENANTS.length : 0, where)
              deepStrictEqual(yield* MoveNote.unfinished(opened.home), Option.none(), where)
            })), { concurrency: 2 })
        }),
      240_000
    )
  }

  it.scopedLive("leaves copies that a move to a third store takes away", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const place = Stores.place(root)
      const content = yield* fill(place, "keyring")
      const child = yield* Processes.spawn({
        root,
        die: { span: "lockstep.move.copy", at: "end", within: "lockstep.move" }
      })
      yield* child.tell({ do: "move", to: "file" })
      yield* child.exit
      deepStrictEqual(Sealed.leaks(place.home), ["auth.json"])
      yield* Effect.flatMap(Stores.open(place), (opened) => opened.move("secrets"))
      assert.isTrue(yield* isWhole(place, content))
      deepStrictEqual(Sealed.leaks(place.home), [])
    }))
})

describe("two processes", () => {
  it.scopedLive("the one that still has the old store open is told, and writes nothing", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const place = Stores.place(root)
      yield* fill(place, "file")
      const [old, mover] = yield* Effect.all([Processes.spawn({ root }), Processes.spawn({ root })])
      deepStrictEqual((yield* old.ask({ do: "write", tenant: "codex" }))["generation"], 2)
      deepStrictEqual((yield* mover.ask({ do: "move", to: "keyring" }))["event"], "done")
      const before = Sealed.snapshot(root)
      for (const what of ["read", "write"]) {
        const told = yield* old.ask({ do: what, tenant: "codex" })
        deepStrictEqual([told["event"], told["tag"], told["reason"]], ["failed", "CredentialStoreError", "Superseded"])
        assert.include(String(told["detail"]), "moved to keyring: open it again")
      }
      deepStrictEqual(Sealed.snapshot(root), before)
      const next = yield* Processes.spawn({ root })
      deepStrictEqual((yield* next.ask({ do: "read", tenant: "codex" }))["generation"], 2)
    }))

  it.scopedLive("that write while a move is under way lose nothing: what was written came along", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const place = Stores.place(root)
      yield* fill(place, "file")
      const writers = yield* Effect.replicateEffect(Processes.spawn({ root }), 2)
      const mover = yield* Processes.spawn({ root })
      const write = (child: typeof mover, tenant: string): Effect.Effect<number> =>
        Effect.gen(function*() {
          let generation = 0
          while (true) {
            const answer = yield* Effect.orDie(child.ask({ do: "write", tenant }))
            if (answer["event"] === "failed") {
              assert.strictEqual(answer["reason"], "Superseded", String(answer["detail"]))
              return generation
            }
            generation = Number(answer["generation"])
          }
        })
      const [last] = yield* Effect.all([
        Effect.forEach(writers, (child, i) => write(child, TENANTS[i]!), { concurrency: 2 }),
        mover.ask({ do: "move", to: "secrets" })
      ], { concurrency: 2 })
      const next = yield* Processes.spawn({ root })
      for (const [i, generation] of last.entries()) {
        assert.strictEqual((yield* next.ask({ do: "read", tenant: TENANTS[i]! }))["generation"], generation || 1)
      }
    }))

  it.scopedLive("that are the first and choose differently: one store wins, the other is told", () =>
    Effect.gen(function*() {
      const top = yield* Homes.temporary
      const pair = yield* Effect.replicateEffect(Processes.spawn({ root: top }), 2)
      for (let round = 0; round < 40; round++) {
        const root = Path.join(top, String(round))
        Fs.mkdirSync(root)
        const answers = yield* Effect.forEach(
          [...pair.entries()],
          ([i, child]) => child.ask({ do: "open", root, kind: (["file", "keyring"] as const)[i] }),
          { concurrency: 2 }
        )
        const winner = answers.findIndex(({ event }) => event === "done")
        const loser = answers[1 - winner]!
        deepStrictEqual([loser["event"], loser["reason"]], ["failed", "Superseded"])
        assert.include(String(loser["detail"]), "keyring")
        assert.include(String(loser["detail"]), "file")
        assert.strictEqual(Stores.pinOf(Stores.place(root).home), ["file", "keyring"][winner])
      }
    }))
})
