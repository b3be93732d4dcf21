import { assert, describe, it } from "@effect/vitest"
import * as NodeFetch from "@lockstep/node/NodeFetch"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Behaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] as const

/** Sets proxy variables for the rest of the scope. Tests of one file run one after the other. */
const environment = (variables: Partial<Record<typeof VARIABLES[number], string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = VARIABLES.map((name) => [name, process.env[name]] as const)
      for (const name of VARIABLES) delete process.env[name]
      Object.assign(process.env, variables)
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

const portOf = (server: ScriptedServer.ScriptedServer) => Number(new URL(server.url).port)

const innermost = (error: unknown): { readonly code?: string } =>
  error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error as { readonly code?: string }

/** Asks and reads the answer; the status, or the innermost code of the failure. */
const status = (url: string, init: { readonly method?: string } = {}) =>
  Effect.gen(function*() {
    const { load } = yield* NodeFetch.make
    const fetch = yield* load
    return yield* Effect.promise(() =>
      fetch(url, { redirect: "manual", ...init }).then(
        (response) => response.text().then(() => response.status),
        (error: unknown) => innermost(error).code
      )
    )
  })

describe("fetch", () => {
  it.scoped("opens a connection for each request, and closes it", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* environment({})
      const { load } = yield* NodeFetch.make
      const fetch = yield* load
      for (let count = 0; count < 3; count++) {
        yield* Effect.promise(() =>
          fetch(`${server.url}/x`, { redirect: "manual" }).then((response) => response.text())
        )
      }
      assert.strictEqual(new Set(server.requests.map(({ connection }) => connection)).size, 3)
      assert.isTrue(server.requests.every(({ connection }) => connection > 0))
    }))

  it.scoped("shows a redirect and does not follow it", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* environment({})
      yield* server.script(Behaviour.redirect("/elsewhere", 307))
      assert.strictEqual(yield* status(server.tokenEndpoint, { method: "POST" }), 307)
      assert.strictEqual(server.requests.length, 1)
    }))

  it.scoped("goes through HTTP_PROXY and HTTPS_PROXY, each for its scheme", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const plain = yield* LoopbackProxy.make({ port: portOf(server) })
      const secure = yield* LoopbackProxy.make({ port: portOf(server) })
      yield* environment({ HTTP_PROXY: plain.url, HTTPS_PROXY: secure.url })
      assert.strictEqual(yield* status("http://tokens.invalid/x"), 404)
      assert.deepStrictEqual(plain.tunnels, ["tokens.invalid:80"])
      // The tunnel leads to a server without TLS; that it was asked for is what counts.
      assert.isString(yield* status("https://tokens.invalid/x"))
      assert.deepStrictEqual(secure.tunnels, ["tokens.invalid:443"])
      assert.strictEqual(server.requests.length, 1)
    }))

  it.scoped("obeys NO_PROXY", () =>
    Effect.gen(function*() {
      const proxy = yield* LoopbackProxy.make({ port: 9 })
      yield* environment({ HTTP_PROXY: proxy.url, NO_PROXY: "other.invalid, .tokens.invalid" })
      assert.include(["ENOTFOUND", "EAI_AGAIN"], yield* status("http://a.tokens.invalid/x"))
      assert.deepStrictEqual(proxy.tunnels, [])
    }))

  it.scoped("never goes through a proxy to this machine", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const proxy = yield* LoopbackProxy.make({ port: portOf(server) })
      yield* environment({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url })
      for (const host of ["127.0.0.1", "localhost"]) {
        assert.strictEqual(yield* status(`http://${host}:${portOf(server)}/x`), 404)
      }
      assert.deepStrictEqual(proxy.tunnels, [])
    }))

  it.scoped("tells a proxy's refusal from an answer", () =>
    Effect.gen(function*() {
      const proxy = yield* LoopbackProxy.make({ port: 9, refuse: 407 })
      yield* environment({ HTTPS_PROXY: proxy.url })
      assert.strictEqual(yield* status("https://tokens.invalid/x"), "UND_ERR_ABORTED")
    }))

  it.scoped("refuses a proxy that is none, before anything is sent and without quoting it", () =>
    Effect.gen(function*() {
      yield* environment({ HTTPS_PROXY: "http://user:hunter2@" })
      const error = yield* Effect.flip(Effect.flatMap(NodeFetch.make, ({ load }) => load))
      assert.strictEqual(error.detail, "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy")
      assert.notInclude(JSON.stringify(error), "hunter2")
    }))

  it.scoped("trusts NODE_EXTRA_CA_CERTS, also through a proxy", () =>
    Effect.gen(function*() {
      const certificate = SelfSignedCertificate.make("tokens.invalid")
      const server = yield* ScriptedServer.make({ tls: certificate })
      const proxy = yield* LoopbackProxy.make({ port: portOf(server) })
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-fetch-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const authority = join(directory, "ca.pem")
      writeFileSync(authority, certificate.cert)
      const program = yield* Bundle.make(new URL("fixtures/fetchStatus.ts", import.meta.url))
      const ask = (url: string, env: Record<string, string>) =>
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
      assert.strictEqual(yield* ask(direct, {}), "DEPTH_ZERO_SELF_SIGNED_CERT")
      assert.strictEqual(yield* ask(direct, { NODE_EXTRA_CA_CERTS: authority }), "404")
      assert.strictEqual(
        yield* ask("https://tokens.invalid/x", { NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: proxy.url }),
        "404"
      )
      assert.deepStrictEqual(proxy.tunnels, ["tokens.invalid:443"])
    }))
})
