/**
 * Clients of the MCP SDK that speak standard input and output only, through real bridges to a server that wants a login.
 */
import { assert, describe, it } from "@effect/vitest"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { callTool, echo, HOUR, make, TENANT } from "./support/McpBridgeStage.js"

const failure = (promise: () => Promise<unknown>) =>
  Effect.promise(() =>
    promise().then(() => assert.fail("it did not fail"), (error: Error & { data?: Record<string, unknown> }) => error)
  )

const lines = (...messages: ReadonlyArray<object>): string =>
  messages.map((message) => `${JSON.stringify(message)}\n`).join("")

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } }
}
const INITIALIZED = { jsonrpc: "2.0", method: "notifications/initialized" }

describe("lockstep mcp", () => {
  for (const line of ["v1", "v2", "v2 that asks for a newer revision first"] as const) {
    it.scopedLive(`serves a client of the SDK, ${line}, also when its token is refused in between`, () =>
      Effect.gen(function*() {
        const stage = yield* make({ left: HOUR })
        const client = yield* stage.connect(line)
        const { tools } = yield* Effect.promise(() => client.listTools())
        assert.deepStrictEqual(tools.map(({ name }) => name), ["echo", "stream", "write"])
        // The SDK's own handlers miss progress that arrives together with the answer.
        const before = stage.shown("notifications/progress")
        yield* Effect.promise(() =>
          callTool(client, { name: "stream", arguments: { count: 3 } }, { onprogress: () => {} })
        )
        assert.strictEqual(stage.shown("notifications/progress") - before, 3)
        yield* stage.resource.rejectFromNow(yield* stage.stored)
        const texts = Array.from({ length: 16 }, (_, index) => `${index}`)
        assert.deepStrictEqual(
          yield* Effect.forEach(texts, (text) => echo(client, text), { concurrency: "unbounded" }),
          texts
        )
        assert.lengthOf(stage.server.ledger.redemptions, 1)
        assert.lengthOf(stage.server.ledger.reuses, 0)
        yield* Effect.promise(() => client.close())
        yield* stage.finish
      }))
  }

  it.scopedLive("holds 200 calls that stream", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: HOUR })
      const client = yield* stage.connect("v2")
      const hold = yield* stage.resource.steps.hold
      const count = 200
      const calls = Array.from({ length: count }, (_, index) =>
        client.callTool({ name: "stream", arguments: { count: 2, text: `${index}` } }, {
          onprogress: () => {}
        }))
      yield* Effect.forEach(calls, () =>
        Queue.take(hold.arrivals), { discard: true })
      yield* hold.release
      const answers = yield* Effect.promise(() =>
        Promise.all(calls)
      )
      assert.deepStrictEqual(
        answers.map(({ content }) => (content as ReadonlyArray<{ text: string }>)[0]!.text),
        Array.from({ length: count }, (_, index) => `${index}`)
      )
      assert.strictEqual(stage.shown("notifications/progress"), 2 * count)
      assert.lengthOf(stage.server.ledger.redemptions, 0)
      yield* stage.finish
    }))

  it.scopedLive("passes on what the server says of its own accord", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: HOUR })
      const bridge = yield* stage.bridge()
      yield* bridge.write(lines(INITIALIZE, INITIALIZED))
      yield* bridge.message((message) => message["id"] === 0)
      const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Effect.repeat(Effect.zipRight(turn, stage.resource.announce("news")), {
        until: (listeners) => listeners === 1
      })
      yield* bridge.message((message) => message["method"] === "notifications/message")
      yield* bridge.closeStdin
      assert.strictEqual((yield* bridge.exit).code, 0)
      assert.lengthOf(stage.resource.requests.filter(({ http }) => http === "DELETE"), 1)
      yield* stage.finish
    }))

  it.scopedLive("answers everything that was asked before standard input ended, and what is no message", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: HOUR })
      const bridge = yield* stage.bridge()
      const call = (id: string, text: string) => ({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name: "echo", arguments: { text } }
      })
      const large = "é".repeat(4 * 1024 * 1024)
      yield* bridge.write(
        `{"this is": no JSON\n\n[]\n{"id":9}\n${
          lines(INITIALIZE, INITIALIZED, call("small", "x"), call("large", large))
        }`
      )
      yield* bridge.closeStdin
      assert.strictEqual((yield* bridge.exit).code, 0)
      const answers = (yield* bridge.stdout).trimEnd().split("\n").map((line) => JSON.parse(line))
      const of = (id: unknown) => answers.filter((answer) => answer.id === id)
      assert.deepStrictEqual(of(null).map(({ error }) => error.code), [-32_700, -32_600])
      assert.strictEqual(of(9)[0].error.code, -32_600)
      assert.strictEqual(of("small")[0].result.content[0].text, "x")
      assert.isTrue(of("large")[0].result.content[0].text === large)
      assert.lengthOf(answers, 6)
      yield* stage.finish
    }))

  it.scopedLive("goes on in a new session when the server has forgotten the old one", () =>
    Effect.gen(function*() {
      const forgotten = new Set<string>()
      const seen = new Set<string>()
      const stage = yield* make({
        left: HOUR,
        intercept: (request, response) => {
          const id = request.headers["mcp-session-id"]
          if (typeof id !== "string") return false
          seen.add(id)
          if (forgotten.has(id)) response.writeHead(404).end()
          return forgotten.has(id)
        }
      })
      const client = yield* stage.connect("v2")
      yield* echo(client, "before")
      for (const id of seen) forgotten.add(id)
      const texts = Array.from({ length: 8 }, (_, index) => `${index}`)
      assert.deepStrictEqual(
        yield* Effect.forEach(texts, (text) => echo(client, text), { concurrency: "unbounded" }),
        texts
      )
      assert.lengthOf(stage.resource.requests.filter(({ method }) => method === "initialize"), 2)
      yield* stage.finish
    }))

  it.scopedLive("tells a login that has ended as the answer to the request, and lives until it is renewed", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: HOUR })
      const client = yield* stage.connect("v2")
      const good = readFileSync(join(stage.harness.home, "auth.json"), "utf8")
      yield* SeededHome.write(stage.harness.home, [{ ...stage.login, refresh_token: "rt-that-nobody-knows" }])
      yield* stage.resource.rejectFromNow(stage.login.access_token)
      const error = yield* failure(() => client.callTool({ name: "echo", arguments: { text: "x" } }))
      assert.include(error.message, "lockstep login")
      assert.include(error.data, { _tag: "ReauthorizationRequired", reason: "InvalidGrant", tenant: TENANT })
      const renewed = yield* stage.server.issue(TENANT, {
        resource: stage.resource.url,
        scope: "mcp:use offline_access"
      })
      const { tenants } = JSON.parse(good)
      Object.assign(tenants[TENANT], {
        access_token: renewed.access_token,
        refresh_token: renewed.refresh_token,
        generation: 9
      })
      writeFileSync(join(stage.harness.home, "auth.json"), JSON.stringify({ version: 1, tenants }))
      assert.strictEqual(yield* echo(client, "again"), "again")
      yield* stage.finish
    }))

  it.scopedLive("finds the login of an address, and without one says how to log in and touches nothing", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: HOUR })
      const client = yield* stage.connect("v2", stage.resource.url)
      assert.strictEqual(yield* echo(client, "x"), "x")
      const other = yield* stage.bridge("https://other.example/mcp")
      assert.strictEqual((yield* other.exit).code, 3)
      assert.strictEqual(yield* other.stdout, "")
      assert.include(yield* other.stderr, "lockstep login https://other.example/mcp")
      assert.include(yield* other.stderr, `(looked in ${join(stage.harness.home, "auth.json")})`)
      const unknown = yield* stage.bridge("mcp:fiels")
      assert.strictEqual((yield* unknown.exit).code, 3)
      assert.include(yield* unknown.stderr, "did you mean `mcp:files`")
      const away = yield* stage.bridge(TENANT, "--to", "https://other.example/mcp")
      assert.strictEqual((yield* away.exit).code, 2)
      const plain = yield* stage.bridge("http://other.example/mcp")
      assert.strictEqual((yield* plain.exit).code, 2)
      yield* stage.finish
    }))

  it.scopedLive("sends further headers from a file, and takes none that is its own", () =>
    Effect.gen(function*() {
      const keys: Array<unknown> = []
      const stage = yield* make({
        left: HOUR,
        intercept: (request) => {
          keys.push(request.headers["x-key"])
          return false
        }
      })
      const path = join(stage.harness.environment["TMPDIR"]!, "headers")
      writeFileSync(path, "# for the gateway\nX-Key: k1\n")
      const client = yield* stage.connect("v2", TENANT, "--header-from", path)
      yield* echo(client, "x")
      assert.isAbove(keys.length, 2)
      assert.isTrue(keys.every((key) => key === "k1"))
      writeFileSync(path, "Authorization: Bearer x\n")
      const refused = yield* stage.bridge(TENANT, "--header-from", path)
      assert.strictEqual((yield* refused.exit).code, 2)
      yield* stage.finish
    }))

  it.scopedLive("ends with 143 on SIGTERM and gives the session back", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: HOUR })
      const bridge = yield* stage.bridge()
      yield* bridge.write(lines(INITIALIZE, INITIALIZED))
      yield* bridge.message((message) => message["id"] === 0)
      yield* bridge.signal("SIGTERM")
      assert.strictEqual((yield* bridge.exit).code, 143)
      assert.lengthOf(stage.resource.requests.filter(({ http }) => http === "DELETE"), 1)
      yield* stage.finish
    }))

  it.scopedLive(
    "ends with 143 on SIGTERM also where the server does not answer that the session is over",
    () =>
      Effect.gen(function*() {
        const told: Array<string> = []
        const stage = yield* make({
          left: HOUR,
          intercept: ({ method }) => {
            if (method === "DELETE") told.push(method)
            return method === "DELETE"
          }
        })
        const bridge = yield* stage.bridge()
        yield* bridge.write(lines(INITIALIZE, INITIALIZED))
        yield* bridge.message((message) => message["id"] === 0)
        yield* bridge.signal("SIGTERM")
        assert.strictEqual((yield* bridge.exit).code, 143)
        assert.deepStrictEqual(told, ["DELETE"])
        yield* stage.finish
      }),
    30_000
  )
})
