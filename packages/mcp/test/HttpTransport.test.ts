import { assert, describe, it } from "@effect/vitest"
import * as HttpTransport from "@lockstep/mcp/HttpTransport"
import type * as JsonRpc from "@lockstep/mcp/JsonRpc"
import type { Transport } from "@lockstep/mcp/Transport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { ServerResponse } from "node:http"
import * as SdkServer from "./support/SdkServer.js"

const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
const until = (condition: () => boolean) => Effect.repeat(turn, { until: condition })

const failure = (promise: () => Promise<unknown>) =>
  Effect.promise(() => promise().then(() => assert.fail("it did not fail"), (error: { data?: unknown }) => error.data))

/** Leads away from the endpoint, to a 404. */
const led = (status: number) => (response: ServerResponse) =>
  void (response.req.url === "/gone"
    ? response.writeHead(404).end()
    : response.writeHead(status, { location: "/gone" }).end())

describe("Streamable HTTP", () => {
  for (const kind of ["streams", "json"] as const) {
    it.scopedLive(`calls tools of a server that answers with ${kind}, and names the version that was agreed`, () =>
      Effect.gen(function*() {
        const server = yield* SdkServer.make({ kind })
        const client = yield* SdkServer.connect(server.url)
        assert.strictEqual(yield* client.call("x"), "x")
        const [first, ...rest] = server.requests
        assert.isUndefined(first!.version)
        assert.isTrue(
          rest.length > 1 && rest.every(({ version }) => version === rest[0]!.version && version !== undefined)
        )
      }))
  }

  it.scopedLive("lets the server ask something back during a call", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make()
      const client = yield* SdkServer.connect(server.url)
      assert.include(yield* client.call("ask"), "ann")
    }))

  it.scopedLive("goes on with a call where its stream broke off", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make({ keepsEvents: true })
      const client = yield* SdkServer.connect(server.url)
      const waiting = yield* Effect.fork(client.call("wait"))
      yield* Queue.take(server.calls)
      assert.strictEqual(yield* Queue.take(client.said), "began")
      yield* server.cut
      yield* until(() => server.requests.filter(({ http }) => http === "GET").length > 1)
      yield* server.answer
      assert.strictEqual(yield* Fiber.join(waiting), "wait")
    }))

  it.scopedLive("tells a call whose answer is lost, does not send it again, and goes on", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make()
      const client = yield* SdkServer.connect(server.url)
      const lost = yield* Effect.fork(failure(() => client.me.callTool({ name: "wait" })))
      yield* Queue.take(server.calls)
      assert.strictEqual(yield* Queue.take(client.said), "began")
      yield* server.cut
      assert.include(yield* Fiber.join(lost), { _tag: "RemoteError", reason: "AnswerLost" })
      assert.strictEqual(yield* Queue.size(server.calls), 0)
      assert.strictEqual(yield* client.call("x"), "x")
    }))

  it.scopedLive("hears what was said while its connection was broken", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make({ keepsEvents: true })
      const client = yield* SdkServer.connect(server.url)
      yield* until(() => server.requests.some(({ http }) => http === "GET"))
      yield* turn
      yield* server.say("one")
      assert.strictEqual(yield* Queue.take(client.said), "one")
      yield* server.cut
      yield* server.say("two")
      assert.strictEqual(yield* Queue.take(client.said), "two")
    }))

  it.scopedLive("begins another session when the endpoint answers 404 to the old one, once, and as it was", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make()
      const client = yield* SdkServer.connect(server.url)
      yield* Effect.promise(() => client.me.setLoggingLevel("debug"))
      yield* server.forget
      const names = ["a", "b", "c", "d"]
      assert.deepStrictEqual(yield* Effect.forEach(names, client.call, { concurrency: "unbounded" }), names)
      assert.lengthOf(server.requests.filter(({ method }) => method === "initialize"), 2)
      assert.deepStrictEqual(server.levels, ["debug", "debug"])
      yield* Queue.take(client.changed)
    }))

  for (
    const [name, forgets, addresses] of [
      [
        "400, and why",
        (response: ServerResponse) =>
          void response.writeHead(400).end(
            `{"jsonrpc":"2.0","error":{"code":-32000,"message":"no such session"},"id":null}`
          ),
        1
      ],
      ["a redirect to what is not there", led(307), 2],
      ["a redirect to a page that is not there", led(303), 1]
    ] as const
  ) {
    it.scopedLive(`sends nothing again that was answered with ${name}, and begins another session for what comes next`, () =>
      Effect.gen(function*() {
        const server = yield* SdkServer.make({ forgets })
        const client = yield* SdkServer.connect(server.url)
        yield* until(() => server.requests.some(({ http }) => http === "GET"))
        yield* server.forget
        const before = server.requests.filter(({ method }) => method === "tools/call").length
        yield* failure(() => client.me.callTool({ name: "a" }))
        assert.lengthOf(server.requests.filter(({ method }) => method === "tools/call"), before + addresses)
        assert.strictEqual(yield* Queue.size(server.calls), 0)
        assert.strictEqual(yield* client.call("b"), "b")
        assert.lengthOf(server.requests.filter(({ method }) => method === "initialize"), 2)
      }))
  }

  it.scopedLive("calls a server unreachable only where nothing was sent", () =>
    Effect.gen(function*() {
      const reasonOf = (code: string) =>
        Effect.flatMap(
          HttpTransport.make({
            url: "http://127.0.0.1/mcp",
            fetch: () =>
              Promise.reject(new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code }) }))
          }),
          (transport) =>
            Effect.promise(() =>
              transport.send({ jsonrpc: "2.0", id: 1, method: "tools/call" }).catch((error: { reason: string }) =>
                error.reason
              )
            )
        )
      for (const code of ["ECONNREFUSED", "ENOTFOUND", "CERT_HAS_EXPIRED"]) {
        assert.strictEqual(yield* reasonOf(code), "Unreachable", code)
      }
      for (const code of ["ECONNRESET", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT"]) {
        assert.strictEqual(yield* reasonOf(code), "AnswerLost", code)
      }
    }))

  it.scopedLive("reads no message without end, whatever it comes in", () =>
    Effect.gen(function*() {
      const call = { jsonrpc: "2.0", id: 1, method: "tools/call" } as const
      const piece = new Uint8Array(1024 * 1024).fill(0x20)
      const endless = (type: string, status = 200, first = "") => {
        const body = { pulled: 0, isCancelled: false }
        const stream = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(new TextEncoder().encode(first)),
          pull: (controller) => {
            body.pulled++
            controller.enqueue(piece)
          },
          cancel: () => {
            body.isCancelled = true
          }
        }, { highWaterMark: 0 })
        return { body, response: new Response(stream, { status, headers: { "content-type": type } }) }
      }
      const cases = [
        [endless("application/json"), "Content", 64],
        [endless("text/event-stream", 200, "data: "), "Content", 64],
        // Where it could go on from is no reason to be sent the same again.
        [endless("text/event-stream", 200, "id: 1\ndata: {}\n\ndata: "), "Content", 64],
        [endless("text/html", 500), "Status", 0]
      ] as const
      for (const [{ body, response }, reason, limit] of cases) {
        const transport = yield* HttpTransport.make({
          url: "http://127.0.0.1/mcp",
          fetch: () => Promise.resolve(response)
        })
        const told = yield* Effect.promise(() =>
          transport.send(call).catch((error: { reason: string }) => error.reason)
        )
        assert.strictEqual(told, reason)
        assert.isAtMost(body.pulled, limit + 2)
        assert.isTrue(body.isCancelled)
      }
    }))

  it.scopedLive("reads no faster than messages are taken", () =>
    Effect.gen(function*() {
      const got: Array<JsonRpc.Message> = []
      let pulled = 0
      const event = new TextEncoder().encode(`data: {"jsonrpc":"2.0","method":"m"}\n\n`)
      const body = () =>
        new ReadableStream<Uint8Array>({
          pull: (controller) => {
            // Not for ever, so that a client that reads ahead is found out and does not hang.
            if (++pulled > 50) return controller.close()
            controller.enqueue(event)
          }
        }, { highWaterMark: 0 })
      const transport: Transport = yield* HttpTransport.make({
        url: "http://127.0.0.1/mcp",
        fetch: () => Promise.resolve(new Response(body(), { headers: { "content-type": "text/event-stream" } }))
      })
      let take = () => {}
      const seen = yield* Queue.unbounded<void>()
      Object.assign(transport, {
        onmessage: (message: JsonRpc.Message) => {
          got.push(message)
          seen.unsafeOffer(undefined)
          return new Promise<void>((resolve) => (take = resolve))
        }
      })
      void transport.send({ jsonrpc: "2.0", id: 1, method: "tools/call" }).catch(() => undefined)
      for (let count = 1; count <= 3; count++) {
        yield* Queue.take(seen)
        yield* Effect.repeatN(turn, 20)
        assert.lengthOf(got, count)
        assert.strictEqual(pulled, count)
        take()
      }
      yield* Effect.promise(() => transport.close())
    }))
})

describe("HTTP with SSE", () => {
  it.scopedLive("is what a server is spoken to that takes no POST, also after its stream has ended", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make({ kind: "sse" })
      const client = yield* SdkServer.connect(server.url)
      assert.strictEqual(yield* client.call("x"), "x")
      assert.include(yield* client.call("ask"), "ann")
      const lost = yield* Effect.fork(failure(() => client.me.callTool({ name: "wait" })))
      yield* Queue.take(server.calls)
      yield* Queue.take(server.calls)
      yield* Queue.take(server.calls)
      assert.strictEqual(yield* Queue.take(client.said), "began")
      yield* server.cut
      assert.include(yield* Fiber.join(lost), { _tag: "RemoteError", reason: "AnswerLost" })
      assert.strictEqual(yield* client.call("y"), "y")
    }))

  it.scopedLive("is not tried where the server takes neither", () =>
    Effect.gen(function*() {
      const server = yield* SdkServer.make({ kind: "sse" })
      const error = yield* failure(() =>
        Effect.runPromise(Effect.scoped(SdkServer.connect(server.url, { kind: "http" })))
      )
      assert.isUndefined(error)
      assert.isTrue(server.requests.every(({ http }) => http === "POST"))
    }))
})
