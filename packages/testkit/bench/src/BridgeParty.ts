/**
 * A process that takes part in the measurement of the bridge: a server of the MCP SDK, or a client of it, which speaks to
 * that server by itself or through a bridge.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { CallToolRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Remote from "./Remote.js"

const serve = () =>
  Effect.async<string>((resume) => {
    const sessions = new Map<string, StreamableHTTPServerTransport>()
    const http = Http.createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
      const known = sessions.get(String(request.headers["mcp-session-id"]))
      if (known !== undefined) return known.handleRequest(request, response)
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, transport)
      })
      const server = new Server({ name: "bench", version: "1" }, { capabilities: { tools: {} } })
      server.setRequestHandler(CallToolRequestSchema, async () => ({ content: [{ type: "text", text: "ok" }] }))
      await server.connect(transport as Parameters<Server["connect"]>[0])
      return transport.handleRequest(request, response)
    })
    http.listen(0, "127.0.0.1", () => {
      resume(Effect.succeed(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`))
    })
  })

/** Where the client connects: to the server, or to the command that is started for it. */
export interface Way {
  readonly url: string
  readonly bridge?: { readonly args: ReadonlyArray<string>; readonly home: string } | undefined
}

const clients = new Map<string, Promise<Client>>()

const connect = async ({ bridge, url }: Way): Promise<Client> => {
  const client = new Client({ name: "bench", version: "1" })
  const transport = bridge === undefined
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({
      command: process.execPath,
      args: [...bridge.args],
      env: { PATH: process.env["PATH"] ?? "", LOCKSTEP_HOME: bridge.home }
    })
  await client.connect(transport as Parameters<Client["connect"]>[0])
  return client
}

const clientOf = (way: Way): Promise<Client> => {
  const name = way.bridge === undefined ? "direct" : "bridge"
  const client = clients.get(name) ?? connect(way)
  clients.set(name, client)
  return client
}

const handlers = {
  serve,

  /** Milliseconds of each of so many calls of a tool, one after the other. */
  latency: ({ calls, way }: { readonly way: Way; readonly calls: number }) =>
    Effect.tryPromise(async () => {
      const client = await clientOf(way)
      const times: Array<number> = []
      for (let count = 0; count < calls; count++) {
        const began = performance.now()
        await client.callTool({ name: "x" })
        times.push(performance.now() - began)
      }
      return times
    }),

  /** Calls per second, so many of them at one time. */
  rate: ({ atOnce, calls, way }: { readonly way: Way; readonly calls: number; readonly atOnce: number }) =>
    Effect.tryPromise(async () => {
      const client = await clientOf(way)
      let left = calls
      const lane = async () => {
        while (left-- > 0) await client.callTool({ name: "x" })
      }
      const began = performance.now()
      await Promise.all(Array.from({ length: atOnce }, lane))
      return calls * 1000 / (performance.now() - began)
    })
}

/**
 * What it can be asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type BridgeParty = typeof handlers

NodeRuntime.runMain(Remote.serve(handlers))
