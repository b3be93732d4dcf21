import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Client from "./support/client.js"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

const MEBI = 1_048_576
const CHUNK = Buffer.alloc(65_536, "x")

/** More than all buffers of the system between two ends that wait. */
const LOT = 64 * MEBI
const LITTLE = 16 * MEBI

const through = (handler: Upstream.Handler, options: Partial<Stage.Setup> = {}) =>
  Effect.gen(function*() {
    const upstream = yield* Upstream.make(handler, { reads: false })
    return { ...yield* Stage.make({ to: upstream.url, ...options }), upstream }
  })

/** Writes as much as is taken, and says how much that was. */
const pour = (to: NodeJS.WritableStream, amount: number) => {
  const poured = { accepted: 0 }
  const go = () => {
    while (poured.accepted < amount) {
      const takesMore = to.write(CHUNK)
      poured.accepted += CHUNK.length
      if (!takesMore) return void to.once("drain", go)
    }
    to.end()
  }
  go()
  return poured
}

/** Answers at once and says back what it is told. */
const echo: Upstream.Handler = (request, response) => {
  response.flushHeaders()
  request.pipe(response)
  request.on("error", () => response.destroy())
}

describe("streams", () => {
  it.scopedLive("200 of them are held both ways at one time", () =>
    Effect.gen(function*() {
      const stage = yield* through(echo)
      const held = yield* Effect.forEach(
        Array.from({ length: 200 }),
        () => Client.open(stage.url, { method: "POST" }),
        { concurrency: 50 }
      )
      assert.strictEqual(stage.proxy.streams(), 200)
      for (const round of ["first", "second", "third"]) {
        yield* Effect.forEach(held, (one, index) => one.write(`${round} of ${index};`), { discard: true })
        yield* Effect.forEach(held, (one, index) => one.reads(`${round} of ${index};`), {
          concurrency: "unbounded",
          discard: true
        })
      }
      yield* Effect.sync(() => held.forEach(({ request }) => request.end()))
      const ends = yield* Effect.forEach(held, ({ rest }) => rest, { concurrency: "unbounded" })
      assert.isTrue(ends.every(({ whole }) => whole))
      yield* Client.until(() => stage.proxy.streams() === 0)
    }))

  it.scopedLive("come piece by piece, as they are sent", () =>
    Effect.gen(function*() {
      const said = yield* Queue.unbounded<string>()
      const stage = yield* through((_, response) => {
        response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders()
        void Effect.runPromise(Effect.forever(
          Effect.flatMap(Queue.take(said), (text) => Effect.sync(() => response.write(text)))
        )).catch(() => {})
      })
      const held = yield* Client.open(stage.url)
      assert.strictEqual(held.response.headers["content-type"], "text/event-stream")
      // The next one is sent when the one before was read: a proxy that collects them waits for ever.
      for (const text of ["data: 1\n\n", "data: 2\n\n", ":\n\n", "data: 3\n\n"]) {
        yield* Queue.offer(said, text)
        yield* held.reads(text)
      }
    }))

  it.scopedLive("from a server that is faster than its client: what is not read is not taken", () =>
    Effect.gen(function*() {
      const stalled: Array<{ readonly accepted: number }> = []
      const stage = yield* through((request, response) => {
        const poured = pour(response, LOT)
        if (request.url === "/stalled") stalled.push(poured)
      })
      const waiting = yield* Effect.forEach(
        Array.from({ length: 4 }),
        () => Client.open(`${stage.url}stalled`),
        { concurrency: "unbounded" }
      )
      // Others run meanwhile; when all of theirs has come through, a proxy that collects would have all of it.
      for (let count = 0; count < 4; count++) {
        const flowing = yield* Client.open(`${stage.url}flowing`)
        assert.deepStrictEqual(yield* flowing.rest, { bytes: LOT, whole: true })
      }
      for (const { accepted } of stalled) assert.isBelow(accepted, LITTLE)
      const [first] = waiting
      assert.deepStrictEqual(yield* first!.rest, { bytes: LOT, whole: true }, "and it goes on when it is read")
    }))

  it.scopedLive("from a client that is faster than the server: what is not read is not taken", () =>
    Effect.gen(function*() {
      const arrived = yield* Queue.unbounded<Http.IncomingMessage>()
      const stage = yield* through((request, response) => {
        if (request.url === "/stalled") Queue.unsafeOffer(arrived, request)
        else request.resume()
        request.on("end", () => response.end("read"))
      })
      const upload = (path: string) => {
        const request = Http.request(`${stage.url}${path}`, { method: "POST", agent: false })
        const answer = Effect.async<number>((resume) => {
          request.on("response", (response) => {
            response.resume()
            resume(Effect.succeed(response.statusCode ?? 0))
          })
        })
        request.on("error", () => {})
        return { request, answer, poured: pour(request, LOT) }
      }
      const stalled = [upload("stalled"), upload("stalled"), upload("stalled")]
      const answers = yield* Effect.fork(
        Effect.forEach(stalled, ({ answer }) => answer, { concurrency: "unbounded" })
      )
      const requests = [yield* Queue.take(arrived), yield* Queue.take(arrived), yield* Queue.take(arrived)]
      for (let count = 0; count < 4; count++) assert.strictEqual(yield* upload("flowing").answer, 200)
      for (const { poured } of stalled) assert.isBelow(poured.accepted, LITTLE)
      for (const request of requests) request.resume()
      assert.deepStrictEqual(yield* Fiber.join(answers), [200, 200, 200])
    }))
})

