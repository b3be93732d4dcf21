import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as LoopbackCallback from "@lockstep/node/login/LoopbackCallback"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { browse, hasIpv6, type Request, send, take } from "../support/loopback.js"

const CODE = "s3cret-code"
const QUERY = `code=${CODE}&state=right`
const PATH = "/auth/callback"
const DONE = { outcome: "Done", title: "You are logged in", detail: "The login of codex is stored." } as const

if (!hasIpv6) process.stderr.write("tests of ::1 are skipped: this machine does not have it\n")

const open = (ports: readonly [number, ...Array<number>] = [0]) =>
  Effect.flatMap(
    LoopbackCallback.make,
    ({ listen }) =>
      listen({ ports, path: PATH, accepts: (query) => query.get("state") === "right" && query.has("code") })
  )

/** The errno of a connection to a port without a listener. */
const unanswered = (request: Request) => Effect.flip(send(request))

/** Brings the answer as a browser does, and waits until it was handed over. */
const bring = (listener: LoopbackCallback.Listener, headers: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const request = { port: listener.port, target: `${PATH}?${QUERY}`, headers }
    const browser = yield* Effect.fork(browse(request))
    return { browser, answer: yield* listener.answer }
  })

/** Runs something in a world in which no program gives up waiting: no timer of a second or more ever rings. */
const withoutPatience = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const real = globalThis.setTimeout
      const never = (run: () => void, delay = 0) => real(delay < 1_000 ? run : () => {}, delay)
      globalThis.setTimeout = Object.assign(never, real) as typeof real
      return real
    }),
    () => effect,
    (real) => Effect.sync(() => void (globalThis.setTimeout = real))
  )

describe("an answer", () => {
  it.scopedLive("comes with 64 KiB of cookies and header fields", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const cookies = { cookie: `a=${"x".repeat(40_000)}`, "x-other": "y".repeat(25_000) }
      const { answer, browser } = yield* bring(listener, cookies)
      assert.strictEqual(Redacted.value(answer.query), QUERY)
      yield* Effect.fork(answer.respond(DONE))
      assert.strictEqual((yield* Fiber.join(browser)).status, 303)
    }))

  it.scopedLive("with more of them gets a page that says why, and the login waits on", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const target = `${PATH}?${QUERY}`
      for (const size of [90_000, 1_000_000]) {
        const { body, headers, status } = yield* send({
          port: listener.port,
          target,
          headers: { cookie: `a=${"x".repeat(size)}` }
        })
        assert.strictEqual(status, 431)
        assert.include(body, "too many cookies")
        assert.strictEqual(headers["cache-control"], "no-store")
        assert.isFalse(body.includes(CODE))
      }
      const { answer } = yield* bring(listener)
      assert.strictEqual(Redacted.value(answer.query), QUERY)
    }))

  it.scopedLive("is handed over whole, and its browser waits for the page", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const { answer, browser } = yield* bring(listener)
      assert.strictEqual(Redacted.value(answer.query), QUERY)
      assert.isFalse(JSON.stringify(answer).includes(CODE) || String(answer.query).includes(CODE))
      const responding = yield* Effect.fork(answer.respond(DONE))
      const sentOn = yield* Fiber.join(browser)
      assert.strictEqual(sentOn.status, 303)
      const next = sentOn.headers.location ?? ""
      assert.match(next, /^\/done\/[\w-]{22}$/)
      const page = yield* browse({ port: listener.port, target: next })
      assert.strictEqual(page.status, 200)
      for (const { body, headers } of [sentOn, page]) {
        assert.isTrue(body.includes(DONE.title) && body.includes(DONE.detail))
        assert.isFalse(body.includes(CODE) || JSON.stringify(headers).includes(CODE))
      }
      yield* Fiber.join(responding)
      assert.strictEqual(yield* unanswered({ port: listener.port, target: next }), "ECONNREFUSED")
    }))

  it.scopedLive("is kept nowhere, runs nothing and loads nothing", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const { headers } = yield* send({ port: listener.port, target: "/" })
      assert.strictEqual(headers["cache-control"], "no-store")
      assert.strictEqual(headers["referrer-policy"], "no-referrer")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.strictEqual(headers.connection, "close")
      assert.match(
        String(headers["content-security-policy"]),
        /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; img-src data:; .*frame-ancestors 'none'$/
      )
    }))

  it.scopedLive("is shown at once to a client that is no browser and has no address bar", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const { answer, browser } = yield* bring(listener, { accept: "*/*" })
      yield* answer.respond({ ...DONE, outcome: "Failed" })
      const page = yield* Fiber.join(browser)
      deepStrictEqual([page.status, page.headers.location], [200, undefined])
      assert.isTrue(page.body.includes(DONE.title))
    }))

  it.scopedLive("is answered where its browser loads the page again, and where it comes twice with another query", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const { answer, browser } = yield* bring(listener, { accept: "*/*" })
      const sent = yield* Deferred.make<void>()
      const onSent = () => Deferred.unsafeDone(sent, Effect.void)
      const again = yield* Effect.fork(send({ port: listener.port, target: `${PATH}?${QUERY}`, onSent }))
      yield* Deferred.await(sent)
      const other = yield* send({ port: listener.port, target: `${PATH}?${QUERY}&again` })
      assert.strictEqual(other.status, 409)
      yield* answer.respond(DONE)
      for (const fiber of [browser, again]) assert.isTrue((yield* Fiber.join(fiber)).body.includes(DONE.title))
    }))

  it.scopedLive("whose browser is gone keeps no caller waiting", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const { answer, browser } = yield* bring(listener)
      yield* Fiber.interrupt(browser)
      // The end of a connection is seen before what is asked on a later one.
      yield* send({ port: listener.port, target: "/" })
      yield* withoutPatience(answer.respond(DONE))
      assert.strictEqual(yield* unanswered({ port: listener.port, target: "/" }), "ECONNREFUSED")
    }))
})

