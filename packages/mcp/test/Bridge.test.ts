import { assert, describe, it } from "@effect/vitest"
import * as Bridge from "@lockstep/mcp/Bridge"
import * as JsonRpc from "@lockstep/mcp/JsonRpc"
import type { SendOptions, Transport } from "@lockstep/mcp/Transport"
import type { Transport as TransportV2 } from "@modelcontextprotocol/client"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js"
import type { Transport as TransportV1 } from "@modelcontextprotocol/sdk/shared/transport.js"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

type Message = JsonRpc.Message

const request = (id: JsonRpc.Id, method = "tools/call", params: unknown = {}): Message => ({
  jsonrpc: "2.0",
  id,
  method,
  params
})
const notification = (method: string, params: unknown = {}): Message => ({ jsonrpc: "2.0", method, params })
const answer = (id: JsonRpc.Id, result: unknown = {}): Message => ({ jsonrpc: "2.0", id, result })

interface Sent {
  readonly message: Message
  readonly options: SendOptions | undefined
  /** Takes the message, or refuses it. */
  readonly settle: (error?: unknown) => void
}

/** One side of the bridge, played by the test: what is sent to it is settled by hand. */
const makeSide = Effect.gen(function*() {
  const sent = yield* Queue.unbounded<Sent>()
  const versions: Array<string> = []
  const transport: Transport = {
    start: () => Promise.resolve(),
    send: (message: Message, options) =>
      new Promise((resolve, reject) => {
        sent.unsafeOffer({ message, options, settle: (error) => error === undefined ? resolve() : reject(error) })
      }),
    close: () => Promise.resolve(),
    setProtocolVersion: (version) => void versions.push(version)
  }
  const next = Effect.map(Queue.take(sent), (one) => one)
  return {
    transport,
    sent,
    versions,
    next,
    take: Effect.map(next, ({ message, settle }) => {
      settle()
      return message
    }),
    say: (message: Message): Promise<void> => transport.onmessage!(message)
  }
})

const makeBridge = (options: Partial<Bridge.Options> = {}) =>
  Effect.gen(function*() {
    const client = yield* makeSide
    const server = yield* makeSide
    const bridge = yield* Effect.fork(Bridge.run({ client: client.transport, server: server.transport, ...options }))
    yield* TestClock.adjust(0)
    return { bridge, client, server }
  })

const errorOf = (message: Message) => message.error as { code: number; message: string; data: Record<string, unknown> }

class Known extends Error {
  readonly _tag = "ReauthorizationRequired"
  readonly reason = "InvalidGrant"
  readonly tenant = "mcp:linear"
  readonly advice = "run `lockstep login`"
  override readonly message = "mcp:linear must be logged in again"
}

