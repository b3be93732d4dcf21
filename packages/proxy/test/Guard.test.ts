import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Http from "node:http"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

const make = (options: Partial<Stage.Setup> = {}) =>
  Effect.gen(function*() {
    const upstream = yield* Upstream.make()
    const stage = yield* Stage.make({ to: `${upstream.url}/api`, ...options })
    return { ...stage, upstream }
  })

const statusLine = (text: string): string => text.slice(0, text.indexOf("\r\n"))

/** A request in bytes: what no client library would send. */
const bytes = (stage: { readonly port: number }, start: string, ...lines: ReadonlyArray<string>) =>
  Stage.speak(
    stage.port,
    [start, `Host: 127.0.0.1:${stage.port}`, "Connection: close", ...lines, "", ""].join("\r\n")
  )

describe("who may pass", () => {
  it.scopedLive("a request with the secret in its path, and the secret cannot be guessed", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      assert.match(stage.url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/)
      assert.strictEqual((yield* stage.ask("x?y=1")).status, 200)
      assert.strictEqual(stage.upstream.seen[0]!.url, "/api/x?y=1")
      const other = yield* make()
      assert.notStrictEqual(other.secret, stage.secret)
    }))

  it.scopedLive("without the secret there is nothing to be seen, and no token is asked for", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: -60 })
      const { secret } = stage
      const paths = [
        "",
        "/",
        "/x",
        `/${secret.slice(1)}/`,
        `/${secret}x/`,
        `/${secret.toLowerCase()}/`,
        `/x/${secret}/`,
        `//${secret}/`,
        `/%${secret.charCodeAt(0).toString(16)}${secret.slice(1)}/`,
        `/?${secret}/`
      ]
      for (const path of paths) {
        for (const headers of [{}, { host: "evil.example" }, { origin: "https://evil.example" }]) {
          const answer = yield* Stage.ask(`http://127.0.0.1:${stage.port}${path}`, { headers })
          assert.strictEqual(answer.status, 404, path)
          assert.strictEqual(answer.text, "")
          assert.deepStrictEqual(
            Object.keys(answer.headers).sort(),
            ["connection", "content-length", "date"],
            "nothing says what this is"
          )
        }
      }
      assert.lengthOf(stage.upstream.seen, 0)
      assert.lengthOf(stage.machine.server.requests, 0)
    }))

  it.scopedLive("a name that was rebound to loopback is refused, with the secret, too", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { port } = stage
      const hosts = [
        "evil.example",
        `evil.example:${port}`,
        `127.0.0.1.evil.example:${port}`,
        `localhost.evil.example:${port}`,
        `127.0.0.1:${port + 1}`,
        "127.0.0.1",
        `127.0.0.2:${port}`,
        `0.0.0.0:${port}`,
        `user@127.0.0.1:${port}`,
        `127.0.0.1:${port}@evil.example`,
        `localhost.:${port}`
      ]
      for (const host of hosts) {
        const answer = yield* stage.ask("x", { headers: { host } })
        assert.strictEqual(answer.status, 421, host)
        assert.strictEqual(Stage.kind(answer), "foreign-host")
      }
      const twice = yield* bytes(stage, `GET ${stage.base} HTTP/1.1`, "Host: evil.example")
      assert.strictEqual(statusLine(twice), "HTTP/1.1 421 Misdirected Request")
      for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
        assert.strictEqual((yield* stage.ask("x", { headers: { host } })).status, 200, host)
      }
      assert.lengthOf(stage.upstream.seen, 4)
    }))

  it.scopedLive("a name that was allowed is let in on any port, and no name like it", () =>
    Effect.gen(function*() {
      const stage = yield* make({ hosts: ["host.docker.internal"] })
      for (const host of ["host.docker.internal:9", "HOST.docker.internal"]) {
        assert.strictEqual((yield* stage.ask("", { headers: { host } })).status, 200, host)
      }
      assert.strictEqual((yield* stage.ask("", { headers: { host: "x.host.docker.internal:9" } })).status, 421)
    }))

  it.scopedLive("a web page is refused, also where it sends no Origin", () =>
    Effect.gen(function*() {
      const stage = yield* make({ origins: ["http://localhost:3000"] })
      const refused: ReadonlyArray<Http.OutgoingHttpHeaders> = [
        { origin: "https://evil.example" },
        { origin: "null" },
        { origin: "http://localhost:3001" },
        { origin: "http://localhost:3000.evil.example" },
        { origin: `http://127.0.0.1:${stage.port}` },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" }
      ]
      for (const headers of refused) {
        const answer = yield* stage.ask("x", { method: "POST", headers, body: "{}" })
        assert.strictEqual(answer.status, 403, JSON.stringify(headers))
        assert.strictEqual(Stage.kind(answer), "foreign-origin")
        assert.notProperty(answer.headers, "access-control-allow-origin")
      }
      assert.lengthOf(stage.upstream.seen, 0)
    }))

  it.scopedLive("a page that was allowed may send, and read the answer", () =>
    Effect.gen(function*() {
      const origin = "http://localhost:3000"
      const stage = yield* make({ origins: [origin] })
      const asked = yield* stage.ask("x", {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "PATCH",
          "access-control-request-headers": "content-type, mcp-session-id",
          "access-control-request-private-network": "true"
        }
      })
      assert.strictEqual(asked.status, 204)
      assert.strictEqual(asked.headers["access-control-allow-origin"], origin)
      assert.strictEqual(asked.headers["access-control-allow-methods"], "PATCH")
      assert.strictEqual(asked.headers["access-control-allow-headers"], "content-type, mcp-session-id")
      assert.strictEqual(asked.headers["access-control-allow-private-network"], "true")
      assert.lengthOf(stage.upstream.seen, 0, "the upstream is not asked about pages")
      const answer = yield* stage.ask("x", { headers: { origin, "sec-fetch-site": "cross-site" } })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["access-control-allow-origin"], origin)
      assert.notProperty(stage.upstream.seen[0]!.headers, "origin")
      const other = yield* stage.ask("x", {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "GET" }
      })
      assert.strictEqual(other.status, 403)
    }))

  it.scopedLive("no path leads out of the target", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const paths = [
        "..",
        "../x",
        "a/../../x",
        "./x",
        "%2e%2e/x",
        "%2E%2e%2fx",
        "a/%2e%2e%2f..%2fx",
        "..%5cx",
        "..\\x",
        "%252e%252e/x",
        "%25252e%25252e%25252fx",
        "..;/x",
        "..;a=b/x",
        "%c0%ae%c0%ae/x",
        "%c0%ae%c0%ae%c0%afx"
      ]
      for (const path of paths) {
        const said = yield* bytes(stage, `GET ${stage.base}${path} HTTP/1.1`)
        assert.strictEqual(statusLine(said), "HTTP/1.1 400 Bad Request", path)
      }
      assert.lengthOf(stage.upstream.seen, 0)
      for (const path of ["a..b/...", "group%2Fproject", ".well-known/x", "a//b", "%2525", "x?../..", ""]) {
        const said = yield* bytes(stage, `GET ${stage.base}${path} HTTP/1.1`)
        assert.strictEqual(statusLine(said), "HTTP/1.1 200 OK", path)
      }
      assert.deepStrictEqual(
        stage.upstream.seen.map(({ url }) => url),
        [
          "/api/a..b/...",
          "/api/group%2Fproject",
          "/api/.well-known/x",
          "/api/a//b",
          "/api/%2525",
          "/api/x?../..",
          "/api"
        ]
      )
    }))

  it.scopedLive("it is no forward proxy, and shows the token to no other server", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { base, port } = stage
      for (
        const start of [
          `GET http://evil.example${base} HTTP/1.1`,
          `GET http://127.0.0.1:${port}${base} HTTP/1.1`,
          `GET ${base.slice(1)} HTTP/1.1`,
          "OPTIONS * HTTP/1.1"
        ]
      ) {
        assert.match(statusLine(yield* bytes(stage, start)), /^HTTP\/1\.1 40[04] /, start)
      }
      // A tunnel is not even answered.
      assert.strictEqual(yield* bytes(stage, "CONNECT evil.example:443 HTTP/1.1"), "")
      assert.match(statusLine(yield* bytes(stage, `TRACE ${base} HTTP/1.1`)), / 405 /)
      assert.match(
        statusLine(yield* Stage.speak(port, `GET ${base} HTTP/1.0\r\n\r\n`)),
        / 400 /,
        "a request without Host"
      )
      assert.lengthOf(stage.upstream.seen, 0)
    }))

  it.scopedLive("WebSockets are refused in words, and an offer of HTTP/2 is passed over", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const refused = yield* bytes(
        stage,
        `GET ${stage.base} HTTP/1.1`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
      )
      assert.match(statusLine(refused), / 501 /)
      assert.include(refused, "urn:lockstep:problem:websocket")
      const offered = yield* bytes(
        stage,
        `GET ${stage.base} HTTP/1.1`,
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__"
      )
      assert.match(statusLine(offered), / 200 /)
      assert.lengthOf(stage.upstream.seen, 1)
      for (const name of ["upgrade", "http2-settings"]) assert.notProperty(stage.upstream.seen[0]!.headers, name)
    }))

  it.scopedLive("a request that could be read in two ways is read in none", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const smuggled = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
      const framings = [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5, 5"],
        ["Content-Length: +5"],
        ["Content-Length: 0x5"],
        ["Content-Length : 5"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: identity", "Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding\t: chunked"],
        ["X: y\nTransfer-Encoding: chunked"]
      ]
      for (const framing of framings) {
        const said = yield* bytes(stage, `POST ${stage.base} HTTP/1.1`, ...framing, "", `0\r\n\r\n${smuggled}`)
        assert.match(statusLine(said), / 400 /, framing.join(" | "))
      }
      assert.lengthOf(stage.upstream.seen, 0)
    }))

  it.scopedLive("what is behind a body is a request of its own, and needs the secret as well", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const said = yield* Stage.speak(
        stage.port,
        `POST ${stage.base} HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\nContent-Length: 2\r\n\r\n{}` +
          `GET /api/evil HTTP/1.1\r\nHost: 127.0.0.1:${stage.port}\r\nConnection: close\r\n\r\n`
      )
      assert.deepStrictEqual(said.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 404"])
      assert.lengthOf(stage.upstream.seen, 1)
      assert.strictEqual(yield* Effect.promise(() => stage.upstream.seen[0]!.body), "{}")
    }))

  it.scopedLive("too long a header is refused, and a long one is not", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make(undefined, { server: { maxHeaderSize: 262_144 } })
      const stage = yield* Stage.make({ to: upstream.url })
      assert.strictEqual((yield* stage.ask("", { headers: { x: "y".repeat(48_000) } })).status, 200)
      assert.strictEqual((yield* stage.ask("", { headers: { x: "y".repeat(70_000) } })).status, 431)
      assert.lengthOf(upstream.seen, 1)
    }))

  it.scopedLive("it listens on loopback alone, on both of its addresses", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      assert.strictEqual((yield* Stage.ask(stage.url.replace("127.0.0.1", "localhost"))).status, 200)
      const taken = yield* Effect.flip(Stage.make({ to: stage.upstream.url, port: stage.port }))
      assert.strictEqual(taken._tag, "ProxyPortTaken")
    }))

  it.scopedLive("neither the log nor an answer of its own holds the secret, the query or the token", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make((_, response) => response.destroy())
      const stage = yield* Stage.make({ to: upstream.url })
      const answers = [
        yield* stage.ask("x?hidden=1"),
        yield* stage.ask("../x"),
        yield* stage.ask("x", { headers: { host: "evil.example" } })
      ]
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [502, 400, 421].map((one, at) => at === 1 ? 404 : one)
      )
      const told = [...stage.lines, ...answers.map((one) => `${one.text}${JSON.stringify(one.headers)}`)].join("\n")
      assert.include(told, "GET /x")
      for (const hidden of [stage.secret, "hidden", yield* stage.accessToken]) assert.notInclude(told, hidden)
    }))
})
