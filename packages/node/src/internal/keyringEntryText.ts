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
import * as Predicate from "effect/Predicate"
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

const decodeCredential = Schema.decodeUnknownEither(Credential.Credential)

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

export const encode = (credential: Credential.Credential, { key }: SealingKeys.SealingKey): string =>
  JSON.stringify({
    ...encodeCredential(credential),
    next_key: Buffer.from(Redacted.value(key)).toString("base64")
  })

/** 32 bytes. */
const KEY = /^[A-Za-z0-9+/]{43}=$/

/** A key that is no key of ours is none: it opens nothing, and the credential beside it counts all the same. */
const keyOf = (value: unknown): Option.Option<SealingKeys.SealingKey> =>
  typeof value === "string" && KEY.test(value)
    ? Option.some(SealingKeys.fromBytes(Buffer.from(value, "base64")))
    : Option.none()

/**
 * Says of what is no credential that it is none, and not why: the reason would quote it. By a look at the members, since
 * all that wait for a refresh decode it at the same moment; where one is unusual, by the schema.
 */
export const decode = (text: Redacted.Redacted): Either.Either<EntryText, "NoCredential"> => {
  const record = Option.filter(parse(Redacted.value(text)), Predicate.isReadonlyRecord)
  if (Option.isNone(record)) return Either.left("NoCredential")
  const credential = Either.orElse(
    Either.fromOption(Credential.fromRecord(record.value), () => "Unusual" as const),
    () => decodeCredential(record.value)
  )
  return Either.mapBoth(credential, {
    onLeft: () => "NoCredential" as const,
    onRight: (credential) => ({ credential, nextKey: keyOf(record.value["next_key"]) })
  })
}
