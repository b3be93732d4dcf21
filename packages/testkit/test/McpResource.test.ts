import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import * as Effect from "effect/Effect"

const connect = (url: string, token: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ name: "test", version: "1" })
      const transport = new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers: { authorization: `Bearer ${token}` } }
      })
      await client.connect(transport as Parameters<Client["connect"]>[0])
      return client
    }),
    (client) => Effect.promise(() => client.close())
  )

const stage = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const resource = yield* McpResource.make({ authorizationServer: server })
  const issued = yield* server.issue("ann", { resource: resource.url, scope: "mcp:use offline_access" })
  return { server, resource, issued }
})

const post = (url: string, token?: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: "{}"
    })
    await response.arrayBuffer()
    return { status: response.status, challenge: response.headers.get("www-authenticate") ?? "" }
  })

describe("an MCP server of the testkit", () => {
  it.scopedLive("says where its metadata is to a client without a token, and names its issuer there", () =>
    Effect.gen(function*() {
      const { resource, server } = yield* stage
      const refused = yield* post(resource.url)
      assert.strictEqual(refused.status, 401)
      assert.include(refused.challenge, `resource_metadata="${resource.metadataUrl}"`)
      const document = yield* Effect.promise(async () => (await fetch(resource.metadataUrl)).json())
      assert.deepInclude(document, { resource: resource.url, authorization_servers: [server.issuer] })
      assert.strictEqual(resource.rejections(), 1)
    }))

  it.scopedLive("serves the client of the SDK with a token that is for it", () =>
    Effect.gen(function*() {
      const { issued, resource } = yield* stage
      const client = yield* connect(resource.url, issued.access_token)
      const echoed = yield* Effect.promise(() => client.callTool({ name: "echo", arguments: { text: "hello" } }))
      assert.deepEqual(echoed.content, [{ type: "text", text: "hello" }])
      const steps: Array<number> = []
      yield* Effect.promise(() =>
        client.callTool({ name: "stream", arguments: { count: 3 } }, undefined, {
          onprogress: ({ progress }) => void steps.push(progress)
        })
      )
      assert.deepStrictEqual(steps, [1, 2, 3])
      assert.deepStrictEqual([...resource.tokens], [fingerprint(issued.access_token)])
      assert.strictEqual(resource.rejections(), 0)
    }))

  it.scopedLive("refuses a token for something else, one that it shall refuse, and a tool beyond its scope", () =>
    Effect.gen(function*() {
      const { issued, resource, server } = yield* stage
      const other = yield* server.issue("ann")
      assert.include(
        (yield* post(resource.url, other.access_token)).challenge,
        "error=\"invalid_token\""
      )
      const client = yield* connect(resource.url, issued.access_token)
      const written = yield* Effect.promise(() =>
        client.callTool({ name: "write", arguments: {} }).catch((error: unknown) => String(error))
      )
      assert.include(String(written), "insufficient_scope")
      yield* resource.rejectFromNow(issued.access_token)
      assert.strictEqual((yield* post(resource.url, issued.access_token)).status, 401)
    }))
})

describe("an authorization server of the testkit that requires `resource`", () => {
  it.scopedLive("refuses a refresh without it, and one for a resource that is not protected", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ requireResource: true })
      const resource = yield* McpResource.make({ authorizationServer: server })
      const issued = yield* server.issue("ann", { resource: resource.url, scope: "mcp:use offline_access" })
      assert.strictEqual((yield* server.refresh(issued.refresh_token)).body.error, "invalid_target")
      assert.deepStrictEqual(server.tokenRequests.map((request) => request.resource), [resource.url, null])
    }))
})
