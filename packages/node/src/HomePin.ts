/**
 * What the first write of a home records, for every process that opens it later: which store, which lock directory, which
 * host.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as WholeFile from "./WholeFile.js"

const STORE_KIND = /^[a-z][a-z0-9-]{0,31}$/

/**
 * The kind of store that a home has: the name of one in `stores/Stores`.
 *
 * @since 0.1.0
 * @category models
 */
export type StoreKind = typeof StoreKind.Type

/**
 * The name of a kind of store. A home may have been pinned by a version that knows more of them than this one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StoreKind = Schema.String.pipe(Schema.pattern(STORE_KIND))

/**
 * What the first write of a home records.
 *
 * @since 0.1.0
 * @category models
 */
export class Pin extends Schema.Class<Pin>("@lockstep/node/Pin")({
  store: StoreKind,
  lockDirectory: Schema.optionalWith(Schema.String, { as: "Option", nullable: true }).pipe(Schema.fromKey("lock_dir")),
  host: Schema.String
}) {}

/**
 * The name of the file in which the first write of a home pins it.
 *
 * @since 0.1.0
 * @category constants
 */
export const PIN_FILE = "store.json"

/** A pin as this version writes it, without the schema: the first change of a new home is read by many at once. */
const pinOf = (text: string): Option.Option<Effect.Effect<Pin>> => {
  try {
    const { host, lock_dir, store }: { readonly [Name in "host" | "lock_dir" | "store"]?: unknown } = JSON.parse(text)
    return typeof store === "string" && STORE_KIND.test(store) && typeof host === "string" && lock_dir === null
      ? Option.some(Effect.succeed(new Pin({ store, lockDirectory: Option.none(), host }, true)))
      : Option.none()
  } catch {
    return Option.none()
  }
}

const decode = (text: string) => Schema.decode(Schema.parseJson(Pin))(text)

/**
 * The text of the file of a pin.
 *
 * @since 0.1.0
 * @category rendering
 */
export const textOf = (pin: Pin): string =>
  `${JSON.stringify({ lock_dir: null, ...Schema.encodeSync(Pin)(pin) }, null, 2)}\n`

/**
 * Makes a reader of the pin in a file; `None` where no write has pinned the home.
 *
 * It is asked at every change of the store, and changed by a move only: what is known is not decoded again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reader = (file: string): Effect.Effect<Option.Option<Pin>, CredentialStoreError> => {
  let known: { readonly identity: WholeFile.Identity; readonly pin: Option.Option<Pin> } | undefined
  const read = Effect.flatMap(
    WholeFile.read(file),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: ({ bytes, changedAt, identity }) =>
        Effect.flatMap(WholeFile.decodeText(file, bytes), (text) => Option.getOrElse(pinOf(text), () => decode(text)))
          .pipe(
            // Dropped, because it quotes the file.
            Effect.mapError(() => new CredentialStoreError({ reason: "Decode", location: file })),
            Effect.map((decoded) => {
              const pin = Option.some(decoded)
              if (Date.now() - changedAt > WholeFile.COARSE) known = { identity, pin }
              return pin
            })
          )
    })
  )
  return Effect.suspend(() => {
    if (known !== undefined && WholeFile.look(file) === known.identity) return Effect.succeed(known.pin)
    known = undefined
    return WholeFile.isAbsent(file) ? Effect.succeedNone : read
  })
}

/**
 * The error of a process that was told to use another store than the home has. Names both.
 *
 * @since 0.1.0
 * @category errors
 */
export const otherStore = (directory: string, its: StoreKind, told: StoreKind): CredentialStoreError =>
  new CredentialStoreError({
    reason: "Superseded",
    location: directory,
    detail: `its store is ${its}, and this process was told ${told}`,
    remedy: `use \`--store ${its}\`, or take its logins along with \`lockstep store move --to ${told}\``
  })

/**
 * The error of a process whose home was moved to another store while it had it open.
 *
 * @since 0.1.0
 * @category errors
 */
export const moved = (directory: string, to: StoreKind): CredentialStoreError =>
  new CredentialStoreError({
    reason: "Superseded",
    location: directory,
    detail: `moved to ${to}: open it again`,
    remedy: "start this process again: it opens the store that the logins moved to"
  })
