/**
 * How the lists of `auth.json.keyring` change while every other byte stays (I11).
 */
import * as JsonRecord from "../JsonRecord.js"
import * as JsonSplice from "../JsonSplice.js"
import type * as JsonTree from "../JsonTree.js"

type Values = Readonly<Record<string, unknown>>

/** What becomes of one list: entries that go, and entries that come or change, by name. */
export interface Edits {
  readonly drop: (name: string) => boolean
  readonly put: ReadonlyArray<readonly [name: string, values: Values]>
}

/** What becomes of each list. One that is not named stays. */
export type ListEdits<List extends string> = Readonly<Partial<Record<List, Edits>>>

const nameOf = (member: JsonTree.Member): string => member.name.normalize("NFC")

/** Only the known members change: what a later version keeps there stays. */
const spliceEntry = (
  text: string,
  entry: JsonTree.JsonObject,
  known: ReadonlySet<PropertyKey>,
  values: Values,
  layout: JsonSplice.Layout
): string =>
  JsonSplice.edit(text, entry, {
    layout,
    depth: 3,
    change: ({ name }) =>
      known.has(name) && values[name] !== undefined
        ? JsonSplice.Change.Replace({ text: JSON.stringify(values[name]) })
        : JsonSplice.Change.Keep(),
    add: Object.entries(values).filter(([name]) => JsonRecord.member(entry, name) === undefined)
  })

const spliceList = (
  text: string,
  list: JsonTree.JsonObject,
  known: ReadonlySet<PropertyKey>,
  { drop, put }: Edits,
  layout: JsonSplice.Layout
): JsonSplice.Change => {
  if (put.length === 0 && !list.members.some((member) => drop(member.name))) return JsonSplice.Change.Keep()
  const change = (member: JsonTree.Member): JsonSplice.Change => {
    const next = put.find(([name]) => name === nameOf(member))
    return next !== undefined && member.value.kind === "object"
      ? JsonSplice.Change.Replace({ text: spliceEntry(text, member.value, known, next[1], layout) })
      : drop(member.name)
      ? JsonSplice.Change.Remove()
      : JsonSplice.Change.Keep()
  }
  const add = put.filter(([name]) => !list.members.some((member) => nameOf(member) === name))
  return JsonSplice.Change.Replace({ text: JsonSplice.edit(text, list, { layout, depth: 2, change, add }) })
}

/** Rewrites the named lists, whose entries have these members; one that is missing is made when it gets an entry. */
export const rewrite = <List extends string>(
  text: string,
  root: JsonTree.JsonObject,
  lists: Readonly<Record<List, ReadonlySet<PropertyKey>>>,
  edits: ListEdits<List>
): string => {
  const layout = JsonSplice.layout(text, root)
  const entries = (Object.keys(lists) as Array<List>).flatMap((name) => {
    const edit = edits[name]
    return edit === undefined ? [] : [[name, edit] as const]
  })
  const spliced = JsonSplice.edit(text, root, {
    layout,
    depth: 1,
    change: ({ name, value }) => {
      const list = entries.find(([one]) => one === name)
      return list === undefined || value.kind !== "object"
        ? JsonSplice.Change.Keep()
        : spliceList(text, value, lists[list[0]], list[1], layout)
    },
    add: entries
      .filter(([name, { put }]) => put.length > 0 && JsonRecord.member(root, name) === undefined)
      .map(([name, { put }]) => [name, Object.fromEntries(put)] as const)
  })
  return JsonSplice.replace(text, root, spliced)
}
