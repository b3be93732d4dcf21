/**
 * Unfinished logins in the text of `auth.json`: its member `pending`, one entry per tenant and user.
 *
 * An entry that does not decode, of a later version or by another program, counts as no login and blocks
 * none: readers pass over it, and writers keep it until it is as old as any may become.
 *
 * @since 0.1.0
 */
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as AuthJson from "./AuthJson.js"
import { rewrite } from "./internal/authText.js"
import * as JsonRecord from "./JsonRecord.js"
import * as JsonSplice from "./JsonSplice.js"
import type * as JsonTree from "./JsonTree.js"
import type { Damage } from "./StoreCodec.js"

const MEMBERS = JsonRecord.membersOf(PendingLogins.PendingLogin)

const entriesOf = ({ root }: AuthJson.Document): Either.Either<ReadonlyArray<JsonTree.Member>, Damage> => {
  const pending = JsonRecord.member(root, "pending")?.value
  if (pending === undefined) return Either.right([])
  return pending.kind === "object" ? Either.right(pending.members) : Either.left("pending: not an object")
}

const decodeEntry = (text: string, { value }: JsonTree.Member): Option.Option<PendingLogins.PendingLogin> => {
  if (value.kind !== "object" || Option.isSome(JsonRecord.duplicate(value, (name) => MEMBERS.has(name)))) {
    return Option.none()
  }
  const record = JsonRecord.scalars(text, value, MEMBERS)
  return Option.isSome(JsonRecord.outOfRange(record))
    ? Option.none()
    : Schema.decodeUnknownOption(PendingLogins.PendingLogin)(record)
}

const find = (
  text: string,
  entries: ReadonlyArray<JsonTree.Member>,
  name: string
): Option.Option<PendingLogins.PendingLogin> => {
  const [entry, ...others] = entries.filter((member) => member.name === name)
  return entry === undefined || others.length > 0 ? Option.none() : decodeEntry(text, entry)
}

/**
 * Reads one attempt. What is there twice is `None`, like what does not decode.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (
  document: AuthJson.Document,
  key: PendingLogins.PendingKey
): Either.Either<Option.Option<PendingLogins.PendingLogin>, Damage> =>
  Either.map(entriesOf(document), (entries) => find(document.text, entries, PendingLogins.nameOf(key)))

/**
 * Names the attempts that decode and are not ancient. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category getters
 */
export const list = (
  document: AuthJson.Document,
  now: number
): Either.Either<ReadonlyArray<PendingLogins.Pending>, Damage> =>
  Either.map(
    entriesOf(document),
    (entries) =>
      entries.flatMap(({ name }) =>
        Option.toArray(Option.flatMap(PendingLogins.keyOf(name), (key) =>
          find(document.text, entries, name).pipe(
            Option.filter(({ createdAt }) => !PendingLogins.isAncient(createdAt, now)),
            Option.map((login): PendingLogins.Pending => ({ ...key, login }))
          )))
      )
  )

const dropping = (name: string) => (member: JsonTree.Member): JsonSplice.Change =>
  member.name === name ? JsonSplice.Change.Remove() : JsonSplice.Change.Keep()

/**
 * Writes one attempt into the text, in place of the earlier one of its name. Another attempt is another entry: nothing of
 * the earlier one is taken over.
 *
 * @since 0.1.0
 * @category combinators
 */
export const put = (
  document: AuthJson.Document,
  key: PendingLogins.PendingKey,
  login: PendingLogins.PendingLogin,
  now: number
): string => {
  const name = PendingLogins.nameOf(key)
  return rewrite(document.text, document.root, now, {
    pending: { change: dropping(name), add: [[name, Schema.encodeSync(PendingLogins.PendingLogin)(login)]] }
  })
}

/**
 * Takes one attempt out of the text: with `only`, none but that one. Answers whether it was there. One that does not
 * decode can be dropped by its name alone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = (
  document: AuthJson.Document,
  key: PendingLogins.PendingKey,
  only: Option.Option<PendingLogins.PendingLogin>,
  now: number
): { readonly text: string; readonly removed: boolean } => {
  const name = PendingLogins.nameOf(key)
  const entries = Either.getOrElse(entriesOf(document), () => [])
  const removed = Option.match(only, {
    onNone: () => entries.some((member) => member.name === name),
    onSome: (attempt) =>
      Option.exists(find(document.text, entries, name), (found) => PendingLogins.isSameAttempt(found, attempt))
  })
  return {
    removed,
    text: rewrite(document.text, document.root, now, removed ? { pending: { change: dropping(name), add: [] } } : {})
  }
}
