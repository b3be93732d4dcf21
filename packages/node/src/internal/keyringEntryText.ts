/**
 * The text of one entry: the credential, and beside it the key under which the record that will replace it is handed on.
 *
 * ```json
 * { "access_token": "…", "refresh_token": "…", "generation": 7, "next_key": "<base64 of 32 bytes>" }
 * ```
 *
 * A version that knows no such key reads the credential and passes over the rest. An entry that it wrote has none.
 */
import * as Credential from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SealingKeys from "../secrets/SealingKeys.js"

/** What one entry holds. */
export interface EntryText {
  readonly credential: Credential.Credential
  /** What opens the record that takes the place of this one. */
  readonly nextKey: Option.Option<SealingKeys.SealingKey>
}

const encodeCredential = Schema.encodeSync(Credential.Credential)

const decodeCredential = Schema.decodeEither(Schema.parseJson(Credential.Credential))

const decodeKey = Schema.decodeOption(Schema.parseJson(Schema.Struct({ next_key: Schema.Uint8ArrayFromBase64 })))

export const encode = (credential: Credential.Credential, { key }: SealingKeys.SealingKey): string =>
  JSON.stringify({
    ...encodeCredential(credential),
    next_key: Buffer.from(Redacted.value(key)).toString("base64")
  })

/** A key that is no key of ours is none: it opens nothing, and the credential beside it counts all the same. */
const keyOf = (text: string): Option.Option<SealingKeys.SealingKey> =>
  decodeKey(text).pipe(
    Option.filter(({ next_key }) => next_key.length === SealingKeys.KEY_LENGTH),
    Option.map(({ next_key }) => SealingKeys.fromBytes(next_key))
  )

/** Says of what is no credential that it is none, and not why: the reason would quote it. */
export const decode = (text: Redacted.Redacted): Either.Either<EntryText, "NoCredential"> =>
  Either.mapBoth(decodeCredential(Redacted.value(text)), {
    onLeft: () => "NoCredential" as const,
    onRight: (credential) => ({ credential, nextKey: keyOf(Redacted.value(text)) })
  })
