/**
 * Whose place the login of an MCP server may take: under its own name, another server's, and with more scope.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { login, nameOf, setting, succeeded } from "../support/McpStage.js"
import * as Stage from "../support/Stage.js"

describe("a login of an MCP server", () => {
  it.scopedLive("takes the name of a record that does not say whose it is, if that may be replaced", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const imported = { access_token: "lockstep-at-imported" }
      mkdirSync(dirname(stage.file), { recursive: true, mode: 0o700 })
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { [tenant]: imported } }), { mode: 0o600 })
      Stage.assertTold(yield* stage.run(["login", resource.url, "--no-browser"]), 2, /logged in already/)
      const { stored } = succeeded(yield* login(stage, resource.url, "alice", ["--replace"]))
      assert.strictEqual(stored["tenant"], tenant)
    }))

  it.scopedLive("gets another name where its own is another server's, and never takes that one's place unasked", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const others = { access_token: "lockstep-at-other", resource: "https://other.example/mcp", expires_at: 1 }
      mkdirSync(dirname(stage.file), { recursive: true, mode: 0o700 })
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { [tenant]: others } }), { mode: 0o600 })
      const { told } = succeeded(yield* login(stage, resource.url, "alice"))
      assert.strictEqual(told["tenant"], `${tenant}-mcp`)
      assert.deepInclude(yield* stage.stored(tenant), others)
      // Although that login has ended.
      const named = yield* stage.run(["login", resource.url, "--no-browser", "--tenant", tenant])
      Stage.assertTold(named, 2, /logged in already/)
      const vendors = yield* stage.run(["login", resource.url, "--no-browser", "--tenant", "codex"])
      Stage.assertTold(vendors, 2, /codex is the name of a login of OpenAI/)
      assert.include(vendors.stderr, "--tenant mcp:codex")
      const nobody = yield* stage.run(["login", "mcp:nobody", "--no-browser"])
      Stage.assertTold(nobody, 2, /no login of an MCP server of that name/)
    }))

  it.scopedLive("may be called as one likes, and is known for what it is under that name", () =>
    Effect.gen(function*() {
      const { resource, stage } = yield* setting()
      succeeded(yield* login(stage, resource.url, "alice", ["--tenant", "tools"]))
      const again = succeeded(yield* login(stage, "tools", "alice", ["--replace"]))
      assert.strictEqual(again.url.searchParams.get("resource"), resource.url)
      const profile = succeeded(yield* login(stage, resource.url, "bob", ["--profile", "work"]))
      assert.strictEqual(profile.told["tenant"], `${nameOf(resource)}@work`)
    }))

  it.scopedLive("is allowed more without being asked whether it may be replaced, by the same account only", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* setting()
      const scope = ["--scope", "openid mcp:use"]
      succeeded(yield* login(stage, resource.url, "alice", scope))
      const more = ["--scope", "files:write"]
      const bobs = yield* login(stage, tenant, "bob", more)
      Stage.assertToldAsJson(bobs.ended, 2, "CredentialExists")
      assert.deepInclude(yield* stage.stored(tenant), { account: { id: "alice" }, generation: 1 })
      const widened = succeeded(yield* login(stage, tenant, "alice", more))
      assert.deepStrictEqual(
        widened.url.searchParams.get("scope")?.split(" ").sort(),
        ["files:write", "mcp:use", "offline_access", "openid"]
      )
      assert.include(widened.stored["scope"] as string, "files:write")
      // What is granted already is no reason to replace a login.
      const refused = yield* stage.run(["login", tenant, "--no-browser", ...more])
      Stage.assertTold(refused, 2, /logged in already/)
    }))
})
