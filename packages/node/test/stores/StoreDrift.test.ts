import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import { Custody } from "@lockstep/core/Custody"
import { ProcessIdentity } from "@lockstep/core/Host"
import * as Metrics from "@lockstep/core/Metrics"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { StoreKind } from "@lockstep/node/HomePin"
import * as StoreDrift from "@lockstep/node/stores/StoreDrift"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Stores from "../support/stores.js"

const CODEX = TenantId.make("codex")
const ME = ProcessIdentity.make({ pid: 4711, startTime: "1", bootId: "b", command: "agent" })

/** Runs an effect and answers with what it warned of. */
const warnings = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    return Effect.as(Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)), lines)
  })

const counted = (from: StoreKind, to: StoreKind): Effect.Effect<number> =>
  Effect.map(
    Metric.value(
      Metrics.drift.pipe(Metric.tagged("tenant", CODEX), Metric.tagged("from", from), Metric.tagged("to", to))
    ),
    ({ count }) => count
  )

const home = (directory: string, store: StoreKind) => ({ directory, store })

describe("another store than before", () => {
  it.scoped("is told once per change and counted, and what was before is kept to explain it", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const before = yield* counted("keyring", "file")
      const observe = (store: StoreKind) => warnings(StoreDrift.observe(home(directory, store), CODEX, ME))
      deepStrictEqual(yield* observe("keyring"), [])
      deepStrictEqual(yield* observe("keyring"), [])
      const [line, ...more] = yield* observe("file")
      deepStrictEqual(more, [])
      for (const part of ["codex", "keyring", "file", "lockstep doctor"]) assert.include(line, part)
      deepStrictEqual(yield* observe("file"), [])
      assert.strictEqual(yield* counted("keyring", "file"), before + 1)
      const trace = (yield* StoreDrift.read({ directory })).get("codex")!
      deepStrictEqual([trace.store, trace.by], ["file", "agent 4711"])
      assert.strictEqual(Option.getOrThrow(trace.before).store, "keyring")
      assert.lengthOf(yield* observe("keyring"), 1)
      assert.strictEqual(Fs.statSync(Path.join(directory, "drift.json")).mode & 0o777, 0o600)
    }))

  it.scoped("is no drift where a login or a move put it there", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      yield* StoreDrift.observe(home(directory, "keyring"), CODEX, ME)
      yield* StoreDrift.accept({ directory }, "file", () => true, ME)
      deepStrictEqual(yield* warnings(StoreDrift.observe(home(directory, "file"), CODEX, ME)), [])
      const trace = (yield* StoreDrift.read({ directory })).get("codex")!
      deepStrictEqual([trace.store, trace.before], ["file", Option.none()])
    }))

  it.scoped("accepting notes nothing that was not chosen automatically", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      yield* StoreDrift.accept({ directory }, "file", () => true, ME)
      deepStrictEqual(Fs.readdirSync(directory), [])
    }))
})

describe("the record", () => {
  it.scoped("that is damaged is as good as none, and is replaced", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const file = Path.join(directory, "drift.json")
      for (
        const text of ["", "{", "[]", "{\"version\":2}", "{\"version\":1,\"tenants\":{\"codex\":{\"store\":\"x\"}}}"]
      ) {
        Fs.writeFileSync(file, text)
        deepStrictEqual([...yield* StoreDrift.read({ directory })], [])
        deepStrictEqual(yield* warnings(StoreDrift.observe(home(directory, "file"), CODEX, ME)), [])
        assert.strictEqual((yield* StoreDrift.read({ directory })).get("codex")!.store, "file")
      }
    }))

  it.scoped("that cannot be written or read changes nothing and fails nothing", () =>
    Effect.gen(function*() {
      const root = yield* Homes.temporary
      const missing = Path.join(root, "home")
      deepStrictEqual(yield* warnings(StoreDrift.observe(home(missing, "file"), CODEX, ME)), [])
      assert.isFalse(Fs.existsSync(missing))
      Fs.mkdirSync(Path.join(root, "drift.json"))
      deepStrictEqual(yield* warnings(StoreDrift.observe(home(root, "file"), CODEX, ME)), [])
    }))
})

