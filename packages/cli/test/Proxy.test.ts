import { assert, describe, it } from "@effect/vitest"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as ResourceServer from "@lockstep/testkit/servers/ResourceServer"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import type { Secret } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readFileSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { join } from "node:path"
import { inject } from "vitest"
import * as Stage from "./support/Stage.js"

const TENANT = "agent"

interface Answer {
  readonly status: number
  readonly text: string
  readonly whole: boolean
}

/** Asks on a connection of its own and reads the answer to its end. */
const ask = (url: string, init: { readonly method?: string; readonly body?: string } = {}): Effect.Effect<Answer> =>
  Effect.async((resume) => {
    const request = Http.request(url, { agent: false, method: init.method ?? "GET" }, (response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on("error", () => {})
      response.on(
        "close",
        () => resume(Effect.succeed({ status: response.statusCode ?? 0, text, whole: response.complete }))
      )
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(init.body)
  })

/** Opens a stream, and waits until a text has come. */
const listen = (url: string) =>
  Effect.async<{ readonly said: (what: string) => Effect.Effect<void>; readonly end: Effect.Effect<boolean> }>(
    (resume) => {
      const request = Http.get(url, { agent: false }, (response) => {
        let text = ""
        const waiting = new Set<() => void>()
        const ended = new Promise<boolean>((done) => response.on("close", () => done(response.complete)))
        response.on("error", () => {})
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString()
          for (const look of waiting) look()
        })
        resume(Effect.succeed({
          said: (what) =>
            Effect.async<void>((found) => {
              const look = () => text.includes(what) && found(Effect.void)
              waiting.add(look)
              look()
            }),
          end: Effect.promise(() => ended)
        }))
      })
      request.on("error", () => {})
    }
  )

const isOpen = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", () => resume(Effect.succeed(false)))
  })

/** A strict authorization server, an API that asks it about every token, and an expired login. */
const make = (login: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    const api = yield* ResourceServer.make({ authorizationServer: server })
    const paths: Array<Secret> = []
    const harness = yield* ProcessHarness.make({ secrets: () => [...server.ledger.secrets, ...paths] })
    const seeded = yield* SeededHome.issue(server, TENANT)
    const file = yield* SeededHome.write(harness.home, [{ ...seeded, ...login }])
    const bin = inject("lockstep")

    const start = ({ args = [], env = {} }: {
      readonly args?: ReadonlyArray<string>
      readonly env?: Readonly<Record<string, string>>
    } = {}) =>
      Effect.gen(function*() {
        const to = args.includes("--to") ? [] : ["--to", api.origin]
        const child = yield* harness.spawn({
          args: [bin, "proxy", TENANT, ...to, "--json", ...args],
          env,
          // The secret is what stdout is for; it stands for no kind of the ledger's.
          prints: ["client_secret"]
        })
        const { url } = yield* child.message((message) => typeof message["url"] === "string")
        const { pathname, port } = new URL(url as string)
        paths.push({ kind: "client_secret", value: pathname.slice(1, -1) })
        return { child, url: url as string, port: Number(port) }
      })

    const run = (args: ReadonlyArray<string>): Effect.Effect<Stage.Ran> =>
      Effect.scoped(Effect.gen(function*() {
        const child = yield* harness.spawn({ args: [bin, ...args] })
        yield* child.closeStdin
        return yield* finish(child)
      }))

    const finish = (child: ChildProcess.Child): Effect.Effect<Stage.Ran> =>
      Effect.gen(function*() {
        const { code } = yield* child.exit
        yield* harness.assertNoLeak
        return { code, stdout: yield* child.stdout, stderr: yield* child.stderr }
      })

    return {
      server,
      api,
      harness,
      start,
      run,
      finish,
      stored: Effect.sync(() =>
        (JSON.parse(readFileSync(file, "utf8")) as { tenants: Record<string, Record<string, string>> }).tenants[TENANT]!
      )
    }
  })

const counts = (server: AuthorizationServer.AuthorizationServer) => ({
  redemptions: server.ledger.redemptions.length,
  reuses: server.ledger.reuses.length,
  revocations: server.ledger.revocations.length
})

