/** The real command at servers that want it otherwise than most. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as LoginStage from "../support/LoginStage.js"
import { login, setting, succeeded } from "../support/McpStage.js"
import * as Stage from "../support/Stage.js"

/** A server of MCP 2025-03-26: no metadata of the resource, none of the authorization server, and fixed addresses. */
const olderServer = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly origin: string; readonly server: http.Server }>((resume) => {
    const server = http.createServer((request, response) => {
      request.resume()
      if (request.url === "/mcp") return void response.writeHead(401, { "www-authenticate": "Bearer" }).end()
      if (request.url === "/register") {
        return void response.writeHead(201, { "content-type": "application/json" }).end("{\"client_id\":\"dyn\"}")
      }
      response.writeHead(404).end()
    })
    server.listen(0, "127.0.0.1", () => {
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      resume(Effect.succeed({ url: `${origin}/mcp`, origin, server }))
    })
  }),
  ({ server }) =>
    Effect.async<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
)

describe("lockstep login", () => {
  it.scopedLive("adds what a person wants to the authorization request, and does so again", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const more = ["--no-browser", "--callback-host", "localhost", "--authorize-param", "login_hint=a b"]
      const begun = yield* stage.run([...stage.at("acme"), ...more])
      assert.strictEqual(begun.code, 0, begun.stderr)
      const url = new URL(begun.stdout.trim())
      assert.strictEqual(url.searchParams.get("login_hint"), "a b")
      assert.match(url.searchParams.get("redirect_uri") ?? "", /^http:\/\/localhost:\d+\//)
      yield* stage.login("acme", "alice", ["--authorize-param", "login_hint=a b"])
      const again = yield* stage.run(["login", "acme", "--no-browser", "--replace"])
      assert.strictEqual(new URL(again.stdout.trim()).searchParams.get("login_hint"), "a b")
    }))

  it.scopedLive("goes on with another client, where the server has forgotten the first and says so to people alone", () =>
    Effect.gen(function*() {
      const { resource, stage } = yield* setting()
      const first = succeeded(yield* login(stage, resource.url, "alice"))
      yield* stage.server.forget(stage.server.registrations[0]!)
      const healed = succeeded(yield* login(stage, resource.url, "alice", ["--replace"]))
      assert.notStrictEqual(healed.url.searchParams.get("client_id"), first.url.searchParams.get("client_id"))
      const begun = yield* stage.run(["login", resource.url, "--no-browser", "--replace", "--new-client"])
      const { searchParams } = new URL(begun.stdout.trim())
      assert.notStrictEqual(searchParams.get("client_id"), healed.url.searchParams.get("client_id"))
      assert.lengthOf(stage.server.registrations, 3)
    }))

  it.scopedLive("trusts a server of MCP 2025-03-26 where it is told to, and says how", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const { origin, url } = yield* olderServer
      const refused = yield* stage.run(["login", url, "--no-browser"])
      Stage.assertTold(refused, 2, /does not describe itself as MCP wants it/)
      assert.include(refused.stderr, "--mcp-version 2025-03-26")
      const begun = yield* stage.run(["login", url, "--no-browser", "--mcp-version", "2025-03-26"])
      assert.strictEqual(begun.code, 0, begun.stderr)
      assert.isTrue(begun.stdout.startsWith(`${origin}/authorize?`))
      const { resource } = yield* setting()
      const elsewhere = yield* stage.run(["login", resource.url, "--no-browser", "--mcp-version", "2025-03-26"])
      Stage.assertTold(elsewhere, 2, /--mcp-version/)
    }))

  it.scopedLive("refuses what would undo its own", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const cases: ReadonlyArray<[ReadonlyArray<string>, RegExp]> = [
        [["--authorize-param", "state=mine"], /--authorize-param: state/],
        [["--authorize-param", "access_type"], /NAME=VALUE/],
        [["--new-client"], /--new-client/],
        [["--mcp-version", "2025-03-26"], /--mcp-version/]
      ]
      for (const [more, what] of cases) {
        Stage.assertTold(yield* stage.run([...stage.at("acme"), "--no-browser", ...more]), 2, what)
      }
    }))
})
