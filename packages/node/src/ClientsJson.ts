/**
 * Registrations in the text of `auth.json`: its member `clients`, one entry per issuer.
 *
 * An entry that does not decode is no registration: readers pass over it, and the next registration with its issuer takes
 * its place.
 *
 * @since 0.1.0
 */
import { RegisteredClient, type Registration } from "@lockstep/core/ClientRegistrations"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as AuthJson from "./AuthJson.js"
import { rewrite } from "./internal/authText.js"
import * as JsonRecord from "./JsonRecord.js"
import * as JsonSplice from "./JsonSplice.js"
import type * as JsonTree from "./JsonTree.js"

const MEMBERS = JsonRecord.membersOf(RegisteredClient)

const entriesOf = ({ root }: AuthJson.Document): ReadonlyArray<JsonTree.Member> => {
  const clients = JsonRecord.member(root, "clients")?.value
  return clients?.kind === "object" ? clients.members : []
}

const decodeEntry = (text: string, { value }: JsonTree.Member): Option.Option<RegisteredClient> => {
  if (value.kind !== "object" || Option.isSome(JsonRecord.duplicate(value, (name) => MEMBERS.has(name)))) {
    return Option.none()
  }
  const record = JsonRecord.scalars(text, value, MEMBERS)
  return Option.isSome(JsonRecord.outOfRange(record))
    ? Option.none()
    : Schema.decodeUnknownOption(RegisteredClient)(record)
}

/**
 * Reads the registration with an issuer. What is there twice is `None`, like what does not decode.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (document: AuthJson.Document, issuer: string): Option.Option<RegisteredClient> => {
  const [entry, ...others] = entriesOf(document).filter(({ name }) => name === issuer)
  return entry === undefined || others.length > 0 ? Option.none() : decodeEntry(document.text, entry)
}

/**
 * Reads every registration that decodes.
 *
 * @since 0.1.0
 * @category getters
 */
export const list = (document: AuthJson.Document): ReadonlyArray<Registration> =>
  entriesOf(document).flatMap(({ name }) =>
    Option.toArray(Option.map(get(document, name), (client) => ({ issuer: name, client })))
  )

/**
 * Writes a registration into the text, in place of the issuer's earlier one. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category combinators
 */
export const put = (document: AuthJson.Document, issuer: string, client: RegisteredClient, now: number): string =>
  rewrite(document.text, document.root, now, {
    clients: {
      change: ({ name }) => name === issuer ? JsonSplice.Change.Remove() : JsonSplice.Change.Keep(),
      add: [[issuer, Schema.encodeSync(RegisteredClient)(client)]]
    }
  })
