import { assert, describe, it } from "@effect/vitest"
import * as ProxyUpstream from "@lockstep/proxy/ProxyUpstream"
import * as Effect from "effect/Effect"
import * as Client from "./support/client.js"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

/** More connections than a proxy takes altogether. */
const SLOW = 640

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/** A server that answers the bytes that the path names, and ends. */
const answering = (answers: Readonly<Record<string, string>>) =>
  Upstream.makeRaw((socket) => {
    socket.once("data", (chunk) => {
      const [, name = ""] = /^\S+ \/([^ ?]*)/.exec(chunk.toString("latin1")) ?? []
      socket.end(answers[name] ?? OK, "latin1")
    })
  })

const through = (answers: Readonly<Record<string, string>>, options: Partial<Stage.Setup> = {}) =>
  Effect.flatMap(answering(answers), ({ url }) => Stage.make({ to: url, ...options }))

const statusLine = (text: string): string => text.slice(0, text.indexOf("\r\n"))

const head = (stage: { readonly port: number }, start: string, lines: ReadonlyArray<string>) =>
  [start, `Host: 127.0.0.1:${stage.port}`, "Connection: close", ...lines, "", ""].join("\r\n")

const bytes = (stage: { readonly port: number }, start: string, ...lines: ReadonlyArray<string>) =>
  Stage.speak(stage.port, head(stage, start, lines))

