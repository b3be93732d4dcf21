import { assert, describe, it } from "@effect/vitest"
import * as ProxyTarget from "@lockstep/proxy/ProxyTarget"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Http from "node:http"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

/** A server that answers bytes to the head of any request, and ends. */
const answering = (text: string) =>
  Upstream.makeRaw((socket) => {
    socket.once("data", () => socket.end(text, "latin1"))
  })

const through = (handler: Upstream.Handler, options: Partial<Stage.Setup> = {}) =>
  Effect.gen(function*() {
    const upstream = yield* Upstream.make(handler)
    return { ...yield* Stage.make({ to: `${upstream.url}/api`, ...options }), upstream }
  })

const names = (raw: ReadonlyArray<string>): ReadonlyArray<string> =>
  raw.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())

describe("what the upstream is sent", () => {
  it.scopedLive("the token, in place of what the client brought", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => void response.end())
      yield* stage.ask("x", { headers: { authorization: "Bearer the-client's-own" } })
      const { rawHeaders } = stage.upstream.seen[0]!
      assert.deepStrictEqual(rawHeaders.filter((_, at) => rawHeaders[at - 1]?.toLowerCase() === "authorization"), [
        `Bearer ${yield* stage.accessToken}`
      ])
    }))

  it.scopedLive("a token that is fresh, refreshed first where it is not", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => void response.end(), { left: -60 })
      const stale = yield* stage.accessToken
      yield* Effect.all([stage.ask("a"), stage.ask("b"), stage.ask("c")], { concurrency: "unbounded" })
      const fresh = yield* stage.accessToken
      assert.notStrictEqual(fresh, stale)
      assert.deepStrictEqual(stage.upstream.tokens(), [fresh, fresh, fresh])
      assert.lengthOf(stage.machine.server.redemptions, 1)
    }))

  it.scopedLive("method, query, fields and body as they were, without what is for one connection or for this machine", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => void response.end())
      const headers = {
        "X-Kept": ["one", "two"],
        "Content-Type": "application/json",
        accept: "text/event-stream",
        "mcp-session-id": "s",
        connection: "close, X-Dropped",
        "x-dropped": "1",
        "proxy-connection": "keep-alive",
        "keep-alive": "timeout=5",
        te: "trailers",
        cookie: "session=of-another-port",
        referer: stage.url,
        forwarded: "for=1.2.3.4",
        "x-forwarded-for": "1.2.3.4",
        "x-forwarded-host": "evil.example",
        "proxy-authorization": "Basic eDp5"
      }
      yield* stage.ask("x?q=%20&r", { method: "PATCH", headers, body: "{\"a\":1}" })
      const [seen] = stage.upstream.seen
      assert.strictEqual(seen!.method, "PATCH")
      assert.strictEqual(seen!.url, "/api/x?q=%20&r")
      assert.strictEqual(yield* Effect.promise(() => seen!.body), "{\"a\":1}")
      assert.strictEqual(seen!.headers.host, `127.0.0.1:${stage.upstream.port}`)
      assert.strictEqual(seen!.headers.via, "1.1 lockstep")
      assert.strictEqual(seen!.headers["content-length"], "7")
      assert.deepStrictEqual(names(seen!.rawHeaders).toSorted(), [
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "mcp-session-id",
        "via",
        "x-kept",
        "x-kept"
      ])
    }))

  it.scopedLive("a body in chunks, and a body that was waited for", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => void response.end("ok"))
      const said = yield* Stage.speak(
        stage.port,
        `POST ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\nTransfer-Encoding: chunked\r\n\r\n` +
          "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Trailer: dropped\r\n\r\n" +
          `POST ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n` +
          "Connection: close\r\n\r\nhi"
      )
      assert.deepStrictEqual(said.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 100", "HTTP/1.1 200"])
      const bodies = stage.upstream.seen.map(({ body }) => Effect.promise(() => body))
      assert.deepStrictEqual(yield* Effect.all(bodies), ["abcdefg", "hi"])
    }))

  it.scopedLive("no body before it may be sent: a client that waits for 100 is refused before", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => void response.end())
      const head = (host: string) =>
        `POST ${stage.base} HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`
      const said = yield* Stage.speak(stage.port, head("evil.example"))
      assert.match(said, /^HTTP\/1\.1 421 /)
    }))
})