describe("a bridge", () => {
  it("takes the transports of both lines of the SDK", () => {
    const v1: Transport = {} as TransportV1
    const v2: Transport = {} as TransportV2
    assert.isDefined([v1, v2])
  })

  it.effect("passes everything on in both directions, in order", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      const up = [
        notification("a"),
        request(1),
        request(2),
        notification("b"),
        answer("question"),
        request(3),
        notification("c")
      ]
      for (const message of up) void client.say(message)
      const arrived: Array<Message> = []
      for (let i = 0; i < up.length; i++) arrived.push(yield* server.take)
      assert.deepStrictEqual(arrived, up)
      const down = [notification("p"), answer(2), request("question"), answer(1), notification("q"), answer(3)]
      for (const message of down) void server.say(message)
      const returned: Array<Message> = []
      for (let i = 0; i < down.length; i++) returned.push(yield* client.take)
      assert.deepStrictEqual(returned, down)
    }))

  it.effect("does not send what comes after a notification before that is taken, and waits for no request", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(1))
      void client.say(notification("a"))
      void client.say(request(2))
      assert.strictEqual((yield* server.next).message.id, 1)
      const held = yield* server.next
      assert.strictEqual(held.message.method, "a")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Queue.size(server.sent), 0)
      held.settle()
      assert.strictEqual((yield* server.next).message.id, 2)
    }))

  it.effect("goes on after a notification that is not acknowledged", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(notification("a"))
      void client.say(request(2))
      yield* server.next
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* server.next).message.id, 2)
    }))

  it.effect("lets nothing overtake initialize, and tells the transport the version that was agreed", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(0, "initialize"))
      void client.say(notification("notifications/initialized"))
      assert.strictEqual((yield* server.take).method, "initialize")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Queue.size(server.sent), 0)
      void server.say(answer(0, { protocolVersion: "2025-06-18" }))
      assert.strictEqual((yield* server.take).method, "notifications/initialized")
      assert.deepStrictEqual(server.versions, ["2025-06-18"])
    }))

  it.effect("reads no faster than the other side takes", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      const taken: Array<string> = []
      const first = server.say(notification("a")).then(() => taken.push("a"))
      const second = server.say(notification("b")).then(() => taken.push("b"))
      const { settle } = yield* client.next
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Queue.size(client.sent), 0)
      assert.deepStrictEqual(taken, [])
      settle()
      yield* client.take
      yield* Effect.promise(() => Promise.all([first, second]))
      assert.deepStrictEqual(taken, ["a", "b"])
    }))

  it.effect("answers a request that failed with an error that says what to do, and stays", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request("x"))
      ;(yield* server.next).settle(new Known())
      const told = yield* client.take
      assert.strictEqual(told.id, "x")
      assert.strictEqual(errorOf(told).code, JsonRpc.ErrorCode.Internal)
      assert.include(errorOf(told).data, {
        _tag: "ReauthorizationRequired",
        reason: "InvalidGrant",
        advice: "run `lockstep login`"
      })
      void client.say(request("y"))
      assert.strictEqual((yield* server.take).id, "y")
      void server.say(answer("y"))
      assert.deepStrictEqual(yield* client.take, answer("y"))
    }))

  it.effect("repeats nothing of an error that is not its own", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(1))
      ;(yield* server.next).settle(new TypeError("lockstep-at-secret"))
      assert.notInclude(JSON.stringify(yield* client.take), "secret")
    }))

  it.effect("answers a request once, whatever else arrives", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(1))
      const sent = yield* server.next
      void server.say(answer(1))
      void server.say(answer(1))
      sent.options!.onRequestStreamEnd!()
      sent.settle(new Known())
      void server.say(notification("after"))
      assert.deepStrictEqual(yield* client.take, answer(1))
      assert.strictEqual((yield* client.take).method, "after")
    }))

  it.effect("answers a request whose stream ended without an answer", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(1))
      ;(yield* server.next).options!.onRequestStreamEnd!()
      assert.strictEqual(errorOf(yield* client.take).data["reason"], "AnswerLost")
    }))

  it.effect("tells 1 and \"1\" apart, and refuses an id that is in use", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(1))
      void client.say(request("1"))
      void client.say(request(1))
      yield* server.take
      yield* server.take
      assert.strictEqual(errorOf(yield* client.take).code, JsonRpc.ErrorCode.InvalidRequest)
      void server.say(answer("1"))
      assert.strictEqual((yield* client.take).id, "1")
    }))

  it.effect("passes a cancellation on, then ends the request's stream, and drops a late answer", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      void client.say(request(1))
      const sent = yield* server.next
      void client.say(notification("notifications/cancelled", { requestId: 1 }))
      const cancelled = yield* server.next
      assert.strictEqual(cancelled.message.method, "notifications/cancelled")
      assert.isFalse(sent.options!.requestSignal!.aborted)
      cancelled.settle()
      yield* TestClock.adjust(0)
      assert.isTrue(sent.options!.requestSignal!.aborted)
      void server.say(answer(1))
      void server.say(notification("after"))
      assert.strictEqual((yield* client.take).method, "after")
    }))

  it.effect("cancels a request of the revision 2026-07-28 by ending its stream alone", () =>
    Effect.gen(function*() {
      const { client, server } = yield* makeBridge()
      const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" }
      void client.say(request(1, "tools/call", { _meta }))
      const sent = yield* server.next
      yield* Effect.promise(() => client.say(notification("notifications/cancelled", { requestId: 1 })))
      assert.isTrue(sent.options!.requestSignal!.aborted)
      assert.strictEqual(yield* Queue.size(server.sent), 0)
    }))

  it.effect("answers what is open, and what was not sent yet, when the server ends", () =>
    Effect.gen(function*() {
      const { bridge, client, server } = yield* makeBridge()
      void client.say(request(1))
      void client.say(notification("held"))
      void client.say(request(2))
      yield* server.next
      yield* server.next
      server.transport.onclose!()
      assert.deepStrictEqual([(yield* client.take).id, (yield* client.take).id], [1, 2])
      assert.strictEqual(yield* Fiber.join(bridge), "server")
    }))

  it.effect("waits for open answers when the client has said all, but not for ever", () =>
    Effect.gen(function*() {
      const { bridge, client, server } = yield* makeBridge()
      void client.say(request(1))
      void client.say(request(2))
      client.transport.onclose!()
      yield* server.take
      yield* server.take
      void server.say(answer(1))
      assert.strictEqual((yield* client.take).id, 1)
      yield* TestClock.adjust("9 seconds")
      assert.isNull(bridge.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* client.take).id, 2)
      assert.strictEqual(yield* Fiber.join(bridge), "client")
    }))

  it.effect("ends with the last answer when the client has said all", () =>
    Effect.gen(function*() {
      const { bridge, client, server } = yield* makeBridge()
      void client.say(request(1))
      client.transport.onclose!()
      yield* server.take
      void server.say(answer(1))
      yield* client.take
      assert.strictEqual(yield* Fiber.join(bridge), "client")
    }))

  it.effect("ends when the client takes no more, also during initialize", () =>
    Effect.gen(function*() {
      const { bridge, client, server } = yield* makeBridge({ drain: 0 })
      void client.say(request(0, "initialize"))
      yield* server.take
      void server.say(notification("a"))
      ;(yield* client.next).settle(new Error("EPIPE"))
      assert.strictEqual(yield* Fiber.join(bridge), "client")
    }))

  it.effect("is not held up by an initialize without an answer when the client ends", () =>
    Effect.gen(function*() {
      const { bridge, client, server } = yield* makeBridge()
      void client.say(request(0, "initialize"))
      yield* server.take
      client.transport.onclose!()
      yield* TestClock.adjust("10 seconds")
      yield* client.take
      assert.strictEqual(yield* Fiber.join(bridge), "client")
    }))

  it.live("joins in-memory transports of the SDK", () =>
    Effect.gen(function*() {
      const [near, client] = InMemoryTransport.createLinkedPair()
      const [server, far] = InMemoryTransport.createLinkedPair()
      const got = yield* Queue.unbounded<unknown>()
      Object.assign(near, { onmessage: (message: unknown) => void got.unsafeOffer(message) })
      Object.assign(far, {
        onmessage: ({ id }: Message) => void far.send({ jsonrpc: "2.0", id: id!, result: { seen: true } })
      })
      yield* Effect.fork(Bridge.run({ client, server }))
      yield* Effect.promise(() => near.start())
      yield* Effect.promise(() => far.start())
      for (let id = 0; id < 1000; id++) yield* Effect.promise(() => near.send({ jsonrpc: "2.0", id, method: "ping" }))
      for (let id = 0; id < 1000; id++) assert.deepInclude(yield* Queue.take(got), { id, result: { seen: true } })
    }))
})

