import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/Stage.js"

const documentOf = (stage: Stage.Stage, more: Record<string, unknown> = {}): string => {
  const tokens = stage.server.issue()
  return JSON.stringify({
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    expires_in: 3600,
    token_endpoint: stage.server.tokenEndpoint,
    revocation_endpoint: stage.server.revocationEndpoint,
    client_id: "lockstep-tests",
    account: { id: "1", label: "a@example.com" },
    ...more
  })
}

describe("lockstep import", () => {
  it.scopedLive("takes a login over from standard input or a file, for one user alone", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const ran = yield* stage.run(["import", "codex", "--from", "-"], { input: documentOf(stage) })
      assert.deepInclude(ran, { code: 0, stderr: "" })
      assert.match(ran.stdout, /^codex imported: generation 1, expires in (1h|59m \d+s)\n$/)
      assert.strictEqual(statSync(stage.file).mode & 0o777, 0o600)
      assert.strictEqual(statSync(stage.harness.home).mode & 0o777, 0o700)
      const path = join(stage.harness.environment["HOME"]!, "login.json")
      writeFileSync(path, documentOf(stage))
      const json = yield* stage.run(["import", "other", "--from", path, "--json"])
      assert.deepInclude(JSON.parse(json.stdout), {
        tenant: "other",
        generation: 1,
        refreshable: true,
        store: stage.file
      })
      for (const tenant of ["codex", "other"]) {
        assert.strictEqual((yield* stage.run(["token", tenant, "--min-ttl", "2h"], { prints: true })).code, 0)
      }
      assert.lengthOf(stage.server.redemptions, 2)
    }))

  it.scopedLive("replaces a live login only when told to", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.run(["import", "codex", "--from", "-"], { input: documentOf(stage) })
      const before = readFileSync(stage.file, "utf8")
      const again = { input: documentOf(stage) }
      const refused = yield* stage.run(["import", "codex", "--from", "-"], again)
      Stage.assertTold(refused, 2, /codex is logged in already as a@example\.com/)
      assert.strictEqual(readFileSync(stage.file, "utf8"), before)
      const replaced = yield* stage.run(["import", "codex", "--from", "-", "--replace"], again)
      assert.include(replaced.stdout, "generation 2")
    }))
})

describe("lockstep refresh", () => {
  it.scopedLive("says what changed, and never a token", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.run(["import", "codex", "--from", "-"], { input: documentOf(stage) })
      const ran = yield* stage.run(["refresh", "codex"])
      assert.match(
        ran.stdout,
        /^codex refreshed: generation 1 → 2, expires in (1h|59m \d+s), a@example\.com, refresh token rotated\n$/
      )
      const json = JSON.parse((yield* stage.run(["refresh", "codex", "--json"])).stdout)
      assert.deepInclude(json, {
        tenant: "codex",
        by: "redeemed",
        rotated: true,
        previous_generation: 2,
        generation: 3
      })
      assert.lengthOf(stage.server.redemptions, 2)
    }))

  it.scopedLive("spends a token of unknown outcome only when the risk is accepted", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.dropped, ServerBehaviour.dropped)
      const env = { LOCKSTEP_QUIET_TIME: "20ms" }
      const told = /sent its refresh token twice/
      Stage.assertTold(yield* stage.run(["refresh", "codex"], { env }), 3, told)
      const second = yield* stage.run(["refresh", "codex"], { env })
      Stage.assertTold(second, 3, told)
      assert.include(second.stderr, "lockstep refresh codex --accept-risk")
      assert.lengthOf(stage.server.requests, 2)
      const accepted = yield* stage.run(["refresh", "codex", "--accept-risk"], { env })
      assert.strictEqual(accepted.code, 0, accepted.stderr)
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("asks a person at a terminal about that risk", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.dropped, ServerBehaviour.dropped)
      const env = { LOCKSTEP_QUIET_TIME: "20ms" }
      yield* stage.run(["refresh", "codex"], { env })
      const no = yield* stage.onTerminal(["refresh", "codex"], env)
      yield* no.write("n\r")
      assert.strictEqual((yield* no.exit).code, 3)
      assert.include(yield* no.stdout, "Send it once more?")
      const silent = yield* stage.onTerminal(["refresh", "codex"], { ...env, LOCKSTEP_NO_INPUT: "1" })
      assert.strictEqual((yield* silent.exit).code, 3)
      assert.notInclude(yield* silent.stdout, "Send it once more?")
      const yes = yield* stage.onTerminal(["refresh", "codex"], env)
      yield* yes.write("y\r")
      assert.strictEqual((yield* yes.exit).code, 0)
      assert.include(yield* yes.stdout, "generation 1 → 2")
      assert.notMatch((yield* yes.stdout) + (yield* no.stdout), FakeToken.PATTERN)
    }))
})

describe("lockstep logout", () => {
  it.scopedLive("revokes, removes, and does not mind an absent login", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { refreshToken } = yield* stage.seed({ left: 3600 })
      const ran = yield* stage.run(["logout", "codex"])
      assert.deepStrictEqual(ran, { code: 0, stdout: "codex logged out, tokens revoked\n", stderr: "" })
      assert.isFalse(stage.server.isLive(refreshToken))
      assert.isUndefined(yield* stage.stored())
      const again = yield* stage.run(["logout", "codex"])
      assert.deepStrictEqual(again, { code: 0, stdout: "codex was not logged in\n", stderr: "" })
      assert.strictEqual((yield* stage.run(["logout", "--all"])).stdout, "there was no login to end\n")
    }))

  it.scopedLive("removes the login also where revoking fails, and warns", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      yield* stage.server.scriptRevocation(ServerBehaviour.html(500), ServerBehaviour.html(500))
      const ran = yield* stage.run(["logout", "codex"])
      assert.deepInclude(ran, { code: 0, stdout: "codex logged out; the tokens were not revoked\n" })
      assert.match(ran.stderr, /^lockstep: warning: .*\n$/)
      assert.isUndefined(yield* stage.stored())
    }))

  it.scopedLive("--all ends every login, --local asks no server", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ tenant: "a", left: 3600 }, { tenant: "b", left: 3600 })
      const ran = yield* stage.run(["logout", "--all", "--local", "--json"])
      assert.deepStrictEqual(JSON.parse(ran.stdout), {
        tenants: [{ tenant: "a", removed: true, revoked: "none" }, { tenant: "b", removed: true, revoked: "none" }]
      })
      assert.lengthOf(stage.server.requests, 0)
      assert.strictEqual((yield* stage.run(["status"])).stdout, "")
    }))
})
