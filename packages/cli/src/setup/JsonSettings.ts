/**
 * Members of a settings file in JSON: those that are named are put there, and every other byte stays.
 *
 * @since 0.1.0
 */
import * as ToolJson from "@lockstep/tools/ToolJson"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Edit, Fault } from "./SettingsFile.js"

/**
 * A member that is to be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  readonly path: ReadonlyArray<string>
  readonly value: string | Readonly<Record<string, unknown>>
  /** Whether a value that is there may stay, whatever it is. */
  readonly isDefault?: boolean
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const at = (root: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (value, name) => isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined,
    root
  )

/** Whether what is there says what is wanted, and perhaps more. */
const says = (present: unknown, wanted: unknown): boolean =>
  isObject(wanted)
    ? isObject(present) && Object.entries(wanted).every(([name, value]) => says(present[name], value))
    : JSON.stringify(present) === JSON.stringify(wanted)

const toValue = (value: unknown): ToolJson.Value =>
  isObject(value)
    ? new Map(Object.entries(value).map(([name, one]) => [name, toValue(one)]))
    : value as string | ReadonlyArray<string>

const nested = (path: ReadonlyArray<string>, value: ToolJson.Value | undefined): ToolJson.Members => {
  const [name = "", ...rest] = path
  return new Map([[name, rest.length === 0 ? value : nested(rest, value)]])
}

/** Whether a member stands in the way of an object that is to hold others. */
const isBlocked = (root: unknown, path: ReadonlyArray<string>): boolean =>
  path.slice(0, -1).some((_, index) => {
    const found = at(root, path.slice(0, index + 1))
    return found !== undefined && !isObject(found)
  })

/**
 * Puts members into a text. `isOurs` tells what an earlier run of this command wrote.
 *
 * @since 0.1.0
 * @category combinators
 */
export const edit = (
  present: Option.Option<string>,
  wanted: ReadonlyArray<Wanted>,
  isOurs: (value: unknown) => boolean
): Either.Either<Edit, Fault> =>
  Either.gen(function*() {
    const source = Option.getOrElse(Option.filter(present, (text) => text.trim() !== ""), () => "{}\n")
    yield* ToolJson.parse(source)
    const root: unknown = JSON.parse(source)
    const blocked = wanted.find(({ path }) => isBlocked(root, path))
    if (blocked !== undefined) return yield* Either.left(`${blocked.path.slice(0, -1).join(".")} is not an object`)
    const missing = wanted.filter(({ isDefault, path, value }) => {
      const found = at(root, path)
      return isDefault === true ? found === undefined : !says(found, value)
    })
    if (missing.length === 0) return { state: "same", text: source }
    const others = missing.map(({ path }) => at(root, path)).filter((value) => value !== undefined)
    let text = source
    const put = (path: ReadonlyArray<string>, value: ToolJson.Value | undefined) =>
      Either.map(ToolJson.parse(text), (document) => {
        text = ToolJson.update(document, nested(path, value), ToolJson.PRETTY)
      })
    for (const { path, value } of missing) {
      const found = at(root, path)
      // Of an object that another wrote nothing stays: its members would mean something else beside ours.
      if (isObject(found) && !isOurs(found)) yield* put(path, undefined)
      yield* put(path, toValue(value))
    }
    return {
      state: others.length === 0 ? "absent" : others.every(isOurs) ? "outdated" : "other",
      text
    }
  })

/**
 * Shows members as a document of their own.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (wanted: ReadonlyArray<Wanted>): string => {
  const document: Record<string, unknown> = {}
  for (const { path, value } of wanted) {
    const parent = path.slice(0, -1).reduce<Record<string, unknown>>(
      (one, name) => (one[name] ??= {}) as Record<string, unknown>,
      document
    )
    parent[path[path.length - 1]!] = value
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