describe("the text of a message", () => {
  it("is passed on as it came, large numbers too", () => {
    const text = `{"jsonrpc":"2.0","id":1,"method":"m","params":{"n":18446744073709551615,"x":1.0},"extra":[ ]}`
    const messages = JsonRpc.parse(text)
    assert.isArray(messages)
    assert.strictEqual(JsonRpc.stringify((messages as ReadonlyArray<object>)[0]!), text)
    const wide = JsonRpc.parse(text.replace("{", "{\r\n  ")) as ReadonlyArray<object>
    assert.notMatch(JsonRpc.stringify(wide[0]!), /[\r\n]/)
    assert.include(JsonRpc.stringify(wide[0]!), "18446744073709551615")
  })

  it("is told apart from what is no message, with the id that it would have had", () => {
    assert.deepStrictEqual(JsonRpc.parse("{"), { code: JsonRpc.ErrorCode.Parse, id: null })
    assert.deepStrictEqual(JsonRpc.parse(`{"id":7}`), { code: JsonRpc.ErrorCode.InvalidRequest, id: 7 })
    for (const text of ["[]", "1", "null", `"x"`, `[{"jsonrpc":"2.0","method":"a"},1]`]) {
      assert.deepStrictEqual(JsonRpc.parse(text), { code: JsonRpc.ErrorCode.InvalidRequest, id: null }, text)
    }
    assert.lengthOf(JsonRpc.parse(`[${`{"jsonrpc":"2.0","method":"a"},`.repeat(2).slice(0, -1)}]`) as [], 2)
  })
})
