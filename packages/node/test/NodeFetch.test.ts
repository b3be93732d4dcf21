import { assert, describe, it } from "@effect/vitest"
import * as NodeFetch from "@lockstep/node/NodeFetch"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as Effect from "effect/Effect"
import { environment } from "./support/environment.js"

const portOf = (server: ScriptedServer.ScriptedServer) => Number(new URL(server.url).port)

const innermost = (error: unknown): { readonly code?: string } =>
  error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error as { readonly code?: string }

/** Asks and reads the answer; the status, or the innermost code of the failure. */
const status = (url: string, init: { readonly method?: string } = {}) =>
  Effect.gen(function*() {
    const fetch = yield* NodeFetch.pooled(url, {})
    return yield* Effect.promise(() =>
      fetch(url, { redirect: "manual", ...init }).then(
        (response) => response.text().then(() => response.status),
        (error: unknown) => innermost(error).code
      )
    )
  })

describe("a fetch that streams", () => {
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

  it.scoped("refuses a malformed proxy address, before anything is sent and without quoting it", () =>
    Effect.gen(function*() {
      yield* environment({ HTTPS_PROXY: "http://user:hunter2@" })
      const error = yield* Effect.flip(NodeFetch.pooled("https://tokens.invalid/", {}))
      assert.strictEqual(error.detail, "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy")
      assert.notInclude(JSON.stringify(error), "hunter2")
    }))
})
