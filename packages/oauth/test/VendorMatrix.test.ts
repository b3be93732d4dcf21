import { assert, describe, it } from "@effect/vitest"
import * as VendorMatrix from "@lockstep/oauth/VendorMatrix"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as Option from "effect/Option"
import * as ChildProcess from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"

const rowOf = (id: string) => VendorMatrix.rows.find((row) => row.id === id) ?? assert.fail(`no row ${id}`)

describe("the vendor matrix", () => {
  it("has its fourteen rows, and the one for every other server", () => {
    assert.deepStrictEqual(VendorMatrix.rows.map(({ id }) => id), [
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
  })

  const grants: ReadonlyArray<[string, string, string, string | null]> = [
    ["codex", "authorization code, device code", "rotates", "JSON"],
    ["anthropic-oauth", "authorization code", "rotates", "JSON"],
    ["xai-oauth", "authorization code, device code", "rotates", "form"],
    ["gemini", "authorization code", "stays", "form"],
    ["antigravity", "authorization code", "stays", "form"],
    ["copilot", "device code", "stays", "GET with bearer"],
    ["kiro", "device code", "rotates", "camelCase JSON"],
    ["mimocode", "key hand-over", "no refresh", null],
    ["generic", "authorization code, device code", "rotates", "form"]
  ]

  it.each(grants)("says of %s: %s, %s, %s", (id, words, rotation, refresh) => {
    const row = rowOf(id)
    assert.strictEqual(row.grants.join(", "), words)
    assert.strictEqual(Option.getOrNull(row.rotation), rotation)
    assert.strictEqual(Option.getOrNull(row.refresh), refresh)
    assert.isTrue(Option.isNone(row.refusal))
    assert.isTrue(Option.isNone(VendorMatrix.refusalOf(id)))
  })

  it("asks for consent where the terms reserve a login, and names another way", () => {
    assert.deepStrictEqual(VendorMatrix.rows.filter(({ optIn }) => optIn).map(({ id }) => id), [
      "anthropic-oauth",
      "gemini",
      "antigravity",
      "copilot"
    ])
    for (const { id, terms } of VendorMatrix.rows.filter((row) => row.methods.length > 0 && row.id !== "generic")) {
      assert.isTrue(Option.exists(terms, ({ alternative, note }) => alternative !== "" && note !== ""), id)
    }
  })

  it("tells which clients need a secret from a person", () => {
    assert.deepStrictEqual(VendorMatrix.rows.filter((row) => row.needsClientSecret).map(({ id }) => id), [
      "gemini",
      "antigravity"
    ])
  })

  it("says why the others are not offered, and what to use", () => {
    for (const id of ["cursor", "agentcore", "hermes", "opencode", "pi", "native"]) {
      const refusal = Option.getOrThrow(VendorMatrix.refusalOf(id))
      assert.isTrue(refusal.reason !== "" && refusal.alternative !== "", id)
      assert.deepStrictEqual(rowOf(id).methods, [])
    }
    assert.match(Option.getOrThrow(VendorMatrix.refusalOf("cursor")).alternative, /CURSOR_API_KEY/)
    assert.match(Option.getOrThrow(VendorMatrix.refusalOf("agentcore")).reason, /SigV4/)
  })

  it("takes every vendor of the registry", () => {
    const ids = VendorMatrix.rows.map(({ id }) => id)
    for (const { id } of VendorRegistry.builtIn) assert.include(ids, id)
  })
})

describe("the repository", () => {
  // Google's secrets begin alike: as they are, in base64 at any offset of the text, in hexadecimal, or backwards.
  const PREFIX = ["GOC", "SPX-"].join("")
  const encoded = [
    Buffer.from(PREFIX).toString("base64").slice(0, 9),
    Buffer.from(`_${PREFIX}`).toString("base64").slice(2, 10),
    Buffer.from(`__${PREFIX}`).toString("base64").slice(3, 12),
    Buffer.from(PREFIX).toString("hex"),
    [...PREFIX].reverse().join("")
  ]

  it("holds no client secret of Google's in any form", () => {
    const root = fileURLToPath(new URL("../../../", import.meta.url))
    const listed = ChildProcess.spawnSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" })
    assert.strictEqual(listed.status, 0, `git must list the tracked files: ${listed.stderr}`)
    const files = listed.stdout.split("\0").filter((file) => file !== "" && fs.existsSync(`${root}${file}`))
    assert.isAbove(files.length, 100)
    for (const file of files) {
      const text = fs.readFileSync(`${root}${file}`, "latin1")
      for (const form of [PREFIX, ...encoded]) assert.isFalse(text.includes(form), `${file} holds such a secret`)
    }
  })
})
