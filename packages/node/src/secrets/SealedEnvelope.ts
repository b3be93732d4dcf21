/**
 * The envelope of stores that are encrypted at rest.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Envelope } from "../Envelope.js"
import type { Place } from "../Envelope.js"
import * as WholeFile from "../WholeFile.js"
import * as SealedText from "./SealedText.js"
import { SealingKeys } from "./SealingKeys.js"

/**
 * The error of a text that was not opened. It stays as it is: who cannot read it does not write it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toStoreError = (location: string) => (refusal: SealedText.Refusal): CredentialStoreError =>
  new CredentialStoreError({
    reason: refusal._tag === "OtherKey" ? "Locked" : "Decode",
    location,
    detail: SealedText.describe(refusal),
    ...(refusal._tag === "Tampered" || refusal._tag === "Truncated" || refusal._tag === "OtherPurpose"
      ? { remedy: "restore it from a backup; nothing was changed and nothing will be written to it" }
      : {})
  })

/** Opens a text that names its key; one whose key is nowhere is locked, and not damaged. */
const openWith = (
  keys: SealingKeys["Type"],
  place: Place,
  bytes: Uint8Array,
  id: string
): Effect.Effect<Uint8Array, CredentialStoreError> =>
  Effect.flatMap(
    keys.find(id),
    Option.match({
      onSome: (key) => Either.mapLeft(SealedText.open(key, place.purpose, bytes), toStoreError(place.location)),
      onNone: () =>
        Effect.flatMap(Effect.option(keys.current), (current) => {
          const other = Option.match(current, { onNone: () => "", onSome: (key) => `, whose key is ${key.id},` })
          return new CredentialStoreError({
            reason: "Locked",
            location: place.location,
            detail: `sealed with key ${id}, and ${keys.location}${other} does not have that one`,
            remedy: `bring back key ${id}, or set LOCKSTEP_SECRETS_KEY_FILE to where it is; nothing was changed`
          })
        })
    })
  )

/**
 * Opens a sealed text with whichever of the keys it names.
 *
 * @since 0.1.0
 * @category combinators
 */
export const open = (
  keys: SealingKeys["Type"],
  place: Place,
  bytes: Uint8Array
): Effect.Effect<Uint8Array, CredentialStoreError> =>
  Effect.flatMap(
    Either.mapLeft(SealedText.headerOf(bytes), toStoreError(place.location)),
    ({ key }) => openWith(keys, place, bytes, key)
  )

/**
 * Makes the envelope. A reader takes no lock (I9), so a whole rotation of keys may come between reading a file and
 * finding its key: a file that was sealed anew meanwhile is read again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Envelope["Type"], never, SealingKeys> = Effect.map(SealingKeys, (keys) => {
  const keyOf = (bytes: Uint8Array) => Option.map(Either.getRight(SealedText.headerOf(bytes)), ({ key }) => key)

  const openNow = (place: Place, bytes: Uint8Array): Effect.Effect<Uint8Array, CredentialStoreError> =>
    Effect.catchIf(open(keys, place, bytes), ({ reason }) => reason === "Locked", (error) =>
      Effect.flatMap(
        Effect.orElseSucceed(WholeFile.read(place.location), () => Option.none<WholeFile.Snapshot>()),
        (snapshot) => {
          const now = Option.map(snapshot, (read) => read.bytes)
          const key = Option.flatMap(now, keyOf)
          return Option.isSome(now) && Option.isSome(key) && key.value !== Option.getOrNull(keyOf(bytes))
            ? openNow(place, now.value)
            : error
        }
      ))

  return Envelope.of({
    open: openNow,
    seal: (place, text) => Effect.map(keys.current, (key) => SealedText.seal(key, place.purpose, text)),
    sizeOf: SealedText.sizeOf,
    ready: Effect.asVoid(keys.current)
  })
})

/**
 * Encrypts texts with the current one of the keys, and opens what any of them sealed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Envelope, never, SealingKeys> = Layer.effect(Envelope, make)
