import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as AccessToken from "@lockstep/core/AccessToken"
import { Credential } from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const tokenOf = (tokenType: string | null) =>
  Option.getOrThrow(AccessToken.fromCredential(
    TenantId.make("codex"),
    Credential.make({
      accessToken: Option.some(Redacted.make("t")),
      tokenType: Option.fromNullable(tokenType)
    })
  ))

describe("a token's type", () => {
  it("is Bearer in any case, and where the server says nothing", () => {
    deepStrictEqual(
      ["bearer", "BEARER", "Bearer", " bearer ", null].map((type) => tokenOf(type).tokenType),
      Array.from({ length: 5 }, () => "Bearer")
    )
    deepStrictEqual(["user", "DPoP"].map((type) => tokenOf(type).tokenType), ["user", "DPoP"])
  })

  it("is the scheme only where it wants a proof", () => {
    deepStrictEqual(
      ["bearer", "user", "dpop", "MAC"].map((type) => AccessToken.authorization(tokenOf(type))),
      ["Bearer t", "Bearer t", "dpop t", "MAC t"]
    )
  })
})
