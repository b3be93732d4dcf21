/**
 * Further logins of MCP servers: again, at another server of the same issuer, and once the server has forgotten the client.
 */
import { assert, describe, it } from "@effect/vitest"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as Effect from "effect/Effect"
import { echo, login, printToken, setting, succeeded } from "../support/McpStage.js"
import * as Stage from "../support/Stage.js"

describe("a login of an MCP server", () => {
  it.scopedLive("is repeated by its name, by asking the server again, as the same client", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      succeeded(yield* login(stage, resource.url, "alice"))
      const refused = yield* stage.run(["login", resource.url, "--no-browser"])
      Stage.assertTold(refused, 2, /logged in already/)
      const reads = resource.metadataReads()
      const again = succeeded(yield* login(stage, tenant, "alice", ["--replace"]))
      assert.isAbove(resource.metadataReads(), reads)
      assert.strictEqual(again.stored["generation"], 2)
      assert.deepStrictEqual(stage.server.registrations, [again.url.searchParams.get("client_id") ?? ""])
    }))

  it.scopedLive("shares the client of the issuer with other servers, and no name", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const other = yield* McpResource.make({ authorizationServer: stage.server, path: "/" })
      succeeded(yield* login(stage, resource.url, "alice"))
      const second = succeeded(yield* login(stage, other.url, "alice"))
      assert.notStrictEqual(second.told["tenant"], tenant)
      assert.strictEqual((yield* stage.stored(second.told["tenant"] as string))!["resource"], other.url)
      assert.lengthOf(stage.server.registrations, 1)
      // Also after a logout.
      yield* stage.run(["logout", tenant])
      succeeded(yield* login(stage, resource.url, "alice"))
      assert.lengthOf(stage.server.registrations, 1)
    }))

  it.scopedLive("is renewed as another client once the server has forgotten the first", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const first = succeeded(yield* login(stage, resource.url, "alice"))
      const [clientId = ""] = stage.server.registrations
      yield* stage.server.forget(clientId)
      yield* stage.expire(tenant)
      const refused = yield* stage.run(["token", tenant])
      Stage.assertTold(refused, 3, /with a client that is no longer registered with the authorization server/)
      const again = succeeded(yield* login(stage, tenant, "alice"))
      assert.notStrictEqual(again.url.searchParams.get("client_id"), first.url.searchParams.get("client_id"))
      assert.deepEqual(yield* echo(resource, yield* printToken(stage, tenant)), [{ type: "text", text: "hello" }])
    }))
})
