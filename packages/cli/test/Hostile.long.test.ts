/** What servers, files and variables chose, shown and handed out by the command as a process. */
import { assert, describe, it } from "@effect/vitest"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { chmodSync, readdirSync, renameSync, symlinkSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import * as Stage from "./support/Stage.js"

const hasCurl = spawnSync("curl", ["--version"], { stdio: "ignore" }).status === 0
if (!hasCurl) process.stderr.write("a test with a real curl is skipped: there is none\n")

const NOW = Math.floor(Date.now() / 1000)

/** Steers a terminal, turns a line round, hides itself, and begins a line of its own, each in its own way. */
const EVIL = "x\u001b[2J\u001b]0;t\u0007\u009b1m\u202e\u2066\u200b\u00ad\u2028\u2029\u{e0041}\r\nFORGED: all is well"

/** What may be written: lines, and what has no category that steers. */
const clean = (text: string): void => {
  assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
  assert.notMatch(text, /^\W*FORGED/m, "no line is forged")
}

const login = (more: Record<string, unknown>) => ({
  tenant: "codex",
  access_token: "lockstep-at-00000000-0",
  refresh_token: "lockstep-rt-00000000-0",
  token_endpoint: "http://127.0.0.1:9/token",
  client_id: "c",
  expires_at: NOW + 3_600,
  ...more
})

const home = (...logins: ReadonlyArray<Record<string, unknown>>) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make()
    yield* SeededHome.write(stage.harness.home, logins as never)
    return stage
  })

describe("what is shown", () => {
  it.scopedLive("forges no line and steers no terminal, whatever a login holds", () =>
    Effect.gen(function*() {
      const evil = {
        account: { id: EVIL, label: EVIL },
        issuer: `https://issuer.example/${EVIL}`,
        resource: `https://server.example/${EVIL}`,
        scope: EVIL,
        vendor: EVIL
      }
      const stage = yield* home(
        login({ ...evil, tenant: "evil" }),
        login({ ...evil, tenant: "mcp:\u202eturned\u2028FORGED" }),
        login({ ...evil, tenant: "damaged", expires_at: EVIL })
      )
      const commands = [
        [],
        ["status"],
        ["status", "--history"],
        ["status", "evil"],
        ["status", "--json"],
        ["status", "--history", "--json"],
        ["doctor", "--offline"],
        ["doctor", "--offline", "--json"],
        ["token", `no-such-${EVIL}`],
        ["token", "evil", "--source", EVIL],
        ["token", "damaged"],
        ["refresh", "evil"],
        ["refresh", "evil", "--json"],
        ["refresh", "mcp:\u202eturned\u2028FORGED"],
        ["logout", "evil"],
        ["login", `https://127.0.0.1:9/${EVIL}`],
        [EVIL],
        ["status", `--${EVIL}`]
      ]
      for (const args of commands) {
        const { stderr, stdout } = yield* stage.run(args, {
          env: { LOCKSTEP_NO_INPUT: "1" },
          // The arguments hold what the output may not.
          coloured: true
        })
        for (const text of [stdout, stderr]) clean(text)
        assert.isNotEmpty(stdout + stderr, args.join(" "))
      }
    }))

  it.scopedLive("is the same value in JSON, escaped", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({ account: { id: "1", label: EVIL } }))
      const { stdout } = yield* stage.run(["status", "--json"])
      clean(stdout)
      const { tenants } = JSON.parse(stdout) as { readonly tenants: ReadonlyArray<{ account: { label: string } }> }
      assert.strictEqual(tenants[0]!.account.label, EVIL)
    }))
})

