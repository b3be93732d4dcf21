/** Clients of the MCP SDK over real bridges, a server that wants a login, and the strict server that issues it. */
import { assert } from "@effect/vitest"
import * as LeakCheck from "@lockstep/testkit/LeakCheck"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import { Client as ClientV2 } from "@modelcontextprotocol/client"
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { inject } from "vitest"

export const TENANT = "mcp:files"
export const HOUR = 3600

export const make = (options: { readonly left?: number; readonly intercept?: McpResource.Options["intercept"] } = {}) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ requireResource: true })
    const resource = yield* McpResource.make({
      authorizationServer: server,
      ...(options.intercept === undefined ? {} : { intercept: options.intercept })
    })
    const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
    const login = {
      ...yield* SeededHome.issue(server, TENANT, { resource: resource.url, scope: "mcp:use offline_access" }),
      ...(options.left === undefined ? {} : { expires_at: Math.floor(Date.now() / 1000) + options.left })
    }
    const file = yield* SeededHome.write(harness.home, [login])
    const shown: Array<LeakCheck.Evidence> = []
    const see = (where: string, text: string) => void shown.push({ where, text, permitted: [] })

    /** A client of either line of the SDK, over a bridge of its own. */
    const connect = (line: "v1" | "v2" | "v2 that asks for a newer revision first", ...args: ReadonlyArray<string>) =>
      Effect.acquireRelease(
        Effect.promise(async () => {
          const command = {
            command: process.execPath,
            args: [inject("lockstep"), "mcp", ...(args.length === 0 ? [TENANT] : args)],
            env: { ...harness.environment },
            stderr: "pipe" as const
          }
          const transport = line === "v1" ? new StdioV1(command) : new StdioV2(command)
          transport.stderr?.on("data", (bytes: Buffer) => see("stderr", bytes.toString()))
          const client = line === "v1"
            ? new ClientV1({ name: "t", version: "1" })
            : new ClientV2(
              { name: "t", version: "1" },
              line === "v2" ? {} : { versionNegotiation: { mode: "auto" } }
            )
          await client.connect(transport as never)
          const { onmessage } = transport
          Object.assign(transport, {
            onmessage: (message: never) => {
              see("stdout", JSON.stringify(message))
              onmessage?.(message)
            }
          })
          return client as ClientV2
        }),
        (client) => Effect.promise(() => client.close())
      )
    /** A bridge that the test speaks to itself. */
    const bridge = (...args: ReadonlyArray<string>) =>
      harness.spawn({ args: [inject("lockstep"), "mcp", ...(args.length === 0 ? [TENANT] : args)] })
    return {
      server,
      resource,
      harness,
      login,
      connect,
      bridge,
      /** How many messages of a method have reached the clients. */
      shown: (method: string) => shown.filter(({ text }) => text.includes(`"method":"${method}"`)).length,
      stored: Effect.sync(() =>
        (JSON.parse(readFileSync(file, "utf8")) as { tenants: Record<string, { access_token: string }> })
          .tenants[TENANT]!.access_token
      ),
      finish: Effect.gen(function*() {
        assert.deepStrictEqual(LeakCheck.find(server.ledger.secrets, shown), [])
        yield* harness.assertNoLeak
      })
    }
  })

export const callTool = (
  client: ClientV2,
  params: Parameters<ClientV2["callTool"]>[0],
  options: { onprogress: () => void }
): Promise<unknown> =>
  // v1 has the schema of the result in between.
  (client as unknown) instanceof ClientV1
    ? (client as unknown as ClientV1).callTool(params, undefined, options)
    : client.callTool(params, options)

export const echo = (client: ClientV2, text: string) =>
  Effect.promise(async () => {
    const { content } = await client.callTool({ name: "echo", arguments: { text } })
    return (content as ReadonlyArray<{ readonly text: string }>)[0]!.text
  })
