import { assert, describe, it } from "@effect/vitest"
import * as RoundTrip from "@lockstep/core/RoundTrip"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as RawServer from "@lockstep/testkit/servers/RawServer"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Behaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Zlib from "node:zlib"
import { environment } from "./support/environment.js"

const portOf = (server: ScriptedServer.ScriptedServer) => Number(new URL(server.url).port)

const BODY = "grant_type=refresh_token&refresh_token=lockstep-rt-only"

/** Sends a request like those of a token endpoint. */
const send = (
  url: string,
  options: { readonly method?: string; readonly limit?: number; readonly body?: number } = {}
) =>
  Effect.gen(function*() {
    const { load } = yield* NodeRoundTripper.make
    const { method = "POST" } = options
    return yield* RoundTrip.within(
      yield* load,
      {
        url,
        method,
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: method === "POST" ? BODY : undefined
      },
      { limit: options.limit ?? 60_000, body: options.body ?? 1024 * 1024 }
    )
  })

/** What a table can compare. */
const told = (progress: RoundTrip.Progress): string => {
  switch (progress._tag) {
    case "Answered":
      return `${progress.head.status} ${progress.end} ${new TextDecoder().decode(progress.body)}`.trim()
    case "NeverSent":
    case "MaybeSent":
      return `${progress._tag}: ${progress.detail}`
    default:
      return progress._tag
  }
}

const ask = (...args: Parameters<typeof send>) => Effect.map(send(...args), told)

/** A machine without settings, in real time. */
const bare = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.zipRight(environment({}), effect)

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-network-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("a request", () => {
  it.scopedLive("opens a connection of its own, and closes it", () =>
    bare(Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      for (let count = 0; count < 3; count++) assert.include(yield* ask(`${server.url}/x`), "404 Whole")
      assert.strictEqual(new Set(server.requests.map(({ connection }) => connection)).size, 3)
      assert.isTrue(server.requests.every(({ headers }) => headers["connection"] === "close"))
    })))

  it.scopedLive("is written as RFC 9112 asks, whole and once", () =>
    bare(Effect.gen(function*() {
      const server = yield* RawServer.make(
        RawServer.answering((socket) => socket.end("HTTP/1.1 421 Misdirected\r\ncontent-length: 0\r\n\r\n"))
      )
      assert.strictEqual(yield* ask(`http://127.0.0.1:${server.port}/token?x=1#part`), "421 Whole")
      yield* Queue.take(server.closed)
      assert.lengthOf(server.received, 1)
      const [head = "", body] = server.received[0]!.split("\r\n\r\n")
      const [line, ...fields] = head.split("\r\n")
      assert.strictEqual(line, "POST /token?x=1 HTTP/1.1")
      assert.sameMembers(fields.map((field) => field.toLowerCase()), [
        "content-type: application/x-www-form-urlencoded",
        `host: 127.0.0.1:${server.port}`,
        "connection: close",
        "accept-encoding: identity",
        `content-length: ${BODY.length}`
      ])
      assert.strictEqual(body, BODY)
    })))

  it.scopedLive("shows a redirect and does not follow it", () =>
    bare(Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* server.script(Behaviour.redirect("/elsewhere", 307))
      const progress = yield* send(server.tokenEndpoint)
      assert.strictEqual(progress._tag === "Answered" && progress.head.headers["location"], "/elsewhere")
      assert.strictEqual(server.requests.length, 1)
    })))

  it.scopedLive("that is interrupted gives up its connection: while it is opened, sent, and answered", () =>
    bare(Effect.gen(function*() {
      const silent = yield* RawServer.make(() => undefined)
      const half = yield* RawServer.make(
        RawServer.answering((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"))
      )
      for (
        const [server, scheme] of [[silent, "https"], [silent, "http"], [half, "http"]] as const
      ) {
        const running = yield* Effect.fork(ask(`${scheme}://127.0.0.1:${server.port}/token`))
        yield* Queue.take(server.accepted)
        yield* Fiber.interrupt(running)
        yield* Queue.take(server.closed)
      }
      // Where no connection stood, the token was not written.
      assert.notInclude(silent.received[0], "lockstep-rt-only")
    })))
})

