/**
 * The client of the MCP SDK, which knows of no login, through the proxy to a server that wants one.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import { Client, type OAuthClientProvider, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { inject } from "vitest"

const TENANT = "mcp:files"

const make = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make({ requireResource: true })
  const resource = yield* McpResource.make({ authorizationServer: server })
  const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
  const login = yield* SeededHome.issue(server, TENANT, { resource: resource.url, scope: "mcp:use offline_access" })
  const file = yield* SeededHome.write(harness.home, [login])
  const child = yield* harness.spawn({
    args: [inject("lockstep"), "proxy", TENANT, "--to", resource.url, "--json"]
  })
  const { url } = yield* child.message((message) => typeof message["url"] === "string")
  return {
    server,
    resource,
    url: new URL(url as string),
    stored: Effect.sync(() =>
      (JSON.parse(readFileSync(file, "utf8")) as { tenants: Record<string, { access_token: string }> })
        .tenants[TENANT]!.access_token
    ),
    finish: Effect.gen(function*() {
      yield* child.signal("SIGTERM")
      const { code } = yield* child.exit
      yield* harness.assertNoLeak
      return code
    })
  }
})

const connect = (url: URL, authProvider?: OAuthClientProvider) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ name: "test", version: "1" })
      await client.connect(
        new StreamableHTTPClientTransport(url, authProvider === undefined ? {} : { authProvider })
      )
      return client
    }),
    (client) => Effect.promise(() => client.close())
  )

const echo = (client: Client, text: string) =>
  Effect.promise(async () => (await client.callTool({ name: "echo", arguments: { text } })).content)

describe("an MCP client behind lockstep proxy", () => {
  it.scopedLive("calls tools and reads streams, also when its token is refused in between", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const client = yield* connect(stage.url)
      assert.deepStrictEqual(yield* echo(client, "hello"), [{ type: "text", text: "hello" }])
      const steps: Array<number> = []
      yield* Effect.promise(() =>
        client.callTool({ name: "stream", arguments: { count: 3 } }, {
          onprogress: ({ progress }) => void steps.push(progress)
        })
      )
      assert.deepStrictEqual(steps, [1, 2, 3])
      yield* stage.resource.rejectFromNow(yield* stage.stored)
      const answers = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, index) => `${index}`),
        (text) => echo(client, text),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(answers, 8)
      assert.lengthOf(stage.server.ledger.redemptions, 2)
      assert.lengthOf(stage.server.ledger.reuses, 0)
      yield* Effect.promise(() => client.close())
      assert.strictEqual(yield* stage.finish, 143)
    }))

  it.scopedLive("begins no login of its own, whatever the server says", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const asked: Array<string> = []
      const never = (what: string) => () => {
        asked.push(what)
        throw new Error(`the client asked for ${what}`)
      }
      const client = yield* connect(stage.url, {
        redirectUrl: "http://127.0.0.1/callback",
        clientMetadata: { redirect_uris: ["http://127.0.0.1/callback"] },
        tokens: () => undefined,
        clientInformation: never("its registration"),
        saveTokens: never("a place for tokens"),
        redirectToAuthorization: never("a browser"),
        saveCodeVerifier: never("a verifier"),
        codeVerifier: never("a verifier")
      })
      yield* stage.resource.rejectAll(true)
      const failed = yield* Effect.promise(() =>
        client.callTool({ name: "echo", arguments: { text: "x" } }).then(() => "", (error: unknown) => String(error))
      )
      assert.include(failed, "token-rejected")
      yield* stage.resource.rejectAll(false)
      const beyond = yield* Effect.promise(() =>
        client.callTool({ name: "write", arguments: {} }).then(() => "", (error: unknown) => String(error))
      )
      assert.include(beyond, "insufficient_scope")
      assert.deepStrictEqual(asked, [])
      assert.strictEqual(stage.resource.metadataReads(), 0)
      assert.strictEqual(yield* stage.finish, 143)
    }))
})
