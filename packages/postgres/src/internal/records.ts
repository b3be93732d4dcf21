/** Rows that are sealed: what is written of a record, and how it is read back. */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as SealedEnvelope from "@lockstep/node/secrets/SealedEnvelope"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import type { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export interface Sealed {
  readonly text: string
  readonly keyId: string
}

/** Seals and opens the records of one kind. `purpose` names the row, so that no row can take the place of another. */
export const make = <A, I>(keys: SealingKeys["Type"], schema: Schema.Schema<A, I>) => {
  const Json = Schema.parseJson(schema)
  const encode = Schema.encodeSync(Json)
  const decode = Schema.decode(Json)
  return {
    seal: (purpose: string, value: A): Effect.Effect<Sealed, CredentialStoreError> =>
      Effect.map(keys.current, (key) => ({ text: SealedText.seal(key, purpose, encode(value)), keyId: key.id })),
    open: (purpose: string, location: string, sealed: string): Effect.Effect<A, CredentialStoreError> =>
      SealedEnvelope.open(keys, { location, purpose }, Buffer.from(sealed, "utf8")).pipe(
        Effect.flatMap((plain) =>
          // Dropped, because it quotes the record.
          Effect.mapError(
            decode(Buffer.from(plain).toString("utf8")),
            () => new CredentialStoreError({ reason: "Decode", location })
          )
        )
      )
  }
}
