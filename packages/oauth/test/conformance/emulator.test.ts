import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationCodes from "@lockstep/testkit/vendors/AuthorizationCodes"
import * as DeviceAttempts from "@lockstep/testkit/vendors/DeviceAttempts"
import { json, type Refused } from "@lockstep/testkit/vendors/VendorServer"
import * as VendorServer from "@lockstep/testkit/vendors/VendorServer"
import * as WireRules from "@lockstep/testkit/vendors/WireRules"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const invalid = json(400, { error: "invalid_grant" })

/** What a refusal says about the client: nothing, where a good one may be refused as well. */
const violation = <A>(effect: Effect.Effect<A, Refused>): Effect.Effect<string | null> =>
  Effect.match(effect, {
    onFailure: (refused) => Option.getOrElse(refused.violation, () => "refused"),
    onSuccess: () => null
  })

const client = {
  clientId: "client",
  redirectUri: "http://127.0.0.1:1/callback",
  codeVerifier: "verifier-verifier-verifier-verifier-verifier"
}

const issue = (codes: AuthorizationCodes.AuthorizationCodes) =>
  codes.issue({
    clientId: client.clientId,
    redirectUri: client.redirectUri,
    codeChallenge: AuthorizationCodes.challengeOf(client.codeVerifier),
    scope: "",
    state: "",
    nonce: "",
    resource: ""
  })

describe("an emulator", () => {
  it.effect("takes a code once, and only from whom it was issued to", () =>
    Effect.gen(function*() {
      const codes = AuthorizationCodes.make()
      const redeem = (code: string, rest: Partial<typeof client> = {}) =>
        violation(codes.redeem(code, { ...client, ...rest }, invalid))
      const code = issue(codes)
      assert.isNull(yield* redeem(code))
      assert.strictEqual(yield* redeem(code), "refused")
      assert.match((yield* redeem(issue(codes), { clientId: "other" })) ?? "", /another client/)
      assert.match((yield* redeem(issue(codes), { redirectUri: `${client.redirectUri}/` })) ?? "", /redirect_uri/)
      assert.match((yield* redeem(issue(codes), { codeVerifier: `${client.codeVerifier}x` })) ?? "", /code_verifier/)
      assert.strictEqual(yield* redeem("made-up"), "refused")
    }))

  it("notices a poll before its time, and grants once", () => {
    let now = 0
    const devices = DeviceAttempts.make({ interval: 7, now: () => now })
    const { deviceCode } = devices.start("client", "")
    const poll = (seconds: number) => {
      now = seconds * 1_000
      return devices.poll(deviceCode)
    }
    devices.plan = ["SlowDown", "Pending", "Agreed"]
    assert.isUndefined(poll(7)?.violation)
    assert.isDefined(poll(7 + 11.999)?.violation)
    assert.isUndefined(poll(7 + 11.999 + 12)?.violation)
    assert.isUndefined(poll(100))
  })

  it("says of each member what is wrong with it", () => {
    const rules = { a: "1", b: WireRules.optional(/^\d$/), c: ["x", "y"] }
    assert.deepStrictEqual(WireRules.findings(rules, { a: "1", c: ["x", "y"] }), [])
    assert.deepStrictEqual(WireRules.findings(rules, { b: "z", c: ["y", "x"], d: "" }), [
      "a is missing",
      "b is \"z\"",
      "c is [\"y\",\"x\"]",
      "d does not belong there"
    ])
  })

  it.scopedLive("writes down who asks an address that the vendor does not have", () =>
    Effect.gen(function*() {
      const server = yield* VendorServer.make({
        "GET https://vendor.example/here": () => Effect.succeed(json(200, {}))
      })
      const status = (url: string) =>
        Effect.promise(() =>
          fetch(server.locate(url)).then((response) => response.arrayBuffer().then(() => response.status))
        )
      assert.strictEqual(yield* status("https://vendor.example/here?with=query"), 200)
      assert.deepStrictEqual(server.violations, [])
      assert.strictEqual(yield* status("https://other.example/here"), 404)
      assert.strictEqual(yield* status("http://vendor.example/here"), 404)
      assert.deepStrictEqual(server.violations.map((text) => text.split(": ")[0]), [
        "GET https://other.example/here",
        "GET http://vendor.example/here"
      ])
    }))
})
