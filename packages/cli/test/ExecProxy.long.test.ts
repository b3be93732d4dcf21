import { assert, describe, it } from "@effect/vitest"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as ResourceServer from "@lockstep/testkit/servers/ResourceServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import { inject } from "vitest"
import * as ExecProxy from "../src/commands/ExecProxy.js"
import * as Stage from "./support/Stage.js"

const TENANT = "agent"

/**
 * A command that runs for long: for each line of its standard input it asks once at that path, and says what came. It
 * tells the port of its proxy and keeps the secret.
 */
const AGENT = `
  const base = process.env[process.argv[1]] ?? ""
  const say = (what) => console.log(JSON.stringify(what))
  for (const signal of ["SIGUSR1", "SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(42))
  require("node:readline").createInterface({ input: process.stdin })
    .on("line", (path) => {
      if (path.startsWith("exit ")) process.exit(Number(path.slice(5)))
      fetch(base + path).then(
        async (answer) => say({ path, status: answer.status, text: await answer.text() }),
        (error) => say({ path, status: 0, text: String(error.cause?.code) })
      )
    })
  say({ port: Number(new URL(base).port), shape: base.replace(/[\\w-]{32}$/, "SECRET") })
`

const make = ({ lifetime = 3600, login = {} }: {
  /** Seconds that a token lasts. */
  readonly lifetime?: number
  readonly login?: Readonly<Record<string, unknown>>
} = {}) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    const api = yield* ResourceServer.make({ authorizationServer: server })
    const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
    const file = yield* SeededHome.write(harness.home, [{
      ...yield* SeededHome.issue(server, TENANT, { accessTokenTtl: lifetime }),
      ...login
    }])
    const bin = inject("lockstep")
    const read = () =>
      JSON.parse(readFileSync(file, "utf8")) as { tenants: Record<string, Record<string, string | number>> }
    const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
      harness.spawn({ args: [bin, "exec", TENANT, ...args], env })
    const finish = (child: ChildProcess.Child) =>
      Effect.gen(function*() {
        const { code } = yield* child.exit
        yield* harness.assertNoLeak
        return { code, stdout: yield* child.stdout, stderr: yield* child.stderr }
      })
    return {
      server,
      api,
      start,
      finish,
      /** An agent behind a proxy, and where that listens. */
      agent: (options: {
        readonly variable?: string
        readonly env?: Readonly<Record<string, string>>
        readonly to?: string
      } = {}) =>
        Effect.gen(function*() {
          const named = options.variable === undefined ? [] : ["--env", options.variable]
          const variable = options.variable ?? "LOCKSTEP_PROXY_URL"
          const child = yield* start(
            ["--proxy", options.to ?? api.origin, ...named, "--", process.execPath, "-e", AGENT, "--", variable],
            options.env
          )
          const hello = yield* child.message((message) => "port" in message)
          const ask = (path: string) =>
            Effect.zipRight(child.write(`${path}\n`), child.message((message) => message["path"] === path))
          return { child, hello, port: Number(hello["port"]), ask }
        }),
      run: (args: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const child = yield* start(args)
          yield* child.closeStdin
          return yield* finish(child)
        }),
      status: Effect.gen(function*() {
        const child = yield* harness.spawn({ args: [bin, "status", "--json"] })
        yield* child.exit
        return yield* child.stdout
      }),
      token: Effect.sync(() => String(read().tenants[TENANT]!["access_token"])),
      refreshToken: Effect.sync(() => String(read().tenants[TENANT]!["refresh_token"])),
      /** The API takes the stored token for none from now on, although its end is far. */
      refuse: Effect.suspend(() => api.rejectFromNow(String(read().tenants[TENANT]!["access_token"]))),
      counts: Effect.sync(() => ({
        redemptions: server.ledger.redemptions.length,
        reuses: server.ledger.reuses.length,
        revocations: server.ledger.revocations.length
      }))
    }
  })

const isOpen = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", () => resume(Effect.succeed(false)))
  })

