import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as RawServer from "@lockstep/testkit/servers/RawServer"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import * as Stage from "./support/Stage.js"

const TIME = 120_000

/** A certificate of this machine, and where its authority lies. */
const trusted = (stage: Stage.Stage, { cert }: SelfSignedCertificate.SelfSignedCertificate) =>
  Effect.sync(() => {
    const path = join(dirname(stage.harness.home), "ca.pem")
    writeFileSync(path, cert)
    return { SSL_CERT_FILE: path }
  })

/** Writes a login of the server that is renewed at another address. */
const seedAt = (stage: Stage.Stage, tokenEndpoint: string) =>
  Effect.gen(function*() {
    const tokens = stage.server.issue()
    yield* SeededHome.write(stage.harness.home, [{
      tenant: "codex",
      access_token: tokens.accessToken,
      refresh_token: tokens.refreshToken,
      token_endpoint: tokenEndpoint,
      client_id: "lockstep-tests"
    }])
    return tokens
  })

describe("a connection that never stood", () => {
  it.scopedLive(
    "ends no login, however often: what is there afterwards serves the same one",
    () =>
      Effect.gen(function*() {
        const certificate = SelfSignedCertificate.make()
        const stage = yield* Stage.make({ tls: certificate })
        const port = Number(new URL(stage.server.url).port)
        let isUp = false
        let connections = 0
        const front = yield* RawServer.make((socket, onText) => {
          if (!isUp) {
            connections++
            return onText(() => socket.resetAndDestroy())
          }
          const upstream = Net.connect(port, "127.0.0.1")
          upstream.on("error", () => socket.destroy())
          socket.on("close", () => upstream.destroy())
          socket.pipe(upstream).pipe(socket)
        })
        const env = yield* trusted(stage, certificate)
        yield* seedAt(stage, `https://127.0.0.1:${front.port}/token`)
        for (const command of ["refresh", "refresh", "refresh"]) {
          const ran = yield* stage.run([command, "codex", "--json"], { env })
          assert.strictEqual(ran.code, 5, ran.stdout + ran.stderr)
          const { error } = JSON.parse(ran.stdout) as { readonly error: Record<string, unknown> }
          assert.strictEqual(error["_tag"], "ProviderUnavailable")
        }
        assert.isAtLeast(connections, 1)
        isUp = true
        const ran = yield* stage.run(["refresh", "codex"], { env })
        assert.strictEqual(ran.code, 0, ran.stderr)
        assert.lengthOf(stage.server.redemptions, 1)
        assert.deepStrictEqual(stage.server.reuses, [])
      }),
    TIME
  )

  it.scopedLive(
    "for want of an authority says how to name it, and is served once it is named",
    () =>
      Effect.gen(function*() {
        const certificate = SelfSignedCertificate.make()
        const stage = yield* Stage.make({ tls: certificate })
        yield* stage.seed({})
        const refused = yield* stage.run(["token", "codex"], { env: { SSL_CERT_FILE: "" } })
        Stage.assertTold(
          refused,
          5,
          /cannot be reached \(the certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)\)/
        )
        assert.match(refused.stderr, /→ .*NODE_EXTRA_CA_CERTS or SSL_CERT_FILE/)
        const ran = yield* stage.run(["refresh", "codex"], { env: yield* trusted(stage, certificate) })
        assert.strictEqual(ran.code, 0, ran.stderr)
        assert.lengthOf(stage.server.redemptions, 1)
      }),
    TIME
  )
})

describe("an answer without a token", () => {
  it.scopedLive("is not asked for again at once, and ends no login", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.html(200))
      const ran = yield* stage.run(["token", "codex"])
      Stage.assertTold(ran, 5, /\(HTTP 200, without an access token\)/)
      assert.notMatch(ran.stderr, /no answer|did not answer/)
      assert.lengthOf(stage.server.requests, 1)
      const later = yield* stage.run(["refresh", "codex"])
      assert.strictEqual(later.code, 0, later.stderr)
      assert.lengthOf(stage.server.redemptions, 1)
      assert.deepStrictEqual(stage.server.reuses, [])
    }), TIME)
})

