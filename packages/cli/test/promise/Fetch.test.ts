import { assert, describe, it } from "@effect/vitest"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LockstepError, open } from "../../src/index.js"

/** An API that takes tokens that the server honours, and answers with what it was asked for. */
const stage = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-promise-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  yield* SeededHome.write(home, [yield* SeededHome.issue(server, "acme")])
  const held: Array<() => void> = []
  const api = yield* Effect.acquireRelease(
    Effect.async<Server>((resume) => {
      const made = createServer((request, response) => {
        const token = (request.headers.authorization ?? "").replace("Bearer ", "")
        if (request.url === "/slow") {
          held.push(() => response.end())
          made.emit("held")
          return
        }
        void Effect.runPromise(server.isActive(token)).then((isActive) =>
          response.writeHead(isActive ? 200 : 401).end(request.url)
        )
      })
      made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) =>
      Effect.async<void>((resume) => {
        for (const end of held) end()
        made.close(() => resume(Effect.void))
        made.closeAllConnections()
      })
  )
  const lockstep = yield* Effect.acquireRelease(
    Effect.promise(() => open({ home })),
    (one) => Effect.promise(() => one.close())
  )
  return { server, api, lockstep, origin: `http://127.0.0.1:${(api.address() as AddressInfo).port}` }
})

const rejection = <A>(promise: Promise<A>): Effect.Effect<unknown> =>
  Effect.promise(() =>
    promise.then(() => {
      throw new Error("it was fulfilled")
    }, (error: unknown) => error)
  )

describe("fetch of the front door", () => {
  it.scopedLive("sends a fresh token, to its origins only", () =>
    Effect.gen(function*() {
      const { lockstep, origin, server } = yield* stage
      const fetch = lockstep.fetch({ tenant: "acme", origins: [origin] })
      const [one, two] = yield* Effect.promise(() => Promise.all([fetch(`${origin}/a`), fetch(new URL("/b", origin))]))
      assert.deepEqual([one.status, two.status], [200, 200])
      assert.strictEqual(server.ledger.redemptions.length, 1)
      const refused = yield* rejection(fetch("https://elsewhere.example/"))
      assert.instanceOf(refused, LockstepError)
      assert.deepInclude(refused, { _tag: "RequestRefused", reason: "OtherOrigin", tenant: "acme" })
    }))

  it.scopedLive("ends with the signal of its request, and after the end of its Lockstep", () =>
    Effect.gen(function*() {
      const { api, lockstep, origin } = yield* stage
      const fetch = lockstep.fetch({ tenant: "acme", origins: [origin] })
      const abort = new AbortController()
      const reason = new Error("enough")
      api.once("held", () => abort.abort(reason))
      assert.strictEqual(yield* rejection(fetch(`${origin}/slow`, { signal: abort.signal })), reason)
      yield* Effect.promise(() => lockstep.close())
      assert.deepInclude(yield* rejection(fetch(`${origin}/a`)), { _tag: "Closed" })
    }))

  it.scopedLive("names a login that is not there, with the command that makes it", () =>
    Effect.gen(function*() {
      const { lockstep, origin } = yield* stage
      const error = yield* rejection(lockstep.fetch({ tenant: "codex", origins: [origin] })(`${origin}/a`))
      assert.deepInclude(error, { _tag: "ReauthorizationRequired", reason: "NotFound", tenant: "codex" })
      assert.match((error as LockstepError).advice, /^log in with `lockstep login codex --home \S+`$/)
    }))
})
