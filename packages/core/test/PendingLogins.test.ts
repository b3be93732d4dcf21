import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"

pendingLoginsContract("memory", Effect.map(PendingLogins.makeMemory, (attempts) => [attempts, attempts] as const))

const MINUTE = 60_000
const NOW = 1_790_000_000_000

describe("an attempt's age", () => {
  it("is 15 minutes at most, either way, and unknown is too old", () => {
    const judge = (millis: number) => PendingLogins.isAncient((NOW + millis) / 1_000, NOW)
    assert.deepStrictEqual([-15 * MINUTE + 1, -1, 0, 1, 15 * MINUTE - 1].map(judge), Array(5).fill(false))
    assert.deepStrictEqual([-15 * MINUTE, 15 * MINUTE, Infinity, -Infinity, NaN].map(judge), Array(5).fill(true))
    assert.isTrue(PendingLogins.isAncient(0, NOW))
    assert.isTrue(PendingLogins.isAncient(0, 0))
    assert.isTrue(PendingLogins.isAncient(-1, 0))
  })
})

describe("an attempt's name", () => {
  const tenant = FastCheck.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((text) =>
    TenantId.fromString(text)._tag === "Right"
  ).map(TenantId.make)
  const user = FastCheck.oneof(
    FastCheck.string({ unit: "binary", maxLength: 12 }),
    FastCheck.array(FastCheck.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((units) =>
      String.fromCharCode(...units)
    )
  )

  it("is plain text that tells tenant and user again", () => {
    FastCheck.assert(FastCheck.property(tenant, user, (tenant, user) => {
      const name = PendingLogins.nameOf({ tenant, user })
      assert.match(name, /^[\w.!~*'()%-]+:[\w.!~*'()%-]*$/)
      assert.deepStrictEqual({ ...Option.getOrThrow(PendingLogins.keyOf(name)) }, { tenant, user })
    }))
  })

  it("reads as people expect", () => {
    const key = { tenant: TenantId.make("anthropic-oauth"), user: "discord-42" }
    assert.strictEqual(PendingLogins.nameOf(key), "anthropic-oauth:discord-42")
    assert.strictEqual(
      PendingLogins.nameOf({ tenant: TenantId.make("mcp:linear"), user: PendingLogins.LOCAL_USER }),
      "mcp%3Alinear:local"
    )
  })

  it("is no other spelling of it", () => {
    for (
      const name of ["", "codex", ":local", "a:b:c", "a%3ab:c", "%61:b", "a:%", "a:%E9", "a:%uD83D%uDE00", "a:é", "a: "]
    ) {
      assertEquals(PendingLogins.keyOf(name), Option.none())
    }
  })
})
