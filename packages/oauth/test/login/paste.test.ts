import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as AuthorizationResponse from "@lockstep/oauth/AuthorizationResponse"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const read = (text: string) =>
  Option.getOrNull(Option.map(AuthorizationResponse.fromPaste(Redacted.make(text)), ({ kind, parameters }) => [
    kind,
    Object.fromEntries(Redacted.value(parameters))
  ]))

const whole = { code: "c/1", state: "s" }

describe("what a person pastes", () => {
  const table: ReadonlyArray<readonly [string, unknown]> = [
    ["c/1", ["Code", { code: "c/1" }]],
    [" c/1\r\n", ["Code", { code: "c/1" }]],
    ["\"c/1\"", ["Code", { code: "c/1" }]],
    ["c%2F1", ["Code", { code: "c/1" }]],
    ["c/1#s", ["Code", whole]],
    ["abc==", ["Code", { code: "abc==" }]],
    ["100%", ["Code", { code: "100%" }]],
    ["code=c%2F1&state=s", ["Whole", whole]],
    ["?code=c%2F1&state=s", ["Whole", whole]],
    ["/callback?code=c%2F1&state=s", ["Whole", whole]],
    ["localhost:1455/callback?state=s&code=c%2F1", ["Whole", whole]],
    ["http://localhost:1455/auth/callback?code=c%2F1&state=s", ["Whole", whole]],
    ["<http://localhost/cb?code=c%2F1&amp;state=s>", ["Whole", whole]],
    ["http://localhost/cb?code=c%2F1\n  &state=s", ["Whole", whole]],
    ["https://acme.example/cb#code=c%2F1&state=s", ["Whole", whole]],
    ["https://acme.example/cb?error=access_denied", ["Whole", { error: "access_denied" }]],
    ["http://localhost/?u=sealed", ["Whole", { u: "sealed" }]],
    ["", null],
    ["   ", null],
    ["https://acme.example/cb", null],
    ["a#b#c", null],
    ["\u0000", null],
    ["ключ", null]
  ]
  for (const [text, expected] of table) {
    it(`is read from ${JSON.stringify(text)}`, () => deepStrictEqual(read(text), expected))
  }
})
