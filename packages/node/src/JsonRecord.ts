/**
 * Objects of a JSON text as records with known members: reading those, and finding what is wrong with them.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as JsonTree from "./JsonTree.js"

/**
 * Gets the names that the encoded form of a schema has.
 *
 * @since 0.1.0
 * @category getters
 */
export const membersOf = (schema: Schema.Schema.All): ReadonlySet<PropertyKey> => {
  const encoded = AST.encodedAST(schema.ast)
  return new Set(AST.isTypeLiteral(encoded) ? encoded.propertySignatures.map(({ name }) => name) : [])
}

/**
 * Finds a member of an object by its name.
 *
 * @since 0.1.0
 * @category getters
 */
export const member = (object: JsonTree.JsonObject, name: string): JsonTree.Member | undefined =>
  object.members.find((one) => one.name === name)

/**
 * Finds a known name that is there twice: readers disagree on which one counts.
 *
 * @since 0.1.0
 * @category getters
 */
export const duplicate = (object: JsonTree.JsonObject, known: (name: string) => boolean): Option.Option<string> => {
  const seen = new Set<string>()
  for (const { name } of object.members) {
    if (seen.has(name) && known(name)) return Option.some(name)
    seen.add(name)
  }
  return Option.none()
}

/**
 * Reads the known members. What is no scalar becomes a list, which no scalar member accepts.
 *
 * @since 0.1.0
 * @category decoding
 */
export const scalars = (
  text: string,
  object: JsonTree.JsonObject,
  known: ReadonlySet<PropertyKey>
): Record<string, unknown> =>
  Object.fromEntries(
    object.members
      .filter(({ name }) => known.has(name))
      .map(({ name, value }) => [name, JsonTree.scalar(text, value) ?? (value.kind === "null" ? null : [])] as const)
  )

/**
 * Finds a number that JSON can write and no clock can count with: 1e999.
 *
 * @since 0.1.0
 * @category getters
 */
export const outOfRange = (record: Readonly<Record<string, unknown>>): Option.Option<string> =>
  Option.map(
    Option.fromNullable(
      Object.entries(record).find(([, value]) => typeof value === "number" && !Number.isFinite(value))
    ),
    ([name]) => name
  )

/**
 * Writes down where something is: `tenants.codex.account["a b"]`.
 *
 * @since 0.1.0
 * @category encoding
 */
export const pathOf = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((key, i) =>
    i === 0 ? String(key) : /^[a-z_]+$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(key)}]`
  )
    .join("")
