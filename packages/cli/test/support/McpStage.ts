/**
 * A real MCP server on loopback that the strict authorization server protects, a home, and the command as a real process.
 */
import { assert } from "@effect/vitest"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import * as Effect from "effect/Effect"
import * as LoginStage from "./LoginStage.js"

type Resource = McpResource.McpResource

/** A server and a home that knows nothing of it. */
export const setting = (options: Partial<McpResource.Options> = {}) =>
  Effect.gen(function*() {
    const stage = yield* LoginStage.makeWith({ requireResource: true })
    const resource = yield* McpResource.make({ authorizationServer: stage.server, ...options })
    return { stage, resource, tenant: nameOf(resource) }
  })

/** How its login is called where no name is given. */
export const nameOf = ({ origin }: Resource): string => `mcp:127.0.0.1-${new URL(origin).port}`

/** Both steps, by address or by name. */
export const login = (
  stage: LoginStage.LoginStage,
  target: string,
  account: string,
  more: ReadonlyArray<string> = []
) =>
  Effect.gen(function*() {
    const begun = yield* stage.run(["login", target, "--no-browser", "--json", ...more])
    assert.strictEqual(begun.code, 0, begun.stdout + begun.stderr)
    const told = JSON.parse(begun.stdout) as LoginStage.Json
    const url = new URL(told["authorization_url"] as string)
    const answer = yield* stage.authorize(url.href, account)
    const ended = yield* stage.run(["login", told["tenant"] as string, "--code", "-", "--json"], { input: answer.href })
    return { told, url, ended, stored: JSON.parse(ended.stdout) as LoginStage.Json }
  })

export const succeeded = (ran: Effect.Effect.Success<ReturnType<typeof login>>) => {
  assert.strictEqual(ran.ended.code, 0, ran.ended.stdout)
  return ran
}

/** Says something to the server, as an agent would with the token that the command prints. */
export const echo = (resource: Resource, token: string) =>
  Effect.promise(async () => {
    const client = new Client({ name: "test", version: "1" })
    const transport = new StreamableHTTPClientTransport(new URL(resource.url), {
      requestInit: { headers: { authorization: `Bearer ${token}` } }
    })
    await client.connect(transport)
    const { content } = await client.callTool({ name: "echo", arguments: { text: "hello" } })
    await client.close()
    return content
  })

export const printToken = (stage: LoginStage.LoginStage, tenant: string) =>
  Effect.map(stage.run(["token", tenant], { prints: ["access_token"] }), ({ stdout }) => stdout.trim())
