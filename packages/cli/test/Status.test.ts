import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import * as Stage from "./support/Stage.js"

interface Row {
  readonly tenant: string
  readonly state: string
  readonly reason: string | null
  readonly holder: { readonly pid: number } | null
  readonly last_refresh: { readonly outcome: string; readonly pid: number } | null
}

const rowsOf = (stage: Stage.Stage) =>
  Effect.map(
    stage.run(["status", "--json"]),
    ({ stdout }) =>
      Object.fromEntries(
        (JSON.parse(stdout) as { tenants: ReadonlyArray<Row> }).tenants.map((row) => [row.tenant, row])
      )
  )

describe("lockstep status", () => {
  it.scopedLive("shows how every login stands, asks no server and creates nothing", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ tenant: "a", left: 3590 }, { tenant: "b", left: 59 }, { tenant: "c" })
      const before = yield* stage.names
      const { code, stderr, stdout } = yield* stage.run(["status"])
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "")
      assert.match(
        stdout,
        /^TENANT +STATE +EXPIRY +STORE\na +fresh +in 59m \d+s +file\nb +expiring +in \d+s +file\nc +refreshes at next use +1h ago +file\n$/
      )
      assert.deepStrictEqual(yield* stage.names, before)
      assert.lengthOf(stage.server.requests, 0)
    }))

  it.scopedLive("prints JSON of one stable shape", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const { stdout } = yield* stage.run(["status", "codex", "--json"])
      const document = JSON.parse(stdout) as {
        readonly store: string
        readonly tenants: ReadonlyArray<Record<string, unknown>>
        readonly pending: ReadonlyArray<unknown>
      }
      assert.deepStrictEqual(document, {
        store: stage.file,
        pending: [],
        tenants: [{
          tenant: "codex",
          state: "fresh",
          reason: null,
          cooldown_until: null,
          expires_at: document.tenants[0]!["expires_at"],
          expires_in: document.tenants[0]!["expires_in"],
          login_expires_at: null,
          account: null,
          vendor: null,
          issuer: null,
          resource: null,
          store: "file",
          generation: 1,
          holder: null,
          last_refresh: null,
          shadowed_by: []
        }]
      })
    }))

  it.scopedLive("names the process that refreshes, without touching its lock", () =>
    Effect.gen(function*() {
      const { child, letGo, stage } = yield* Stage.refreshing
      const row = (yield* rowsOf(stage))["codex"]!
      assert.strictEqual(row.state, "refreshing")
      assert.strictEqual(row.holder?.pid, child.pid)
      assert.match((yield* stage.run(["status"])).stdout, new RegExp(`refreshing .* lockstep.js ${child.pid}`))
      yield* letGo
      assert.strictEqual((yield* stage.finish(child, { prints: true })).code, 0)
      assert.deepInclude((yield* rowsOf(stage))["codex"]!.last_refresh, { outcome: "granted", pid: child.pid })
    }))

  it.scopedLive("says what keeps a refresh from succeeding, and --check turns it into an exit code", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ tenant: "healthy", left: 3600 }, { tenant: "refused" }, { tenant: "tired" })
      assert.deepStrictEqual(yield* stage.run(["status", "--check"]), { code: 0, stdout: "", stderr: "" })
      yield* stage.server.script(ServerBehaviour.rateLimited({ "retry-after": "600" }))
      yield* stage.run(["token", "tired"])
      assert.strictEqual((yield* stage.run(["status", "--check"])).code, 0)
      yield* stage.server.script(ServerBehaviour.refused("invalid_grant"))
      yield* stage.run(["token", "refused"])
      const rows = yield* rowsOf(stage)
      assert.deepInclude(rows["refused"], { state: "needs_login", reason: "InvalidGrant" })
      assert.deepInclude(rows["tired"], { state: "cooldown", reason: null })
      const { stdout } = yield* stage.run(["status"])
      assert.match(stdout, /refused +needs login \(InvalidGrant\)/)
      assert.match(stdout, /tired +cooldown \(asks again in \d+m( \d+s)?\)/)
      assert.deepStrictEqual(yield* stage.run(["status", "--check"]), { code: 3, stdout: "", stderr: "" })
      assert.strictEqual((yield* stage.run(["status", "healthy", "--check"])).code, 0)
      // Its record does not say where it was issued: a repeated login has to name the server.
      assert.include(
        (yield* stage.run([])).stderr,
        "`lockstep login --issuer URL --client-id lockstep-tests --tenant refused`"
      )
    }))

  it.scopedLive("hides no login behind a damaged one", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const record = { access_token: "lockstep-at-damaged", expires_at: 4_000_000_000 }
      yield* stage.seed({ left: 3600 })
      writeFileSync(
        stage.file,
        JSON.stringify({ version: 1, tenants: { good: record, bad: { ...record, expires_at: 0 } } })
      )
      const { code, stdout } = yield* stage.run(["status"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /bad +damaged \(.*tenants\.bad\.expires_at/)
      assert.match(stdout, /good +fresh/)
      assert.strictEqual((yield* stage.run(["status", "--check"])).code, 6)
      assert.include((yield* stage.run([])).stderr, "lockstep doctor")
    }))

  it.scopedLive("--history tells the lineage, also after the logout", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { refreshToken } = yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.html(503))
      yield* stage.run(["token", "codex"])
      yield* stage.run(["refresh", "codex"])
      yield* stage.run(["logout", "codex"])
      const { stdout } = yield* stage.run(["status", "codex", "--history", "--json"])
      const [lineage] = (JSON.parse(stdout) as {
        readonly tenants: ReadonlyArray<{ readonly outcomes: ReadonlyArray<Record<string, unknown>> }>
      }).tenants
      assert.deepStrictEqual(lineage!.outcomes.map(({ outcome }) => outcome), ["logout", "granted", "ServerError"])
      assert.match(
        (yield* stage.run(["status", "codex", "--history"])).stdout,
        /granted +2 +[0-9a-f]{12} → [0-9a-f]{12} +\d+ ms +lockstep\.js \d+/
      )
      assert.notInclude(stdout, refreshToken)
    }))

  it.scopedLive("--watch appends a table at every change when piped, and ends with its reader", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const child = yield* stage.start(["status", "--watch", "--json"])
      const seen = (state: string) =>
        child.message((message) => (message["tenants"] as ReadonlyArray<Row> | undefined)?.[0]?.state === state)
      yield* seen("expired")
      yield* stage.run(["token", "codex"], { prints: true })
      yield* seen("fresh")
      yield* child.signal("SIGINT")
      assert.strictEqual((yield* stage.finish(child)).code, 130)
      // The reader leaves after the first table; the writer finds out at the second.
      const line = "set -o pipefail; $LOCKSTEP status --watch | head -n 1; echo \"code $?\""
      const shell = yield* Effect.fork(stage.shell(line))
      yield* Effect.repeat(stage.run(["refresh", "codex"]), { until: () => shell.unsafePoll() !== null })
      const { stdout } = yield* shell
      assert.match(stdout, /^TENANT.*\ncode 0\n$/)
    }))
})

