import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/stage.js"

const TOKEN = "/v1/tenants/codex/token"

/** What no answer holds, whatever was sent: a refresh token, and the token of a login that is not the caller's. */
const assertKept = (text: string, ...foreign: ReadonlyArray<string>) => {
  assert.notInclude(text, Stage.REFRESH)
  for (const tenant of foreign) {
    assert.notInclude(text, `${Stage.ACCESS}${tenant}`)
    assert.notInclude(text, `"${tenant}"`)
  }
}

describe("a client that means harm", () => {
  it.scopedLive("asks under another name of this machine, from a page or through a proxy: refused at every door", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ port: true, shared: true })
      const key = stage.add("a", { tenants: ["codex"] })
      const doors: ReadonlyArray<readonly [Stage.Door, string]> = [
        [`${stage.home}/serve.sock`, "localhost"],
        [`${stage.home}/shared.sock`, "localhost"],
        [{ port: Stage.portOf(stage) }, `127.0.0.1:${Stage.portOf(stage)}`]
      ]
      const refused: ReadonlyArray<readonly [number, string]> = [
        [403, "Origin: https://evil.example"],
        [403, "Origin: null"],
        [403, "Origin: http://localhost"],
        [403, "Sec-Fetch-Site: cross-site"],
        [403, "Sec-Fetch-Site: same-site"],
        [403, "X-Forwarded-For: 10.0.0.1"],
        [403, "x_forwarded_for: 10.0.0.1"],
        [403, "Forwarded: for=10.0.0.1"],
        [403, "Via: 1.1 proxy"],
        [403, "X-Real-IP: 10.0.0.1"],
        [403, "X-Original-URL: /v1/tenants/codex/token"],
        [400, "Host: evil.example"],
        [400, "Authorization: Bearer x"]
      ]
      for (const [door, host] of doors) {
        const request = (...lines: ReadonlyArray<string>) =>
          Stage.speak(
            door,
            [
              `GET ${TOKEN} HTTP/1.1`,
              `Host: ${host}`,
              "Connection: close",
              `Authorization: Bearer ${key}`,
              ...lines,
              "",
              ""
            ]
              .join("\r\n")
          )
        assert.strictEqual(Stage.statusOf(yield* request("Lockstep-Client: x")), 200)
        assert.strictEqual(Stage.statusOf(yield* request()), 403, "without the header field that every request has")
        for (const [status, line] of refused) {
          const answer = yield* request("Lockstep-Client: x", line)
          assert.strictEqual(Stage.statusOf(answer), status, line)
          assertKept(answer, "codex")
        }
      }
      const rebound = yield* Stage.speak(
        { port: Stage.portOf(stage) },
        Stage.head(`GET ${TOKEN} HTTP/1.1`, `Authorization: Bearer ${key}`).replace("localhost", "evil.example")
      )
      assert.strictEqual(Stage.statusOf(rebound), 421)
      for (const host of ["127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example", "[::1]", "0.0.0.0", "2130706433"]) {
        const answer = yield* Stage.speak(
          { port: Stage.portOf(stage) },
          Stage.head(`GET ${TOKEN} HTTP/1.1`, `Authorization: Bearer ${key}`).replace("localhost", host)
        )
        assert.strictEqual(Stage.statusOf(answer), 421, host)
      }
    }))

  it.scopedLive("smuggles a second request behind the first: there is one answer, or none to it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const key = stage.add("a", { tenants: ["mcp:a"] })
      const door = `${stage.home}/shared.sock`
      const hidden = Stage.head(`GET ${TOKEN} HTTP/1.1`)
      const bearer = `Authorization: Bearer ${key}`
      const cases = [
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Content-Length: 0", "Transfer-Encoding: chunked") +
        "0\r\n\r\n" + hidden,
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Transfer-Encoding: chunked, identity") + hidden,
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Transfer-Encoding: xchunked") + hidden,
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Content-Length: 4", "Content-Length: 5") + "aaaa" + hidden,
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Content-Length: -1") + hidden,
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Content-Length : 5") + hidden,
        Stage.head("POST /v1/tenants HTTP/1.1", bearer, "Transfer-Encoding\t: chunked") + hidden,
        Stage.head("GET /v1/tenants HTTP/1.1", `${bearer}\n\nGET ${TOKEN} HTTP/1.1`),
        Stage.head("GET /v1/tenants HTTP/1.1", bearer, "Expect: 100-continue", "Content-Length: 5") + hidden
      ]
      for (const coding of ["xchunked", "chunked, identity", "gzip, chunked"]) {
        const answer = yield* Stage.speak(
          door,
          Stage.head("GET /v1/tenants HTTP/1.1", bearer, `Transfer-Encoding: ${coding}`) + hidden
        )
        assert.strictEqual(Stage.statusOf(answer), 400, coding)
      }
      for (const bytes of cases) {
        const answer = yield* Stage.speak(door, bytes)
        assertKept(answer, "codex")
        assert.isAtMost((answer.match(/HTTP\/1\.1 2/g) ?? []).length, 1, bytes)
      }
    }))

  it.scopedLive("tricks with paths: nothing is there but what is its own", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const key = stage.add("a", { tenants: ["mcp:*"] })
      const door = `${stage.home}/shared.sock`
      const paths = [
        "/v1/tenants/mcp:a/../codex/token",
        "/v1/tenants/mcp%3Aa%2F..%2Fcodex/token",
        "/v1/tenants/%63odex/token",
        "/v1/tenants/CODEX/token",
        "/v1/tenants/codex%00/token",
        "/v1/tenants/codex%0a/token",
        "/v1/tenants/%/token",
        "/v1/tenants/%c0%af/token",
        "/v1/tenants/__proto__/token",
        "/v1/tenants/constructor/token",
        "/v1//tenants/codex/token",
        "//v1/tenants/codex/token",
        "/v1/tenants/codex/token/",
        "/v1/tenants/codex/token;x=mcp:a",
        "/v1/tenants/codex/token?tenant=mcp:a",
        "/agent/x/v1/tenants/codex/token",
        `/agent/${key}/v1/tenants/codex/token`,
        `/agent/${key}/agent/${key}/v1/tenants/codex/token`,
        `/agent/${key}/computeMetadata/v1/instance/service-accounts/codex/token`,
        "/../auth.json",
        "/v1/../../auth.json",
        "http://localhost/v1/tenants/codex/token",
        "*",
        `/v1/tenants/${"a".repeat(600)}/token`
      ]
      for (const path of paths) {
        const answer = yield* Stage.speak(door, Stage.head(`GET ${path} HTTP/1.1`, `Authorization: Bearer ${key}`))
        assert.notStrictEqual(Stage.statusOf(answer), 200, path)
        assertKept(answer)
        assert.notInclude(answer, `${Stage.ACCESS}codex`, path)
      }
      for (const method of ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"]) {
        const answer = yield* Stage.speak(
          door,
          Stage.head(`${method} ${TOKEN} HTTP/1.1`, `Authorization: Bearer ${key}`)
        )
        assert.notStrictEqual(Stage.statusOf(answer), 200, method)
        assertKept(answer, "codex")
      }
    }))

  it.scopedLive("asks for every endpoint without a key, or with another's: no answer names a login", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const key = stage.add("a", { tenants: ["mcp:a"] })
      const door = `${stage.home}/shared.sock`
      const requests = [
        "GET /v1/tenants",
        `GET ${TOKEN}`,
        "POST /v1/tenants/codex/rejected",
        "POST /v1/tenants/codex/refresh",
        "GET /v1/events",
        "POST /v1/logins",
        "POST /v1/logins/codex/code",
        "POST /v1/logins/codex/poll",
        "GET /computeMetadata/v1/instance/service-accounts/codex/token",
        "GET /computeMetadata/v1/instance/service-accounts/"
      ]
      const keys = [
        "",
        "lsk_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        // The id of a key that there is, and another secret.
        `${key.slice(0, -2)}${key.at(-2) === "A" ? "B" : "A"}${key.at(-1)}`,
        key.slice(0, -1),
        `${key}A`,
        key.toUpperCase()
      ]
      for (const one of requests) {
        const body = JSON.stringify({ access_token: "x", target: "codex", code: "x" })
        const lines = one.startsWith("POST") ? [`Content-Length: ${body.length}`] : []
        for (const wrong of keys) {
          const answer = yield* Stage.speak(
            door,
            Stage.head(`${one} HTTP/1.1`, ...(wrong === "" ? [] : [`Authorization: Bearer ${wrong}`]), ...lines)
          )
          assert.strictEqual(Stage.statusOf(answer), 401, `${one} ${wrong}`)
          assertKept(answer, "codex", "mcp:a", "mcp:b")
        }
        if (one === "GET /v1/events") continue
        const answer = yield* Stage.speak(
          door,
          Stage.head(`${one} HTTP/1.1`, `Authorization: Bearer ${key}`, ...lines) + (one.startsWith("POST") ? body : "")
        )
        assertKept(answer, "mcp:b")
        assert.notInclude(answer, `${Stage.ACCESS}codex`)
      }
    }))

  it.scopedLive("sends what does not end, or is too much: it is cut within its time, and others are served", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ limits: { requestTimeout: 1_000 } })
      const door = `${stage.home}/serve.sock`
      const many = `${Stage.head(`GET ${TOKEN} HTTP/1.1`).slice(0, -2)}${"a: b\r\n".repeat(1_001)}\r\n`
      assert.strictEqual(Stage.statusOf(yield* Stage.speak(door, many)), 431)
      const large = Stage.head(`GET ${TOKEN} HTTP/1.1`, `X: ${"x".repeat(20_000)}`)
      assert.strictEqual(Stage.statusOf(yield* Stage.speak(door, large)), 431)
      // A body that would be understood: its length alone is what is wrong with it.
      const rejecting = (length: number) => {
        const body = JSON.stringify({ access_token: "x".repeat(length) })
        const head = Stage.head("POST /v1/tenants/codex/rejected HTTP/1.1", `Content-Length: ${body.length}`)
        return Effect.map(Stage.speak(door, head + body), Stage.statusOf)
      }
      assert.strictEqual(yield* rejecting(60_000), 200)
      assert.strictEqual(yield* rejecting(70_000), 413)
      // One whose length is not told is read up to there, and would be understood as well.
      const pieces = [`{"access_token":"`, ...Array.from({ length: 8 }, () => "x".repeat(32_768)), `"}`, ""]
      const chunked = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")
      const unmeasured = Stage.head("POST /v1/tenants/codex/rejected HTTP/1.1", "Transfer-Encoding: chunked")
      assert.notStrictEqual(Stage.statusOf(yield* Stage.speak(door, unmeasured + chunked)), 200)
      const slow = yield* Effect.all([
        Stage.speak(door, "GET / HTTP/1.1\r\nHost:"),
        Stage.speak(door, Stage.head("POST /v1/tenants/codex/rejected HTTP/1.1", "Content-Length: 5") + "{"),
        Stage.speak(
          door,
          Stage.head("POST /v1/tenants/codex/rejected HTTP/1.1", "Transfer-Encoding: chunked") + "5\r\n{"
        )
      ], { concurrency: "unbounded" })
      for (const text of slow) assert.notStrictEqual(Stage.statusOf(text), 200)
      assert.strictEqual(Stage.statusOf(yield* Stage.speak(door, Stage.head(`GET ${TOKEN} HTTP/1.1`))), 200)
      assert.strictEqual(stage.requests(), 0)
    }))

  it.scopedLive("opens 10,000 connections, some hundred at a time: who has a key is served among them", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ port: true, limits: { strangers: 32, connections: 64 } })
      const key = stage.add("a", { tenants: ["codex"] })
      const door = { port: Stage.portOf(stage) }
      const request = Stage.head(`GET ${TOKEN} HTTP/1.1`, `Authorization: Bearer ${key}`)
        .replace("localhost", `127.0.0.1:${door.port}`)
      // Who is known keeps its connection, however many others come.
      const kept = yield* Stage.connect(door)
      const again = Effect.async<string>((resume) => {
        kept.once("data", (chunk) => resume(Effect.succeed(chunk.toString("latin1"))))
        kept.once("close", () => resume(Effect.succeed("closed")))
        kept.write(request.replace("Connection: close\r\n", ""))
      })
      assert.strictEqual(Stage.statusOf(yield* again), 200)
      const total = 10_000
      const wave = 250
      let served = 0
      for (let opened = 0; opened < total; opened += wave) {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Effect.all(Array.from({ length: wave }, () => Stage.connect(door)), { concurrency: "unbounded" })
          if (Stage.statusOf(yield* Stage.speak(door, request)) === 200) served++
        }))
      }
      assert.strictEqual(served, total / wave)
      assert.strictEqual(Stage.statusOf(yield* again), 200, "on the connection that is known")
      assert.strictEqual(stage.requests(), 0)
    }))

  it.scopedLive("is refused again and again: the audit counts it and stays small, and a line of a key's answer is kept", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const key = stage.add("a", { tenants: ["codex"] })
      const door = `${stage.home}/shared.sock`
      const bytes = Stage.head(`GET ${TOKEN} HTTP/1.1`)
      for (let round = 0; round < 10; round++) {
        yield* Effect.all(Array.from({ length: 50 }, () => Stage.speak(door, bytes)), { concurrency: "unbounded" })
      }
      yield* Stage.speak(door, Stage.head(`GET ${TOKEN} HTTP/1.1`, `Authorization: Bearer ${key}`))
      const lines = stage.audit().trimEnd().split("\n")
      assert.isAtMost(lines.length, 300)
      assert.include(lines.at(-1), "\"who\":\"agent:a\"")
      assert.notInclude(stage.audit(), Stage.ACCESS)
      assert.notInclude(stage.audit(), key)
    }))

  it.scopedLive("asks with a secret where none belongs: no answer and no line of the audit repeats it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const door = `${stage.home}/serve.sock`
      const secret = "lockstep-rt-misplaced"
      const posting = (path: string, body: unknown) => {
        const text = JSON.stringify(body)
        return Stage.head(`POST ${path} HTTP/1.1`, `Content-Length: ${text.length}`) + text
      }
      const requests = [
        Stage.head(`GET ${TOKEN}?min_ttl=${secret} HTTP/1.1`),
        Stage.head(`GET ${TOKEN}?refresh=${secret} HTTP/1.1`),
        Stage.head(`GET /v1/${secret} HTTP/1.1`),
        Stage.head(`GET /agent/${secret}/v1/tenants HTTP/1.1`),
        Stage.head("GET /v1/tenants HTTP/1.1", `Authorization: Bearer ${secret}`),
        posting("/v1/tenants/codex/rejected", { access_token: [secret] }),
        posting("/v1/tenants/codex/rejected", secret),
        posting("/v1/logins", { target: 5, tenant: secret }),
        posting("/v1/logins/codex/code", { code: { secret } })
      ]
      for (const bytes of requests) {
        const answer = yield* Stage.speak(door, bytes)
        assert.isAtLeast(Stage.statusOf(answer), 400, bytes)
        assert.notInclude(answer, secret, bytes)
      }
      assert.notInclude(stage.audit(), secret)
    }))

  it.scopedLive("holds every place: one more is told to come again, and is served when a place is free", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ limits: { requests: 1 } })
      const door = `${stage.home}/serve.sock`
      const ask = Stage.speak(door, Stage.head(`GET ${TOKEN} HTTP/1.1`))
      const stream = yield* Stage.connect(door)
      const begun = new Promise((resolve) => stream.once("data", resolve))
      stream.write(Stage.head("GET /v1/events HTTP/1.1"))
      yield* Effect.promise(() => begun)
      const busy = yield* ask
      assert.strictEqual(Stage.statusOf(busy), 503)
      assert.include(busy, "\"Busy\"")
      assert.match(busy, /\r\nRetry-After: 1\r\n/)
      stream.destroy()
      yield* Effect.repeat(ask, { until: (answer) => Stage.statusOf(answer) === 200 })
    }))

  it.scopedLive("has damaged the file of keys: no key opens anything, and the user goes on", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const key = stage.add("a", { tenants: ["codex"] })
      const bearer = `Authorization: Bearer ${key}`
      const shared = Stage.speak(`${stage.home}/shared.sock`, Stage.head(`GET ${TOKEN} HTTP/1.1`, bearer))
      assert.strictEqual(Stage.statusOf(yield* shared), 200)
      writeFileSync(join(stage.home, "agents.json"), "{", { mode: 0o600 })
      const refused = yield* shared
      assert.strictEqual(Stage.statusOf(refused), 500)
      assertKept(refused, "codex")
      const own = yield* Stage.speak(`${stage.home}/serve.sock`, Stage.head(`GET ${TOKEN} HTTP/1.1`))
      assert.strictEqual(Stage.statusOf(own), 200)
    }))

  it.scopedLive("asks for hundreds of names that no login has: each is answered, and none keeps a place", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const door = `${stage.home}/serve.sock`
      for (let round = 0; round < 20; round++) {
        const answers = yield* Effect.all(
          Array.from(
            { length: 25 },
            (_, index) => Stage.speak(door, Stage.head(`GET /v1/tenants/n${round}-${index}/token HTTP/1.1`))
          ),
          { concurrency: "unbounded" }
        )
        assert.isTrue(answers.every((text) => Stage.statusOf(text) === 404))
      }
      assert.strictEqual(stage.requests(), 0)
    }))
})

describe("an agent's login", () => {
  it.scopedLive("is begun for its own tenants alone, and only where its key says so", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true })
      const may = stage.add("may", { tenants: ["mcp:a"], login: true })
      const mayNot = stage.add("maynot", { tenants: ["mcp:a"] })
      const begin = (key: string, target: string) => {
        const body = JSON.stringify({ target })
        return Stage.speak(
          `${stage.home}/shared.sock`,
          Stage.head("POST /v1/logins HTTP/1.1", `Authorization: Bearer ${key}`, `Content-Length: ${body.length}`) +
            body
        )
      }
      const begun = yield* begin(may, "mcp:a")
      assert.strictEqual(Stage.statusOf(begun), 201)
      assert.include(begun, "https://as.example/authorize")
      assert.notStrictEqual(Stage.statusOf(yield* begin(may, "codex")), 201)
      assert.strictEqual(Stage.statusOf(yield* begin(mayNot, "mcp:a")), 403)
    }))
})
