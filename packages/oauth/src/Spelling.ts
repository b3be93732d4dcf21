/**
 * How the members of a JSON body are spelled. Everything in this package says `access_token`, as RFC 6749 does; a server
 * that says `accessToken` is spoken to, and understood, in its own way.
 *
 * @since 0.1.0
 */
import type { JsonObject } from "./JsonObject.js"

/**
 * The spelling of a vendor.
 *
 * @since 0.1.0
 * @category models
 */
export type Spelling = "snake_case" | "camelCase"

const toCamel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

const toSnake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * Spells the members of a request as the vendor does.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toWire = <A>(spelling: Spelling, members: Readonly<Record<string, A>>): Readonly<Record<string, A>> =>
  spelling === "snake_case"
    ? members
    : Object.fromEntries(Object.entries(members).map(([name, value]) => [toCamel(name), value]))

/**
 * Spells the members of an answer as RFC 6749 does. Members inside members stay as they are; a member that is there in
 * both spellings keeps the value of RFC 6749's.
 *
 * @since 0.1.0
 * @category combinators
 */
export const fromWire = (spelling: Spelling, members: JsonObject): JsonObject =>
  spelling === "snake_case"
    ? members
    : { ...Object.fromEntries(Object.entries(members).map(([name, value]) => [toSnake(name), value])), ...members }
