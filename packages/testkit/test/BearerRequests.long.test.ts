import { assert, describe, it } from "@effect/vitest"
import * as ResourceServer from "@lockstep/testkit/servers/ResourceServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stage from "./BearerStage.js"

const { TENANT } = Stage

const CLIENTS = ["fetch", "fetchClient", "node", "undici"] as const

/** What arrived where: whether it held a token, or anything of the kind. */
const seen = (server: ResourceServer.ResourceServer) =>
  server.requests.map(({ isAuthorized, method, path }) => `${method} ${path}${isAuthorized ? " with a token" : ""}`)

describe.each(CLIENTS)("over real connections, %s", (client) => {
  it.scopedLive("carries the token along inside of its origin, and to no other", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const other = yield* ResourceServer.make({ authorizationServer: stage.server })
      const worker = yield* stage.worker
      const redirect = (to: string) =>
        worker.run({
          _tag: "Request",
          tenant: TENANT,
          client,
          url: `${stage.api.origin}/redirect?to=${encodeURIComponent(to)}`
        })
      assert.deepStrictEqual((yield* redirect("/things")).result, { statuses: [200] })
      assert.deepStrictEqual((yield* redirect(`${other.origin}/open/things`)).result, { statuses: [200] })
      assert.deepStrictEqual((yield* redirect(`http://localhost:${stage.api.port}/open/things`)).result, {
        statuses: [200]
      })
      // No loopback address, and led to this machine all the same: what would be sent there is seen.
      assert.deepStrictEqual((yield* redirect(`http://0.0.0.0:${stage.api.port}/open/plain`)).result, {
        statuses: [200]
      })
      assert.deepStrictEqual(seen(other), ["GET /open/things"])
      assert.deepStrictEqual(seen(stage.api), [
        "GET /redirect with a token",
        "GET /things with a token",
        "GET /redirect with a token",
        "GET /redirect with a token",
        "GET /open/things",
        "GET /redirect with a token",
        "GET /open/plain"
      ])
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("sends nothing to an origin that the token is not bound to, nor in the clear", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const other = yield* ResourceServer.make({ authorizationServer: stage.server })
      const worker = yield* stage.worker
      const request = (url: string, origins?: ReadonlyArray<string>) =>
        Effect.map(
          worker.run({ _tag: "Request", tenant: TENANT, client, url, ...(origins === undefined ? {} : { origins }) }),
          ({ error }) => [error?.["_tag"], error?.["reason"]]
        )
      const plain = `http://0.0.0.0:${stage.api.port}`
      assert.deepStrictEqual(yield* request(`${other.origin}/open/x`), ["RequestRefused", "OtherOrigin"])
      assert.deepStrictEqual(yield* request(`${stage.api.origin}/open/x`, [other.origin]), [
        "RequestRefused",
        "OtherOrigin"
      ])
      assert.deepStrictEqual(yield* request(`${plain}/open/x`, [plain]), ["RequestRefused", "PlainHttp"])
      assert.deepStrictEqual([seen(other), seen(stage.api)], [[], []])
      assert.deepStrictEqual(yield* stage.counts, Stage.NONE)
    }))

  it.scopedLive("keeps a body at home: a redirect of it to another origin is handed out", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const other = yield* ResourceServer.make({ authorizationServer: stage.server })
      const worker = yield* stage.worker
      const post = (to: string) =>
        worker.run({
          _tag: "Request",
          tenant: TENANT,
          client,
          url: `${stage.api.origin}/redirect?status=307&to=${encodeURIComponent(to)}`,
          method: "POST",
          body: "secret"
        })
      assert.deepStrictEqual((yield* post(`${other.origin}/open/x`)).result, { statuses: [307] })
      assert.deepStrictEqual((yield* post("/here")).result, { statuses: [200] })
      assert.deepStrictEqual([seen(other), stage.api.requests.map(({ body }) => body)], [
        [],
        ["secret", "secret", "secret"]
      ])
    }))

  it.scopedLive("tells of a stream that it cannot send twice, after it has recovered", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      yield* stage.api.rejectFromNow(stage.token)
      const worker = yield* stage.worker
      const ask = { _tag: "Request", tenant: TENANT, client, url: `${stage.api.origin}/x`, method: "POST" } as const
      const { error } = yield* worker.run({ ...ask, body: "once", isStream: true })
      assert.strictEqual(error?.["_tag"], "RequestNotReplayed")
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.deepStrictEqual((yield* worker.run({ ...ask, body: "again", isStream: true })).result, { statuses: [200] })
      assert.deepStrictEqual(stage.api.requests.map(({ body, status }) => [status, body]), [
        [401, "once"],
        [200, "again"]
      ])
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
    }))

  it.scopedLive("names the scope that a login has to ask for", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const worker = yield* stage.worker
      const { error } = yield* worker.run({
        _tag: "Request",
        tenant: TENANT,
        client,
        url: `${stage.api.origin}/scope`
      })
      assert.deepInclude(error, { _tag: "InsufficientScope", required: "files:write" })
      assert.deepStrictEqual(yield* stage.counts, Stage.NONE)
      yield* stage.harness.assertNoLeak
    }))
})

describe("a stream of events over real connections", () => {
  it.scopedLive("goes on after a cut with the then-current token, which it recovers itself", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const worker = yield* stage.worker
      const connected = yield* stage.api.answers.hold
      const reading = yield* worker.begin({
        _tag: "Events",
        tenant: TENANT,
        url: `${stage.api.origin}/events`,
        count: 2
      })
      yield* Stage.passing(connected, 200)
      yield* Queue.take(stage.api.opened)
      yield* stage.api.emit("id: 1\ndata: first\n\n")
      yield* worker.child.message((message) => message["event"] === "read" && message["data"] === "first")
      yield* stage.api.rejectFromNow(stage.token)
      yield* stage.api.cut
      yield* Stage.passing(connected, 401)
      yield* Stage.passing(connected, 200)
      yield* Queue.take(stage.api.opened)
      yield* stage.api.emit("id: 2\ndata: second\n\n")
      assert.deepStrictEqual((yield* reading.outcome).result, { data: ["first", "second"] })
      assert.deepStrictEqual(
        stage.api.requests.map(({ lastEventId, status }) => [status, lastEventId]),
        [[200, undefined], [401, "1"], [200, "1"]]
      )
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      yield* stage.harness.assertNoLeak
    }))
})