describe("a malformed token", () => {
  const BAD = "lockstep-at-bad\nhost=bank.example\npassword=stolen"
  const forms = ["raw", "header", "git", "env", "kubernetes"]

  it.scopedLive("is handed out in no form, and shown in no error", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({ access_token: BAD }))
      for (const args of [["token", "codex"], ...forms.map((form) => ["token", "codex", "--format", form])]) {
        const { code, stderr, stdout } = yield* stage.run(args)
        assert.deepStrictEqual([code, stdout], [5, ""], args.join(" "))
        assert.match(stderr, /^lockstep: the access token of codex .*\n→ .*`lockstep login codex`.*\n$/)
        assert.notInclude(stderr, "bank.example")
      }
      const exec = yield* stage.run(["exec", "codex", "--", "printenv"])
      assert.deepStrictEqual([exec.code, exec.stdout], [5, ""])
    }))

  it.scopedLive("is stored as it came, and JSON tells it", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({ access_token: BAD }))
      const { code, stdout } = yield* stage.run(["token", "codex", "--format", "json"], { prints: true })
      assert.strictEqual(code, 0)
      assert.lengthOf(stdout.split("\n"), 2)
      assert.strictEqual((JSON.parse(stdout) as { access_token: string }).access_token, BAD)
      assert.strictEqual((yield* stage.stored())!["access_token"], BAD)
    }))

  it.scopedLive("of a malformed type goes into no header field", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({ token_type: "Bearer\r\nX-Forged: 1" }))
      const { code, stderr, stdout } = yield* stage.run(["token", "codex", "--format", "header"])
      assert.deepStrictEqual([code, stdout], [5, ""])
      assert.include(stderr, "the token type of codex")
      assert.strictEqual((yield* stage.run(["token", "codex"], { prints: true })).code, 0)
    }))

  it.scopedLive("from a variable is not handed out either", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({}))
      const env = { OPENAI_API_KEY: "a\u0007b" }
      const { code, stderr, stdout } = yield* stage.run(["token", "codex"], { env })
      assert.deepStrictEqual([code, stdout], [5, ""])
      assert.include(stderr, "correct or unset OPENAI_API_KEY")
    }))

  it.scopedLive.skipIf(!hasCurl)(
    "gives curl no header of its own, from a file that was written for it",
    () =>
      Effect.gen(function*() {
        const seen: Array<Readonly<Record<string, unknown>>> = []
        const port = yield* Effect.acquireRelease(
          Effect.async<Server>((resume) => {
            const server = createServer((request, response) => {
              seen.push(request.headers)
              response.end()
            }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        ).pipe(Effect.map((server) => (server.address() as AddressInfo).port))
        const ask = `curl --silent --show-error --max-time 20 --header @headers http://127.0.0.1:${port}/`
        for (
          const access_token of [
            "lockstep-at-00000000-1",
            "lockstep-at-bad\r\nX-Forged: 1",
            "lockstep-at-bad\nX-Forged: 1"
          ]
        ) {
          const stage = yield* home(login({ access_token }))
          yield* stage.shell(`$LOCKSTEP token codex --format header > headers; ${ask}`)
        }
        assert.deepStrictEqual(seen.map(({ authorization }) => authorization), [
          "Bearer lockstep-at-00000000-1",
          undefined,
          undefined
        ])
        for (const headers of seen) assert.notProperty(headers, "x-forged")
      })
  )

  it.scopedLive("gives git no password for another host", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({ access_token: BAD }))
      const ran = yield* stage.shell(
        "printf 'protocol=https\\nhost=git.example\\n\\n' | git -c credential.helper= " +
          "-c credential.helper='!f() { $LOCKSTEP token codex --format git; }; f' credential fill",
        { env: { GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1" } }
      )
      assert.notStrictEqual(ran.code, 0)
      assert.notInclude(`${ran.stdout}${ran.stderr}`, "bank.example")
    }))
})

describe("input without an end", () => {
  it.scopedLive("is read to the limit, from a device and from a pipe of the shell", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({}))
      for (const from of ["/dev/zero", "<(yes)"]) {
        const imported = yield* stage.shell(`$LOCKSTEP import other --from ${from}`)
        assert.deepStrictEqual([imported.code, imported.stdout], [2, ""], from)
        assert.include(imported.stderr, "larger than 1 MiB")
        const headers = yield* stage.shell(`$LOCKSTEP mcp codex --to http://127.0.0.1:9/ --header-from ${from}`)
        assert.deepStrictEqual([headers.code, headers.stdout], [2, ""], from)
        assert.include(headers.stderr, "longer than 64 KiB")
      }
    }))
})

