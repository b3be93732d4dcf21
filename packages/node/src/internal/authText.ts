/**
 * The frame of `auth.json`: how its lists, credentials, unfinished logins and registrations, change while every other byte stays.
 */
import { isAncient } from "@lockstep/core/PendingAge"
import * as JsonRecord from "../JsonRecord.js"
import * as JsonSplice from "../JsonSplice.js"
import * as JsonTree from "../JsonTree.js"

/** What becomes of the entries of one list. */
export interface Edits {
  readonly change: (member: JsonTree.Member) => JsonSplice.Change
  readonly add: ReadonlyArray<readonly [name: string, value: unknown]>
}

const keep: Edits = { change: () => JsonSplice.Change.Keep(), add: [] }

const hasEnded = (text: string, { value }: JsonTree.Member, now: number): boolean => {
  const created = value.kind === "object" ? JsonRecord.member(value, "created_at")?.value : undefined
  return isAncient(created?.kind === "number" ? JsonTree.scalar(text, created) as number : 0, now)
}

/** Every write drops what is left of logins that were not finished. */
const swept = (text: string, pending: Edits, now: number): Edits => ({
  ...pending,
  change: (member) => {
    const change = pending.change(member)
    return change._tag === "Keep" && hasEnded(text, member, now) ? JsonSplice.Change.Remove() : change
  }
})

const editList = (text: string, list: JsonTree.JsonObject, layout: JsonSplice.Layout, edits: Edits) =>
  edits.add.length === 0 && list.members.every((member) => edits.change(member)._tag === "Keep")
    ? JsonSplice.Change.Keep()
    : JsonSplice.Change.Replace({ text: JsonSplice.edit(text, list, { layout, depth: 2, ...edits }) })

/** Rewrites the lists as told; a list that is missing is made when it gets an entry. */
export const rewrite = (text: string, root: JsonTree.JsonObject, now: number, edits: {
  readonly tenants?: (layout: JsonSplice.Layout) => Edits
  readonly pending?: Edits
  readonly clients?: Edits
}): string => {
  const layout = JsonSplice.layout(text, root)
  const lists = {
    tenants: edits.tenants?.(layout) ?? keep,
    pending: swept(text, edits.pending ?? keep, now),
    clients: edits.clients ?? keep
  }
  const added = Object.entries(lists).filter(([name, { add }]) =>
    add.length > 0 && JsonRecord.member(root, name) === undefined
  )
  const spliced = JsonSplice.edit(text, root, {
    layout,
    depth: 1,
    change: ({ name, value }) =>
      value.kind === "object" && (name === "tenants" || name === "pending" || name === "clients")
        ? editList(text, value, layout, lists[name])
        : JsonSplice.Change.Keep(),
    add: added.map(([name, { add }]) => [name, Object.fromEntries(add)])
  })
  return JsonSplice.replace(text, root, spliced)
}
