import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/Stage.js"

describe("lockstep vendors", () => {
  it.scopedLive("shows every vendor within eighty columns", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const ran = yield* stage.run(["vendors"])
      assert.strictEqual(ran.code, 0)
      for (const line of ran.stdout.split("\n")) assert.isAtMost(line.length, 80, line)
      for (const text of ["anthropic-oauth", "--accept-terms", "CURSOR_API_KEY", "SigV4", "an agent, not a vendor"]) {
        assert.include((ran.stdout + ran.stderr).replace(/\s+/g, " ").toLowerCase(), text.toLowerCase())
      }
    }))

  it.scopedLive("gives programs the whole matrix", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { vendors } = JSON.parse((yield* stage.run(["vendors", "--json"])).stdout) as {
        readonly vendors: ReadonlyArray<Record<string, unknown>>
      }
      assert.deepStrictEqual(vendors.map(({ id }) => id), [
        "codex",
        "anthropic-oauth",
        "xai-oauth",
        "gemini",
        "antigravity",
        "copilot",
        "kiro",
        "mimocode",
        "cursor",
        "agentcore",
        "hermes",
        "opencode",
        "pi",
        "native",
        "generic"
      ])
      assert.deepStrictEqual(vendors.filter(({ offered }) => offered === false).length, 6)
      assert.isTrue(vendors.find(({ id }) => id === "gemini")!["needs_client_secret"])
    }))
})

describe("lockstep vendors secret", () => {
  it.scopedLive("stores a client secret that is not read by accident, and shows it nowhere", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const secret = FakeToken.make("cs")
      const ran = yield* stage.run(["vendors", "secret", "gemini", "--from", "-"], { input: `${secret}\n` })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stdout, /^gemini client secret stored in /)
      const file = join(stage.harness.home, "vendors.json")
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.notInclude(readFileSync(file, "utf8"), secret)
      // The login that asked for it goes on from here.
      const begun = yield* stage.run(["login", "gemini", "--accept-terms", "--no-browser"])
      assert.match(begun.stdout, /^https:\/\/accounts\.google\.com\/\S+\n$/)
    }))

  it.scopedLive("reads it from a file, wherever the options stand", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const path = join(stage.harness.environment["HOME"]!, "secret")
      writeFileSync(path, `${FakeToken.make("cs")}\n`)
      const ran = yield* stage.run(["--json", "vendors", "--from", path, "secret", "antigravity"])
      assert.deepInclude(JSON.parse(ran.stdout), { vendor: "antigravity", stored: true })
    }))

  it.scopedLive("takes none for a vendor that needs none, nor from an argument", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const none = yield* stage.run(["vendors", "secret", "codex", "--from", "-"], { input: "x" })
      Stage.assertTold(none, 2, /no vendor of that name needs a client secret/)
      const missing = yield* stage.run(["vendors", "secret", "gemini", "--from", "/nowhere"])
      Stage.assertTold(missing, 2, /cannot be read \(ENOENT\)/)
      Stage.assertTold(yield* stage.run(["vendors", "secret", "gemini", "in-an-argument"]), 2, /--from/)
    }))
})

describe("terms that reserve a login", () => {
  it.scopedLive("are told before anything is sent, and accepted once per tenant", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const login = (...more: ReadonlyArray<string>) => stage.run(["login", "anthropic-oauth", "--no-browser", ...more])
      const refused = yield* login()
      assert.strictEqual(refused.code, 2)
      assert.strictEqual(refused.stdout, "")
      assert.include(refused.stderr, "Claude Code and Claude.ai")
      assert.include(refused.stderr, "ANTHROPIC_API_KEY")
      assert.include(refused.stderr, "--accept-terms")
      const error = Stage.assertToldAsJson(
        { ...yield* login("--json"), stderr: "" },
        2,
        "LoginUnavailable",
        "TermsNotAccepted"
      )
      assert.include(error["advice"], "--accept-terms")
      const accepted = yield* login("--accept-terms")
      assert.match(accepted.stdout, /^https:\/\/claude\.ai\/oauth\/authorize\?\S+\n$/)
      assert.include(accepted.stderr, "Claude Code and Claude.ai")
      assert.strictEqual((yield* login()).code, 0)
      assert.strictEqual((yield* login("--profile", "work")).code, 2)
    }))
})
