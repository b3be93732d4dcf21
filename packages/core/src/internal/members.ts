/**
 * Members of a stored record: absent and null are `None`, and a record that is made need not name them.
 */
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const asOption = { as: "Option", nullable: true } as const

export const optionalText = (key: string) =>
  Schema.optionalWith(Schema.String, asOption).pipe(
    Schema.fromKey(key),
    Schema.withConstructorDefault(() => Option.none<string>())
  )

// Nothing is refined inside `Redacted`: a failed refinement in there would print the token.
export const optionalSecret = (key: string) =>
  Schema.optionalWith(Schema.Redacted(Schema.String), asOption).pipe(
    Schema.fromKey(key),
    Schema.withConstructorDefault(() => Option.none<Redacted.Redacted>())
  )

export const optionalNumber = (key: string) =>
  Schema.optionalWith(Schema.Number, asOption).pipe(
    Schema.fromKey(key),
    Schema.withConstructorDefault(() => Option.none<number>())
  )

// JSON reads 1e999 as infinity, with which no clock can count.
export const optionalExpiry = (key: string) =>
  Schema.optionalWith(Schema.Number.pipe(Schema.finite(), Schema.positive()), asOption).pipe(
    Schema.fromKey(key),
    Schema.withConstructorDefault(() => Option.none<number>())
  )
