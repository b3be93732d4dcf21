/** Real servers of the MCP SDK on loopback, and a client of it at the other end of a bridge. */
import * as Bridge from "@lockstep/mcp/Bridge"
import * as RemoteTransport from "@lockstep/mcp/RemoteTransport"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js"
import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js"
import { type EventStore, StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import {
  CallToolRequestSchema,
  ElicitRequestSchema,
  ElicitResultSchema,
  type JSONRPCMessage,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema
} from "@modelcontextprotocol/sdk/types.js"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Options {
  readonly kind?: "streams" | "json" | "sse"
  /** Whether events have ids, and are kept. */
  readonly keepsEvents?: boolean
  /** What a forgotten session is answered with. */
  readonly forgets?: (response: ServerResponse) => void
}

const makeStore = (): EventStore => {
  const events: Array<{ readonly stream: string; readonly message: JSONRPCMessage }> = []
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message })),
    replayEventsAfter: async (id, { send }) => {
      const { stream } = events[Number(id) - 1]!
      for (let at = Number(id); at < events.length; at++) {
        if (events[at]!.stream === stream) await send(String(at + 1), events[at]!.message)
      }
      return stream
    }
  }
}

export const make = (options: Options = {}) =>
  Effect.gen(function*() {
    const kind = options.kind ?? "streams"
    const requests: Array<{ readonly http: string; readonly method: string; readonly version: unknown }> = []
    const calls = yield* Queue.unbounded<string>()
    const levels: Array<string> = []
    const sessions = new Map<string, { server: Server; transport: Transport }>()
    const forgotten = new Set<string>()
    const open = new Set<ServerResponse>()
    const resume = yield* Deferred.make<void>()

    const makeServer = () => {
      const server = new Server(
        { name: "sdk", version: "1" },
        { capabilities: { tools: { listChanged: true }, logging: {} } }
      )
      server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
        calls.unsafeOffer(params.name)
        if (params.name === "ask") {
          const { content } = await extra.sendRequest(
            {
              method: "elicitation/create",
              params: { message: "?", requestedSchema: { type: "object", properties: {} } }
            },
            ElicitResultSchema
          )
          return { content: [{ type: "text", text: JSON.stringify(content) }] }
        }
        if (params.name === "wait") {
          await extra.sendNotification({ method: "notifications/message", params: { level: "info", data: "began" } })
          await Effect.runPromise(Deferred.await(resume))
        }
        return { content: [{ type: "text", text: params.name }] }
      })
      return server
    }

    const read = async (request: IncomingMessage) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    }
    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      open.add(response)
      response.once("close", () => open.delete(response))
      const body = await read(request)
      requests.push({
        http: request.method ?? "",
        method: body?.method ?? "",
        version: request.headers["mcp-protocol-version"]
      })
      if (body?.method === "logging/setLevel") levels.push(body.params.level)
      if (kind === "sse") {
        if (request.method === "GET") {
          const server = makeServer()
          const transport = new SSEServerTransport("/messages", response)
          sessions.set(transport.sessionId, { server, transport })
          await server.connect(transport)
          return
        }
        const id = new URL(request.url ?? "", "http://x").searchParams.get("sessionId") ?? ""
        const session = sessions.get(id)
        if (session === undefined) return void response.writeHead(405).end()
        return await (session.transport as SSEServerTransport).handlePostMessage(request as never, response, body)
      }
      const id = request.headers["mcp-session-id"]
      if (typeof id === "string" && forgotten.has(id)) {
        return options.forgets === undefined ? void response.writeHead(404).end() : options.forgets(response)
      }
      const known = typeof id === "string" ? sessions.get(id) : undefined
      if (known !== undefined) {
        return await (known.transport as StreamableHTTPServerTransport).handleRequest(request, response, body)
      }
      const server = makeServer()
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: kind === "json",
        retryInterval: 10,
        ...(options.keepsEvents === true ? { eventStore: makeStore() } : {}),
        onsessioninitialized: (made) => void sessions.set(made, { server, transport: transport as Transport })
      })
      await server.connect(transport as Transport)
      await transport.handleRequest(request, response, body)
    }
    const http = createServer((request, response) => void serve(request, response).catch(() => response.destroy()))
    const port = yield* Effect.acquireRelease(
      Effect.async<number>((done) => {
        http.listen(0, "127.0.0.1", () => done(Effect.succeed((http.address() as AddressInfo).port)))
      }),
      () =>
        Effect.sync(() => {
          http.close()
          http.closeAllConnections()
        })
    )
    return {
      url: `http://127.0.0.1:${port}/mcp`,
      requests,
      levels,
      calls,
      /** Lets the tool `wait` answer. */
      answer: Effect.suspend(() => Deferred.succeed(resume, undefined)),
      forget: Effect.sync(() => {
        for (const id of sessions.keys()) forgotten.add(id)
        sessions.clear()
      }),
      cut: Effect.sync(() => {
        for (const response of open) response.destroy()
      }),
      say: (data: string) =>
        Effect.promise(() =>
          Promise.all([...sessions.values()].map(({ server }) => server.sendLoggingMessage({ level: "info", data })))
        )
    }
  })

/** A client that speaks through a bridge in this process. */
export const connect = (url: string, options: { readonly kind?: RemoteTransport.Kind } = {}) =>
  Effect.gen(function*() {
    const said = yield* Queue.unbounded<string>()
    const changed = yield* Queue.unbounded<void>()
    const server = yield* RemoteTransport.make({ kind: options.kind ?? "auto", url, fetch })
    const [near, client] = InMemoryTransport.createLinkedPair()
    yield* Effect.forkScoped(Bridge.run({ client, server }))
    const me = new Client({ name: "t", version: "1" }, { capabilities: { elicitation: {} } })
    me.setRequestHandler(ElicitRequestSchema, async () => ({ action: "accept", content: { name: "ann" } }))
    me.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) =>
      void said.unsafeOffer(String(params.data)))
    me.setNotificationHandler(ToolListChangedNotificationSchema, () =>
      void changed.unsafeOffer(undefined))
    yield* Effect.promise(() => me.connect(near))
    const call = (name: string) =>
      Effect.promise(async () =>
        ((await me.callTool({ name })).content as ReadonlyArray<{ readonly text: string }>)[0]!.text
      )
    return { me, call, said, changed }
  })
