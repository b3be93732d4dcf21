/**
 * A table of a settings file in TOML. No library changes a text of TOML and leaves the rest of it as it is, so that a table
 * is written behind everything else, or in the place of its predecessor, found by its head; and what comes of it is parsed
 * and compared with what was meant before it is believed.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { isDeepStrictEqual } from "node:util"
import { parse, stringify } from "smol-toml"
import type { Edit, Fault } from "./SettingsFile.js"

/**
 * What a table holds.
 *
 * @since 0.1.0
 * @category models
 */
export type Table = { readonly [name: string]: string | number | ReadonlyArray<string> | Table }

type Document = Record<string, unknown>

/**
 * What is to be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  readonly path: readonly [string, string]
  readonly table: Table
  /** A member of the root. */
  readonly choice?: readonly [name: string, value: string]
}

const isTable = (value: unknown): value is Document =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

const says = (present: unknown, wanted: unknown): boolean =>
  isTable(wanted)
    ? isTable(present) && Object.entries(wanted).every(([name, value]) => says(present[name], value))
    : isDeepStrictEqual(present, wanted)

const read = (text: string): Either.Either<Document, Fault> =>
  Either.try({
    try: () => parse(text, { integersAsBigInt: "asNeeded", unsafeKeyBehaviour: "throw" }) as Document,
    // The library's own words quote the line.
    catch: () => "is not TOML that can be read"
  })

const nested = ([outer, inner]: Wanted["path"], table: unknown): Document => ({ [outer]: { [inner]: table } })

/**
 * Shows a table with its head, as it is written.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = ({ choice, path, table }: Wanted): string =>
  `${choice === undefined ? "" : `${stringify({ [choice[0]]: choice[1] })}\n`}${body(path, table)}`

const body = (path: Wanted["path"], table: Table): string =>
  `${stringify(nested(path, table)).replace(/^\[[^\]]*\]\n\n?(?=\[)/, "").trim()}\n`

const HEAD = /^[ \t]*\[/

/** The path of a head, or nothing where a line is none. */
const pathOf = (line: string): ReadonlyArray<string> | undefined => {
  const found = read(`${line}\n`)
  if (Either.isLeft(found)) return undefined
  const names: Array<string> = []
  let at: unknown = found.right
  while (isTable(at)) {
    const [name] = Object.keys(at)
    if (name === undefined) return names
    names.push(name)
    at = at[name]
  }
  return names
}

/** Lines that stand before a head belong to it: what a person wrote above a table is about that one. */
const isApart = (line: string): boolean => /^[ \t]*(?:#.*)?\r?$/.test(line)

/** Without the table and those below it, and where it stood. */
const without = (lines: ReadonlyArray<string>, [outer, inner]: Wanted["path"]) => {
  // A line of a text, and one of a list, may look like a head: what stands before it is no whole document.
  const isHead = (line: string, index: number): boolean =>
    HEAD.test(line) && Either.isRight(read(`${lines.slice(0, index).join("\n")}\n`))
  const heads = lines.flatMap((line, index) => isHead(line, index) ? [{ index, path: pathOf(line) }] : [])
  const cuts = heads.flatMap(({ index, path }, at) => {
    if (path?.[0] !== outer || path[1] !== inner) return []
    let end = heads[at + 1]?.index ?? lines.length
    while (end > index + 1 && isApart(lines[end - 1]!)) end--
    return [{ index, end }]
  })
  return {
    kept: lines.filter((_, index) => !cuts.some((cut) => index >= cut.index && index < cut.end)),
    at: cuts[0]?.index
  }
}

const put = (text: string, { path, table }: Wanted, eol: string): string => {
  const written = body(path, table).split("\n").join(eol)
  const { at, kept } = without(text.split("\n"), path)
  if (at !== undefined) {
    return [...kept.slice(0, at), written.replace(/\r?\n$/, eol === "\n" ? "" : "\r"), ...kept.slice(at)].join("\n")
  }
  const end = text === "" || text.endsWith("\n") ? text : `${text}${eol}`
  return end === "" ? written : `${end}${eol}${written}`
}

const choose = (text: string, [name, value]: NonNullable<Wanted["choice"]>, eol: string): string => {
  const line = stringify({ [name]: value }).trim()
  const lines = text.split("\n")
  const head = lines.findIndex((one) => HEAD.test(one))
  const at = lines.findIndex((one, index) =>
    (head === -1 || index < head) && new RegExp(`^[ \\t]*${name}[ \\t]*=`).test(one)
  )
  if (at === -1) return `${line}${eol}${HEAD.test(text) ? eol : ""}${text}`
  lines[at] = lines[at]!.endsWith("\r") ? `${line}\r` : line
  return lines.join("\n")
}

/**
 * Puts a table into a text. `isOurs` tells what an earlier run of this command wrote.
 *
 * @since 0.1.0
 * @category combinators
 */
export const edit = (
  present: Option.Option<string>,
  wanted: Wanted,
  isOurs: (table: unknown) => boolean
): Either.Either<Edit, Fault> =>
  Either.gen(function*() {
    const source = Option.getOrElse(present, () => "")
    const eol = source.includes("\r\n") ? "\r\n" : "\n"
    const before = yield* read(source)
    const [outer, inner] = wanted.path
    const tables = before[outer]
    const found = isTable(tables) && Object.hasOwn(tables, inner) ? tables[inner] : undefined
    const chosen = wanted.choice === undefined ? undefined : before[wanted.choice[0]]
    const isThere = says(found, wanted.table)
    const isChosen = wanted.choice === undefined || chosen === wanted.choice[1]
    if (isThere && isChosen) return { state: "same", text: source }

    const table = isThere ? source : put(source, wanted, eol)
    const text = isChosen ? table : choose(table, wanted.choice!, eol)
    const after = {
      ...before,
      ...(isThere ? {} : { [outer]: { ...(isTable(tables) ? tables : {}), [inner]: wanted.table } }),
      ...(wanted.choice === undefined ? {} : { [wanted.choice[0]]: wanted.choice[1] })
    }
    const result = read(text)
    if (Either.isLeft(result) || !isSame(result.right, after)) {
      return yield* Either.left("is written in a way in which this table cannot be put there safely")
    }
    const others = [
      ...(isThere || found === undefined ? [] : [isOurs(found)]),
      ...(isChosen || chosen === undefined ? [] : [false])
    ]
    return { state: others.length === 0 ? "absent" : others.every(Boolean) ? "outdated" : "other", text }
  })

/** Objects of the parser have no prototype that others have. */
const plain = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(plain)
    : isTable(value)
    ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
    : value

const isSame = (one: unknown, other: unknown): boolean => isDeepStrictEqual(plain(one), plain(other))
