/**
 * Logins of real MCP servers by their address: the command as people and agents run it, the strict authorization server of
 * the tests, and the MCP SDK behind a bearer check.
 */
import { assert, describe, it } from "@effect/vitest"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as Effect from "effect/Effect"
import * as LoginStage from "../support/LoginStage.js"
import { echo, nameOf, printToken, setting } from "../support/McpStage.js"
import * as Person from "../support/Person.js"

describe("a login of an MCP server by its address", () => {
  it.scopedLive("finds out who issues its tokens, says so, and stores a login that the server takes", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const begun = yield* stage.run(["login", resource.url, "--no-browser"])
      assert.strictEqual(begun.code, 0, begun.stderr)
      assert.include(begun.stderr, `${resource.url} is protected by ${stage.server.issuer}.`)
      assert.include(begun.stderr, `lockstep login ${tenant} --code -`)
      const url = new URL(begun.stdout.trim())
      assert.strictEqual(url.searchParams.get("resource"), resource.url)
      assert.strictEqual(url.searchParams.get("code_challenge_method"), "S256")
      assert.strictEqual(url.searchParams.get("scope"), "mcp:use offline_access")
      const answer = yield* stage.authorize(url.href, "alice")
      // The address names the same attempt.
      const ended = yield* stage.run(["login", resource.url, "--code", "-", "--json"], { input: answer.href })
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.deepInclude(JSON.parse(ended.stdout), {
        status: "stored",
        tenant,
        issuer: stage.server.issuer,
        resource: resource.url,
        refreshable: true
      })
      const first = yield* printToken(stage, tenant)
      assert.deepEqual(yield* echo(resource, first), [{ type: "text", text: "hello" }])

      const refreshed = yield* stage.run(["refresh", tenant])
      assert.strictEqual(refreshed.code, 0, refreshed.stderr)
      const second = yield* printToken(stage, tenant)
      assert.notStrictEqual(second, first)
      assert.deepEqual(yield* echo(resource, second), [{ type: "text", text: "hello" }])
      assert.deepStrictEqual(
        stage.server.tokenRequests.map(({ grantType, resource: named }) => [grantType, named]),
        [["authorization_code", resource.url], ["refresh_token", resource.url]]
      )
      const status = JSON.parse((yield* stage.run(["status", "--json"])).stdout) as LoginStage.Json
      const [told] = status["tenants"] as ReadonlyArray<LoginStage.Json>
      const table = (yield* stage.run(["status"])).stdout
      assert.match(table, /^TENANT .* SERVER\n/)
      assert.include(table, resource.url)
      assert.deepInclude(told, { tenant, vendor: "mcp", issuer: stage.server.issuer, resource: resource.url })
    }))

  it.scopedLive("goes through a browser of this machine", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const child = yield* stage.start(["login", resource.url, "--json"])
      const told = yield* child.message(({ status }) => status === "waiting")
      assert.deepInclude(told, { tenant, issuer: stage.server.issuer, resource: resource.url })
      const page = yield* Person.visit(yield* stage.authorize(told["authorization_url"] as string, "alice"))
      assert.strictEqual(page.status, 200)
      assert.strictEqual((yield* stage.finish(child)).code, 0)
      assert.deepEqual(yield* echo(resource, yield* printToken(stage, tenant)), [{ type: "text", text: "hello" }])
    }))

  it.scopedLive("goes through another device", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const begun = yield* stage.run(["login", resource.url, "--device", "--no-browser", "--json"])
      assert.strictEqual(begun.code, 0, begun.stdout)
      yield* Person.agree((JSON.parse(begun.stdout) as LoginStage.Json)["verification_uri_complete"] as string)
      const ended = yield* stage.run(["login", tenant, "--poll", "--json"])
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.deepEqual(yield* echo(resource, yield* printToken(stage, tenant)), [{ type: "text", text: "hello" }])
      assert.isTrue(stage.server.tokenRequests.every((request) => request.resource === resource.url))
    }))

  it.scopedLive("speaks as the client whose metadata is at an address of ours, where the server reads such", () =>
    Effect.gen(function*() {
      const client = "https://agents.example/lockstep.json"
      const stage = yield* LoginStage.makeWith({
        clientMetadata: (url) =>
          url === client
            ? {
              client_id: client,
              client_name: "Lockstep of a test",
              application_type: "native",
              redirect_uris: ["http://127.0.0.1/callback"],
              grant_types: ["authorization_code", "refresh_token"],
              response_types: ["code"],
              token_endpoint_auth_method: "none"
            }
            : undefined
      })
      const resource = yield* McpResource.make({ authorizationServer: stage.server })
      const env = { LOCKSTEP_CLIENT_METADATA_URL: client }
      const begun = yield* stage.run(["login", resource.url, "--no-browser"], { env })
      const url = new URL(begun.stdout.trim())
      assert.strictEqual(url.searchParams.get("client_id"), client)
      const answer = yield* stage.authorize(url.href, "alice")
      const ended = yield* stage.run(["login", resource.url, "--code", "-"], { input: answer.href })
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.strictEqual((yield* stage.run(["refresh", nameOf(resource)])).code, 0)
      assert.lengthOf(stage.server.registrations, 0)
    }))
})
