import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import * as Stage from "./support/Stage.js"

const shown = { prints: true }

describe("sources of a token", () => {
  it.scopedLive("a variable of the vendor wins over its stored login, and says so once", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const stored = yield* stage.seed({ left: 3600 })
      const token = FakeToken.make("at")
      const env = { CODEX_ACCESS_TOKEN: token, OPENAI_API_KEY: "" }
      const ran = yield* stage.run(["token", "codex"], { ...shown, env })
      assert.strictEqual(ran.stdout, `${token}\n`)
      assert.match(ran.stderr, /^lockstep: warning: CODEX_ACCESS_TOKEN is set and comes before the stored login.*\n$/)
      const json = yield* stage.run(["token", "codex", "--format", "json"], { ...shown, env })
      assert.deepInclude(JSON.parse(json.stdout), { source: "CODEX_ACCESS_TOKEN", store: null, generation: null })
      const forced = yield* stage.run(["token", "codex", "--source", "stored"], { ...shown, env })
      assert.deepStrictEqual(forced, { code: 0, stdout: `${stored.accessToken}\n`, stderr: "" })
      const named = yield* stage.run(["token", "codex", "--source", "CODEX_ACCESS_TOKEN"], { ...shown, env })
      assert.deepStrictEqual(named, { code: 0, stdout: `${token}\n`, stderr: "" })
      assert.lengthOf(stage.server.requests, 0)
    }))

  it.scopedLive("counts for the tenant that is called like the vendor and for no other", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const env = { CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      const { accessToken } = yield* stage.seed({ tenant: "codex@work", left: 3600 })
      const work = yield* stage.run(["token", "codex@work"], { ...shown, env })
      assert.deepStrictEqual(work, { code: 0, stdout: `${accessToken}\n`, stderr: "" })
      // Without a stored login there is nothing to warn about.
      const alone = yield* stage.run(["token", "codex"], { ...shown, env })
      assert.deepStrictEqual(alone, { code: 0, stdout: `${env.CODEX_ACCESS_TOKEN}\n`, stderr: "" })
    }))

  it.scopedLive("the first variable of the vendor's order wins", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const env = { OPENAI_API_KEY: FakeToken.make("at"), CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      const ran = yield* stage.run(["token", "codex"], { ...shown, env })
      assert.strictEqual(ran.stdout, `${env.CODEX_ACCESS_TOKEN}\n`)
      const second = yield* stage.run(["token", "codex", "--source", "OPENAI_API_KEY"], { ...shown, env })
      assert.strictEqual(second.stdout, `${env.OPENAI_API_KEY}\n`)
    }))

  it.scopedLive("an unknown or unset source is a usage error, and is not repeated where it may be a secret", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const source = (name: string) => stage.run(["token", "codex", "--source", name])
      Stage.assertTold(yield* source("OPENAI_API_KEY"), 2, /OPENAI_API_KEY is not set/)
      const misplaced = yield* source("sk-misplaced")
      Stage.assertTold(misplaced, 2, /codex has no such source/)
      assert.notInclude(misplaced.stderr, "sk-misplaced")
    }))

  it.scopedLive("a rejected variable cannot be renewed, and is named", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const env = { CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      const args = ["token", "codex", "--rejected-stdin", "--json"]
      const ran = yield* stage.run(args, { env, input: env.CODEX_ACCESS_TOKEN })
      assert.strictEqual(ran.code, 5)
      const { error } = JSON.parse(ran.stdout) as { readonly error: Record<string, unknown> }
      assert.strictEqual(error["_tag"], "ProviderRejected")
      assert.include(error["message"], "CODEX_ACCESS_TOKEN")
      // One that was replaced since is only compared.
      const outdated = yield* stage.run(args, { ...shown, env, input: FakeToken.make("at") })
      assert.deepInclude(JSON.parse(outdated.stdout), { source: "CODEX_ACCESS_TOKEN" })
      assert.lengthOf(stage.server.requests, 0)
    }))

  it.scopedLive("what was forced holds for the refresh in the background, too", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const env = { CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      const args = ["token", "codex", "--source", "stored", "--max-wait", "1m"]
      const ran = yield* stage.run(args, { ...shown, env })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.strictEqual(ran.stdout.trim(), (yield* stage.stored())!["access_token"])
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("exec hands on what token would print", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const env = { CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      const print = ["--", "sh", "-c", "printf %s \"$LOCKSTEP_TOKEN\" | sha256sum | cut -c1-12"]
      const ran = yield* stage.run(["exec", "codex", ...print], { env })
      assert.strictEqual(ran.stdout.trim(), FakeToken.fingerprint(env.CODEX_ACCESS_TOKEN))
      const stored = yield* stage.run(["exec", "codex", "--source", "stored", ...print], { env })
      assert.notStrictEqual(stored.stdout.trim(), FakeToken.fingerprint(env.CODEX_ACCESS_TOKEN))
    }))

  it.scopedLive("status and doctor show who wins and what is shadowed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const env = { OPENAI_API_KEY: FakeToken.make("at"), CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      assert.match(
        (yield* stage.run(["status"], { env })).stdout,
        /SHADOWED BY.*\ncodex .*CODEX_ACCESS_TOKEN, OPENAI_API_KEY/
      )
      const json = JSON.parse((yield* stage.run(["status", "--json"], { env })).stdout) as {
        readonly tenants: ReadonlyArray<Record<string, unknown>>
      }
      assert.deepStrictEqual(json.tenants[0]!["shadowed_by"], ["CODEX_ACCESS_TOKEN", "OPENAI_API_KEY"])
      assert.include(
        (yield* stage.run(["doctor"], { env })).stdout,
        "CODEX_ACCESS_TOKEN is set: it answers for codex, and comes before OPENAI_API_KEY and the stored login"
      )
    }))

  it.scopedLive("refresh and logout work on the stored login, and say that it is shadowed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const env = { CODEX_ACCESS_TOKEN: FakeToken.make("at") }
      const warning = /warning: CODEX_ACCESS_TOKEN is set: `lockstep token codex` uses it/
      const refreshed = yield* stage.run(["refresh", "codex"], { env })
      assert.include(refreshed.stdout, "generation 1 → 2")
      assert.match(refreshed.stderr, warning)
      const out = yield* stage.run(["logout", "codex"], { env })
      assert.include(out.stdout, "codex logged out")
      assert.match(out.stderr, warning)
    }))
})
