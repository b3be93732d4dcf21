import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { assertOne, examine, seeded } from "./support/Doctor.js"
import * as Stage from "./support/Stage.js"

describe("lockstep doctor", () => {
  it.scopedLive("finds nothing in a healthy home, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const before = readdirSync(stage.harness.home)
      const ran = yield* stage.run(["doctor"])
      assert.strictEqual(ran.code, 0, ran.stdout)
      assert.match(
        ran.stdout,
        new RegExp(
          "^✓ pin\n✓ files\n✓ room\n✓ store\n✓ move\n✓ drift\n✓ keyring\n✓ locks\n✓ holders\n✓ sidecars\n✓ journals\n✓ lineage\n" +
            " +codex: refreshed once, last granted (?:now|.* ago) by process \\d+ \\(lockstep\\.js\\) \\(generation 2\\)\n" +
            " +→ `lockstep status codex --history` tells all of it\n" +
            "✓ logins\n✓ sources\n✓ clock\n✓ network\n✓ servers\n$"
        )
      )
      assert.deepStrictEqual(readdirSync(stage.harness.home), before)
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
    }))

  it.scopedLive("writes what a refresh would write before it calls a home healthy", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      // Blocks of 1 KiB: the record is far smaller, and the room for an answer is not.
      const full = yield* stage.shell("ulimit -f 12; exec $LOCKSTEP doctor --offline --json")
      assert.strictEqual(full.code, 1, full.stderr)
      const { checks } = JSON.parse(full.stdout) as {
        readonly checks: ReadonlyArray<{ readonly check: string; readonly findings: ReadonlyArray<{ code: string }> }>
      }
      assert.deepStrictEqual(checks.find(({ check }) => check === "room")!.findings.map(({ code }) => code), [
        "no_room"
      ])
      const names = yield* stage.names
      assert.isFalse(names.some((name) => name.endsWith(".tmp")), names.join(" "))
    }))

  it.scopedLive("creates nothing where there is nothing", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      assert.isFalse(existsSync(stage.harness.home))
    }))

  it.scopedLive("finds something else in the place of the home", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      writeFileSync(stage.harness.home, "")
      const { of } = yield* examine(stage)
      assert.match(of("not_a_directory")[0]!, /^problem: .*home is not a directory/)
    }))

  it.scopedLive("finds what others may read, and says how to close it", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      chmodSync(stage.file, 0o644)
      const { problems, report } = yield* examine(stage)
      assertOne(problems, /files: .*auth\.json is open to others \(mode 644\)/)
      assert.include(JSON.stringify(report), `chmod 600 ${stage.file}`)
      chmodSync(stage.file, 0o600)
      chmodSync(stage.harness.home, 0o755)
      assertOne((yield* examine(stage)).problems, /files: .*home is open to others \(mode 755\)/)
    }))

  // Only root can give a file away.
  it.scopedLive.skipIf(process.getuid?.() !== 0)(
    "finds a file that belongs to another user (needs root)",
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
      assertOne((yield* examine(stage)).problems, /left by a process that died while writing, and may hold tokens/)
      // A client secret is one, too.
      for (
        const [name, what] of [["vendors.json", /may hold client secrets$/], ["move.json", /holds no secret$/]] as const
      ) {
        rmSync(join(stage.harness.home, "auth.json.lockstep-4194304-1.tmp"), { force: true })
        const temporary = join(stage.harness.home, `${name}.lockstep-4194304-1.tmp`)
        writeFileSync(temporary, "", { mode: 0o600 })
        assertOne((yield* examine(stage)).problems, what)
        rmSync(temporary)
      }
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
      const { child, letGo, stage } = yield* Stage.refreshing
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      yield* child.signal("SIGSTOP")
      yield* child.stopped
      const { problems, report } = yield* examine(stage)
      assertOne(
        problems,
        new RegExp(
          `holders: process ${child.pid} \\(lockstep\\.js\\), running for .*, holds the lock of codex and is stopped`
        )
      )
      assert.include(JSON.stringify(report), `kill -CONT ${child.pid}`)
      yield* child.signal("SIGCONT")
      yield* letGo
      assert.strictEqual((yield* stage.finish(child, { prints: true })).code, 0)
    }))

  it.scopedLive("finds a clock that was set back, and a malformed proxy address, without showing it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const record = { access_token: "lockstep-at-x", obtained_at: Math.floor(Date.now() / 1000) + 7200 }
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { codex: record } }), { mode: 0o600 })
      // A token from the future is not served: the clock is why, and a login is what `lockstep token` asks for.
      const { problems } = yield* examine(stage)
      assert.lengthOf(problems, 2)
      assert.match(problems[0]!, /journals: codex has no refresh token, and only a login brings another access token/)
      assert.match(problems[1]!, /clock: the token of codex was obtained in (2h|1h 59m): the clock was set back/)
      yield* stage.seed({ left: 3600 })
      const secret = "lockstep-cs-proxy-password"
      assertOne(
        (yield* examine(stage, { HTTPS_PROXY: `socks://u:${secret}@h` })).problems,
        /network: HTTPS_PROXY is not/
      )
      assert.deepStrictEqual((yield* examine(stage, { HTTPS_PROXY: `http://u:${secret}@h:1` })).problems, [])
      assertOne(
        (yield* examine(stage, { SSL_CERT_FILE: `${stage.file}.pem` })).problems,
        /network: SSL_CERT_FILE names a file that does not exist/
      )
      assert.deepStrictEqual((yield* examine(stage, { SSL_CERT_FILE: stage.file })).problems, [])
    }))

  it.scopedLive("finds that nothing can be locked", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const { problems } = yield* examine(stage, { LOCKSTEP_LOCK_DIR: "/proc/self" })
      assert.isTrue(problems.some((problem) => problem.startsWith("locks: ")), problems.join("\n"))
    }))

  it.scopedLive("says by code what it found, in a form that stays", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const { report } = yield* examine(stage)
      assert.deepStrictEqual(Object.keys(report), ["home", "store", "healthy", "checks", "history"])
      assert.strictEqual(report.store, "file")
      assert.deepStrictEqual(report.history.tenants.map(({ tenant }) => tenant), ["codex"])
      const [finding] = report.checks.find(({ check }) => check === "lineage")!.findings
      assert.deepStrictEqual(Object.keys(finding!), ["kind", "code", "message", "advice", "tenant"])
    }))
})