describe("a home of others", () => {
  const commands = [["token", "codex"], ["token", "codex", "--no-refresh"], ["refresh", "codex"], ["status", "codex"]]

  it.scopedLive("gives no token, fresh as it may be, and the command that repairs it works as printed", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({}))
      for (const mode of [0o755, 0o770, 0o777]) {
        chmodSync(stage.harness.home, mode)
        const before = readdirSync(stage.harness.home)
        for (const args of commands) {
          const { code, stderr, stdout } = yield* stage.run(args)
          assert.include([4, 6], code, args.join(" "))
          assert.strictEqual(stdout, "", args.join(" "))
          assert.include(stderr, `it is open to others (mode ${mode.toString(8)})`)
          const repair = /close it with `(.*)`/.exec(stderr)![1]!
          assert.strictEqual(repair, `chmod 700 ${stage.harness.home}`)
        }
        assert.deepStrictEqual(readdirSync(stage.harness.home), before)
        assert.strictEqual((yield* stage.shell(`chmod 700 ${stage.harness.home}`)).code, 0)
        assert.strictEqual((yield* stage.run(["token", "codex"], { prints: true })).code, 0)
      }
    }))

  it.scopedLive("is not reached through a store that is a link into a directory that others can write", () =>
    Effect.gen(function*() {
      const stage = yield* home(login({}))
      const elsewhere = join(dirname(stage.harness.home), "user")
      renameSync(stage.file, join(elsewhere, "store.json"))
      symlinkSync(join(elsewhere, "store.json"), stage.file)
      // As a dotfile manager has it: others may look at the names.
      chmodSync(elsewhere, 0o755)
      assert.strictEqual((yield* stage.run(["token", "codex"], { prints: true })).code, 0)
      chmodSync(elsewhere, 0o775)
      const { code, stderr } = yield* stage.run(["token", "codex"])
      assert.strictEqual(code, 6)
      assert.include(stderr, `close it with \`chmod go-w ${elsewhere}\``)
    }))
})

describe("a table of descriptors that is all but full", () => {
  it.scopedLive.skipIf(process.platform !== "linux")(
    "ends in two lines, or in one of JSON, and never in a stack",
    () =>
      Effect.gen(function*() {
        const stage = yield* home(login({ expires_at: NOW - 60 }))
        let refused = 0
        for (const args of ["token codex", "token codex --format json", "status codex", "refresh codex --json"]) {
          for (let limit = 30; limit >= 19; limit--) {
            const ran = yield* stage.shell(`ulimit -n ${limit}; exec $LOCKSTEP ${args}`, { prints: true })
            const text = `${ran.stdout}${ran.stderr}`
            // Node itself needs some to find its own script, and has no words for it.
            if (
              /run_main|open '.*(?:lockstep\.js|package\.json)'|uv_loop_init/.test(text) || ran.code === null ||
              ran.code > 6
            ) break
            assert.notMatch(text, /^\s+at |node:internal|node:fs/m, `${limit}: ${args}`)
            assert.include([0, 1, 4, 5, 6], ran.code, `${limit}: ${args}: ${text}`)
            if (!/EMFILE/.test(text)) continue
            refused++
            if (args.endsWith("json")) {
              const { error } = JSON.parse(ran.stdout) as { readonly error: { readonly advice: string } }
              assert.isNotEmpty(error.advice)
            } else assert.match(ran.stderr, /^lockstep: .*EMFILE.*\n→ .*`ulimit -n 256`.*\n$/m)
          }
        }
        assert.isAbove(refused, 0, "none of the limits was too low")
      }),
    240_000
  )
})
