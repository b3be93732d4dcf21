/**
 * The text of `vendors.json`: client secrets that a person brought, obscured, and terms whose risk was accepted. What
 * else is in it stays byte for byte (I11).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Obscure from "./internal/obscure.js"
import * as JsonRecord from "./JsonRecord.js"
import * as JsonSplice from "./JsonSplice.js"
import * as JsonTree from "./JsonTree.js"

/**
 * A file whose members are of the types that they should be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Document {
  readonly text: string
  readonly root: JsonTree.JsonObject
}

type List = "client_secrets" | "accepted_terms"

/** What each list holds: an obscured secret, the second at which a person accepted. */
const LISTS: Readonly<Record<List, JsonTree.JsonNode["kind"]>> = {
  client_secrets: "string",
  accepted_terms: "number"
}

const NOTE =
  "Obscured, not encrypted: it keeps client secrets out of sight and out of scanners. Lockstep can read them, " +
  "and so can every reader of this file."

const EMPTY = `${JSON.stringify({ version: 1, _note: NOTE, client_secrets: {}, accepted_terms: {} }, null, 2)}\n`

const damage = (...path: ReadonlyArray<string>): string => JsonRecord.pathOf(path)

const entriesOf = ({ root }: Document, list: List): ReadonlyArray<JsonTree.Member> => {
  const value = JsonRecord.member(root, list)?.value
  return value?.kind === "object" ? value.members : []
}

const findDamage = (document: Document): Option.Option<string> => {
  const { root, text } = document
  const version = JsonRecord.member(root, "version")
  if (version === undefined || JsonTree.scalar(text, version.value) !== 1) return Option.some("version: not 1")
  const twice = JsonRecord.duplicate(root, (name) => name === "version" || name in LISTS)
  if (Option.isSome(twice)) return Option.some(`${damage(twice.value)}: there twice`)
  for (const [list, kind] of Object.entries(LISTS)) {
    const value = JsonRecord.member(root, list)?.value
    if (value === undefined) continue
    if (value.kind !== "object") return Option.some(`${damage(list)}: not an object`)
    const twice = JsonRecord.duplicate(value, () => true)
    if (Option.isSome(twice)) return Option.some(`${damage(list, twice.value)}: there twice`)
    const wrong = value.members.find((entry) => entry.value.kind !== kind)
    if (wrong !== undefined) return Option.some(`${damage(list, wrong.name)}: not a ${kind}`)
  }
  return Option.none()
}

/**
 * Parses a file. Fails with what is damaged and where, without a word of its content.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<Document, string> =>
  Either.flatMap(
    Either.mapLeft(JsonTree.parse(text), (offset) => `${JsonTree.position(text, offset)}: not JSON`),
    (root) => {
      if (root.kind !== "object") return Either.left(`${JsonTree.position(text, root.start)}: not an object`)
      const document = { text, root }
      return Option.match(findDamage(document), { onNone: () => Either.right(document), onSome: Either.left })
    }
  )

/**
 * The document of a file that does not exist yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Document = Either.getOrThrow(parse(EMPTY))

const valueOf = (document: Document, list: List, name: string): Option.Option<unknown> =>
  Option.map(
    Option.fromNullable(entriesOf(document, list).find((entry) => entry.name === name)),
    ({ value }) => JsonTree.scalar(document.text, value)
  )

/**
 * Reads the client secret of a vendor. Fails where it is not a text that Lockstep wrote.
 *
 * @since 0.1.0
 * @category getters
 */
export const clientSecret = (
  document: Document,
  vendor: string
): Either.Either<Option.Option<Redacted.Redacted>, string> =>
  Option.match(valueOf(document, "client_secrets", vendor), {
    onNone: () => Either.right(Option.none()),
    onSome: (obscured) =>
      Option.match(Obscure.reveal(String(obscured)), {
        onNone: () => Either.left(`${damage("client_secrets", vendor)}: not obscured`),
        onSome: (secret) => Either.right(Option.some(Redacted.make(secret)))
      })
  })

const termsOf = (tenant: string, vendor: string): string =>
  `${encodeURIComponent(tenant)}:${encodeURIComponent(vendor)}`

/**
 * Whether a person accepted the risk of a vendor's terms for a tenant.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasAcceptedTerms = (document: Document, tenant: string, vendor: string): boolean =>
  Option.isSome(valueOf(document, "accepted_terms", termsOf(tenant, vendor)))

const put = ({ root, text }: Document, list: List, name: string, value: string | number): string => {
  const layout = JsonSplice.layout(text, root)
  const isThere = (object: JsonTree.JsonObject) => JsonRecord.member(object, name) !== undefined
  return JsonSplice.replace(
    text,
    root,
    JsonSplice.edit(text, root, {
      layout,
      depth: 1,
      change: (member) =>
        member.name !== list || member.value.kind !== "object"
          ? JsonSplice.Change.Keep()
          : JsonSplice.Change.Replace({
            text: JsonSplice.edit(text, member.value, {
              layout,
              depth: 2,
              change: (entry) =>
                entry.name === name
                  ? JsonSplice.Change.Replace({ text: JSON.stringify(value) })
                  : JsonSplice.Change.Keep(),
              add: isThere(member.value) ? [] : [[name, value]]
            })
          }),
      add: JsonRecord.member(root, list) === undefined ? [[list, Object.fromEntries([[name, value]])]] : []
    })
  )
}

/**
 * Writes the client secret of a vendor into the text, obscured.
 *
 * @since 0.1.0
 * @category combinators
 */
export const putClientSecret = (document: Document, vendor: string, secret: Redacted.Redacted): string =>
  put(document, "client_secrets", vendor, Obscure.obscure(Redacted.value(secret)))

/**
 * Writes down when a person accepted the risk of a vendor's terms for a tenant, the first time. `now` is milliseconds
 * since the epoch.
 *
 * @since 0.1.0
 * @category combinators
 */
export const putAcceptedTerms = (document: Document, tenant: string, vendor: string, now: number): string =>
  hasAcceptedTerms(document, tenant, vendor)
    ? document.text
    : put(document, "accepted_terms", termsOf(tenant, vendor), Math.floor(now / 1_000))
