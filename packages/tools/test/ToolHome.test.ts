import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertTrue } from "@effect/vitest/utils"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer, fullRecord } from "@lockstep/testkit/contract/journals"
import { foreignHolder, isFree } from "@lockstep/testkit/processes/LockProcesses"
import * as Hermes from "@lockstep/tools/adapters/Hermes"
import * as Openab from "@lockstep/tools/adapters/Openab"
import * as ToolHome from "@lockstep/tools/ToolHome"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"

const CODEX = TenantId.make("codex")

const put = (store: ToolHomes.Opened["store"], generation = 1) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation), value: () => undefined }))

const names = (path: string) => Fs.readdirSync(Path.dirname(path)).toSorted()

describe("opening", () => {
  it.scopedLive("creates nothing, and reads what is there", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      const { home, store } = yield* ToolHomes.open(Openab.tool, path)
      assertNone(yield* store.get(CODEX))
      assert.deepStrictEqual(yield* store.list, [])
      assertNone(yield* home.pin)
      assert.deepStrictEqual(names(path), [])
    }))

  it.scopedLive("a directory that the tool has not made is not made either", () =>
    Effect.gen(function*() {
      const path = Path.join(Path.dirname(yield* ToolHomes.place("x")), "missing", "auth.json")
      const { lock, store } = yield* ToolHomes.open(Openab.tool, path)
      for (const effect of [put(store), store.prepare(CODEX), lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX }))]) {
        const error = yield* Effect.flip<unknown, { readonly message: string; readonly advice: string }, never>(effect)
        assert.include(error.message, "it does not exist: openab makes it")
        assert.include(error.advice, "log in with openab first")
      }
      assert.isFalse(Fs.existsSync(Path.dirname(path)))
    }))

  it.scopedLive("refuses locks that the tool would not see, and still reads", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      yield* Effect.flatMap(ToolHomes.open(Openab.tool, path), ({ store }) => put(store))
      const moved = ConfigProvider.fromMap(new Map([["LOCKSTEP_LOCK_DIR", "/tmp"]]))
      const { lock, store } = yield* Effect.withConfigProvider(ToolHomes.open(Openab.tool, path), moved)
      assertTrue(Option.isSome(yield* store.get(CODEX)))
      for (const effect of [put(store, 2), lock.tryAcquire(LockTarget.Aggregate())]) {
        const error = yield* Effect.flip<unknown, { readonly _tag: string; readonly reason?: string }, never>(effect)
        assert.deepStrictEqual([error._tag, error.reason], ["LockUnavailable", "OtherDomain"])
      }
    }))

  it.effect("refuses bounds that outlast the tool's patience", () =>
    Effect.gen(function*() {
      const build = (redeemLimit: Duration.DurationInput) =>
        Layer.build(Layer.provide(
          ToolHome.layer(Hermes.tool, "/nonexistent/auth.json"),
          Layer.succeed(RefreshPolicy.RefreshPolicy, {
            ...RefreshPolicy.defaults,
            redeemLimit: Duration.decode(redeemLimit)
          })
        )).pipe(Effect.scoped, Effect.either)
      assertTrue(Either.isRight(yield* build("10 seconds")))
      const refused = yield* Effect.flip(Effect.flatten(build("11 seconds")))
      assert.include(String(refused), "redeemLimit")
    }))

  it.scopedLive("keeps a link, writes what it names, and finds out when it names something else", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      const real = Path.join(Path.dirname(path), "elsewhere", "real.json")
      Fs.mkdirSync(Path.dirname(real))
      Fs.symlinkSync(real, path)
      const { home, lock, store } = yield* ToolHomes.open(Openab.tool, path)
      yield* put(store)
      assert.strictEqual(home.file, real)
      assertTrue(Fs.lstatSync(path).isSymbolicLink())
      assert.include(Fs.readFileSync(real, "utf8"), "access_token")
      assert.isTrue(Fs.existsSync(`${real}.lockstep.json`))
      // The tool locks where it finds the link; ours lie with what is written.
      assert.deepStrictEqual(lock.plan(LockTarget.Aggregate()), [
        `${real}.global.lock`,
        Path.join(Path.dirname(path), "auth.json.global.lock")
      ])
      Fs.rmSync(path)
      Fs.symlinkSync(Path.join(Path.dirname(real), "other.json"), path)
      const error = yield* Effect.flip(put(store, 2))
      assert.strictEqual("reason" in error ? error.reason : error._tag, "Superseded")
    }))
})

describe("what lies beside the file", () => {
  it.scopedLive("is named after it, and never `<file>.lock`", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      const { journal, lock, store } = yield* ToolHomes.open(Hermes.tool, path)
      yield* put(store)
      yield* journal.write(CODEX, fullRecord(CODEX))
      yield* journal.keepAnswer(CODEX, answer("attempt"))
      const lease = Option.getOrThrow(yield* lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX })))
      yield* lease.release({ changed: true })
      assert.deepStrictEqual(names(path), [
        "auth.json",
        "auth.json.global.lock",
        "auth.json.lockstep.json",
        "auth.json.refresh.codex.answer",
        "auth.json.refresh.codex.json",
        "auth.json.refresh.codex.lock",
        "auth.lock"
      ])
      for (const name of names(path)) {
        assert.strictEqual(Fs.statSync(Path.join(Path.dirname(path), name)).mode & 0o777, 0o600, name)
      }
    }))

  it.scopedLive("one lock for two roles is taken once by the process that refreshes, which writes within its lease", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      const { lock, store } = yield* ToolHomes.open(Hermes.tool, path)
      const theirs = Path.join(Path.dirname(path), "auth.lock")
      const lease = Option.getOrThrow(yield* lock.tryAcquire(LockTarget.Tenant({ tenant: CODEX })))
      assert.isFalse(isFree(theirs))
      yield* store.modify(
        CODEX,
        () => Change.Put({ credential: credential(1), value: () => undefined }),
        { within: lease }
      )
      assert.isFalse(isFree(theirs))
      yield* lease.release({ changed: false })
      assert.isTrue(isFree(theirs))
    }))

  it.scopedLive("a write waits while another program holds the tool's lock", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      const { store } = yield* ToolHomes.open(Hermes.tool, path)
      const holder = yield* foreignHolder(Path.join(Path.dirname(path), "auth.lock"))
      const writing = yield* Effect.fork(put(store))
      // It begins by making its own sidecar.
      yield* Effect.promise(async () => {
        while (!Fs.existsSync(`${path}.global.lock`)) await new Promise((resolve) => setImmediate(resolve))
      })
      assert.isFalse(Fs.existsSync(path))
      yield* holder.closeStdin
      yield* Fiber.join(writing)
      assert.isTrue(Fs.existsSync(path))
    }))
})