const reset: RawServer.Handle = (socket, onText) => onText(() => socket.resetAndDestroy())
const fin: RawServer.Handle = (socket, onText) => onText(() => socket.end())
/** handshake_failure */
const alert: RawServer.Handle = (socket, onText) =>
  onText(() => socket.end(Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28])))
const plain: RawServer.Handle = (socket, onText) =>
  onText(() => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"))
/** A record that announces a handshake and breaks off inside it. */
const half: RawServer.Handle = (socket, onText) =>
  onText(() => socket.end(Buffer.from([0x16, 0x03, 0x03, 0x00, 0x7a, 0x02, 0x00])))

describe("what fails before the connection stands was never sent:", () => {
  const handshakes: ReadonlyArray<[string, RawServer.Handle, RegExp]> = [
    ["a reset in the handshake", reset, /^NeverSent: the TLS handshake failed \(ECONNRESET\)$/],
    ["a FIN in the handshake", fin, /^NeverSent: the TLS handshake failed \(ECONNRESET\)$/],
    ["a TLS alert", alert, /^NeverSent: the TLS handshake failed \(ERR_SSL_[A-Z0-9_/]+\)$/],
    ["plain HTTP on the port of TLS", plain, /^NeverSent: the TLS handshake failed \((?:ERR_SSL_[A-Z0-9_]+|EPROTO)\)$/],
    ["half of a handshake", half, /^NeverSent: the TLS handshake failed \(ECONNRESET\)$/],
    ["a reset at once", (socket) => socket.resetAndDestroy(), /^NeverSent: /]
  ]
  it.live.each(handshakes)("%s", ([, handle, expected]) =>
    Effect.scoped(bare(Effect.gen(function*() {
      const server = yield* RawServer.make(handle)
      assert.match(yield* ask(`https://127.0.0.1:${server.port}/token`), expected)
      assert.lengthOf(server.received, 1)
      assert.notInclude(server.received[0], "lockstep-rt-only")
    }))))

  it.scopedLive("a handshake that does not end, with time left", () =>
    bare(Effect.gen(function*() {
      const server = yield* RawServer.make(() => undefined)
      const began = performance.now()
      assert.strictEqual(
        yield* ask(`https://127.0.0.1:${server.port}/token`, { limit: 2_000 }),
        "NeverSent: no TLS handshake in time"
      )
      assert.isBelow(performance.now() - began, 2_000)
    })))

  it.scopedLive("a certificate that is not trusted, or another host's, with what to do", () =>
    bare(Effect.gen(function*() {
      const server = yield* RawServer.make(() => undefined, { tls: SelfSignedCertificate.make() })
      const progress = yield* send(`https://127.0.0.1:${server.port}/token`)
      assert.strictEqual(told(progress), "NeverSent: the certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)")
      assert.match((progress._tag === "NeverSent" && progress.remedy) || "", /NODE_EXTRA_CA_CERTS.*SSL_CERT_FILE/)
      const directory = yield* temporary
      const certificate = SelfSignedCertificate.make()
      writeFileSync(join(directory, "ca.pem"), certificate.cert)
      const other = yield* RawServer.make(() => undefined, { tls: certificate })
      const proxy = yield* LoopbackProxy.make({ port: other.port })
      yield* environment({ SSL_CERT_FILE: join(directory, "ca.pem"), HTTPS_PROXY: proxy.url })
      const elsewhere = yield* send("https://tokens.invalid/token")
      assert.strictEqual(told(elsewhere), "NeverSent: the certificate is not trusted (ERR_TLS_CERT_ALTNAME_INVALID)")
      assert.match((elsewhere._tag === "NeverSent" && elsewhere.remedy) || "", /another host's/)
      assert.deepStrictEqual([...server.received, ...other.received].filter((text) => text !== ""), [])
    })))

  const proxies: ReadonlyArray<[string, RawServer.Handle, RegExp]> = [
    ["a proxy that resets", reset, /^NeverSent: the proxy opened no tunnel \(ECONNRESET\)$/],
    ["a proxy that hangs up", fin, /^NeverSent: the proxy opened no tunnel \(ECONNRESET\)$/],
    ["a proxy that speaks something else", alert, /^NeverSent: the proxy opened no tunnel \(HPE_[A-Z_]+\)$/],
    [
      "a proxy that answers a page",
      RawServer.answering((socket) =>
        socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\ncontent-type: text/html\r\n\r\n<p>no")
      ),
      /^NeverSent: the proxy refused to connect \(HTTP 403\)$/
    ],
    [
      "a proxy that answers a page as if it were a tunnel",
      RawServer.answering((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n<h1>Log in!</h1>")),
      /^NeverSent: the TLS handshake failed/
    ],
    [
      "a proxy whose tunnel ends at once",
      RawServer.answering((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n")),
      /^NeverSent: the TLS handshake failed/
    ],
    ["a proxy that stays silent at CONNECT", () => undefined, /^NeverSent: no tunnel through the proxy in time$/]
  ]
  it.live.each(proxies)("%s", ([, handle, expected]) =>
    Effect.scoped(Effect.gen(function*() {
      const proxy = yield* RawServer.make(handle)
      yield* environment({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
      assert.match(yield* ask("https://tokens.invalid/token", { limit: 4_000 }), expected)
      assert.notInclude(proxy.received.join(), "lockstep-rt-only")
    })))

  it.scopedLive("a proxy that is not there, or has no name", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.map(RawServer.make(() => undefined), (server) => server.port))
      yield* environment({ HTTPS_PROXY: `http://127.0.0.1:${port}` })
      assert.strictEqual(
        yield* ask("https://tokens.invalid/token"),
        "NeverSent: no connection to the proxy (ECONNREFUSED)"
      )
      yield* environment({ HTTPS_PROXY: "http://proxy.invalid" })
      assert.match(yield* ask("https://tokens.invalid/token"), /^NeverSent: the proxy's name cannot be resolved \(E/)
    }))

  it.scopedLive("a proxy without its password, with what to do", () =>
    Effect.gen(function*() {
      const proxy = yield* LoopbackProxy.make({ port: 9, refuse: 407 })
      yield* environment({ HTTPS_PROXY: proxy.url })
      const progress = yield* send("https://tokens.invalid/token")
      assert.strictEqual(told(progress), "NeverSent: the proxy refused to connect (HTTP 407)")
      assert.match((progress._tag === "NeverSent" && progress.remedy) || "", /user and password of the proxy/)
    }))

  it.scopedLive("a connection that stands when its time is over, also where it is found before the timer", () =>
    bare(Effect.gen(function*() {
      const server = yield* RawServer.make(
        RawServer.answering((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
      )
      const { load } = yield* NodeRoundTripper.make
      const roundTripper = yield* load
      const { connect } = yield* Effect.promise(() => import("node:net"))
      // Both connections stand in one turn of the loop, and the first holds the turn until the second is late.
      const first = connect(server.port, "127.0.0.1", () => {
        const until = performance.now() + 400
        while (performance.now() < until);
      })
      const trip = roundTripper(
        { url: `http://127.0.0.1:${server.port}/`, method: "GET", headers: {} },
        { connect: 200, body: 10 }
      )
      yield* Effect.promise(() => trip.ended)
      first.destroy()
      assert.strictEqual(told(trip.progress()), "NeverSent: no connection in time")
      assert.deepStrictEqual(server.received.filter((text) => text !== ""), [])
    })))

  it.scopedLive("a header that cannot be written", () =>
    bare(Effect.gen(function*() {
      const server = yield* RawServer.make(() => undefined)
      const { load } = yield* NodeRoundTripper.make
      const progress = yield* RoundTrip.within(
        yield* load,
        { url: `http://127.0.0.1:${server.port}/`, method: "GET", headers: { "x-broken": "a\r\nb" } },
        { limit: 60_000, body: 10 }
      )
      assert.strictEqual(told(progress), "NeverSent: the request cannot be written")
      assert.deepStrictEqual(server.received.filter((text) => text !== ""), [])
    })))
})

describe("what fails after that may have been sent:", () => {
  const endings: ReadonlyArray<[string, (socket: Net.Socket) => void, RegExp]> = [
    ["a reset", (socket) => socket.resetAndDestroy(), /^MaybeSent: .* \(ECONNRESET\)$/],
    ["a FIN", (socket) => socket.end(), /^MaybeSent: .* \(ECONNRESET\)$/],
    ["half of a header", (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-"), /^MaybeSent: /],
    ["no HTTP at all", (socket) => socket.end("SSH-2.0-OpenSSH\r\n"), /^MaybeSent: .* \(HPE_[A-Z_]+\)$/],
    [
      "too large a header",
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(100_000)}\r\n\r\n`),
      /^MaybeSent: .* \(HPE_HEADER_OVERFLOW\)$/
    ],
    [
      "a change of protocol",
      (socket) => socket.end("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      /^MaybeSent: /
    ],
    ["silence", () => undefined, /^Sent$/]
  ]
  it.live.each(endings)("%s", ([, end, expected]) =>
    Effect.scoped(bare(Effect.gen(function*() {
      const server = yield* RawServer.make(RawServer.answering(end))
      assert.match(yield* ask(`http://127.0.0.1:${server.port}/token`, { limit: 2_000 }), expected)
      assert.lengthOf(server.received, 1)
    }))))
})

describe("an answer is read", () => {
  const whole = (head: string, body: string) => (socket: Net.Socket) =>
    socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`)
  const open = (...pieces: ReadonlyArray<string>) => (socket: Net.Socket) => {
    for (const piece of pieces) socket.write(piece)
  }
  const compressed = (coding: string, bytes: Buffer) => (socket: Net.Socket) =>
    socket.end(Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\ncontent-length: ${bytes.byteLength}\r\n\r\n`),
      bytes
    ]))
  const answers: ReadonlyArray<[string, (socket: Net.Socket) => void, string]> = [
    ["with its length", whole("content-length: 2", "{}"), "200 Whole {}"],
    ["until the connection ends", whole("x: y", "{}"), "200 Whole {}"],
    ["in chunks", whole("transfer-encoding: chunked", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), "200 Whole {}"],
    [
      "after any number of interim ones",
      (socket) => {
        for (const code of [100, 102, 103, 199, 100]) socket.write(`HTTP/1.1 ${code} Wait\r\nx-interim: 1\r\n\r\n`)
        whole("content-length: 2", "{}")(socket)
      },
      "200 Whole {}"
    ],
    [
      "with 64 KiB of header fields",
      whole(
        `${
          Array.from({ length: 64 }, (_, n) => `x-${String(n).padStart(4, "0")}: ${"x".repeat(1_024 - 10)}`).join(
            "\r\n"
          )
        }\r\ncontent-length: 2`,
        "{}"
      ),
      "200 Whole {}"
    ],
    [
      "with lines that end as they should not",
      (socket) => socket.end("HTTP/1.1 200 OK\ncontent-length: 2\n\n{}"),
      "200 Whole {}"
    ],
    ["with a malformed header field", whole("x: \u0001\r\ncontent-length: 2", "{}"), "200 Whole {}"],
    ["compressed, though it was not asked for", compressed("gzip", Zlib.gzipSync("{}")), "200 Whole {}"],
    ["in another coding", compressed("br", Zlib.brotliCompressSync("{}")), "200 Whole {}"],
    ["in an unknown coding", compressed("nonsense", Buffer.from("{}")), "200 Whole {}"],
    ["cut short in its length", whole("content-length: 9", "{}"), "200 Cut {}"],
    ["cut short in its chunks", whole("transfer-encoding: chunked", "2\r\n{}\r\n"), "200 Cut {}"],
    [
      "as far as it came, when its chunks do not end",
      open("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "2\r\n{}\r\n"),
      "200 Open {}"
    ],
    ["as far as it came, when the connection does not end", open("HTTP/1.1 200 OK\r\n\r\n", "{}"), "200 Open {}"],
    [
      "as far as it came, when less came than was announced",
      open("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "{}"),
      "200 Cut {}"
    ],
    [
      "to its length, and the connection is not waited for",
      open("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", "{}"),
      "200 Whole {}"
    ],
    ["to its bound", whole("x: y", "x".repeat(2_000_000)), "200 TooLarge"]
  ]
  it.live.each(answers)("%s", ([, end, expected]) =>
    Effect.scoped(bare(Effect.gen(function*() {
      const server = yield* RawServer.make(RawServer.answering(end))
      const found = yield* ask(`http://127.0.0.1:${server.port}/token`, { limit: 2_000 })
      assert.strictEqual(found.slice(0, 100).replace(/ x+$/, ""), expected)
      assert.lengthOf(server.received, 1)
    }))))

  it.scopedLive("with the last of thousands of header fields", () =>
    bare(Effect.gen(function*() {
      const fields = `${"a: b\r\n".repeat(5_000)}retry-after: 7\r\ncontent-length: 0`
      const server = yield* RawServer.make(RawServer.answering(whole(fields, "")))
      const progress = yield* send(`http://127.0.0.1:${server.port}/token`)
      assert.strictEqual(progress._tag === "Answered" && progress.head.headers["retry-after"], "7")
    })))

  it.scopedLive("of which the head is enough, and a stream is left", () =>
    bare(Effect.gen(function*() {
      const server = yield* RawServer.make(
        RawServer.answering(open("HTTP/1.1 401 No\r\nwww-authenticate: Bearer\r\n\r\n"))
      )
      const { load } = yield* NodeRoundTripper.make
      const progress = yield* RoundTrip.within(
        yield* load,
        { url: `http://127.0.0.1:${server.port}/`, method: "GET", headers: {} },
        { limit: 60_000, body: 10, headOnly: true }
      )
      assert.strictEqual(progress._tag === "Answered" && progress.head.headers["www-authenticate"], "Bearer")
      yield* Queue.take(server.closed)
    })))
})

describe("a proxy", () => {
  it.scopedLive("is the one of HTTP_PROXY or HTTPS_PROXY, each for its scheme", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const plain = yield* LoopbackProxy.make({ port: portOf(server) })
      const secure = yield* LoopbackProxy.make({ port: portOf(server) })
      yield* environment({ HTTP_PROXY: plain.url, HTTPS_PROXY: secure.url })
      assert.include(yield* ask("http://tokens.invalid/x"), "404")
      assert.deepStrictEqual(plain.tunnels, ["tokens.invalid:80"])
      // The tunnel leads to a server without TLS; that it was asked for is what counts.
      assert.match(yield* ask("https://tokens.invalid/x"), /^NeverSent: the TLS handshake failed/)
      assert.deepStrictEqual(secure.tunnels, ["tokens.invalid:443"])
      assert.strictEqual(server.requests.length, 1)
    }))

  it.scopedLive("is passed by where NO_PROXY says so", () =>
    Effect.gen(function*() {
      const proxy = yield* LoopbackProxy.make({ port: 9 })
      yield* environment({ HTTP_PROXY: proxy.url, NO_PROXY: "other.invalid, .tokens.invalid" })
      assert.match(yield* ask("http://a.tokens.invalid/x"), /^NeverSent: the name cannot be resolved/)
      assert.deepStrictEqual(proxy.tunnels, [])
    }))

  it.scopedLive("never leads to this machine", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const proxy = yield* LoopbackProxy.make({ port: portOf(server) })
      yield* environment({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url })
      for (const host of ["127.0.0.1", "localhost"]) {
        assert.include(yield* ask(`http://${host}:${portOf(server)}/x`), "404")
      }
      assert.deepStrictEqual(proxy.tunnels, [])
    }))

  it.scopedLive("is shown user and password of its address, and nothing of the request", () =>
    Effect.gen(function*() {
      const proxy = yield* RawServer.make(RawServer.answering((socket) => socket.end("HTTP/1.1 407 No\r\n\r\n")))
      yield* environment({ HTTPS_PROXY: `http://us%40er:p%3Aw@127.0.0.1:${proxy.port}` })
      yield* ask("https://tokens.invalid/token?secret")
      const credentials = Buffer.from("us@er:p:w").toString("base64")
      assert.match(proxy.received[0]!, /^CONNECT tokens\.invalid:443 HTTP\/1\.1\r\n/)
      assert.include(proxy.received[0]!.toLowerCase(), "host: tokens.invalid:443\r\n")
      assert.include(proxy.received[0], `Basic ${credentials}\r\n`)
      assert.notInclude(proxy.received[0], "secret")
    }))

  it.scopedLive("may itself be reached by TLS, and the server through it by TLS of its own", () =>
    Effect.gen(function*() {
      const certificate = SelfSignedCertificate.make("tokens.invalid")
      const server = yield* ScriptedServer.make({ tls: certificate })
      const directory = yield* temporary
      writeFileSync(join(directory, "ca.pem"), certificate.cert)
      const { connect } = yield* Effect.promise(() => import("node:net"))
      const proxy = yield* RawServer.make(
        RawServer.answering((socket) => {
          socket.removeAllListeners("data")
          const upstream = connect(portOf(server), "127.0.0.1", () => {
            socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
            socket.pipe(upstream).pipe(socket)
          })
          upstream.on("error", () => socket.destroy())
          socket.on("close", () => upstream.destroy())
        }),
        { tls: certificate }
      )
      yield* environment({
        HTTPS_PROXY: `https://localhost:${proxy.port}`,
        SSL_CERT_FILE: join(directory, "ca.pem")
      })
      assert.include(yield* ask("https://tokens.invalid/x"), "404 Whole")
      assert.strictEqual(server.requests.length, 1)
    }))

  it.scopedLive("that is malformed is refused before anything is sent, and not quoted", () =>
    Effect.gen(function*() {
      for (const address of ["http://user:hunter2@", "socks5://user:hunter2@127.0.0.1", "127.0.0.1:hunter2"]) {
        yield* environment({ HTTPS_PROXY: address })
        const error = yield* Effect.flip(Effect.flatMap(NodeRoundTripper.make, ({ load }) => load))
        assert.strictEqual(error.detail, "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy")
        assert.notInclude(JSON.stringify(error), "hunter2")
      }
    }))
})