describe("lockstep proxy", () => {
  it.scopedLive("says where it listens in one line, and attaches a fresh token", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const proxy = yield* stage.start()
      assert.match(proxy.url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{22,}\/$/)
      const answers = yield* Effect.all(
        Array.from({ length: 8 }, () => ask(`${proxy.url}v1/x?y=z`, { method: "POST", body: "hi" })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers[0], {
        status: 200,
        text: "{\"method\":\"POST\",\"path\":\"/v1/x\",\"body\":\"hi\"}",
        whole: true
      })
      assert.isTrue(answers.every(({ status }) => status === 200))
      assert.deepStrictEqual(counts(stage.server), { redemptions: 1, reuses: 0, revocations: 0 })
      assert.strictEqual((yield* ask(new URL("/", proxy.url).href)).status, 404)
      yield* proxy.child.signal("SIGTERM")
      const ran = yield* stage.finish(proxy.child)
      assert.strictEqual(ran.code, 143)
      assert.strictEqual(ran.stdout, `{"url":"${proxy.url}"}\n`)
      assert.strictEqual(ran.stderr, "")
    }))

  it.scopedLive("renews a refused token once among all proxies", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const proxies = [yield* stage.start(), yield* stage.start()]
      yield* Effect.forEach(proxies, ({ url }) => ask(url), { concurrency: "unbounded" })
      yield* stage.api.rejectFromNow((yield* stage.stored)["access_token"]!)
      const answers = yield* Effect.forEach(
        Array.from({ length: 32 }, (_, index) => proxies[index % 2]!),
        ({ url }, index) => ask(`${url}${index}`, { method: "POST", body: "{}" }),
        { concurrency: "unbounded" }
      )
      assert.isTrue(answers.every(({ status }) => status === 200))
      assert.deepStrictEqual(counts(stage.server), { redemptions: 2, reuses: 0, revocations: 0 })
      for (const { child } of proxies) yield* child.signal("SIGINT")
      for (const { child } of proxies) assert.strictEqual((yield* stage.finish(child)).code, 130)
    }))

  it.scopedLive("speaks TLS with a server that it trusts, and shows no other the token", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const certificate = SelfSignedCertificate.make("api.invalid")
      const tokens: Array<string> = []
      const port = yield* Effect.acquireRelease(
        Effect.async<readonly [Https.Server, number]>((resume) => {
          const server = Https.createServer(certificate, (request, response) => {
            tokens.push(request.headers.authorization ?? "")
            response.end("secure")
          })
          server.listen(0, "127.0.0.1", () => {
            resume(Effect.succeed([server, (server.address() as Net.AddressInfo).port]))
          })
        }),
        ([server]) => Effect.sync(() => server.close().closeAllConnections())
      )
      const authority = join(stage.harness.home, "..", "ca.pem")
      writeFileSync(authority, certificate.cert)
      const to = ["--to", `https://localhost:${port[1]}`]
      const distrusting = yield* stage.start({ args: to })
      const refused = yield* ask(distrusting.url)
      assert.strictEqual(refused.status, 502)
      assert.include(refused.text, "DEPTH_ZERO_SELF_SIGNED_CERT")
      assert.deepStrictEqual(tokens, [])
      const trusting = yield* stage.start({ args: to, env: { NODE_EXTRA_CA_CERTS: authority } })
      assert.deepStrictEqual(yield* ask(trusting.url), { status: 200, text: "secure", whole: true })
      assert.deepStrictEqual(tokens, [`Bearer ${(yield* stage.stored)["access_token"]}`])
      const between = yield* LoopbackProxy.make({ port: port[1] })
      const tunnelled = yield* stage.start({
        args: ["--to", "https://api.invalid"],
        env: { NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: between.url }
      })
      for (let count = 0; count < 2; count++) {
        assert.deepStrictEqual(yield* ask(tunnelled.url), { status: 200, text: "secure", whole: true })
      }
      assert.deepStrictEqual(between.tunnels, ["api.invalid:443"], "one tunnel is kept for both")
      const refusing = yield* LoopbackProxy.make({ port: port[1], refuse: 200 })
      const captive = yield* stage.start({
        args: ["--to", "https://api.invalid"],
        env: { NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: refusing.url, NO_PROXY: "other.invalid" }
      })
      assert.strictEqual((yield* ask(captive.url)).status, 502)
      assert.lengthOf(tokens, 3)
      const all = [distrusting, trusting, tunnelled, captive]
      for (const { child } of all) yield* child.signal("SIGTERM")
      for (const { child } of all) yield* stage.finish(child)
    }))

  it.scopedLive("ends on SIGTERM: takes nothing new on, and lets a stream end", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child, port, url } = yield* stage.start({ args: ["--grace", "1h"] })
      const stream = yield* listen(`${url}events`)
      yield* Queue.take(stage.api.opened)
      yield* child.signal("SIGTERM")
      yield* Effect.repeat(isOpen(port), { until: (open) => !open })
      yield* stage.api.emit("data: last\n\n")
      yield* stream.said("data: last")
      yield* stage.api.cut
      assert.isFalse(yield* stream.end, "cut by the upstream is no end")
      assert.strictEqual((yield* stage.finish(child)).code, 143)
    }))

  it.scopedLive("a second signal cuts what is under way", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child, port, url } = yield* stage.start({ args: ["--grace", "1h"] })
      const stream = yield* listen(`${url}events`)
      yield* Queue.take(stage.api.opened)
      yield* child.signal("SIGTERM")
      yield* Effect.repeat(isOpen(port), { until: (open) => !open })
      yield* child.signal("SIGINT")
      assert.isFalse(yield* stream.end)
      assert.strictEqual((yield* stage.finish(child)).code, 143)
    }))

  it.scopedLive("stores the token of a refresh that a signal comes into", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child, port, url } = yield* stage.start({ args: ["--grace", "0s"] })
      const before = (yield* stage.stored)["refresh_token"]
      const held = yield* stage.server.answers.hold
      const asked = yield* Effect.fork(Effect.exit(ask(url)))
      yield* Queue.take(held.arrivals)
      yield* child.signal("SIGTERM")
      yield* Effect.repeat(isOpen(port), { until: (open) => !open })
      yield* held.release
      assert.strictEqual((yield* stage.finish(child)).code, 143)
      const { refresh_token } = yield* stage.stored
      assert.notStrictEqual(refresh_token, before)
      assert.isTrue(yield* stage.server.isActive(refresh_token!))
      assert.deepStrictEqual(counts(stage.server), { redemptions: 1, reuses: 0, revocations: 0 })
      assert.lengthOf(stage.api.requests, 0)
      yield* asked
    }))

  it.scopedLive("logs what went through at the level of debugging, without secret, query or token", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child, url } = yield* stage.start({ args: ["--log-level", "debug"] })
      yield* ask(`${url}v1/x?key=hidden`)
      yield* child.signal("SIGTERM")
      const { stderr } = yield* stage.finish(child)
      const line = stderr.split("\n").find((one) => one.includes("debug: GET /v1/x "))
      for (const field of ["status=200", "whole=true"]) assert.include(line, field)
      assert.notInclude(stderr, "hidden")
    }))

  it.scopedLive("does not begin without a login, or for another origin than the login's", () =>
    Effect.gen(function*() {
      const stage = yield* make({ resource: "https://mcp.example/mcp" })
      const proxy = (...args: ReadonlyArray<string>) => stage.run(["proxy", ...args])
      Stage.assertTold(yield* proxy("agnet", "--to", stage.api.origin), 3, /agnet is not logged in/)
      Stage.assertTold(
        yield* proxy(TENANT, "--to", stage.api.origin),
        2,
        /bound to another origin \(https:\/\/mcp\.example\)/
      )
      const error = Stage.assertToldAsJson(
        yield* proxy(TENANT, "--to", "https://mcp.example.evil/mcp", "--json"),
        2,
        "ProxyTargetRefused",
        "OtherOrigin"
      )
      assert.strictEqual(error["tenant"], TENANT)
      assert.deepStrictEqual(counts(stage.server), { redemptions: 0, reuses: 0, revocations: 0 })
    }))

  it.scopedLive("says what is wrong with its options", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const { child, port } = yield* stage.start()
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["--to", "http://api.example"], /plain http/],
        [["--to", "nowhere"], /a proxy cannot lead to this address/],
        [["--to", "https://u:hunter2@api.example"], /no user, password/],
        [["--to", stage.api.origin, "--port", String(port)], /taken/],
        [["--to", stage.api.origin, "--port", "65536"], /a number from 0/],
        [["--to", stage.api.origin, "--allow-origin", "localhost:3000"], /origin of a web page/],
        [["--to", stage.api.origin, "--allow-host", "http://x"], /name of a host/],
        [[], /--to/]
      ]
      for (const [args, what] of cases) {
        const ran = yield* stage.run(["proxy", TENANT, ...args])
        Stage.assertTold(ran, 2, what)
        assert.notInclude(ran.stderr, "hunter2")
      }
      yield* child.signal("SIGTERM")
      assert.strictEqual((yield* stage.finish(child)).code, 143)
    }))
})
