import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { chmodSync, chownSync, existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/Stage.js"

interface Report {
  readonly healthy: boolean
  readonly checks: ReadonlyArray<{
    readonly check: string
    readonly findings: ReadonlyArray<{
      readonly kind: "problem" | "remark"
      readonly message: string
      readonly advice: string | null
    }>
  }>
}

const examine = (stage: Stage.Stage, env: Readonly<Record<string, string>> = {}) =>
  Effect.map(stage.run(["doctor", "--json"], { env }), ({ code, stderr, stdout }) => {
    assert.strictEqual(stderr, "")
    const report = JSON.parse(stdout) as Report
    const problems = report.checks.flatMap(({ check, findings }) =>
      findings.filter(({ kind }) => kind === "problem").map(({ advice, message }) => {
        assert.isNotNull(advice)
        assert.notMatch(advice!, /(delete|remove|rm) .*\.lock/)
        return `${check}: ${message}`
      })
    )
    assert.strictEqual(code, problems.length === 0 ? 0 : 1)
    assert.strictEqual(report.healthy, problems.length === 0)
    return { problems, report }
  })

const assertOne = (problems: ReadonlyArray<string>, what: RegExp): void => {
  assert.lengthOf(problems, 1, problems.join("\n"))
  assert.match(problems[0]!, what)
}

const seeded = Effect.tap(
  Stage.make(),
  (stage) => Effect.zipRight(stage.seed({ left: 3600 }), stage.run(["refresh", "codex"]))
)

describe("lockstep doctor", () => {
  it.scopedLive("finds nothing in a healthy home, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const before = readdirSync(stage.harness.home)
      const ran = yield* stage.run(["doctor"])
      assert.strictEqual(ran.code, 0, ran.stdout)
      assert.match(
        ran.stdout,
        /^✓ files\n✓ store\n✓ locks\n✓ holders\n✓ journals\n✓ logins\n✓ sources\n✓ clock\n✓ network\n$/
      )
      assert.deepStrictEqual(readdirSync(stage.harness.home), before)
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
    }))

  it.scopedLive("creates nothing where there is nothing", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      assert.isFalse(existsSync(stage.harness.home))
    }))

  it.scopedLive("finds what others may read, and says how to close it", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      chmodSync(stage.file, 0o644)
      const { problems, report } = yield* examine(stage)
      assertOne(problems, /files: .*auth\.json is open to others \(mode 644\)/)
      assert.include(JSON.stringify(report), `chmod 600 '${stage.file}'`)
      chmodSync(stage.file, 0o600)
      chmodSync(stage.harness.home, 0o755)
      assertOne((yield* examine(stage)).problems, /files: .*home is open to others \(mode 755\)/)
    }))

  // Only root can give a file away.
  it.scopedLive.skipIf(process.getuid?.() !== 0)(
    "finds a file that belongs to somebody else (needs root)",
    () =>
      Effect.gen(function*() {
        const stage = yield* seeded
        chownSync(stage.file, 12_345, 12_345)
        assertOne((yield* examine(stage)).problems, /files: .*auth\.json belongs to user 12345/)
      })
  )

  it.scopedLive("finds what a dead writer left, and not what a living one writes", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const gone = yield* stage.run(["status"])
      assert.strictEqual(gone.code, 0)
      writeFileSync(join(stage.harness.home, `auth.json.lockstep-${process.pid}-1.tmp`), "", { mode: 0o600 })
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      // The highest pid that Linux hands out is one less.
      writeFileSync(join(stage.harness.home, "auth.json.lockstep-4194304-1.tmp"), "", { mode: 0o600 })
      assertOne((yield* examine(stage)).problems, /left by a process that died while writing/)
    }))

  it.scopedLive("finds damage in the store and in a journal, by its place", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const journal = join(stage.harness.home, "auth.json.refresh.codex.json")
      writeFileSync(journal, "{\"version\":1,\"tenant\":\"codex\",\"intent\":\"lockstep-rt-in-a-journal\"}")
      assertOne((yield* examine(stage)).problems, /journals: .*auth\.json\.refresh\.codex\.json is damaged/)
      writeFileSync(
        stage.file,
        "{\"version\":1,\"tenants\":{\"codex\":{\"access_token\":\"lockstep-at-x\",\"expires_at\":\"lockstep-at-x\"}}}"
      )
      const { problems } = yield* examine(stage)
      assert.isTrue(
        problems.some((problem) => /store: .*auth\.json is damaged \(tenants\.codex\.expires_at/.test(problem))
      )
    }))

  it.scopedLive("tells a dead grant, an unfinished request and a wait apart", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ tenant: "dead" }, { tenant: "unknown" }, { tenant: "waiting" })
      yield* stage.server.script(ServerBehaviour.refused("invalid_grant"))
      yield* stage.run(["token", "dead"])
      yield* stage.server.script(ServerBehaviour.dropped, ServerBehaviour.dropped)
      yield* stage.run(["token", "unknown"], { env: { LOCKSTEP_QUIET_TIME: "20ms" } })
      yield* stage.server.script(ServerBehaviour.rateLimited({ "retry-after": "600" }))
      yield* stage.run(["token", "waiting"])
      const { problems, report } = yield* examine(stage)
      assert.lengthOf(problems, 2, problems.join("\n"))
      assert.match(problems[0]!, /journals: dead was refused by the authorization server/)
      assert.match(problems[1]!, /journals: unknown sent its refresh token twice/)
      assert.match(JSON.stringify(report), /waiting is asked again in/)
    }))

  it.scopedLive("names a holder that is stopped", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const child = yield* stage.start(["token", "codex"])
      yield* Queue.take(stage.server.arrivals)
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      yield* child.signal("SIGSTOP")
      yield* child.stopped
      const { problems, report } = yield* examine(stage)
      assertOne(
        problems,
        new RegExp(`holders: process ${child.pid} \\(lockstep\\.js\\) holds the lock of codex and is stopped`)
      )
      assert.include(JSON.stringify(report), `kill -CONT ${child.pid}`)
      yield* child.signal("SIGCONT")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* stage.finish(child, { prints: true })).code, 0)
    }))

  it.scopedLive("finds a clock that was set back, and a proxy that is none, without showing it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const record = { access_token: "lockstep-at-x", obtained_at: Math.floor(Date.now() / 1000) + 7200 }
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { codex: record } }), { mode: 0o600 })
      assertOne(
        (yield* examine(stage)).problems,
        /clock: the token of codex was obtained in (2h|1h 59m): the clock was set back/
      )
      yield* stage.seed({ left: 3600 })
      const secret = "lockstep-cs-proxy-password"
      assertOne(
        (yield* examine(stage, { HTTPS_PROXY: `socks://u:${secret}@h` })).problems,
        /network: HTTPS_PROXY is not/
      )
      assert.deepStrictEqual((yield* examine(stage, { HTTPS_PROXY: `http://u:${secret}@h:1` })).problems, [])
    }))

  it.scopedLive("finds that nothing can be locked", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const { problems } = yield* examine(stage, { LOCKSTEP_LOCK_DIR: "/proc/self" })
      assert.isTrue(problems.some((problem) => problem.startsWith("locks: ")), problems.join("\n"))
    }))
})
