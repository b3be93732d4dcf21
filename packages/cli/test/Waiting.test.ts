import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import type * as UnderWay from "@lockstep/core/UnderWay"
import * as Waiting from "../src/Waiting.js"

const act = (act: UnderWay.Act["act"], tenant: string, isSpent: boolean): UnderWay.Act => ({
  act,
  tenant: TenantId.make(tenant),
  isSpent
})

describe("what is waited for after Ctrl-C", () => {
  it("is named, and why where something was spent", () => {
    const told: ReadonlyArray<readonly [ReadonlyArray<UnderWay.Act>, string]> = [
      [[], ""],
      [[act("refresh", "codex", true)], "finishing the refresh of codex: its new token is stored first"],
      [[act("refresh", "codex", false)], "finishing the refresh of codex"],
      [[act("login", "acme", true)], "finishing the login of acme: its new token is stored first"],
      [[act("logout", "acme", true)], "finishing the logout of acme"],
      [
        [act("logout", "acme", false), act("refresh", "codex", true)],
        "finishing the logout of acme, the refresh of codex: its new token is stored first"
      ]
    ]
    for (const [acts, text] of told) assert.strictEqual(Waiting.render(acts), text)
  })
})
