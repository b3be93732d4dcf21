import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
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

describe("reading a record without the schema", () => {
  const decodeRecord = Schema.decodeUnknownEither(Credential.Credential)
  const encode = Schema.encodeSync(Credential.Credential)
  const MEMBERS = [
    "vendor",
    "issuer",
    "token_endpoint",
    "revocation_endpoint",
    "client_id",
    "client_secret",
    "client_secret_expires_at",
    "token_endpoint_auth_method",
    "access_token",
    "refresh_token",
    "id_token",
    "token_type",
    "scope",
    "resource",
    "resource_parameter",
    "grant",
    "subject_token_endpoint",
    "subject_client_id",
    "authorize_parameters",
    "expires_at",
    "obtained_at",
    "login_expires_at",
    "account",
    "generation",
    "last_redeem"
  ]
  const scalar = FastCheck.oneof(
    FastCheck.constantFrom<unknown>(
      null,
      "",
      "text",
      "t\u00f6ken",
      0,
      -0,
      -1,
      1,
      1.5,
      1_790_000_000,
      2 ** 53,
      true,
      Infinity
    ),
    FastCheck.string()
  )
  const value = FastCheck.oneof(
    { weight: 4, arbitrary: scalar },
    FastCheck.array(scalar, { maxLength: 2 }),
    FastCheck.dictionary(FastCheck.constantFrom("id", "label", "other"), scalar, { maxKeys: 3 })
  )
  const record = FastCheck.dictionary(FastCheck.constantFrom(...MEMBERS, "other", "toString"), value, { maxKeys: 6 })

  const isSame = (one: Credential.Credential, other: Credential.Credential): boolean =>
    Equal.equals(one, other) && one instanceof Credential.Credential &&
    JSON.stringify(encode(one)) === JSON.stringify(encode(other))

  it("comes to what the schema says, or leaves it to the schema", () => {
    let read = 0
    FastCheck.assert(
      FastCheck.property(record, (one) => {
        const plain = Credential.fromRecord(one)
        if (Option.isNone(plain)) return
        read++
        assert.isTrue(isSame(plain.value, Either.getOrThrow(decodeRecord(one))))
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(read, 300)
  })

  it("knows every member, and what a record usually holds", () => {
    const full = Object.fromEntries(MEMBERS.map((name) => {
      if (name === "account") return [name, { id: "a", label: "A" }]
      return [name, name === "generation" || name.endsWith("_at") ? 1_790_000_000 : name]
    }))
    const plain = Option.getOrThrow(Credential.fromRecord(full))
    assert.deepStrictEqual<unknown>(encode(plain), full)
    assert.isTrue(isSame(plain, Either.getOrThrow(decodeRecord(full))))
    assert.strictEqual(Redacted.value(Option.getOrThrow(plain.accessToken)), "access_token")
    assert.deepStrictEqual(Object.keys(encode(plain)).toSorted(), MEMBERS.toSorted())
  })
})
