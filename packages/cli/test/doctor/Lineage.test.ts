import { assert, describe, it } from "@effect/vitest"
import * as Refuge from "@lockstep/node/Refuge"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import { chmodSync, copyFileSync, existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assertOne, examine, seeded } from "../support/Doctor.js"
import * as Stage from "../support/Stage.js"

describe("why a login has ended", () => {
  it.scopedLive("a copy from before the last refresh was put back", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { refreshToken } = yield* stage.seed({ left: 3600 })
      const backup = join(dirname(stage.harness.home), "backup.json")
      copyFileSync(stage.file, backup)
      const refreshed = yield* stage.start(["refresh", "codex"])
      assert.strictEqual((yield* stage.finish(refreshed)).code, 0)
      copyFileSync(backup, stage.file)
      const { problems } = yield* examine(stage)
      assertOne(
        problems,
        new RegExp(
          `the stored refresh token ${FakeToken.fingerprint(refreshToken)} was replaced (?:now|.* ago) ` +
            `\\(generation 2\\) by process ${refreshed.pid} \\(lockstep\\.js\\): the store was restored or copied`
        )
      )
    }))

  it.scopedLive("another program exchanged the token", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { refreshToken } = yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.refused("invalid_grant"))
      const refused = yield* stage.start(["token", "codex"])
      assert.strictEqual((yield* stage.finish(refused)).code, 3)
      const { problems } = yield* examine(stage)
      assertOne(
        problems,
        new RegExp(
          `the refresh token ${
            FakeToken.fingerprint(refreshToken)
          } was refused (?:now|.* ago) when process ${refused.pid} ` +
            "\\(lockstep\\.js\\) sent it; no process of this home exchanged it: another program holds a copy"
        )
      )
    }))

  it.scopedLive("a request was sent twice with an unknown outcome", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { refreshToken } = yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.dropped, ServerBehaviour.dropped)
      yield* stage.run(["token", "codex"], { env: { LOCKSTEP_QUIET_TIME: "20ms" } })
      const { problems } = yield* examine(stage)
      assertOne(
        problems,
        new RegExp(`the refresh token ${FakeToken.fingerprint(refreshToken)} was sent 2 times, last .* and no new one`)
      )
    }))

  it.scopedLive("a process died while it waited for its answer", () =>
    Effect.gen(function*() {
      const { child, letGo, stage } = yield* Stage.refreshing
      yield* child.signal("SIGKILL")
      yield* child.exit
      yield* letGo
      const { of, problems } = yield* examine(stage)
      assert.deepStrictEqual(problems, [])
      assert.match(
        of("intent_open")[0]!,
        new RegExp(`^remark: codex sent its refresh token .* and got no new one \\(process ${child.pid}, gone\\)`)
      )
    }))

  it.scopedLive("new tokens could not be stored, and the next process stores them", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const holder = yield* stage.harness.spawn({
        program: "flock",
        args: ["--no-fork", `${stage.file}.global.lock`, "sh", "-c", "echo '{\"event\":\"locked\"}'; read line"]
      })
      yield* holder.message(({ event }) => event === "locked")
      // Made by another program, with its own rights.
      chmodSync(`${stage.file}.global.lock`, 0o600)
      const env = { LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "50ms", LOCKSTEP_PERSIST_RETRY: "50ms" }
      assert.strictEqual((yield* stage.run(["token", "codex"], { env })).code, 6)
      const { findings, problems } = yield* examine(stage)
      assertOne(problems, /journals: codex has new tokens that are not stored yet/)
      yield* holder.closeStdin
      yield* holder.exit
      const stored = yield* stage.run(["token", "codex"], { prints: true })
      assert.strictEqual(stored.code, 0, stored.stderr)
      assert.lengthOf(stage.server.requests, 1)
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      assert.include(findings.find(({ code }) => code === "answer_waiting")!.advice, "`lockstep token codex`")
    }))

  it.scopedLive("an answer is left of a login that is gone, and logging out removes it", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const name = "auth.json.refresh.gone.answer"
      // Beside the store, and where the disk of the store refused it.
      const refuge = join(stage.harness.environment["HOME"]!, ".lockstep")
      mkdirSync(refuge, { mode: 0o700 })
      const elsewhere = Refuge.pathOf(
        { parent: dirname(refuge), directory: refuge, isVolatile: false },
        realpathSync(stage.file),
        name
      )
      for (const answer of [join(stage.harness.home, name), elsewhere]) {
        writeFileSync(answer, "", { mode: 0o600 })
        const { findings, problems } = yield* examine(stage)
        assertOne(problems, /journals: .*gone\.answer is left of a login that is gone, and may hold tokens/)
        assert.include(problems[0], answer)
        const { advice } = findings.find(({ code }) => code === "answer_left")!
        assert.include(advice, "`lockstep logout gone --local`")
        assert.strictEqual((yield* stage.run(["logout", "gone", "--local"])).code, 0)
        assert.isFalse(existsSync(answer))
      }
    }))

  it.scopedLive("is answered by the journals when the store does not answer", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      writeFileSync(stage.file, "{\"version\":1,\"tenants\":{\"codex\":{\"refresh_token\":\"lockstep-rt-torn")
      const { findings, of, problems, report } = yield* examine(stage)
      assertOne(problems, /store: .*auth\.json is damaged \(line 1, column \d+: not JSON\)/)
      assert.lengthOf(of("lineage"), 1)
      assert.match(of("lineage")[0]!, /codex: refreshed once/)
      assert.deepStrictEqual(of("sidecar_unknown"), [])
      assert.isTrue(findings.length > 0)
      assert.lengthOf(report.history.tenants, 1)
    }))
})
