/**
 * What lies sealed in a home.
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as AnswerFile from "../AnswerFile.js"
import type { Place } from "../Envelope.js"
import type { Home } from "../Home.js"
import * as Refuge from "../Refuge.js"
import * as SealedText from "../secrets/SealedText.js"
import * as SidecarNames from "../SidecarNames.js"
import * as WholeFile from "../WholeFile.js"
import * as Sidecars from "./sidecars.js"

/** The store of all credentials, and the unfinished logins of a home whose credentials are in the keyring. */
export const stores = (home: Home["Type"]): ReadonlyArray<Place> =>
  [`${home.file}.sealed`, `${home.file}.pending.sealed`].map((location) => ({
    location,
    purpose: Path.basename(location)
  }))

const placeOf = ({ name, path }: Sidecars.AnswerAt): Place => ({ location: path, purpose: name })

/** Where the answer of one tenant may lie. */
export const answers = (home: Home["Type"], tenant: TenantId.TenantId): ReadonlyArray<Place> => {
  const name = SidecarNames.answer(Path.basename(home.file), tenant)
  const elsewhere = home.refuges.filter((refuge) => Refuge.isUsable(refuge, home.file))
  return [
    Path.join(Path.dirname(home.file), name),
    ...elsewhere.map((refuge) => Refuge.pathOf(refuge, home.file, name))
  ]
    .map((path) => placeOf({ name, path }))
}

/** The sealed text in an answer file, where one was kept there and it is sealed. */
export const readAnswer = (path: string): Effect.Effect<Option.Option<Uint8Array>, CredentialStoreError> =>
  Effect.map(
    AnswerFile.read(path),
    (kept) => Option.filter(Option.map(kept, (text) => Buffer.from(text, "utf8")), SealedText.isSealed)
  )

/** What is in a store file. What is there and not sealed counts: it is damaged. */
export const readStore = (path: string): Effect.Effect<Option.Option<Uint8Array>, CredentialStoreError> =>
  Effect.map(WholeFile.read(path), Option.map(({ bytes }) => bytes))

/** Everything that is sealed, with its place. */
export const all = (
  home: Home["Type"]
): Effect.Effect<ReadonlyArray<{ readonly place: Place; readonly sealed: Uint8Array }>, CredentialStoreError> =>
  Effect.gen(function*() {
    const answers = (yield* Sidecars.find(home)).answers.map(placeOf)
    const read = (places: ReadonlyArray<Place>, from: typeof readStore) =>
      Effect.forEach(places, (place) => Effect.map(from(place.location), Option.map((sealed) => ({ place, sealed }))))
    return [...yield* read(stores(home), readStore), ...yield* read(answers, readAnswer)].flatMap(Option.toArray)
  })

/** The id of the key that a text says it is sealed with. */
export const keyOf = (sealed: Uint8Array): string | undefined =>
  Option.getOrUndefined(Either.getRight(SealedText.headerOf(sealed)))?.key

/** The ids of the keys that something in the home is sealed with; what is damaged names none. */
export const keysInUse = (home: Home["Type"]): Effect.Effect<ReadonlyArray<string>, CredentialStoreError> =>
  Effect.map(all(home), (found) => [...new Set(found.flatMap(({ sealed }) => keyOf(sealed) ?? []))])
