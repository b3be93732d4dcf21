import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

const decode = (json: string) => Schema.decodeUnknownEither(Credential.Credential)(JSON.parse(json))

describe("a stored record", () => {
  it("has times that a clock can count with", () => {
    for (const time of ["0", "-1", "1e999", "\"soon\""]) {
      assert.isTrue(Either.isLeft(decode(`{"access_token":"a","expires_at":${time}}`)), `expires_at ${time}`)
      assert.isTrue(
        Either.isLeft(decode(`{"access_token":"a","login_expires_at":${time}}`)),
        `login_expires_at ${time}`
      )
    }
    assert.isTrue(Either.isRight(decode("{\"access_token\":\"a\",\"expires_at\":1790000000.5}")))
  })

  it("may leave out everything but is never more than it says", () => {
    const credential = Either.getOrThrow(decode("{\"access_token\":null,\"generation\":3}"))
    assert.strictEqual(credential.generation, 3)
    assert.strictEqual(credential.accessToken._tag, "None")
  })
})
