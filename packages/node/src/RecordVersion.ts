/**
 * The version of a record: its generation, which only grows, and what tells two records of one generation apart.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

/**
 * Gets the SHA-256 over the tokens of a record, in 16 hex digits.
 *
 * @since 0.1.0
 * @category getters
 */
export const digestOf = (credential: Credential.Credential): string => {
  const hash = Crypto.createHash("sha256")
  for (const token of [credential.accessToken, credential.refreshToken, credential.idToken]) {
    const text = Option.match(token, { onNone: () => "", onSome: Redacted.value })
    hash.update(`${text.length}:${text}`)
  }
  return hash.digest("hex").slice(0, 16)
}

/**
 * Says what is wrong with writing a record in place of another one, where something is: generations never go back.
 *
 * @since 0.1.0
 * @category predicates
 */
export const regression = (
  present: Option.Option<Credential.Stored>,
  next: Credential.Credential
): Option.Option<string> =>
  present.pipe(
    Option.map(({ credential }) => credential.generation),
    Option.filter((generation) => next.generation < generation),
    Option.map((generation) => `generation ${generation} is stored, and ${next.generation} was to be written`)
  )

/**
 * Makes the stored record of a credential, with its version.
 *
 * @since 0.1.0
 * @category constructors
 */
export const storedOf = (credential: Credential.Credential): Credential.Stored => ({
  credential,
  version: Credential.Version(`${credential.generation}:${digestOf(credential)}`)
})
