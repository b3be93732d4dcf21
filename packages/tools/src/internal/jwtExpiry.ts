/** When a token says of itself that it ends. */
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { value } from "effect/Redacted"

const claimsOf = Option.liftThrowable((part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString()))

const isTime = (exp: unknown): exp is number => typeof exp === "number" && Number.isFinite(exp) && exp > 0

/**
 * The `exp` of a JSON Web Token (RFC 7519 §4.1.4) in seconds since the epoch. Not verified: nothing is authorised by it.
 */
export const jwtExpiry = (token: Redacted.Redacted): Option.Option<number> => {
  const parts = value(token).split(".")
  return parts.length !== 3 ? Option.none() : Option.flatMap(claimsOf(parts[1]!), (claims) => {
    const exp = typeof claims === "object" && claims !== null && "exp" in claims ? claims.exp : undefined
    return isTime(exp) ? Option.some(exp) : Option.none()
  })
}
