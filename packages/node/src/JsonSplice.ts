/**
 * Changes members of a JSON object in its text. What is not changed is copied, byte for byte (I11): numbers, order,
 * escapes, indentation, line ends, unknown members, duplicates included.
 *
 * An object is taken apart into its members, each with the white space around it, and put together again. A new member
 * is laid out like its neighbours.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { JsonNode, JsonObject, Member } from "./JsonTree.js"

/**
 * What becomes of a member that is there.
 *
 * @since 0.1.0
 * @category models
 */
export type Change = Data.TaggedEnum<{
  Keep: {}
  Remove: {}
  /** The new text of the value. */
  Replace: { readonly text: string }
}>

/**
 * Constructors of {@link Change}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Change = Data.taggedEnum<Change>()

/**
 * How a document is laid out. `unit` is one step of indentation; without it the document is one line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Layout {
  readonly eol: string
  readonly unit: string | undefined
}

/**
 * Reads the layout off a document.
 *
 * @since 0.1.0
 * @category constructors
 */
export const layout = (text: string, root: JsonObject): Layout => {
  const first = root.members[0]
  const lead = text.slice(root.start + 1, first === undefined ? root.end - 1 : first.start)
  const eol = text.includes("\r\n") ? "\r\n" : "\n"
  if (!lead.includes("\n")) return { eol, unit: first === undefined && text.includes("\n") ? "  " : undefined }
  return { eol, unit: lead.slice(lead.lastIndexOf("\n") + 1) || "  " }
}

const renderAt = (value: unknown, layout: Layout, indent: string | undefined): string =>
  indent === undefined || layout.unit === undefined
    ? JSON.stringify(value)
    : JSON.stringify(value, null, layout.unit).replaceAll("\n", `${layout.eol}${indent}`)

interface Piece {
  readonly lead: string
  readonly body: string
  readonly trail: string
}

/**
 * Rewrites the members of one object and answers its new text.
 *
 * `depth` is the indentation of its members in steps, needed only where the object is empty.
 *
 * @since 0.1.0
 * @category combinators
 */
export const edit = (text: string, object: JsonObject, options: {
  readonly layout: Layout
  readonly depth: number
  readonly change: (member: Member) => Change
  readonly add: ReadonlyArray<readonly [name: string, value: unknown]>
}): string => {
  const { add, depth, layout, object: members } = { ...options, object: object.members }
  const last = members[members.length - 1]
  const closing = text.slice(last === undefined ? object.start + 1 : last.value.end, object.end - 1)
  const pieces: Array<Piece> = []
  let after = object.start + 1
  members.forEach((member, i) => {
    // The text up to the comma that follows; what follows the last member is the object's own closing.
    const next = members[i + 1]
    const comma = next === undefined ? member.value.end : text.indexOf(",", member.value.end)
    const change = options.change(member)
    if (change._tag !== "Remove") {
      pieces.push({
        // A member whose predecessor is gone takes over the place after the brace.
        lead: pieces.length === 0 ? text.slice(object.start + 1, members[0]!.start) : text.slice(after, member.start),
        body: change._tag === "Keep"
          ? text.slice(member.start, member.value.end)
          : text.slice(member.start, member.value.start) + change.text,
        trail: text.slice(member.value.end, comma)
      })
    }
    after = comma + 1
  })

  const spread = layout.unit === undefined ? undefined : `${layout.eol}${layout.unit.repeat(depth)}`
  const lead = last === undefined ? spread ?? "" : text.slice(
    members.length === 1 ? object.start + 1 : text.lastIndexOf(",", last.start) + 1,
    last.start
  )
  const colon = last === undefined
    ? layout.unit === undefined ? ":" : ": "
    : text.slice(last.nameEnd, last.value.start)
  const indent = lead.includes("\n") ? lead.slice(lead.lastIndexOf("\n") + 1) : undefined
  for (const [name, value] of add) {
    pieces.push({ lead, body: `${JSON.stringify(name)}${colon}${renderAt(value, layout, indent)}`, trail: "" })
  }
  if (pieces.length === 0) return "{}"
  const end = last === undefined && spread !== undefined ? `${layout.eol}${layout.unit!.repeat(depth - 1)}` : closing
  return `{${pieces.map(({ body, lead, trail }) => lead + body + trail).join(",")}${end}}`
}

/**
 * Replaces one value in a text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const replace = (text: string, node: JsonNode, value: string): string =>
  text.slice(0, node.start) + value + text.slice(node.end)