describe("ends", () => {
  it.scopedLive("a client that leaves takes its request along", () =>
    Effect.gen(function*() {
      const left = yield* Queue.unbounded<string>()
      const stage = yield* through((request, response) => {
        response.flushHeaders()
        response.on("close", () => Queue.unsafeOffer(left, request.url ?? ""))
        request.on("error", () => {})
      })
      const reading = yield* Client.open(`${stage.url}reading`)
      yield* reading.leave
      assert.strictEqual(yield* Queue.take(left), "/reading")
      const writing = yield* Client.open(`${stage.url}writing`, { method: "POST" })
      yield* writing.write("a part")
      yield* writing.leave
      assert.strictEqual(yield* Queue.take(left), "/writing")
      yield* Client.until(() => stage.proxy.streams() === 0)
    }))

  it.scopedLive("a client that closes its half has left: a killed one does no more than that", () =>
    Effect.gen(function*() {
      const left = yield* Deferred.make<void>()
      const stage = yield* through((_, response) => {
        response.write("a part")
        response.on("close", () => Deferred.unsafeDone(left, Effect.void))
      })
      const socket = Net.connect({ port: stage.port, host: "127.0.0.1", allowHalfOpen: true })
      socket.on("error", () => {})
      socket.end(`GET ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\n\r\n`)
      yield* Deferred.await(left)
      socket.destroy()
      yield* Client.until(() => stage.proxy.streams() === 0)
    }))

  it.scopedLive("a server that breaks off is no clean end, whatever the framing", () =>
    Effect.gen(function*() {
      const heads = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\na part\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na part"
      ]
      for (const head of heads) {
        const cut = yield* Deferred.make<void>()
        const upstream = yield* Upstream.makeRaw((socket) => {
          socket.once("data", () => socket.write(head))
          void Effect.runPromise(Deferred.await(cut)).then(() => socket.destroy())
        })
        const stage = yield* Stage.make({ to: upstream.url })
        const held = yield* Client.open(stage.url)
        yield* held.reads("a part")
        const old = yield* Effect.async<{ readonly socket: Net.Socket; readonly failed: Promise<boolean> }>(
          (resume) => {
            const socket = Net.connect(stage.port, "127.0.0.1", () => {
              socket.write(`GET ${stage.base} HTTP/1.0\r\nHost: 127.0.0.1:${stage.port}\r\n\r\n`)
            })
            const failed = new Promise<boolean>((done) => socket.on("close", done))
            socket.on("error", () => {})
            socket.once("data", () => resume(Effect.succeed({ socket, failed })))
          }
        )
        yield* Deferred.succeed(cut, undefined)
        assert.deepStrictEqual(yield* held.rest, { bytes: 6, whole: false })
        // Where the end of the connection is the end of the body, only a reset tells.
        assert.isTrue(yield* Effect.promise(() => old.failed))
        yield* Client.until(() => stage.proxy.streams() === 0)
      }
    }))

  it.scopedLive("an answer before the request was read is passed on, and the client may finish", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => {
        response.writeHead(413).end("too much")
      })
      const answer = yield* stage.ask("", { method: "POST", body: Buffer.alloc(8 * MEBI) })
      assert.strictEqual(answer.status, 413)
      assert.strictEqual(answer.text, "too much")
      yield* Client.until(() => stage.proxy.streams() === 0)
    }))

  it.scopedLive("a client that reads no answer before it has written everything is not left hanging", () =>
    Effect.gen(function*() {
      const arrived = yield* Queue.unbounded<Http.ServerResponse>()
      const stage = yield* through((request, response) => {
        if (request.url === "/stalled") return void Queue.unsafeOffer(arrived, response)
        request.resume()
        request.on("end", () => response.end("read"))
      })
      const said = yield* Effect.fork(Effect.async<string>((resume) => {
        const socket = Net.connect(stage.port, "127.0.0.1")
        socket.pause()
        socket.once("data", (chunk) => {
          socket.destroy()
          resume(Effect.succeed(chunk.toString()))
        })
        socket.on("error", () => {})
        socket.write(
          `POST ${stage.base}stalled HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\nContent-Length: ${LOT}\r\n\r\n`
        )
        socket.write(Buffer.alloc(LOT), () => socket.resume())
      }))
      const response = yield* Queue.take(arrived)
      // By the time that as much has gone another way, everything has come to a halt on this one.
      assert.strictEqual((yield* stage.ask("flowing", { method: "POST", body: Buffer.alloc(LOT) })).status, 200)
      response.writeHead(413).end("too much")
      assert.match(yield* Fiber.join(said), /^HTTP\/1\.1 413 /)
    }))

  it.scopedLive("connections to the server are used again", () =>
    Effect.gen(function*() {
      const sockets = new Set<unknown>()
      const stage = yield* through((request, response) => {
        sockets.add(request.socket)
        request.resume()
        request.on("end", () => response.end("ok"))
      })
      for (let count = 0; count < 5; count++) {
        assert.strictEqual((yield* stage.ask("", { method: "POST", body: "{}" })).status, 200)
      }
      assert.strictEqual(sockets.size, 1)
    }))
})