describe("what is no answer gets a page, changes nothing and goes unnoticed", () => {
  const cases: ReadonlyArray<readonly [string, number, Omit<Request, "port">]> = [
    ["another state", 400, { target: `${PATH}?code=${CODE}&state=wrong` }],
    ["no query", 400, { target: PATH }],
    ["another path", 404, { target: `/?${QUERY}` }],
    ["the path with a slash", 404, { target: `${PATH}/?${QUERY}` }],
    ["the path of another server", 404, { target: `//evil.example${PATH}?${QUERY}` }],
    ["a request for a proxy", 404, { target: `http://evil.example${PATH}?${QUERY}` }],
    ["an icon", 404, { target: "/favicon.ico" }],
    ["a page that is not there yet", 404, { target: "/done/" }],
    ["a form", 405, { target: `${PATH}?${QUERY}`, method: "POST" }],
    ["a look ahead", 405, { target: `${PATH}?${QUERY}`, method: "HEAD" }],
    ["a script of a page", 403, { target: `${PATH}?${QUERY}`, headers: { origin: "https://evil.example" } }],
    ["a page that hides its origin", 403, { target: `${PATH}?${QUERY}`, headers: { origin: "null" } }],
    [
      "an image of a page",
      403,
      { target: `${PATH}?${QUERY}`, headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" } }
    ],
    ["a name that was rebound", 421, { target: `${PATH}?${QUERY}`, headers: { host: "evil.example" } }],
    ["a name that was rebound, with a port", 421, { target: `${PATH}?${QUERY}`, headers: { host: "evil.example:80" } }],
    ["another port", 421, { target: `${PATH}?${QUERY}`, headers: { host: "localhost:1" } }],
    ["a name that only begins so", 421, { target: `${PATH}?${QUERY}`, headers: { host: "localhost.evil.example" } }],
    ["an address that is too long", 431, { target: `${PATH}?${QUERY}&x=${"x".repeat(100_000)}` }]
  ]
  it.scopedLive.each(cases)("%s", ([, status, request]) =>
    Effect.gen(function*() {
      const listener = yield* open()
      const reply = yield* send({ ...request, port: listener.port })
      assert.strictEqual(reply.status, status)
      assert.isFalse(reply.body.includes(CODE) || reply.body.includes("evil"))
      const { answer, browser } = yield* bring(listener, { accept: "*/*" })
      assert.strictEqual(Redacted.value(answer.query), QUERY)
      yield* answer.respond(DONE)
      assert.isTrue((yield* Fiber.join(browser)).body.includes(DONE.title))
    }))

  it.scopedLive("a query that cannot even be looked at", () =>
    Effect.gen(function*() {
      const { listen } = yield* LoopbackCallback.make
      const { port } = yield* listen({
        ports: [0],
        path: PATH,
        accepts: () => {
          throw new Error(CODE)
        }
      })
      const reply = yield* send({ port, target: `${PATH}?${QUERY}` })
      assert.strictEqual(reply.status, 400)
      assert.isFalse(reply.body.includes(CODE))
    }))

  it.scopedLive("a client that connects and says nothing is sent away", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const ended = yield* Effect.async<boolean>((resume) => {
        const socket = Net.connect(listener.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n"))
        socket.resume()
        socket.once("close", () => resume(Effect.succeed(true)))
      })
      assert.isTrue(ended)
    }))
})