describe("a store that was chosen automatically", () => {
  const observed = (opened: Stores.Opened) => StoreDrift.observed(opened, opened.home, ME)

  it.scopedLive("is noted at the first use of a tenant, once, without a token", () =>
    Effect.gen(function*() {
      const place = Stores.place(yield* Homes.temporary)
      const opened = yield* Stores.open(place)
      yield* opened.store.modify(CODEX, () => Change.Put({ credential: credential(1), value: () => undefined }))
      const { store } = observed(opened)
      yield* store.get(CODEX)
      const file = Path.join(place.home, "drift.json")
      const text = Fs.readFileSync(file, "utf8")
      assert.isNull(text.match(FakeToken.PATTERN))
      Fs.rmSync(file)
      yield* store.get(CODEX)
      assert.isFalse(Fs.existsSync(file))
    }))

  it.scopedLive("warns of what is missing here and was elsewhere, but does not warn a login", () =>
    Effect.gen(function*() {
      const place = Stores.place(yield* Homes.temporary)
      const opened = yield* Stores.open(place)
      yield* opened.home.open
      yield* StoreDrift.observe(home(place.home, "keyring"), CODEX, ME)
      const { custody, store } = observed(opened)
      assert.lengthOf(yield* warnings(StoreDrift.onPurpose(store.get(CODEX))), 0)
      const writer = yield* Effect.provide(
        CredentialWriter.make,
        opened.context.pipe(Context.add(CredentialStore, store), Context.add(Custody, custody))
      )
      const login = StoreDrift.onPurpose(writer.login(CODEX, Effect.succeed(credential(0)), { replace: true }))
      deepStrictEqual(yield* warnings(login), [])
      deepStrictEqual(yield* warnings(store.get(CODEX)), [])

      yield* warnings(StoreDrift.observe(home(place.home, "keyring"), CODEX, ME))
      assert.lengthOf(yield* warnings(observed(opened).store.get(CODEX)), 1)
    }))

  it.scopedLive("takes a record that was not there before for a login, whatever process makes it", () =>
    Effect.gen(function*() {
      const place = Stores.place(yield* Homes.temporary)
      const opened = yield* Stores.open(place)
      const put = (generation: number) => Change.Put({ credential: credential(generation), value: () => undefined })
      const chosen = Effect.map(
        StoreDrift.read({ directory: place.home }),
        (traces) => Option.map(Option.fromNullable(traces.get("codex")), ({ store, before }) => [store, before._tag])
      )
      const write = (generation: number) =>
        Effect.scoped(Effect.gen(function*() {
          const hold = yield* observed(opened).custody.hold(CODEX, { timeout: Duration.minutes(1) })
          if (hold._tag !== "Held") return assert.fail("nothing was looked for")
          yield* hold.held.commit({ act: "login", decide: () => put(generation), settle: () => Option.none() })
        }))
      yield* write(1)
      deepStrictEqual(yield* chosen, Option.some(["file", "None"]))
      Fs.rmSync(Path.join(place.home, "drift.json"))
      yield* write(2)
      deepStrictEqual(yield* chosen, Option.none())
    }))

  it.scopedLive("follows a move", () =>
    Effect.gen(function*() {
      const place = Stores.place(yield* Homes.temporary)
      const opened = yield* Stores.open(place)
      yield* opened.store.modify(CODEX, () => Change.Put({ credential: credential(1), value: () => undefined }))
      yield* observed(opened).store.get(CODEX)
      yield* opened.move("keyring")
      deepStrictEqual(yield* warnings(observed(yield* Stores.open(place)).store.get(CODEX)), [])
    }))
})