describe("lockstep exec --proxy", () => {
  it.scopedLive("keeps a command in work that outlives its tokens", () =>
    Effect.gen(function*() {
      const stage = yield* make({ lifetime: 2 })
      const { ask, child, hello, port } = yield* stage.agent({ to: `${stage.api.origin}/v1` })
      assert.strictEqual(hello["shape"], `http://127.0.0.1:${port}/SECRET`)
      assert.deepStrictEqual(yield* ask("/x"), {
        path: "/x",
        status: 200,
        text: "{\"method\":\"GET\",\"path\":\"/v1/x\",\"body\":\"\"}"
      })
      const first = yield* stage.token
      // Until the third of its tokens.
      let asked = 0
      yield* Effect.repeat(
        Effect.gen(function*() {
          const { status } = yield* ask(`/${++asked}`)
          assert.strictEqual(status, 200)
          return (yield* stage.counts).redemptions
        }),
        { until: (redemptions) => redemptions >= 3 }
      )
      assert.isFalse(yield* stage.server.isActive(first))
      const { reuses, revocations } = yield* stage.counts
      assert.deepStrictEqual({ reuses, revocations }, { reuses: 0, revocations: 0 })

      yield* child.write("exit 7\n")
      const ran = yield* stage.finish(child)
      assert.deepStrictEqual([ran.code, ran.stderr], [7, ""])
      assert.isFalse(yield* isOpen(port), "the proxy ends with the command")
    }))

  it.scopedLive("keeps a command in work whose token is refused while the clock calls it good", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { ask, child } = yield* stage.agent()
      assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, revocations: 0 })
      yield* stage.refuse
      assert.strictEqual((yield* ask("/x"))["status"], 200)
      assert.deepStrictEqual(yield* stage.counts, { redemptions: 2, reuses: 0, revocations: 0 })
      yield* child.write("exit 0\n")
      assert.strictEqual((yield* stage.finish(child)).code, 0)
    }))

  it.scopedLive("gives several commands over one login one redemption for all", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const agents = yield* Effect.all(Array.from({ length: 4 }, () => stage.agent()), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, revocations: 0 })
      for (const round of [2, 3]) {
        yield* stage.refuse
        const answers = yield* Effect.forEach(agents, ({ ask }) => ask(`/${round}`), { concurrency: "unbounded" })
        assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200, 200, 200])
        assert.deepStrictEqual(yield* stage.counts, { redemptions: round, reuses: 0, revocations: 0 })
      }
      for (const { child } of agents) yield* child.write("exit 0\n")
      for (const { child } of agents) assert.strictEqual((yield* stage.finish(child)).code, 0)
    }))

  it.scopedLive("names the variable that it is told to, and keeps other proxies off it", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const nowhere = "http://127.0.0.1:9"
      // Node itself has no such rule before its newest lines: what the command is given is looked at.
      const child = yield* stage.start(
        [
          "--proxy",
          stage.api.origin,
          "--env",
          "API_BASE",
          "--",
          "sh",
          "-c",
          "echo \"$no_proxy|$NO_PROXY|${API_BASE%/*}\""
        ],
        { HTTP_PROXY: nowhere, NO_PROXY: "example.com", LOCKSTEP_POSTGRES_URL: "postgres://ann:pw@db/x" }
      )
      const ran = yield* stage.finish(child)
      assert.match(ran.stdout, /^example\.com,127\.0\.0\.1\|example\.com,127\.0\.0\.1\|http:\/\/127\.0\.0\.1:\d+\n$/)
    }))

  it("adds this machine to what no proxy is asked for, and nothing where there is none", () => {
    const of = ExecProxy.exemption
    assert.deepStrictEqual(of({}), {})
    assert.deepStrictEqual(of({ NO_PROXY: "x" }), {})
    const own = { NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" }
    assert.deepStrictEqual(of({ http_proxy: "p" }), own)
    assert.deepStrictEqual(of({ ALL_PROXY: "p", no_proxy: "" }), own)
    assert.deepStrictEqual(of({ HTTP_PROXY: "p", NO_PROXY: "a, b", no_proxy: "c" }), {
      NO_PROXY: "a,b,127.0.0.1",
      no_proxy: "c,127.0.0.1"
    })
    assert.deepStrictEqual(of({ HTTP_PROXY: "p", no_proxy: "*" }), { NO_PROXY: "*", no_proxy: "*" })
  })

  it.scopedLive("forwards signals and leaves their meaning to the command", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      for (const signal of ["SIGUSR1", "SIGTERM", "SIGINT"] as const) {
        const { child, port } = yield* stage.agent()
        yield* child.signal(signal)
        assert.strictEqual((yield* stage.finish(child)).code, 42, signal)
        assert.isFalse(yield* isOpen(port))
      }
      const killed = yield* stage.run(["--proxy", stage.api.origin, "--", "sh", "-c", "kill -KILL $$"])
      assert.strictEqual(killed.code, 137)
    }))

  it.scopedLive("stores a token whose refresh the end of the command comes into", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child } = yield* stage.agent()
      const before = yield* stage.token
      yield* stage.refuse
      const held = yield* stage.server.answers.hold
      yield* child.write("/late\n")
      yield* Queue.take(held.arrivals)
      yield* child.signal("SIGTERM")
      yield* held.release
      assert.strictEqual((yield* stage.finish(child)).code, 42)
      assert.notStrictEqual(yield* stage.token, before)
      assert.isTrue(yield* stage.server.isActive(yield* stage.token))
      assert.deepStrictEqual(yield* stage.counts, { redemptions: 2, reuses: 0, revocations: 0 })
    }))

  it.scopedLive("starts nothing without a login for that place, a command, or with options that a proxy has no use for", () =>
    Effect.gen(function*() {
      const stage = yield* make({ login: { resource: "https://mcp.example/mcp" } })
      const echo = ["--", "echo", "started"]
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["--proxy", stage.api.origin, ...echo], /bound to another origin \(https:\/\/mcp\.example\)/],
        [["--proxy", "http://api.example", ...echo], /plain http/],
        [["--proxy", stage.api.origin], /no command to run/],
        [["--proxy", stage.api.origin, "--min-ttl", "5m", ...echo], /--min-ttl: a proxy renews/],
        [["--proxy", stage.api.origin, "--source", "ANTHROPIC_API_KEY", ...echo], /--source: a proxy uses/]
      ]
      for (const [args, what] of cases) Stage.assertTold(yield* stage.run(args), 2, what)
      assert.deepStrictEqual(yield* stage.counts, { redemptions: 0, reuses: 0, revocations: 0 })

      const other = yield* make()
      yield* other.server.refresh(yield* other.refreshToken)
      Stage.assertTold(yield* other.run(["--proxy", other.api.origin, ...echo]), 3, /agent/)
      const able = yield* make()
      const absent = yield* able.run(["--proxy", able.api.origin, "--", "/nowhere/at/all"])
      Stage.assertTold(absent, 2, /could not be started \(ENOENT\)/)
    }))

  it.scopedLive("is stopped by Ctrl-Z once it holds no tenant, and goes on with the command", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child } = yield* stage.agent()
      const before = yield* stage.token
      yield* stage.refuse
      const held = yield* stage.server.answers.hold
      yield* child.write("/late\n")
      yield* Queue.take(held.arrivals)
      yield* child.signal("SIGTSTP")
      // By the time that another process has started and ended, the signal has long arrived.
      assert.include(yield* stage.status, "\"stopped\":false")
      yield* held.release
      yield* child.stopped
      assert.notStrictEqual(yield* stage.token, before, "the refresh is stored, and its lock released")
      yield* child.signal("SIGCONT")
      assert.strictEqual((yield* child.message((message) => message["path"] === "/late"))["status"], 200)
      yield* child.write("exit 0\n")
      assert.strictEqual((yield* stage.finish(child)).code, 0)
    }))
})