describe("a port", () => {
  it.scopedLive("is open on loopback alone", () =>
    Effect.gen(function*() {
      const { port } = yield* open()
      const target = "/"
      const own = hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]
      for (const address of own) assert.strictEqual((yield* send({ port, target, address })).status, 404)
      for (const host of [`LocalHost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
        assert.strictEqual((yield* send({ port, target, headers: { host } })).status, 404)
      }
      // Every other address of 127.0.0.0/8 is this machine's, too.
      if (process.platform === "linux") {
        assert.strictEqual(yield* unanswered({ port, target, address: "127.0.0.2" }), "ECONNREFUSED")
      }
    }))

  it.scopedLive("is the first that is free, and none is an error that names them", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* take("127.0.0.1", 0), yield* take("127.0.0.1", 0)]
      const free = yield* Effect.scoped(take("127.0.0.1", 0))
      assert.strictEqual((yield* open([one, free, two])).port, free)
      const error = yield* Effect.flip(open([one, two, 65_536]))
      deepStrictEqual([error._tag, error.ports], ["PortsTaken", [one, two, 65_536]])
    }))

  it.scopedLive.skipIf(!hasIpv6)(
    "is taken where another program would get what is sent to localhost",
    () =>
      Effect.gen(function*() {
        const port = yield* take("::1", 0)
        assert.strictEqual((yield* Effect.flip(open([port])))._tag, "PortsTaken")
        assert.strictEqual(yield* unanswered({ port, target: "/" }), "ECONNREFUSED")
      })
  )

  it.scopedLive("closes with its scope, and a waiting browser is told that the login has ended", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const listener = yield* Scope.extend(open(), scope)
      const { browser } = yield* bring(listener, { accept: "*/*" })
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* Fiber.join(browser)).body.includes("This login has ended"))
      assert.strictEqual(yield* unanswered({ port: listener.port, target: "/" }), "ECONNREFUSED")
    }))

  it.scopedLive("closes when the wait is interrupted, and opens again", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(take("127.0.0.1", 0))
      for (const _ of [1, 2]) {
        const scope = yield* Scope.make()
        const listener = yield* Scope.extend(open([port]), scope)
        const waiting = yield* Effect.fork(listener.answer)
        yield* Fiber.interrupt(waiting)
        yield* Scope.close(scope, Exit.void)
      }
      assert.strictEqual(yield* unanswered({ port, target: "/" }), "ECONNREFUSED")
    }))
})

describe("a program that means harm", () => {
  it.scopedLive("holds connections open: the answer still finds its place", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      yield* Effect.forEach(
        Array.from({ length: 70 }),
        () =>
          Effect.acquireRelease(
            Effect.async<Net.Socket>((resume) => {
              const socket = Net.connect(listener.port, "127.0.0.1", () => {
                socket.write(`GET ${PATH}?code=x HTTP/1.1\r\nHost: localh`)
                resume(Effect.succeed(socket))
              })
              socket.on("error", () => {})
            }),
            (socket) => Effect.sync(() => socket.destroy())
          ),
        { discard: true }
      )
      const { answer, browser } = yield* bring(listener)
      assert.strictEqual(Redacted.value(answer.query), QUERY)
      const responding = yield* Effect.fork(answer.respond(DONE))
      const { headers } = yield* Fiber.join(browser)
      yield* browse({ port: listener.port, target: headers.location ?? "" })
      yield* Fiber.join(responding)
    }))

  it.scopedLive("cannot close the connection of a browser that waits for its page", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const { answer, browser } = yield* bring(listener, { accept: "*/*" })
      yield* Effect.forEach(
        Array.from({ length: 70 }),
        () => Effect.fork(Effect.ignore(send({ port: listener.port, target: "/", headers: { "x-a": "b" } }))),
        { discard: true }
      )
      yield* Effect.forEach(Array.from({ length: 70 }), () =>
        Effect.async<void>((resume) => {
          const socket = Net.connect(listener.port, "127.0.0.1", () => resume(Effect.void))
          socket.on("error", () => resume(Effect.void))
        }), { discard: true })
      yield* Effect.fork(answer.respond(DONE))
      assert.strictEqual((yield* Fiber.join(browser)).status, 200)
    }))

  it.scopedLive("hides an origin behind more header fields than are looked at", () =>
    Effect.gen(function*() {
      const listener = yield* open()
      const said = yield* Effect.async<string>((resume) => {
        const socket = Net.connect(listener.port, "127.0.0.1", () => {
          socket.write(
            `GET ${PATH}?${QUERY} HTTP/1.1\r\nHost: localhost:${listener.port}\r\n${
              "a: b\r\n".repeat(1_000)
            }Origin: https://evil.example\r\n\r\n`
          )
        })
        let text = ""
        socket.on("data", (chunk) => void (text += chunk.toString()))
        socket.on("close", () => resume(Effect.succeed(text)))
      })
      assert.match(said, /^HTTP\/1\.1 431 /)
    }))
})