describe("beside the store", () => {
  it.scopedLive("finds what is in the place of a sidecar, and follows nothing", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const at = (name: string) => join(stage.harness.home, name)
      const elsewhere = join(dirname(stage.harness.home), "elsewhere")
      writeFileSync(elsewhere, "", { mode: 0o600 })
      renameSync(at("auth.json.refresh.codex.lock"), at("aside"))
      symlinkSync(elsewhere, at("auth.json.refresh.codex.lock"))
      const { findings, of } = yield* examine(stage)
      assert.lengthOf(of("sidecar_kind"), 1)
      assert.match(of("sidecar_kind")[0]!, /^problem: .*codex\.lock is a symbolic link, where a file of ours belongs/)
      assert.match(findings.find(({ code }) => code === "sidecar_kind")!.advice!, /when none of them runs.* `mv /)
    }))

  it.scopedLive("tells sidecars of unknown logins and locks of other programs, which are harmless", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const at = (name: string) => join(stage.harness.home, name)
      writeFileSync(at("auth.json.refresh.gone.lock"), "", { mode: 0o600 })
      mkdirSync(at("auth.json.lock"), { mode: 0o700 })
      mkdirSync(at("other.lock"), { mode: 0o700 })
      utimesSync(at("other.lock"), new Date(), Date.now() / 1000 - 7200)
      const { of, problems } = yield* examine(stage)
      assert.deepStrictEqual(problems, [])
      assert.lengthOf(of("sidecar_unknown"), 1)
      assert.match(of("sidecar_unknown")[0]!, /gone\.lock is a lock of gone, which is not logged in here/)
      assert.lengthOf(of("lock_foreign"), 2)
      assert.match(of("lock_foreign")[0]!, /auth\.json\.lock is a lock that another program holds/)
      assert.match(of("lock_foreign")[1]!, /other\.lock is a lock of another program, and not renewed for 2h/)
    }))

  it.scopedLive("tells a holder that works from one that is late", () =>
    Effect.gen(function*() {
      const { child, letGo, stage } = yield* Stage.refreshing
      const early = yield* examine(stage)
      assert.deepStrictEqual(early.problems, [])
      assert.match(early.of("holder")[0]!, new RegExp(`process ${child.pid} .* holds the lock of codex for `))
      const journal = join(stage.harness.home, "auth.json.refresh.codex.json")
      const record = JSON.parse(readFileSync(journal, "utf8")) as { intent: { at: number } }
      record.intent.at -= 120_000
      writeFileSync(journal, JSON.stringify(record))
      const { findings, problems } = yield* examine(stage)
      assertOne(problems, /holders: process \d+ .* holds the lock of codex for 2m.*, longer than any refresh may take/)
      const late = findings.find(({ code }) => code === "holder_late")
      assert.include(late!.advice, `end it with \`kill ${child.pid}\`: its lock goes with it`)
      yield* letGo
      assert.strictEqual((yield* stage.finish(child, { prints: true })).code, 0)
    }))

  it.scopedLive("finds settings that others may read", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      writeFileSync(join(stage.harness.home, "vendors.json"), "{\"version\":1}", { mode: 0o644 })
      chmodSync(join(stage.harness.home, "vendors.json"), 0o644)
      assertOne((yield* examine(stage)).problems, /files: .*vendors\.json is open to others \(mode 644\)/)
    }))
})