describe("what the client is sent", () => {
  it.scopedLive("the answer as it was, without what would act on this machine", () =>
    Effect.gen(function*() {
      const upstream = yield* answering(
        "HTTP/1.1 418 Short And Stout\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n" +
          "Set-Cookie: a=b\r\nClear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=1\r\n" +
          "Alt-Svc: h2=\":443\"\r\nAccess-Control-Allow-Origin: *\r\nKeep-Alive: timeout=9\r\n" +
          "Connection: close, X-Dropped\r\nX-Dropped: 1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n\u001f\u008b"
      )
      const stage = yield* Stage.make({ to: upstream.url })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.status, 418)
      assert.strictEqual(answer.text, "\u001f\u008b")
      assert.isTrue(answer.whole)
      assert.deepStrictEqual(names(answer.rawHeaders), [
        "x-twice",
        "x-twice",
        "content-length",
        "content-encoding",
        "date",
        "connection"
      ])
      assert.strictEqual(answer.headers.date, "Thu, 01 Jan 1970 00:00:00 GMT")
    }))

  it.scopedLive("trailers behind a body in chunks, but none that frames or sets anything", () =>
    Effect.gen(function*() {
      const stage = yield* through((_, response) => {
        response.writeHead(200, { Trailer: "Checksum" })
        response.write("abc")
        response.addTrailers({ Checksum: "c1", "Set-Cookie": "a=b", Location: "/x" })
        response.end()
      })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.text, "abc")
      assert.deepStrictEqual({ ...answer.trailers }, { checksum: "c1" })
    }))

  it.scopedLive("answers without a body, framed as such", () =>
    Effect.gen(function*() {
      const stage = yield* through((request, response) => {
        const status = Number(/\/(\d+)/.exec(request.url ?? "")?.[1] ?? 200)
        if (status === 200) response.writeHead(200, { "Content-Length": "1000" })
        else response.writeHead(status, { ETag: "\"e\"" })
        response.end()
      })
      // One connection for all: what is framed wrongly spoils the next.
      const start = (method: string, path: string) =>
        `${method} ${stage.base}${path} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\n`
      const said = yield* Stage.speak(
        stage.port,
        `${start("GET", "204")}\r\n${start("GET", "304")}\r\n${start("HEAD", "200")}\r\n${
          start("GET", "205")
        }Connection: close\r\n\r\n`
      )
      assert.deepStrictEqual(said.match(/HTTP\/1\.1 \d+/g), [204, 304, 200, 205].map((one) => `HTTP/1.1 ${one}`))
      const [noContent, notModified, head] = said.split("\r\n\r\n")
      assert.notMatch(noContent!, /content-length|transfer-encoding/i)
      assert.match(notModified!, /etag: "e"/i)
      assert.match(head!, /content-length: 1000/i)
    }))

  it.scopedLive("answers that come before the one that counts", () =>
    Effect.gen(function*() {
      const upstream = yield* answering(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" +
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      )
      const stage = yield* Stage.make({ to: upstream.url })
      const said = yield* Stage.speak(
        stage.port,
        `GET ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\nConnection: close\r\n\r\n`
      )
      assert.deepStrictEqual(said.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 102", "HTTP/1.1 103", "HTTP/1.1 200"])
      assert.match(said, /Link: <\/a\.css>; rel=preload/i)
    }))

  it.scopedLive("long header fields, and none that are too long", () =>
    Effect.gen(function*() {
      const stage = yield* through((request, response) => {
        response.setHeader("X-Long", "y".repeat(request.url === "/api/long" ? 48_000 : 70_000)).end("ok")
      })
      const fits = Effect.async<number>((resume) => {
        Http.get(`${stage.url}long`, { maxHeaderSize: 262_144 }, (response) => {
          response.resume()
          resume(Effect.succeed(response.headers["x-long"]?.length ?? 0))
        })
      })
      assert.strictEqual(yield* fits, 48_000)
      const answer = yield* stage.ask("longer")
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.problem(answer)["code"], "HPE_HEADER_OVERFLOW")
    }))

  it.scopedLive("problems, where the upstream does not answer", () =>
    Effect.gen(function*() {
      const silent = yield* Upstream.makeRaw(() => {})
      const closing = yield* Upstream.makeRaw((socket) => socket.once("data", () => socket.destroy()))
      const babbling = yield* answering("SSH-2.0-OpenSSH_9.2\r\n")
      const cases = [
        [silent.url, 504, "upstream-timeout"],
        [closing.url, 502, "upstream-unreachable"],
        [babbling.url, 502, "upstream-unreachable"],
        ["http://127.0.0.1:1", 502, "upstream-unreachable"],
        ["https://upstream.invalid", 502, "upstream-unreachable"]
      ] as const
      for (const [to, status, kind] of cases) {
        const stage = yield* Stage.make({ to, limits: { responseTimeout: 200 } })
        const answer = yield* stage.ask("x", { method: "POST", body: "{}" })
        assert.strictEqual(answer.status, status, to)
        assert.strictEqual(Stage.kind(answer), kind)
        assert.strictEqual(answer.headers["content-type"], "application/problem+json")
        assert.strictEqual(Stage.problem(answer).status, status)
        assert.isNotEmpty(Stage.problem(answer).advice)
      }
    }))
})

