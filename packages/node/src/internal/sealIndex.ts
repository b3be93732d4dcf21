/**
 * Which keys of a keyring a home uses, in `auth.json.keys` beside its store. Ids only: no key is in there.
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as WholeFile from "../WholeFile.js"

const KeyId = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{16}$/))

export class SealIndex extends Schema.Class<SealIndex>("@lockstep/node/SealIndex")({
  version: Schema.Literal(1),
  /** How the keyring's entries of this home begin. Kept, because a home may be moved. */
  home: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{16}$/)),
  current: KeyId,
  /** What still opens older texts. */
  others: Schema.Array(KeyId),
  /** What is being removed from the keyring. */
  retired: Schema.Array(KeyId)
}) {}

const decode = Schema.decodeUnknown(Schema.parseJson(SealIndex))
const encode = Schema.encodeSync(SealIndex)

export const textOf = (index: SealIndex): string => `${JSON.stringify(encode(index), null, 2)}\n`

/** Absent is `None`. */
export const read = (path: string): Effect.Effect<Option.Option<SealIndex>, CredentialStoreError> =>
  Effect.flatMap(
    WholeFile.read(path),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: ({ bytes }) =>
        WholeFile.decodeText(path, bytes).pipe(
          Effect.flatMap(decode),
          // Dropped, because it quotes the file.
          Effect.mapError(() =>
            new CredentialStoreError({
              reason: "Decode",
              location: path,
              remedy: "remove it: it only names keys, and is made anew from what is sealed with them"
            })
          ),
          Effect.asSome
        )
    })
  )
