import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ServerBehaviour from "@lockstep/testkit/ServerBehaviour"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  chownSync,
  copyFileSync,
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
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import * as Finding from "../src/doctor/Finding.js"
import * as Stage from "./support/Stage.js"

interface Report {
  readonly home: string
  readonly store: string
  readonly healthy: boolean
  readonly checks: ReadonlyArray<Finding.Checked>
  readonly history: { readonly tenants: ReadonlyArray<{ readonly tenant: string }> }
}

/** No advice may split a lock in two, and every problem comes with what to do. */
const assertSafe = ({ advice, code, kind }: Finding.Finding): void => {
  assert.property(Finding.CODES, code)
  if (kind === "problem") assert.isNotNull(advice)
  assert.notMatch(advice ?? "", /(delete|remove|rm|unlink) .*\.lock/)
}

const examine = (
  stage: Stage.Stage,
  env: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = ["--offline"]
) =>
  Effect.map(stage.run(["doctor", "--json", ...args], { env }), ({ code, stderr, stdout }) => {
    assert.strictEqual(stderr, "")
    const report = JSON.parse(stdout) as Report
    const findings = report.checks.flatMap(({ check, findings }) => findings.map((finding) => ({ ...finding, check })))
    findings.forEach(assertSafe)
    const problems = findings
      .filter(({ kind }) => kind === "problem")
      .map(({ check, message }) => `${check}: ${message}`)
    assert.strictEqual(code, problems.length === 0 ? 0 : 1, problems.join("\n"))
    assert.strictEqual(report.healthy, problems.length === 0)
    /** The findings of a code, as check, kind and message. */
    const of = (code: Finding.Code) =>
      findings.filter((finding) => finding.code === code).map(({ kind, message }) => `${kind}: ${message}`)
    return { problems, report, findings, of }
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
        new RegExp(
          "^✓ files\n✓ store\n✓ drift\n✓ keyring\n✓ locks\n✓ holders\n✓ sidecars\n✓ journals\n✓ lineage\n" +
            " +codex: refreshed once, last granted (?:now|.* ago) by process \\d+ \\(lockstep\\.js\\) \\(generation 2\\)\n" +
            " +→ `lockstep status codex --history` tells all of it\n" +
            "✓ logins\n✓ sources\n✓ clock\n✓ network\n✓ servers\n$"
        )
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
      assert.include(JSON.stringify(report), `chmod 600 ${stage.file}`)
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

describe("why somebody was logged out", () => {
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
            "\\(lockstep\\.js\\) sent it .*; no process of this home exchanged it: another program holds a copy"
        )
      )
    }))

  it.scopedLive("a request was sent twice and nobody knows what came of it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { refreshToken } = yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.dropped, ServerBehaviour.dropped)
      yield* stage.run(["token", "codex"], { env: { LOCKSTEP_QUIET_TIME: "20ms" } })
      const { problems } = yield* examine(stage)
      assertOne(
        problems,
        new RegExp(`the refresh token ${FakeToken.fingerprint(refreshToken)} was sent 2 times, last .* and no answer`)
      )
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

describe("stores of other kinds", () => {
  it.scopedLive("explains a store that was chosen differently than before", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const trace = (tenant: string) => ({
        [tenant]: {
          store: "file",
          at: 1_790_000_000,
          by: "agent 12",
          before: { store: "keyring", at: 1, by: "agent 11" }
        }
      })
      const drift = { version: 1, tenants: { ...trace("codex"), ...trace("lost") } }
      writeFileSync(join(stage.harness.home, "drift.json"), JSON.stringify(drift), { mode: 0o600 })
      const { findings, of, problems } = yield* examine(stage)
      assertOne(problems, /drift: lost was kept in the store keyring until agent 12 chose file for it .*, and is not/)
      assert.match(of("drift")[0]!, /^remark: codex was kept in the store keyring .*; it is logged in there by now/)
      assert.include(findings.find(({ tenant }) => tenant === "lost")!.advice, "`lockstep login lost`")
    }))

  const encrypted = Effect.gen(function*() {
    const stage = yield* Stage.make()
    const keyFile = join(dirname(stage.harness.home), "lockstep.key")
    writeFileSync(keyFile, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 })
    const env = { LOCKSTEP_STORE: "secrets", LOCKSTEP_SECRETS_KEY_FILE: keyFile }
    const input = JSON.stringify({ access_token: FakeToken.make("at"), expires_in: 3600 })
    const ran = yield* stage.run(["import", "codex", "--from", "-"], { env, input })
    assert.strictEqual(ran.code, 0, ran.stderr)
    return { stage, keyFile, env }
  })

  it.scopedLive("looks for the key of an encrypted store, and makes none", () =>
    Effect.gen(function*() {
      const { env, keyFile, stage } = yield* encrypted
      assert.deepStrictEqual((yield* examine(stage, env)).problems, [])
      chmodSync(keyFile, 0o640)
      assert.isTrue((yield* examine(stage, env)).problems.some((one) => /lockstep\.key is open to others/.test(one)))
      chmodSync(keyFile, 0o600)
      writeFileSync(keyFile, `${Buffer.alloc(32, 8).toString("base64")}\n`)
      const other = yield* examine(stage, env)
      assert.match(other.of("key_missing")[0]!, /auth\.json\.sealed is sealed with key [0-9a-f]{16}, which .* does not/)
      rmSync(keyFile)
      const gone = yield* examine(stage, env)
      assert.lengthOf(gone.of("key_missing"), 1)
      assert.isFalse(existsSync(keyFile))
    }))

  it.scopedLive("names a keyring that is not there, and goes on", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const env = {
        LOCKSTEP_STORE: "keyring",
        DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(dirname(stage.harness.home), "no-bus")}`,
        DISPLAY: ""
      }
      const { of, report } = yield* examine(stage, env)
      assert.lengthOf(of("keyring_trouble"), 1, JSON.stringify(report))
      assert.match(of("keyring_trouble")[0]!, /^problem: the keyring .* is not usable: Absent/)
      assert.isTrue(report.checks.some(({ check }) => check === "network"))
      assert.isFalse(existsSync(stage.harness.home))
    }))

  it.scopedLive("examines the file of another tool, and leaves its directory to the tool", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const directory = join(dirname(stage.harness.home), "pi")
      const file = join(directory, "auth.json")
      mkdirSync(directory, { mode: 0o755 })
      chmodSync(directory, 0o755)
      const expires = Date.now() + 3_600_000
      const login = { type: "oauth", refresh: FakeToken.make("rt"), access: FakeToken.make("at"), expires }
      writeFileSync(file, JSON.stringify({ anthropic: login }), { mode: 0o600 })
      const before = readFileSync(file, "utf8")
      const args = ["--offline", "--store", `pi:${file}`]
      const { problems, report } = yield* examine(stage, {}, args)
      assert.deepStrictEqual(problems, [])
      assert.strictEqual(report.store, "pi")
      chmodSync(file, 0o644)
      assertOne((yield* examine(stage, {}, args)).problems, /files: .*pi\/auth\.json is open to others/)
      assert.strictEqual(readFileSync(file, "utf8"), before)
    }))
})

describe("the clocks of servers", () => {
  /** A server whose clock is so many seconds ahead of ours; one that says nothing without any. */
  const serverAhead = (seconds: number | undefined) =>
    Effect.acquireRelease(
      Effect.async<{ readonly url: string; readonly seen: Array<http.IncomingMessage>; readonly server: http.Server }>(
        (resume) => {
          const seen: Array<http.IncomingMessage> = []
          const server = http.createServer((request, response) => {
            seen.push(request)
            if (seconds === undefined) return void request.socket.destroy()
            const date = new Date(Date.now() + seconds * 1000).toUTCString()
            response.writeHead(302, { date, location: "/elsewhere" }).end()
          })
          server.listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, seen, server }))
          })
        }
      ),
      ({ server }) =>
        Effect.async<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )

  const loggedInAt = (url: string) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const record = {
        access_token: FakeToken.make("at"),
        refresh_token: FakeToken.make("rt"),
        token_endpoint: `${url}/token`,
        client_id: "c",
        expires_at: Math.floor(Date.now() / 1000) + 3600
      }
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { codex: record } }), { mode: 0o600 })
      return stage
    })

  it.scopedLive("are compared with this one, by a question that shows nothing", () =>
    Effect.gen(function*() {
      const server = yield* serverAhead(600)
      const stage = yield* loggedInAt(server.url)
      const { problems } = yield* examine(stage, {}, [])
      assertOne(problems, /servers: this machine's clock is (10m|9m 59s|10m 1s) behind http:\/\/127\.0\.0\.1:\d+'s/)
      assert.lengthOf(server.seen, 1)
      const [request] = server.seen
      assert.deepStrictEqual([request!.method, request!.url], ["HEAD", "/"])
      assert.notProperty(request!.headers, "authorization")
      assert.notProperty(request!.headers, "cookie")
    }))

  it.scopedLive("may be half a minute apart", () =>
    Effect.gen(function*() {
      const server = yield* serverAhead(-30)
      const stage = yield* loggedInAt(server.url)
      assert.deepStrictEqual((yield* examine(stage, {}, [])).problems, [])
    }))

  it.scopedLive("that do not answer are no problem, and none is asked with --offline", () =>
    Effect.gen(function*() {
      const server = yield* serverAhead(undefined)
      const stage = yield* loggedInAt(server.url)
      const { of, problems } = yield* examine(stage, {}, [])
      assert.deepStrictEqual(problems, [])
      assert.lengthOf(of("clock_unchecked"), 1)
      const asked = server.seen.length
      yield* examine(stage)
      assert.lengthOf(server.seen, asked)
    }))
})
