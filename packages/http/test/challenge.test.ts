import { assert, describe, it } from "@effect/vitest"
import * as BearerChallenge from "@lockstep/http/BearerChallenge"
import * as FastCheck from "effect/FastCheck"
import * as Verdict from "../src/internal/verdict.js"

const read = (header: string) =>
  BearerChallenge.parse(header).map(({ parameters, scheme }) => [scheme, Object.fromEntries(parameters)])

describe("WWW-Authenticate", () => {
  it.each([
    ["", []],
    ["Bearer", [["bearer", {}]]],
    ["bearer realm=\"a, b\" , error=invalid_token", [["bearer", { realm: "a, b", error: "invalid_token" }]]],
    ["Bearer Error = \"x\\\"y\\\\\"", [["bearer", { error: "x\"y\\" }]]],
    ["Basic realm=\"a\", Bearer scope=\"r w\"", [["basic", { realm: "a" }], ["bearer", { scope: "r w" }]]],
    ["Negotiate YWJj==, Bearer error=\"e\"", [["negotiate", {}], ["bearer", { error: "e" }]]],
    ["Newauth realm=\"apps\", type=1, title=\"Login\", Basic realm=\"s\"", [
      ["newauth", { realm: "apps", type: "1", title: "Login" }],
      ["basic", { realm: "s" }]
    ]],
    [",, Bearer ,, error=\"e\",,", [["bearer", { error: "e" }]]],
    ["Bearer error=\"first\", error=\"second\"", [["bearer", { error: "first" }]]],
    [
      "Bearer resource_metadata=https://x.example/.well-known/oauth-protected-resource/mcp?a=b, error=invalid_token",
      [["bearer", {
        resource_metadata: "https://x.example/.well-known/oauth-protected-resource/mcp?a=b",
        error: "invalid_token"
      }]]
    ],
    ["Bearer resource_metadata=https://x.example/m scope=\"r\", Basic realm=a", [
      ["bearer", { resource_metadata: "https://x.example/m", scope: "r" }],
      ["basic", { realm: "a" }]
    ]],
    ["Bearer error=, scope=\"s\"", [["bearer", { scope: "s" }]]],
    ["Bearer error=\"never closed", [["bearer", {}]]],
    ["\"stray\", Bearer error=\"e\"", [["bearer", { error: "e" }]]]
  ])("%j is read as %j", (header, expected) => assert.deepStrictEqual(read(header), expected))

  it("is read whatever it is, and what was written is read back", () => {
    FastCheck.assert(FastCheck.property(FastCheck.string({ unit: "binary" }), (header) => {
      assert.isArray(BearerChallenge.parse(header))
    }))
    const token = FastCheck.stringMatching(/^[a-z_]{1,8}$/)
    const challenge = FastCheck.tuple(
      token,
      FastCheck.uniqueArray(FastCheck.tuple(token, FastCheck.string()), {
        minLength: 1,
        selector: ([name]) => name
      })
    )
    FastCheck.assert(FastCheck.property(FastCheck.array(challenge), (challenges) => {
      const header = challenges.map(([scheme, parameters]) =>
        `${scheme} ${parameters.map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, "\\$&")}"`).join(", ")}`
      ).join(", ")
      assert.deepStrictEqual(
        read(header),
        challenges.map(([scheme, parameters]) => [scheme, Object.fromEntries(parameters)])
      )
    }))
  })

  it("of 100,000 characters is read in no time", () => {
    for (const text of ["Bearer a=\"", "Bearer ", ",", "a=", "\"\\", "Bearer a=\"b\", "]) {
      assert.isArray(BearerChallenge.parse(text.repeat(100_000 / text.length)))
    }
  })
})

describe("what an answer says about its token", () => {
  it.each<readonly [number, string | undefined, Verdict.Verdict["_tag"]]>([
    [200, "Bearer error=\"invalid_token\"", "Theirs"],
    [401, undefined, "Rejected"],
    [401, "Bearer error=\"invalid_token\"", "Rejected"],
    [401, "Bearer error=\"insufficient_scope\", Bearer error=\"invalid_token\"", "Rejected"],
    [401, "Bearer error=\"invalid_request\"", "Theirs"],
    [401, "Bearer error=\"insufficient_scope\"", "StepUp"],
    [403, "Bearer error=\"insufficient_scope\"", "StepUp"],
    [403, "Bearer error=\"invalid_token\"", "Theirs"],
    [403, undefined, "Theirs"],
    [407, "Bearer error=\"invalid_token\"", "Theirs"]
  ])("%d with %j: %s", (status, header, expected) => assert.strictEqual(Verdict.of(status, header)._tag, expected))
})