describe("an upstream that means harm", () => {
  it.scopedLive("chooses no words of the status line", () =>
    Effect.gen(function*() {
      const phrases = {
        tick: "\u00e2\u009c\u0093",
        accent: "caf\u00e9",
        tab: "a\tb",
        control: "a\u0001b",
        escape: "\u001b[2J",
        text: "Set-Cookie: a=b",
        none: ""
      }
      const stage = yield* through(
        Object.fromEntries(
          Object.entries(phrases).map(([name, phrase]) => [name, OK.replace("OK", phrase)])
        )
      )
      for (const name of Object.keys(phrases)) {
        const said = yield* bytes(stage, `GET ${stage.base}${name} HTTP/1.1`)
        assert.strictEqual(statusLine(said), "HTTP/1.1 200 OK", name)
        assert.match(said, /\r\n\r\nok$/, name)
      }
    }))

  it.scopedLive("ends no exchange but its own, whatever it answers", () =>
    Effect.gen(function*() {
      const answers = {
        zero: "HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nok",
        below: "HTTP/1.1 099 Below\r\nContent-Length: 2\r\n\r\nok",
        one: "HTTP/1.1 1 One\r\nContent-Length: 2\r\n\r\nok",
        switching: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        version: "HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
        twice: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        both: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        negative: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
        nul: "HTTP/1.1 200 OK\r\nX-A: a\u0000b\r\nContent-Length: 2\r\n\r\nok",
        name: "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok",
        empty: "\r\n\r\n",
        page: "<html>\r\n\r\n"
      }
      const stage = yield* through(answers)
      const held = yield* through({ held: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na" })
      assert.strictEqual((yield* held.ask("")).status, 200)
      for (const name of Object.keys(answers)) {
        const answer = yield* stage.ask(name)
        assert.strictEqual(answer.status, 502, name)
        assert.strictEqual(Stage.kind(answer), "upstream-unreachable", name)
        if (name === "zero" || name === "below") assert.strictEqual(Stage.problem(answer)["code"], "INVALID_STATUS")
        assert.strictEqual((yield* stage.ask("fine")).text, "ok", name)
      }
    }))

  it.scopedLive("sends malformed hints, and those are passed over", () =>
    Effect.gen(function*() {
      const stage = yield* through({
        hints: `HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\n\r\n${OK}`,
        many: `${"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n".repeat(2_000)}${OK}`
      })
      const said = yield* bytes(stage, `GET ${stage.base}hints HTTP/1.1`)
      assert.deepStrictEqual(said.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200"])
      const many = yield* bytes(stage, `GET ${stage.base}many HTTP/1.1`)
      assert.match(many, /\r\n\r\nok$/)
      assert.isAtMost(many.match(/HTTP\/1\.1 103/g)!.length, 16, "a client that reads nothing does not fill memory")
    }))

  it.scopedLive("sends more header fields than are read, and none of them is half read", () =>
    Effect.gen(function*() {
      const fields = (count: number) => `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(count)}Content-Length: 2\r\n\r\nok`
      const stage = yield* through({ fits: fields(900), more: fields(1_001) })
      assert.strictEqual((yield* stage.ask("fits")).status, 200)
      const answer = yield* stage.ask("more")
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.problem(answer)["code"], "HPE_HEADER_OVERFLOW")
    }))
})

describe("what is thrown while an answer is passed on", () => {
  it.scopedLive("is the error of that exchange, said once, and nothing that ends the process", () =>
    Effect.gen(function*() {
      const { url } = yield* answering({
        hint: `HTTP/1.1 103 Early Hints\r\n\r\n${OK.replace("\r\n", "\r\nConnection: close\r\n")}`
      })
      const upstream = yield* ProxyUpstream.make(url, { connectTimeout: 5_000, responseTimeout: 5_000, header: 65_536 })
      const moments = ["onInformation", "onHead", "onData", "onEnd"] as const
      for (const moment of moments) {
        const said: Array<unknown> = []
        yield* Effect.async<void>((resume) => {
          const reader: ProxyUpstream.Reader = {
            onInformation: () => {},
            onHead: () => {},
            onData: () => true,
            onEnd: () => resume(Effect.void),
            onDrain: () => {},
            onError: (cause) => {
              said.push((cause as Error).message)
              resume(Effect.void)
            }
          }
          upstream.send({ method: "GET", path: "/hint", headers: ["Host", upstream.host], body: undefined }, {
            ...reader,
            [moment]: () => {
              throw new Error(moment)
            }
          })
        })
        assert.deepStrictEqual(said, [moment])
      }
    }))
})

describe("a client that means harm", () => {
  it.scopedLive("sends more header fields than are looked at: nothing behind them passes", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: upstream.url })
      const many = (count: number) => Array.from({ length: count }, () => "a: b")
      const hidden = ["Origin: https://evil.example", "Host: evil.example", "Upgrade: websocket", "Content-Length: 2"]
      for (const line of hidden) {
        const said = yield* bytes(stage, `POST ${stage.base} HTTP/1.1`, ...many(1_000), line)
        assert.strictEqual(statusLine(said), "HTTP/1.1 431 Request Header Fields Too Large", line)
      }
      assert.lengthOf(upstream.seen, 0)
      assert.match(yield* bytes(stage, `GET ${stage.base} HTTP/1.1`, ...many(900)), /^HTTP\/1\.1 200 /)
    }))

  it.scopedLive("hides dots and slashes from us that servers behind servers decode", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: `${upstream.url}/api` })
      const refused = [
        "..%3b/x",
        "..%3B",
        "..%00/x",
        "..%00.json",
        "..%09/x",
        "..%20/x",
        "..%20",
        "%20../x",
        ".%00./x",
        ".%0d%0a./x",
        "..%c2%a0/x",
        "..%e2%80%8b/x",
        "%e0%80%ae%e0%80%ae/x",
        "%e0%80%ae%e0%80%ae%e0%80%afx",
        "%f0%80%80%ae%f0%80%80%ae/x",
        "%c0%2e%c0%2e/x",
        "x%c1%9c..%c1%9cx",
        "%u002e%u002e/x",
        "%u002e%u002e%u2215x",
        "x%u2216..%u2216x",
        "%uff0e%uff0e/x",
        "%ef%bc%8e%ef%bc%8e/x",
        "%ef%bc%8e%ef%bc%8e%ef%bc%8fx",
        "%e2%80%a4%e2%80%a4/x",
        "%e2%80%a5/x",
        "..%3f/x",
        "..%23/x",
        "%%32%65%%32%65/x",
        "%2%65%2%65/x",
        "%25u002e%25u002e/x",
        `%${"25".repeat(40)}2e/x`
      ]
      for (const path of refused) {
        const said = yield* bytes(stage, `GET ${stage.base}${path} HTTP/1.1`)
        assert.strictEqual(statusLine(said), "HTTP/1.1 400 Bad Request", path)
        assert.include(said, "urn:lockstep:problem:path-outside", path)
      }
      assert.lengthOf(upstream.seen, 0)
      const passed = [
        "caf%C3%A9/%E2%9C%93",
        "a%20b/..c",
        "x;v=1/y",
        "100%25",
        "%2",
        "%E9t%E9",
        "a%00b",
        ".env",
        "...",
        "%e6%97%a5%e6%9c%ac.txt"
      ]
      for (const path of passed) {
        assert.strictEqual(
          statusLine(yield* bytes(stage, `GET ${stage.base}${path} HTTP/1.1`)),
          "HTTP/1.1 200 OK",
          path
        )
      }
      assert.deepStrictEqual(upstream.seen.map(({ url }) => url), passed.map((path) => `/api/${path}`))
    }))

  it.scopedLive("frames a body as the parser finds out only behind the head: the head goes nowhere", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: upstream.url })
      for (const coding of ["gzip", "xchunked"]) {
        const said = yield* bytes(stage, `POST ${stage.base} HTTP/1.1`, `Transfer-Encoding: ${coding}`)
        assert.strictEqual(statusLine(said), "HTTP/1.1 400 Bad Request", coding)
        assert.include(said, "urn:lockstep:problem:bad-request", coding)
      }
      assert.lengthOf(upstream.seen, 0)
    }))

  it.scopedLive("names another path or host in a header field", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: `${upstream.url}/api` })
      const refused = ["X-Original-URL", "x-rewrite-url", "X-Original-URI", "X_Original_URL", "X-Forwarded-Uri"]
      for (const name of refused) {
        const answer = yield* stage.ask("x", { headers: { [name]: "/admin" } })
        assert.strictEqual(answer.status, 400, name)
        assert.strictEqual(Stage.kind(answer), "path-outside", name)
      }
      assert.lengthOf(upstream.seen, 0)
      const dropped = [
        "X-Host",
        "X-Original-Host",
        "X-Forwarded-Server",
        "X_Forwarded_Host",
        "Content_Length",
        "X-Real_IP"
      ]
      yield* stage.ask("x", { headers: Object.fromEntries(dropped.map((name) => [name, "evil.example"])) })
      const { headers } = upstream.seen[0]!
      for (const name of dropped) assert.notProperty(headers, name.toLowerCase())
    }))

  it.scopedLive("holds connections open without the secret: those that know it are served", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: upstream.url })
      yield* Effect.forEach(
        Array.from({ length: SLOW }),
        () =>
          Effect.tap(Client.connect(stage.port), (socket) => Effect.sync(() => socket.write("GET /x HTTP/1.1\r\nHo"))),
        {
          discard: true
        }
      )
      const asked = head(stage, `GET ${stage.base} HTTP/1.1`, [])
      const answers = yield* Effect.forEach(
        Array.from({ length: 40 }),
        () => Stage.speak(stage.port, asked),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers.map(statusLine), answers.map(() => "HTTP/1.1 200 OK"))
    }))

  it.scopedLive("sends a request behind one whose answer ends the connection: it holds nothing up", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: upstream.url })
      const request = `${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\n\r\n`
      yield* Stage.speak(stage.port, `GET /no-secret HTTP/1.1\r\nHost: x\r\n\r\nGET ${request}GET ${request}`)
      yield* Client.until(() => stage.proxy.streams() === 0)
    }))

  it.scopedLive("cannot take away a connection that has shown the secret", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: upstream.url })
      const known = yield* Client.connect(stage.port)
      const asked = `GET ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\n\r\n`
      known.write(asked)
      yield* Client.event(known, "data")
      yield* Effect.forEach(Array.from({ length: SLOW }), () => Client.connect(stage.port), { discard: true })
      const again = Client.event(known, "data")
      known.write(asked)
      yield* again
      assert.lengthOf(upstream.seen, 2)
    }))
})

describe("a token that no header can carry", () => {
  it.scopedLive("is sent nowhere, and the client is told", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: upstream.url, token: "good\r\nX-Forged: 1" })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.kind(answer), "token-malformed")
      assert.lengthOf(upstream.seen, 0)
      assert.notInclude(answer.text, "good")
      assert.notInclude(stage.lines.join("\n"), "X-Forged")
    }))
})
