/**
 * How the vendor matrix looks, for people and for programs.
 *
 * @since 0.1.0
 */
import type { VendorRow } from "@lockstep/oauth/VendorMatrix"
import * as Option from "effect/Option"
import * as HelpPage from "../line/HelpPage.js"
import type * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"

const needs = (row: VendorRow): string =>
  [...(row.optIn ? ["terms"] : []), ...(row.needsClientSecret ? ["secret"] : [])].join(", ")

const refresh = (row: VendorRow): string => [...Option.toArray(row.refresh), ...Option.toArray(row.rotation)].join(", ")

/** A word in mixed case is a name and stays as it is. */
const sentence = (text: string): string => {
  const ended = text.endsWith(".") ? text : `${text}.`
  return /^[a-z]+\b/.test(ended) ? ended.slice(0, 1).toUpperCase() + ended.slice(1) : ended
}

const details = (row: VendorRow): string =>
  [
    `${row.name}.`,
    ...Option.toArray(Option.map(row.accessTokenLifetime, (span) => `Access token: ${span}.`)),
    ...Option.toArray(Option.map(row.loginLifetime, (span) => `Login: ${span}.`)),
    ...Option.match(row.terms, {
      onNone: () => [],
      onSome: ({ alternative, note }) => [sentence(note), `Instead: ${alternative}.`]
    }),
    ...(row.variables.length === 0 ? [] : [`Comes before the login: ${row.variables.join(", ")}.`])
  ].join(" ")

const isOffered = (row: VendorRow): boolean => Option.isNone(row.refusal)

/**
 * Renders what is offered as a table, then what there is to know of each, then what is not offered and why.
 *
 * @since 0.1.0
 * @category rendering
 */
export const text = (rows: ReadonlyArray<VendorRow>, options: {
  readonly style: Style.Style
  readonly columns: number
}): string => {
  const { columns, style } = options
  const offered = rows.filter(isOffered)
  const refused = rows.flatMap((row) =>
    Option.toArray(row.refusal).map(({ alternative, reason }) =>
      [row.id, `${sentence(reason)} Instead: ${alternative}.`] as const
    )
  )
  return [
    Table.render(
      ["VENDOR", "LOGIN", "REFRESH", "NEEDS"],
      offered.map((row) => [style.bold(row.id), row.methods.join(", "), refresh(row), needs(row)]),
      style,
      columns
    ),
    `\n${style.bold("What to know")}\n`,
    HelpPage.columns(offered.map((row) => [row.id, details(row)] as const), style, columns),
    `\n${style.bold("Not offered")}\n`,
    HelpPage.columns(refused, style, columns)
  ].join("")
}

const rowJson = (row: VendorRow) => ({
  id: row.id,
  name: row.name,
  offered: isOffered(row),
  refusal: Option.getOrNull(row.refusal),
  methods: row.methods,
  grants: row.grants,
  rotation: Option.getOrNull(row.rotation),
  refresh: Option.getOrNull(row.refresh),
  access_token_lifetime: Option.getOrNull(row.accessTokenLifetime),
  login_lifetime: Option.getOrNull(row.loginLifetime),
  terms: Option.getOrNull(row.terms),
  opt_in: row.optIn,
  needs_client_secret: row.needsClientSecret,
  variables: row.variables
})

/**
 * The document for programs.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (rows: ReadonlyArray<VendorRow>): unknown => ({ vendors: rows.map(rowJson) })