describe("an authority", () => {
  it.scopedLive(
    "of NODE_EXTRA_CA_CERTS or SSL_CERT_FILE is trusted, also through a proxy",
    () =>
      Effect.gen(function*() {
        const certificate = SelfSignedCertificate.make("tokens.invalid")
        const server = yield* ScriptedServer.make({ tls: certificate })
        const proxy = yield* LoopbackProxy.make({ port: portOf(server) })
        const directory = yield* temporary
        const authority = join(directory, "ca.pem")
        writeFileSync(authority, certificate.cert)
        const program = yield* Bundle.make(new URL("fixtures/requestStatus.ts", import.meta.url))
        const run = (url: string, env: Record<string, string>) =>
          Effect.async<string>((resume) => {
            const child = execFile(
              process.execPath,
              [program, url],
              { env },
              (_, stdout) => resume(Effect.succeed(stdout))
            )
            return Effect.sync(() => child.kill())
          })
        const direct = `https://localhost:${portOf(server)}/x`
        const untrusted = "the certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)"
        assert.strictEqual(yield* run(direct, {}), untrusted)
        assert.strictEqual(yield* run(direct, { SSL_CERT_FILE: join(directory, "absent.pem") }), untrusted)
        for (const variable of ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]) {
          assert.strictEqual(yield* run(direct, { [variable]: authority }), "404")
          assert.strictEqual(
            yield* run("https://tokens.invalid/x", { [variable]: authority, HTTPS_PROXY: proxy.url }),
            "404"
          )
        }
        // Beside another file, which holds nothing of it.
        const other = join(directory, "other.pem")
        writeFileSync(other, SelfSignedCertificate.make().cert)
        assert.strictEqual(yield* run(direct, { NODE_EXTRA_CA_CERTS: authority, SSL_CERT_FILE: other }), "404")
        assert.deepStrictEqual(proxy.tunnels, ["tokens.invalid:443", "tokens.invalid:443"])
      }),
    60_000
  )
})
