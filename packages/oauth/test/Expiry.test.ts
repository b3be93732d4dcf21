import { assert, describe, it } from "@effect/vitest"
import * as Expiry from "@lockstep/oauth/Expiry"
import * as Option from "effect/Option"
import { jwt } from "./wire.js"

const NOW = 1_900_000_000
const ALL: ReadonlyArray<Expiry.ExpirySource> = ["expires_in", "expires_at", "jwt_exp"]

const table: ReadonlyArray<[string, Record<string, unknown>, string, number | null]> = [
  ["nothing", {}, "opaque", null],
  ["expires_in as a number", { expires_in: 3600 }, "opaque", NOW + 3600],
  ["expires_in as a string", { expires_in: "3600" }, "opaque", NOW + 3600],
  ["a fraction is cut", { expires_in: 3600.9 }, "opaque", NOW + 3600],
  ["expires_in that is a time in seconds", { expires_in: NOW + 60 }, "opaque", NOW + 60],
  ["expires_in that is a time in milliseconds", { expires_in: (NOW + 60) * 1000 }, "opaque", NOW + 60],
  ["zero says nothing", { expires_in: 0 }, "opaque", null],
  ["a negative lifetime says nothing", { expires_in: -1 }, "opaque", null],
  ["an absurd lifetime says nothing", { expires_in: 1e300 }, "opaque", null],
  ["a lifetime of another type says nothing", { expires_in: { seconds: 5 } }, "opaque", null],
  ["words say nothing", { expires_in: "1 hour" }, "opaque", null],
  ["expires_at in seconds", { expires_at: NOW + 60 }, "opaque", NOW + 60],
  ["expires_at in milliseconds", { expires_at: (NOW + 60) * 1000 }, "opaque", NOW + 60],
  ["expires_at as a date", { expires_at: new Date((NOW + 60) * 1000).toISOString() }, "opaque", NOW + 60],
  ["expires_at in the past says nothing", { expires_at: NOW - 60 }, "opaque", null],
  ["expires_at of u64::MAX says nothing", { expires_at: "18446744073709551615" }, "opaque", null],
  ["the first source wins", { expires_in: 60, expires_at: NOW + 99 }, jwt({ exp: NOW + 999 }), NOW + 60],
  ["a useless source gives way", { expires_in: 0 }, jwt({ exp: NOW + 999 }), NOW + 999],
  ["exp", {}, jwt({ exp: NOW + 999 }), NOW + 999],
  ["exp behind a wrong clock", {}, jwt({ iat: NOW - 9000, exp: NOW - 5400 }), NOW + 3600],
  ["exp in the past without iat says nothing", {}, jwt({ exp: NOW - 1 }), null],
  ["a malformed JWT", {}, "a.b.c", null],
  ["a JWT of something else", {}, "a.bnVsbA.c", null]
]

describe("expiry", () => {
  it.each(table)("%s", (_, answer, accessToken, expected) => {
    assert.strictEqual(Option.getOrNull(Expiry.expiresAt(ALL, answer, accessToken, NOW)), expected)
  })

  it("is read where the vendor says, and nowhere else", () => {
    assert.isTrue(Option.isNone(Expiry.expiresAt(["jwt_exp"], { expires_in: 60 }, "opaque", NOW)))
  })
})
