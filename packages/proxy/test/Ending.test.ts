import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Client from "./support/client.js"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

/** A proxy that ends when it is told to, before a server whose answers take as long as the test says. */
const make = (limits: Stage.Setup["limits"], onDrain?: Stage.Setup["onDrain"]) =>
  Effect.gen(function*() {
    const finish = yield* Deferred.make<void>()
    const upstream = yield* Upstream.make((_, response) => {
      response.write("a part")
      void Effect.runPromise(Deferred.await(finish)).then(() => response.end(", and the rest"))
    })
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const stage = yield* Scope.extend(
      Stage.make({
        to: upstream.url,
        ...(limits === undefined ? {} : { limits }),
        ...(onDrain === undefined ? {} : { onDrain })
      }),
      scope
    )
    return { ...stage, upstream, finish: Deferred.succeed(finish, undefined), end: Scope.close(scope, Exit.void) }
  })

/** Whether a program listens there. */
const isOpen = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", () => resume(Effect.succeed(false)))
  })

describe("a proxy that ends", () => {
  it.scopedLive("takes nothing new on, and lets what is under way end", () =>
    Effect.gen(function*() {
      const draining = yield* Deferred.make<void>()
      const stage = yield* make({ grace: 600_000 }, () => Effect.asVoid(Deferred.succeed(draining, undefined)))
      const connect = Effect.gen(function*() {
        const socket = Net.connect(stage.port, "127.0.0.1")
        yield* Client.event(socket, "connect")
        return socket
      })
      const refused = `TRACE ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\n\r\n`
      // This connection is idle between two requests when the end comes, and is closed for it.
      const idle = yield* connect
      idle.write(refused)
      yield* Client.event(idle, "data")
      idle.resume()
      const idleEnds = yield* Effect.fork(Client.event(idle, "close"))
      // This one has said nothing yet.
      const silent = yield* connect
      const held = yield* Client.open(stage.url)
      yield* held.reads("a part")
      const ending = yield* Effect.fork(stage.end)
      yield* Deferred.await(draining)
      assert.isFalse(yield* isOpen(stage.port))
      yield* Fiber.join(idleEnds)
      let said = ""
      silent.on("data", (chunk) => {
        said += chunk.toString("latin1")
      })
      silent.write(refused.replace("TRACE", "GET"))
      yield* Client.event(silent, "close")
      assert.match(said, /^HTTP\/1\.1 503 /)
      assert.include(said, "urn:lockstep:problem:ending")
      yield* stage.finish
      assert.deepStrictEqual(yield* held.rest, { bytes: "a part, and the rest".length, whole: true })
      yield* Fiber.join(ending)
    }))

  it.scopedLive("cuts what is left when its time is up, which no client takes for an end", () =>
    Effect.gen(function*() {
      const stage = yield* make({ grace: 50 })
      const held = yield* Client.open(stage.url)
      yield* held.reads("a part")
      // For this one the end of the connection would be the end of the body.
      const old = Net.connect(stage.port, "127.0.0.1")
      old.write(`GET ${stage.base} HTTP/1.0\r\nHost: 127.0.0.1:${stage.port}\r\n\r\n`)
      yield* Client.event(old, "data")
      const reset = new Promise((resolve) => old.on("error", resolve))
      yield* stage.end
      assert.deepStrictEqual(yield* held.rest, { bytes: "a part".length, whole: false })
      yield* Effect.promise(() => reset)
    }))

  it.scopedLive("cuts at once where there is a hurry", () =>
    Effect.gen(function*() {
      const stage = yield* make({ grace: 600_000 }, (hurry) => Effect.sync(hurry))
      const held = yield* Client.open(stage.url)
      yield* stage.end
      assert.isFalse((yield* held.rest).whole)
    }))

  it.scopedLive("ends at once where nothing is under way", () =>
    Effect.gen(function*() {
      const stage = yield* make({ grace: 600_000 }, () => Effect.dieMessage("nothing is to be waited for"))
      yield* stage.finish
      assert.strictEqual((yield* stage.ask("")).status, 200)
      yield* Client.until(() => stage.proxy.streams() === 0)
      yield* stage.end
      assert.isFalse(yield* isOpen(stage.port))
    }))
})