describe("what is told", () => {
  it.scopedLive("a span of each exchange where spans are collected, with the tenant and how it ended", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const native = yield* Effect.tracer
      const tracer = Tracer.make({
        context: native.context.bind(native),
        span: (...how) => {
          const span = native.span(...how)
          if (span.name === "lockstep.proxy.exchange") spans.push(span)
          // The collector makes spans of its own kind.
          return new Proxy(span, {
            get: (target, member) => {
              if (member === "constructor") return Proxy
              const value = Reflect.get(target, member) as unknown
              return typeof value === "function" ? value.bind(target) : value
            }
          })
        }
      })
      const upstream = yield* Upstream.make((request, response) =>
        void (request.url === "/gone" ? response.destroy() : response.end("ok"))
      )
      const stage = yield* Effect.withTracer(Stage.make({ to: upstream.url }), tracer)
      yield* stage.ask("fine")
      yield* stage.ask("gone")
      const told = spans.flatMap((span) =>
        span.status._tag === "Ended" ? [[span.kind, span.attributes.get("tenant"), span.status.exit._tag]] : []
      )
      assert.deepStrictEqual(told, [["server", "codex", "Success"], ["server", "codex", "Failure"]])
    }))
})

describe("where the token goes", () => {
  it.scopedLive("never to where a redirect leads, which the client is told and may go by itself", () =>
    Effect.gen(function*() {
      const elsewhere = yield* Upstream.make()
      const stage = yield* through((request, response) => {
        const origin = `http://${request.headers.host}`
        const locations: Record<string, string> = {
          relative: "next?a=1#f",
          root: "/api/next",
          absolute: `${origin}/api/next`,
          itself: "/api",
          slash: "/api/",
          outside: "/login",
          beside: "/apix",
          dotted: "/api/../secret",
          other: `${elsewhere.url}/api/next`,
          scheme: `https://127.0.0.1:${elsewhere.port}/api/next`,
          protocol: `//127.0.0.1:${elsewhere.port}/api/next`,
          strange: "urn:x:y"
        }
        const location = locations[request.url!.slice(5)]
        if (location === undefined) response.end()
        else response.writeHead(307, { Location: location }).end()
      })
      const { base, upstream } = stage
      const expected: Record<string, string> = {
        relative: `${base}next?a=1#f`,
        root: `${base}next`,
        absolute: `${base}next`,
        itself: base,
        slash: `${base}/`,
        outside: `${upstream.url}/login`,
        beside: `${upstream.url}/apix`,
        dotted: `${upstream.url}/secret`,
        other: `${elsewhere.url}/api/next`,
        scheme: `https://127.0.0.1:${elsewhere.port}/api/next`,
        protocol: `${elsewhere.url}/api/next`,
        strange: "urn:x:y"
      }
      for (const [name, location] of Object.entries(expected)) {
        const answer = yield* stage.ask(name, { method: "POST", body: "x" })
        assert.strictEqual(answer.status, 307)
        assert.strictEqual(answer.headers.location, location, name)
      }
      assert.lengthOf(upstream.seen, Object.keys(expected).length, "nothing was followed")
      assert.lengthOf(elsewhere.seen, 0)
      // A client that follows goes there without the token.
      const answer = yield* Stage.ask(expected["other"]!)
      assert.strictEqual(answer.status, 200)
      assert.notProperty(elsewhere.seen[0]!.headers, "authorization")
      yield* Stage.ask(new URL(expected["slash"]!, stage.url).href)
      assert.strictEqual(upstream.seen.at(-1)!.url, "/api/")
    }))

  it("never over plain http beyond this machine, nor to what is no address", () => {
    const refused = {
      "http://api.example": "Insecure",
      "http://127.0.0.1.example/x": "Insecure",
      "http://10.0.0.1/": "Insecure",
      "http://0.0.0.0/": "Insecure",
      "ftp://127.0.0.1/": "Address",
      "file:///etc/passwd": "Address",
      "api.example": "Address",
      "": "Address",
      "https://user:pass@api.example": "Extra",
      "https://api.example/?key=1": "Extra",
      "https://api.example/#x": "Extra"
    }
    for (const [text, reason] of Object.entries(refused)) {
      const error = Option.getOrThrow(Either.getLeft(ProxyTarget.fromText(text)))
      assert.strictEqual(error.reason, reason, text)
      assert.isNotEmpty(error.advice)
    }
    for (const text of ["https://api.example/v1", "http://localhost:1/", "http://127.0.0.1", "http://[::1]:8080/x"]) {
      assert.strictEqual(Stage.target(text).origin, new URL(text).origin)
    }
  })

  it.scopedLive("never to another origin than the login's, also where the login becomes another one meanwhile", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const stage = yield* Stage.make({ to: `${upstream.url}/mcp`, resource: `${upstream.url}/other` })
      assert.strictEqual((yield* stage.ask("")).status, 200)
      const other = yield* Stage.make({ to: `${upstream.url}/mcp`, resource: "https://elsewhere.example/mcp" })
      const answer = yield* other.ask("")
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.kind(answer), "other-origin")
      assert.lengthOf(upstream.seen, 1)
    }))

  it.scopedLive("through HTTPS_PROXY in a tunnel, and never through a proxy to this machine", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make()
      const proxy = yield* LoopbackProxy.make({ port: 9, refuse: 407 })
      const variables = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"]
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const before = variables.map((name) => [name, process.env[name]] as const)
          for (const name of variables) delete process.env[name]
          Object.assign(process.env, { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url })
          return before
        }),
        (before) =>
          Effect.sync(() => {
            for (const [name, value] of before) {
              if (value === undefined) delete process.env[name]
              else process.env[name] = value
            }
          })
      )
      const far = yield* Stage.make({ to: "https://api.invalid/v1" })
      assert.strictEqual((yield* far.ask("x")).status, 502)
      assert.deepStrictEqual(proxy.tunnels, ["api.invalid:443"])
      const near = yield* Stage.make({ to: upstream.url })
      assert.strictEqual((yield* near.ask("x")).status, 200)
      assert.lengthOf(proxy.tunnels, 1)
    }))
})
