/**
 * The version of a record: its generation, and what tells two records of one generation apart.
 */
import * as Credential from "@lockstep/core/Credential"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

/** SHA-256 over the tokens of a record, in 16 hex digits. */
export const digestOf = (credential: Credential.Credential): string => {
  const hash = Crypto.createHash("sha256")
  for (const token of [credential.accessToken, credential.refreshToken, credential.idToken]) {
    const text = Option.match(token, { onNone: () => "", onSome: Redacted.value })
    hash.update(`${text.length}:${text}`)
  }
  return hash.digest("hex").slice(0, 16)
}

export const storedOf = (credential: Credential.Credential): Credential.Stored => ({
  credential,
  version: Credential.Version(`${credential.generation}:${digestOf(credential)}`)
})
