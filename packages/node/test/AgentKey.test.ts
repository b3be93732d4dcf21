import { assert, describe, it } from "@effect/vitest"
import * as AgentKey from "@lockstep/node/AgentKey"
import * as Redacted from "effect/Redacted"

const made = (tenants: ReadonlyArray<string>, expiresAt?: number) =>
  AgentKey.make({ name: "a", tenants, createdAt: 1, expiresAt, login: false })

describe("the key of an agent", () => {
  it("opens the tenants that it names, and those that its patterns match", () => {
    const cases: ReadonlyArray<readonly [string, ReadonlyArray<string>, ReadonlyArray<string>]> = [
      ["codex", ["codex"], ["codex@work", "Codex", "xcodex", ""]],
      ["mcp:*", ["mcp:", "mcp:a", "mcp:a:b"], ["mcp", "xmcp:a"]],
      ["*@work", ["codex@work"], ["codex@works"]],
      ["a*b*c", ["abc", "aXbYc", "abbc"], ["ab", "acb", "abcd"]],
      ["a*a", ["aa", "aba"], ["a"]],
      ["*", ["x", ""], []],
      ["a.c", ["a.c"], ["abc"]],
      ["cafe\u0301", ["caf\u00e9"], ["cafe"]]
    ]
    for (const [pattern, matches, others] of cases) {
      for (const tenant of matches) {
        assert.isTrue(AgentKey.opens({ tenants: [pattern] }, tenant), `${pattern} ${tenant}`)
      }
      for (const tenant of others) {
        assert.isFalse(AgentKey.opens({ tenants: [pattern] }, tenant), `${pattern} ${tenant}`)
      }
    }
    assert.isFalse(AgentKey.opens({ tenants: [] }, "codex"))
    // A pattern of many stars is no search without an end.
    assert.isFalse(AgentKey.opens({ tenants: ["*a".repeat(250)] }, "a".repeat(249)))
  })

  it("is found by itself alone, is kept as a digest, and ends with its time", () => {
    const { key, secret } = made(["codex"], 10)
    const text = Redacted.value(secret)
    assert.strictEqual(AgentKey.find([made([]).key, key], text), key)
    for (
      const wrong of ["", key.id, text.slice(0, -1), `${text}A`, text.toUpperCase(), Redacted.value(made([]).secret)]
    ) {
      assert.isUndefined(AgentKey.find([key], wrong), wrong)
    }
    assert.notInclude(JSON.stringify(key), text.slice(-20))
    assert.isFalse(AgentKey.hasExpired(key, 9_999))
    assert.isTrue(AgentKey.hasExpired(key, 10_000))
    assert.isFalse(AgentKey.hasExpired(made([]).key, Infinity))
  })
})
