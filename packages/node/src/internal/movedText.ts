/**
 * What a move does to the text of `auth.json`: it takes our records out and says where they went, and it makes room again
 * when they come back. What Lockstep does not know stays, byte for byte (I11).
 */
import { Account, Credential } from "@lockstep/core/Credential"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as Option from "effect/Option"
import * as AuthJson from "../AuthJson.js"
import * as JsonRecord from "../JsonRecord.js"
import * as JsonSplice from "../JsonSplice.js"
import type * as JsonTree from "../JsonTree.js"
import { rewrite } from "./authText.js"
import * as Frame from "./frame.js"

const CREDENTIAL_MEMBERS = JsonRecord.membersOf(Credential)
const ACCOUNT_MEMBERS = JsonRecord.membersOf(Account)

const isKnown = (known: ReadonlySet<PropertyKey>) => ({ name }: JsonTree.Member): boolean => known.has(name)

/** What is left of a record without its known members. Nothing is left of one that has no others. */
const withoutKnown = (text: string, entry: JsonTree.JsonObject, layout: JsonSplice.Layout): JsonSplice.Change => {
  const hasMore = (member: JsonTree.Member): member is JsonTree.Member & { readonly value: JsonTree.JsonObject } =>
    member.name === "account" && member.value.kind === "object" && !member.value.members.every(isKnown(ACCOUNT_MEMBERS))
  const change = (member: JsonTree.Member): JsonSplice.Change =>
    !CREDENTIAL_MEMBERS.has(member.name)
      ? JsonSplice.Change.Keep()
      : hasMore(member)
      ? JsonSplice.Change.Replace({
        text: JsonSplice.edit(text, member.value, {
          layout,
          depth: 4,
          change: (inner) => isKnown(ACCOUNT_MEMBERS)(inner) ? JsonSplice.Change.Remove() : JsonSplice.Change.Keep(),
          add: []
        })
      })
      : JsonSplice.Change.Remove()
  return entry.members.every((member) => change(member)._tag === "Remove")
    ? JsonSplice.Change.Remove()
    : JsonSplice.Change.Replace({ text: JsonSplice.edit(text, entry, { layout, depth: 3, change, add: [] }) })
}

/**
 * Takes the records of these tenants, these unfinished logins and all registrations out, and notes where they went.
 *
 * The document must be sound.
 */
export const leave = (document: AuthJson.Document, options: {
  readonly tenants: ReadonlySet<string>
  readonly pending: ReadonlySet<string>
  readonly to: string
  /** Milliseconds since the epoch. */
  readonly now: number
}): string => {
  const { now, pending, tenants, to } = options
  const text = rewrite(document.text, document.root, now, {
    tenants: (layout) => ({
      change: ({ name, value }) =>
        value.kind === "object" && tenants.has(name.normalize("NFC"))
          ? withoutKnown(document.text, value, layout)
          : JsonSplice.Change.Keep(),
      add: []
    }),
    pending: {
      change: ({ name }) => pending.has(name) ? JsonSplice.Change.Remove() : JsonSplice.Change.Keep(),
      add: []
    },
    clients: { change: () => JsonSplice.Change.Remove(), add: [] }
  })
  return Option.match(Option.getRight(AuthJson.parse(text)), {
    onNone: () => text,
    onSome: (moved) => Frame.noteMove(moved, Option.some(to))
  })
}

/**
 * Forgets that the records went elsewhere. What a move left of a record becomes part of the record of that name again,
 * once that is written.
 */
export const enter = (document: AuthJson.Document, tenants: ReadonlySet<string>, now: number): string => {
  if (Option.isNone(document.movedTo)) return document.text
  const text = Frame.noteMove(document, Option.none())
  const parsed = Option.getRight(AuthJson.parse(text))
  if (Option.isNone(parsed)) return text
  const { root } = parsed.value
  const ours = new Set<string>(AuthJson.list(parsed.value))
  return rewrite(text, root, now, {
    tenants: (layout) => ({
      change: ({ name, value }) =>
        value.kind === "object" && tenants.has(name.normalize("NFC")) && !ours.has(name.normalize("NFC"))
          ? JsonSplice.Change.Replace({
            text: JsonSplice.edit(text, value, {
              layout,
              depth: 3,
              change: () => JsonSplice.Change.Keep(),
              add: [["access_token", null]]
            })
          })
          : JsonSplice.Change.Keep(),
      add: []
    })
  })
}

/** How unfinished logins are called in the text. */
export const pendingNames = (logins: ReadonlyArray<{ readonly login: PendingLogin } & PendingLogins.PendingKey>) =>
  new Set(logins.map(PendingLogins.nameOf))
