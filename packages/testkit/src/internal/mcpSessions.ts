import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"

/** A JSON-RPC body, and what decides whether it may be sent. */
export interface Message {
  readonly body: unknown
  readonly method: string | undefined
  readonly tool: string | undefined
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

const text = (value: unknown): string | undefined => typeof value === "string" ? value : undefined

/** Reads a body. One that is no JSON is left to the SDK. */
export const read = (body: string): Message => {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    parsed = undefined
  }
  return {
    body: parsed,
    method: text(member(parsed, "method")),
    tool: text(member(member(parsed, "params"), "name"))
  }
}

const TOOLS = [
  {
    name: "echo",
    description: "Answers what it was told.",
    inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] }
  },
  {
    name: "stream",
    description: "Reports steps of progress, and answers last.",
    inputSchema: { type: "object", properties: { count: { type: "number" }, text: { type: "string" } } }
  },
  {
    name: "write",
    description: "Needs the scope files:write.",
    inputSchema: { type: "object", properties: { text: { type: "string" } } }
  }
] as const

const makeServer = (step: (number: number) => Promise<void>): Server => {
  const server = new Server(
    { name: "lockstep-testkit", version: "1.0.0" },
    { capabilities: { tools: {}, logging: {} } }
  )
  server.setRequestHandler(ListToolsRequestSchema, async () => ({ tools: TOOLS.map((tool) => ({ ...tool })) }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const said = text(params.arguments?.["text"]) ?? ""
    const total = params.name === "stream" ? Number(params.arguments?.["count"] ?? 3) : 0
    const progressToken = params._meta?.progressToken
    for (let progress = 1; progress <= total; progress++) {
      await step(progress)
      await extra.sendNotification(
        progressToken === undefined
          ? { method: "notifications/message", params: { level: "info", data: `${said} ${progress}` } }
          : { method: "notifications/progress", params: { progressToken, progress, total } }
      )
    }
    return { content: [{ type: "text", text: said }] }
  })
  return server
}

/** The sessions of one MCP server, as the SDK keeps them. They end with the scope. */
export const make = ({ step }: {
  readonly step: (number: number) => Promise<void>
}): Effect.Effect<
  {
    readonly handle: (request: IncomingMessage, response: ServerResponse, message: Message) => Promise<void>
    readonly announce: (text: string) => Promise<number>
    readonly cut: () => void
  },
  never,
  Scope.Scope
> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        new Map<string, { readonly server: Server; readonly transport: StreamableHTTPServerTransport }>()
      ),
      (sessions) => Effect.promise(() => Promise.all([...sessions.values()].map(({ server }) => server.close())))
    ),
    (sessions) => {
      const open = new Set<ServerResponse>()
      const streams = new Map<string, ServerResponse>()
      const begin = async () => {
        const server = makeServer(step)
        const transport = new StreamableHTTPServerTransport({
          sessionIdGenerator: randomUUID,
          onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
          onsessionclosed: (id) => void sessions.delete(id)
        })
        await server.connect(transport as Parameters<Server["connect"]>[0])
        return transport
      }
      return {
        handle: async (request, response, { body, method }) => {
          open.add(response)
          const id = text(request.headers["mcp-session-id"])
          response.once("close", () => {
            open.delete(response)
            if (id !== undefined && streams.get(id) === response) streams.delete(id)
          })
          const session = id === undefined ? undefined : sessions.get(id)
          if (session === undefined && method !== "initialize") {
            response.writeHead(id === undefined ? 400 : 404).end()
            return
          }
          if (id !== undefined && request.method === "GET") streams.set(id, response)
          await (session?.transport ?? await begin()).handleRequest(request, response, body)
        },
        announce: async (said) => {
          const listening = [...sessions].filter(([id]) => streams.has(id))
          await Promise.all(listening.map(([, { server }]) => server.sendLoggingMessage({ level: "info", data: said })))
          return listening.length
        },
        cut: () => {
          for (const response of open) response.destroy()
        }
      }
    }
  )
