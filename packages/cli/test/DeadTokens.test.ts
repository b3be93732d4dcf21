/** A refresh token that is dead, under the names that servers have for it: the command says so once, and asks no more. */
import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import * as Stage from "./support/Stage.js"

const { json, refused, refusedNested, reply } = ServerBehaviour

const names: ReadonlyArray<[string, ServerBehaviour.Behaviour]> = [
  ["bad_refresh_token with 200 (GitHub)", refused("bad_refresh_token", 200)],
  ["token_expired with 200 (Slack)", reply(json(200, { ok: false, error: "token_expired" }))],
  ["invalid_refresh_token", refused("invalid_refresh_token", 400)],
  ["invalid_token", refused("invalid_token", 401)],
  ["refresh_token_reused inside an object with 401", refusedNested("refresh_token_reused", 401)],
  ["refresh_token_already_used at the top", reply(json(400, { code: "refresh_token_already_used" }))],
  ["invalid_request in words", refused("invalid_request", 400, "Refresh token is expired or revoked")]
]

describe("a dead refresh token", () => {
  it.scopedLive.each(names)("is one as %s", ([, behaviour]) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(behaviour)
      const first = yield* stage.run(["token", "codex", "--json"])
      Stage.assertToldAsJson(first, 3, "ReauthorizationRequired", "InvalidGrant")
      Stage.assertTold(yield* stage.run(["token", "codex"]), 3, /codex/)
      assert.strictEqual((yield* stage.run(["status", "--check"])).code, 3)
      assert.lengthOf(stage.server.requests, 1)
    }))

  it.scopedLive("is not proven where a firewall answers with a page", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.html(403))
      const ran = yield* stage.run(["token", "codex", "--json"])
      const error = Stage.assertToldAsJson(ran, 5, "ProviderRejected", "Protocol")
      assert.include(String(error["message"]), "a page in place of an answer")
      assert.strictEqual((yield* stage.run(["status", "--check"])).code, 0)
    }))
})