describe("limits", () => {
  it.scopedLive("one stream more than allowed is told so, and taken on when another one has ended", () =>
    Effect.gen(function*() {
      const stage = yield* through(echo, { limits: { streams: 2 } })
      const first = yield* Client.open(stage.url, { method: "POST" })
      yield* Client.open(stage.url, { method: "POST" })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(Stage.kind(answer), "busy")
      assert.strictEqual(answer.headers["retry-after"], "1")
      yield* first.leave
      yield* Client.until(() => stage.proxy.streams() === 1)
      assert.strictEqual((yield* stage.ask("")).status, 200)
    }))

  it.scopedLive("a stream on which nothing moves is cut, and one on which something does is not", () =>
    Effect.gen(function*() {
      const stage = yield* through(echo, { limits: { idle: 2_000 } })
      const still = yield* Client.open(stage.url, { method: "POST" })
      const busy = yield* Client.open(stage.url, { method: "POST" })
      let count = 0
      const talk = Effect.suspend(() => {
        const text = `${++count};`
        return Effect.zipRight(busy.write(text), busy.reads(text))
      })
      const talking = yield* Effect.fork(Effect.forever(talk))
      assert.deepStrictEqual(yield* still.rest, { bytes: Client.FIRST.length, whole: false })
      yield* Fiber.interrupt(talking)
      yield* talk
    }))

  it.scopedLive("a client that connects and says nothing is not waited for", () =>
    Effect.gen(function*() {
      const stage = yield* through(echo, { limits: { headersTimeout: 200 } })
      assert.match(yield* Stage.speak(stage.port, `GET ${stage.base} HTTP/1.1\r\n`), /^HTTP\/1\.1 408 /)
      assert.lengthOf(stage.upstream.seen, 0)
    }))
})