describe("a process that was stopped while it was answered", () => {
  for (const scheme of ["http", "https"] as const) {
    it.scopedLive(
      `over ${scheme} keeps the answer, also when its time is over before it goes on, and sends nothing twice`,
      () =>
        Effect.gen(function*() {
          const certificate = SelfSignedCertificate.make()
          const stage = yield* Stage.make(scheme === "https" ? { tls: certificate } : {})
          const { refreshToken } = yield* stage.seed({})
          const gate = yield* Deferred.make<void>()
          yield* stage.server.script(ServerBehaviour.heldBack(gate))
          const limit = 6
          const child = yield* stage.start(["token", "codex"], {
            env: {
              LOCKSTEP_REDEEM_LIMIT: `${limit}s`,
              LOCKSTEP_PROVIDER_TIMEOUT: `${limit}s`,
              ...yield* trusted(stage, certificate)
            }
          })
          yield* Queue.take(stage.server.arrivals)
          yield* child.signal("SIGSTOP")
          yield* child.stopped
          yield* Deferred.succeed(gate, undefined)
          // The passing of the limit is what this is about; the answer lies in the socket long before.
          yield* Effect.sleep(`${limit + 2} seconds`)
          yield* child.signal("SIGCONT")
          const ran = yield* stage.finish(child, { prints: true })
          assert.strictEqual(ran.code, 0, ran.stderr)
          assert.lengthOf(stage.server.requests, 1)
          assert.deepStrictEqual(stage.server.reuses, [])
          const record = yield* stage.stored()
          assert.notStrictEqual(record?.["refresh_token"], refreshToken)
          assert.isTrue(stage.server.isLive(String(record?.["refresh_token"])))
        }),
      TIME
    )
  }
})

describe("the command that redeems", () => {
  /**
   * Makes every touch of the global HTTP client an error, or writes down at the end what Node has loaded. Not both at
   * once: on Node 24 it is loaded by what keeps it from being touched.
   */
  const watch = (stage: Stage.Stage, what: "touches" | "loads") =>
    Effect.sync(() => {
      const directory = join(dirname(stage.harness.home), `watch-${FakeToken.fingerprint(String(Math.random()))}`)
      mkdirSync(directory)
      const program = join(directory, "watch.mjs")
      writeFileSync(
        program,
        `import { writeFileSync } from "node:fs"
const names = ["fetch", "Headers", "Response", "Request", "FormData", "WebSocket", "EventSource"]
for (const name of ${what === "touches"} ? names : []) {
  Object.defineProperty(globalThis, name, { get: () => { throw new Error(name + " was touched") } })
}
process.on("exit", () => writeFileSync(${
          JSON.stringify(join(directory, "loaded"))
        }, process.moduleLoadList.join("\\n")))
`
      )
      return {
        env: { NODE_OPTIONS: `--import ${pathToFileURL(program).href}`, NODE_V8_COVERAGE: join(directory, "coverage") },
        /** Node's own modules, and the files of the command. */
        loaded: Effect.sync(() => [
          ...readFileSync(join(directory, "loaded"), "utf8").split("\n"),
          ...readdirSync(join(directory, "coverage")).flatMap((file) =>
            (JSON.parse(readFileSync(join(directory, "coverage", file), "utf8")) as {
              readonly result: ReadonlyArray<{ readonly url: string }>
            }).result.map(({ url }) => url)
          )
        ])
      }
    })

  for (const scheme of ["http", "https"] as const) {
    it.scopedLive(
      `over ${scheme} touches no global fetch, Headers or Response, and loads no undici`,
      () =>
        Effect.gen(function*() {
          const certificate = SelfSignedCertificate.make()
          const stage = yield* Stage.make(scheme === "https" ? { tls: certificate } : {})
          const authority = yield* trusted(stage, certificate)
          for (
            const [args, what] of [
              [["token", "codex"], "touches"],
              [["token", "codex"], "loads"],
              [["refresh", "codex"], "touches"],
              [["refresh", "codex"], "loads"]
            ] as const
          ) {
            yield* stage.seed({})
            const { env, loaded } = yield* watch(stage, what)
            const ran = yield* stage.run(args, { env: { ...env, ...authority }, prints: true })
            assert.strictEqual(ran.code, 0, ran.stderr)
            if (what === "touches") continue
            const all = yield* loaded
            assert.isTrue(all.some((name) => name.endsWith("NativeModule http")))
            assert.isTrue(all.some((name) => /\/(?:program|refresh)\.js$/.test(name)))
            assert.deepStrictEqual(all.filter((name) => /undici/.test(name)), [])
            if (scheme === "http") {
              assert.deepStrictEqual(all.filter((name) => /NativeModule (tls|https)$/.test(name)), [])
            }
          }
          assert.lengthOf(stage.server.redemptions, 4)
        }),
      TIME
    )
  }
})
