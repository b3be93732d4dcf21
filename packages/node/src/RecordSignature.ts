/**
 * What tells one state of a record from another, and tells nothing else of it.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"

/**
 * Gets the signature of a text: its SHA-256, in base64url.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofText = (text: string): string => Crypto.createHash("sha256").update(text).digest("base64url")

/**
 * Gets the signature of what a read came to, where a record has no text of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofRead = (read: Either.Either<Option.Option<Credential.Stored>, CredentialStoreError>): string =>
  Either.match(read, {
    onLeft: ({ detail, reason }) => `${reason} ${detail}`,
    onRight: Option.match({
      onNone: () => "",
      onSome: ({ credential, version }) =>
        ofText(`${version} ${JSON.stringify(Schema.encodeSync(Credential.Credential)(credential))}`)
    })
  })
