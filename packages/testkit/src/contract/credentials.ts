/**
 * Credentials for tests of anything that keeps them.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FakeToken from "../FakeToken.js"

/**
 * A credential with nothing but two tokens.
 *
 * @since 0.1.0
 * @category testing
 */
export const credential = (
  generation: number,
  fields: Partial<Credential.Credential> = {}
): Credential.Credential =>
  Credential.Credential.make({
    accessToken: Option.some(Redacted.make(FakeToken.make("at"))),
    refreshToken: Option.some(Redacted.make(FakeToken.make("rt"))),
    ...fields,
    generation
  })
