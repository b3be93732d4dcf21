import { assert, describe, it } from "@effect/vitest"
import * as ToolFiles from "@lockstep/tools/ToolFiles"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

const find = (text: string, environment: Record<string, string> = {}) =>
  Effect.withConfigProvider(
    Effect.map(ToolFiles.find(text), ({ path, tool }) => [tool.name, path]),
    ConfigProvider.fromMap(new Map(Object.entries({ HOME: "/home/agent", USERPROFILE: "/home/agent", ...environment })))
  )

describe("TOOL[:PATH]", () => {
  it.effect("is where the tool itself looks, when no path is named", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* find("openab"), ["openab", "/home/agent/.openab/agent/auth.json"])
      assert.deepStrictEqual(yield* find("hermes"), ["hermes", "/home/agent/.hermes/auth.json"])
      assert.deepStrictEqual(yield* find("hermes", { HERMES_HOME: "/srv/h" }), ["hermes", "/srv/h/auth.json"])
      assert.deepStrictEqual(yield* find("codex-mcp"), ["codex-mcp", "/home/agent/.codex/.credentials.json"])
      assert.deepStrictEqual(yield* find("codex-mcp", { CODEX_HOME: "/srv/c" }), [
        "codex-mcp",
        "/srv/c/.credentials.json"
      ])
    }))

  it.effect("expands ~ and nothing else", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* find("openab:~/a/b.json"), ["openab", "/home/agent/a/b.json"])
      assert.deepStrictEqual(yield* find("openab:/a:b/../~/c.json"), ["openab", "/~/c.json"])
    }))

  it.effect("refuses an unknown tool, and a path that depends on the working directory", () =>
    Effect.gen(function*() {
      for (
        const text of ["nothing", "nothing:/a", "", ":/a", "openab:", "openab:a.json", "openab:./a", "openab:~other/a"]
      ) {
        const error = yield* Effect.flip(find(text))
        assert.isString(error._op, text)
        assert.notInclude(error.message, "undefined")
      }
    }))

  it("has names that are no kind of our own stores, and no two alike", () => {
    const names = ToolFiles.all.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
    for (const kind of ["file", "keyring", "secrets", "auto", "postgres"]) assert.isFalse(ToolFiles.isNamed(kind))
    for (const name of names) {
      assert.isTrue(ToolFiles.isNamed(name))
      assert.isTrue(ToolFiles.isNamed(`${name}:/a`))
    }
  })
})
