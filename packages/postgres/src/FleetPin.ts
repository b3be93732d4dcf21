/**
 * Which fleet a home belongs to: the first write notes the id that its database has. A database with another id is another
 * authority, also where it answers at the same address (I10).
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as WholeFile from "@lockstep/node/WholeFile"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Path from "node:path"

const Pin = Schema.parseJson(Schema.Struct({ fleet: Schema.UUID }))
const decode = Schema.decode(Pin)
const encode = Schema.encodeSync(Pin)

const pathOf = (directory: string): string => Path.join(directory, "fleet.json")

/**
 * Reads it; `None` before the first write.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = (directory: string): Effect.Effect<Option.Option<string>, CredentialStoreError> =>
  Effect.flatMap(
    WholeFile.read(pathOf(directory)),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: ({ bytes }) =>
        WholeFile.decodeText(pathOf(directory), bytes).pipe(
          Effect.flatMap(decode),
          Effect.mapBoth({
            onFailure: () => new CredentialStoreError({ reason: "Decode", location: pathOf(directory) }),
            onSuccess: ({ fleet }) => Option.some(fleet)
          })
        )
    })
  )

/**
 * Notes it, unless another process of the home has done so.
 *
 * @since 0.1.0
 * @category combinators
 */
export const note = (directory: string, fleet: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.asVoid(AtomicFile.create(pathOf(directory), `${encode({ fleet })}\n`))

/**
 * Forgets it: the logins of the home are elsewhere by now.
 *
 * @since 0.1.0
 * @category combinators
 */
export const forget = (directory: string): Effect.Effect<void, CredentialStoreError> =>
  AtomicFile.remove(pathOf(directory))
