import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as Behaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

const post = (url: string, params: Record<string, string>) =>
  Effect.promise(async () => {
    const response = await fetch(url, { method: "POST", body: new URLSearchParams(params) })
    return { status: response.status, body: await response.json() as Record<string, string> }
  })

const refresh = (server: ScriptedServer.ScriptedServer, refreshToken: string) =>
  post(server.tokenEndpoint, { grant_type: "refresh_token", refresh_token: refreshToken })

describe("the scripted server", () => {
  it.scoped("is strict: a used token that comes back ends its family, and no other", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const first = server.issue()
      const sibling = server.issue()
      const second = yield* refresh(server, first.refreshToken)
      assert.strictEqual(second.status, 200)
      assert.isTrue(server.isLive(second.body["refresh_token"]!))
      assert.isTrue(server.isLive(second.body["access_token"]!))
      assert.isFalse(server.isLive(first.refreshToken))

      assert.strictEqual((yield* refresh(server, first.refreshToken)).body["error"], "invalid_grant")
      assert.isFalse(server.isLive(second.body["refresh_token"]!))
      assert.isFalse(server.isLive(second.body["access_token"]!))
      assert.isTrue(server.isLive(sibling.refreshToken))
      const marks = [server.redemptions, server.reuses, server.revocations].map((list) =>
        list.map(({ fingerprint }) => fingerprint)
      )
      const mark = FakeToken.fingerprint(first.refreshToken)
      assert.deepStrictEqual(marks, [[mark], [mark], [mark]])
    }))

  it.scoped("knows nothing of a token that it did not issue", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      assert.strictEqual((yield* refresh(server, FakeToken.make("rt"))).status, 400)
      assert.deepStrictEqual([server.redemptions.length, server.reuses.length], [0, 0])
    }))

  it.scoped("keeps the token where it does not rotate", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make({ rotates: false })
      const { refreshToken } = server.issue()
      for (let count = 0; count < 2; count++) {
        assert.strictEqual((yield* refresh(server, refreshToken)).body["refresh_token"], refreshToken)
      }
    }))

  it.scoped("refuses early, and grants once the access token has ended", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const early = server.issue(60)
      const late = server.issue(0)
      yield* server.script(Behaviour.earlyRefusal, Behaviour.earlyRefusal)
      assert.strictEqual((yield* refresh(server, early.refreshToken)).status, 400)
      assert.isTrue(server.isLive(early.refreshToken))
      assert.strictEqual((yield* refresh(server, late.refreshToken)).status, 200)
    }))

  it.scoped("plays its script once, in order, and says when a request arrives", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const { refreshToken } = server.issue()
      yield* server.script(Behaviour.html(502), Behaviour.rateLimited())
      const statuses = yield* Effect.forEach([1, 2, 3], () =>
        Effect.promise(() =>
          fetch(server.tokenEndpoint, { method: "POST", body: new URLSearchParams({ refresh_token: refreshToken }) })
            .then(({ status }) =>
              status
            )
        ))
      assert.deepStrictEqual(statuses, [502, 429, 200])
      assert.strictEqual((yield* Queue.take(server.arrivals)).fingerprint, FakeToken.fingerprint(refreshToken))
      assert.strictEqual((yield* Queue.takeAll(server.arrivals)).length, 2)
    }))

  it.scoped("makes tokens that a leak check finds", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const { accessToken, refreshToken } = server.issue()
      assert.deepStrictEqual(`${accessToken} ${refreshToken}`.match(FakeToken.PATTERN), [accessToken, refreshToken])
    }))
})