describe("bare lockstep", () => {
  it.scopedLive("shows the logins and the next step", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const empty = yield* stage.run([])
      assert.deepInclude(empty, { code: 0, stdout: "" })
      assert.include(empty.stderr, "lockstep import TENANT --from FILE")
      assert.isFalse(existsSync(stage.harness.home))
      yield* stage.seed({ left: 3600 })
      const ran = yield* stage.run([])
      assert.match(ran.stdout, /^TENANT .*\ncodex +fresh /)
      assert.include(ran.stderr, "lockstep token codex")
      assert.strictEqual(JSON.parse((yield* stage.run(["--json"])).stdout).tenants[0].tenant, "codex")
      rmSync(stage.file)
      assert.deepStrictEqual(JSON.parse((yield* stage.run(["--json"])).stdout), {
        store: stage.file,
        tenants: [],
        pending: []
      })
    }))

  it.scopedLive("prints help, its version and completions, without colour when piped", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const help = yield* stage.run(["--help"])
      assert.strictEqual(help.code, 0)
      for (
        const command of [
          "token",
          "exec",
          "login",
          "status",
          "refresh",
          "logout",
          "import",
          "vendors",
          "store",
          "secrets",
          "doctor"
        ]
      ) {
        assert.match(help.stdout, new RegExp(`^  ${command} +\\S`, "m"))
        const ran = yield* stage.run([command, "--help"])
        assert.match(ran.stdout, new RegExp(`^Usage\n  lockstep ${command}`, "m"))
        for (const line of ran.stdout.split("\n")) assert.isAtMost(line.length, 80)
      }
      const nested = yield* stage.run(["vendors", "secret", "--help"])
      assert.match(nested.stdout, /^Usage\n  lockstep vendors secret VENDOR --from FILE/m)
      const move = yield* stage.run(["store", "move", "--help"])
      assert.match(move.stdout, /^Usage\n  lockstep store move --to file\|keyring\|secrets/m)
      const rotate = yield* stage.run(["secrets", "rotate-key", "--help"])
      assert.match(rotate.stdout, /^Usage\n  lockstep secrets rotate-key/m)
      for (const line of [...move.stdout.split("\n"), ...rotate.stdout.split("\n")]) assert.isAtMost(line.length, 80)
      assert.strictEqual((yield* stage.run(["help", "token"])).stdout, (yield* stage.run(["token", "-h"])).stdout)
      assert.match((yield* stage.run(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/)
      for (const shell of ["bash", "fish", "zsh"]) {
        assert.include((yield* stage.run(["--completions", shell])).stdout, "rejected-stdin")
      }
    }))
})
