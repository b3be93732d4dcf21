import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import * as CredentialSources from "@lockstep/oauth/CredentialSources"
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import { inspect } from "node:util"

const layer = Layer.provide(CredentialSources.layer, VendorRegistry.layerBuiltIn)

const found = (tenant: string, environment: Record<string, string>) =>
  Effect.flatMap(CredentialSources.CredentialSources, (sources) => sources.environment(TenantId.make(tenant))).pipe(
    Effect.provide(layer),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
  )

const orders: ReadonlyArray<[string, ReadonlyArray<string>]> = [
  ["codex", ["api_key CODEX_API_KEY", "token CODEX_ACCESS_TOKEN", "api_key OPENAI_API_KEY"]],
  ["anthropic-oauth", ["token ANTHROPIC_AUTH_TOKEN", "api_key ANTHROPIC_API_KEY", "token CLAUDE_CODE_OAUTH_TOKEN"]],
  ["xai-oauth", ["api_key XAI_API_KEY"]],
  ["gemini", ["api_key GEMINI_API_KEY", "api_key GOOGLE_API_KEY"]],
  ["copilot", ["token COPILOT_GITHUB_TOKEN", "token GH_TOKEN", "token GITHUB_TOKEN"]],
  ["mimocode", ["api_key XIAOMI_API_KEY"]],
  ["antigravity", []],
  ["kiro", []],
  ["generic", []]
]

/** Every variable of every vendor, named by its own name. */
const ALL = Object.fromEntries(
  Object.values(SourceVariables.table).flat().map(({ name }) => [name, `value of ${name}`])
)

describe("the variables", () => {
  it.effect.each(orders)("of %s win in the vendor's order", ([tenant, expected]) =>
    Effect.gen(function*() {
      const sources = yield* found(tenant, ALL)
      deepStrictEqual(sources.map(({ kind, name }) => `${kind} ${name}`), [...expected])
      deepStrictEqual(
        sources.map(({ token }) => Redacted.value(token)),
        sources.map(({ name }) => `value of ${name}`)
      )
    }))

  it.effect.each(["codex@work", "mcp:codex", "work", "Codex", "anthropic", "constructor", "__proto__"])(
    "are not read for %s",
    (tenant) =>
      Effect.gen(function*() {
        deepStrictEqual(yield* found(tenant, ALL), [])
      })
  )

  it.effect("that are empty, or white space, are not set", () =>
    Effect.gen(function*() {
      const sources = yield* found("codex", { CODEX_API_KEY: "", CODEX_ACCESS_TOKEN: " \n", OPENAI_API_KEY: "key" })
      deepStrictEqual(sources.map(({ name }) => name), ["OPENAI_API_KEY"])
    }))

  it.effect("show no value", () =>
    Effect.gen(function*() {
      const sources = yield* found("codex", ALL)
      assert.notInclude(inspect(sources, { depth: 9 }) + JSON.stringify(sources), "value of")
    }))

  it.effect("of this process are read anew at each call", () =>
    Effect.gen(function*() {
      const sources = yield* CredentialSources.CredentialSources
      const names = Effect.map(sources.environment(TenantId.make("mimocode")), (all) => all.map(({ name }) => name))
      const before = process.env["XIAOMI_API_KEY"]
      yield* Effect.sync(() => void (process.env["XIAOMI_API_KEY"] = "key"))
      deepStrictEqual(yield* names, ["XIAOMI_API_KEY"])
      yield* Effect.sync(() => void delete process.env["XIAOMI_API_KEY"])
      deepStrictEqual(yield* names, [])
      if (before !== undefined) process.env["XIAOMI_API_KEY"] = before
    }).pipe(Effect.provide(layer), Effect.withConfigProvider(ConfigProvider.fromEnv())))
})

describe("the table of variables", () => {
  it("is what the descriptors say, and names no vendor that there is not", () => {
    for (const { environment, id } of VendorRegistry.builtIn) {
      assert.deepStrictEqual(SourceVariables.of(id), environment, id)
    }
    const ids = VendorRegistry.builtIn.map(({ id }) => id)
    assert.isTrue(Object.keys(SourceVariables.table).every((id) => ids.includes(id)))
    for (const name of ["constructor", "__proto__", "toString"]) assert.deepStrictEqual(SourceVariables.of(name), [])
  })

  it("can be read without loading anything", () => {
    const source = fs.readFileSync(new URL("../src/SourceVariables.ts", import.meta.url), "utf8")
    assert.notMatch(source, /^\s*(?:import|export\s.*\sfrom)\b|\bimport\(|\brequire\(/m)
  })
})
