import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { assertOne, examine } from "../support/Doctor.js"
import * as Stage from "../support/Stage.js"

describe("the clocks of servers", () => {
  /** A server whose clock is so many seconds ahead of ours; one that says nothing without any. */
  const serverAhead = (seconds: number | undefined) =>
    Effect.acquireRelease(
      Effect.async<{ readonly url: string; readonly seen: Array<http.IncomingMessage>; readonly server: http.Server }>(
        (resume) => {
          const seen: Array<http.IncomingMessage> = []
          const server = http.createServer((request, response) => {
            seen.push(request)
            if (seconds === undefined) return void request.socket.destroy()
            const date = new Date(Date.now() + seconds * 1000).toUTCString()
            response.writeHead(302, { date, location: "/elsewhere" }).end()
          })
          server.listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, seen, server }))
          })
        }
      ),
      ({ server }) =>
        Effect.async<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )

  const loggedInAt = (url: string) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const record = {
        access_token: FakeToken.make("at"),
        refresh_token: FakeToken.make("rt"),
        token_endpoint: `${url}/token`,
        client_id: "c",
        expires_at: Math.floor(Date.now() / 1000) + 3600
      }
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { codex: record } }), { mode: 0o600 })
      return stage
    })

  it.scopedLive("are compared with this one, by a question that shows nothing", () =>
    Effect.gen(function*() {
      const server = yield* serverAhead(600)
      const stage = yield* loggedInAt(server.url)
      const { problems } = yield* examine(stage, {}, [])
      assertOne(problems, /servers: this machine's clock is (10m|9m 59s|10m 1s) behind http:\/\/127\.0\.0\.1:\d+'s/)
      assert.lengthOf(server.seen, 1)
      const [request] = server.seen
      assert.deepStrictEqual([request!.method, request!.url], ["HEAD", "/"])
      assert.notProperty(request!.headers, "authorization")
      assert.notProperty(request!.headers, "cookie")
    }))

  it.scopedLive("are asked over plain http on this machine alone, whatever a host's name begins with", () =>
    Effect.gen(function*() {
      const stage = yield* loggedInAt("http://127.evil.invalid:9")
      const { of } = yield* examine(stage, {}, [])
      assert.deepStrictEqual(of("clock_unchecked"), [])
    }))

  it.scopedLive("may be half a minute apart", () =>
    Effect.gen(function*() {
      const server = yield* serverAhead(-30)
      const stage = yield* loggedInAt(server.url)
      assert.deepStrictEqual((yield* examine(stage, {}, [])).problems, [])
    }))

  it.scopedLive("that do not answer are no problem, and none is asked with --offline", () =>
    Effect.gen(function*() {
      const server = yield* serverAhead(undefined)
      const stage = yield* loggedInAt(server.url)
      const { of, problems } = yield* examine(stage, {}, [])
      assert.deepStrictEqual(problems, [])
      assert.lengthOf(of("clock_unchecked"), 1)
      const asked = server.seen.length
      yield* examine(stage)
      assert.lengthOf(server.seen, asked)
    }))
})
