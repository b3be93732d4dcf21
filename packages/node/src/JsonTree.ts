/**
 * Where the members of a JSON text stand, so that a change can copy every byte that it does not own.
 *
 * `JSON.parse` keeps no positions, drops duplicate members and turns 18446744073709551615 into a float. This parser
 * accepts exactly what `JSON.parse` accepts (RFC 8259), keeps the source of every number, and names the offset of the
 * first error without quoting anything.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"

/**
 * A value and the half-open range of the text that it takes. The inside of an array is of no interest here.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonNode = JsonObject | {
  readonly kind: "array" | "string" | "number" | "boolean" | "null"
  readonly start: number
  readonly end: number
}

/**
 * An object with its members in the order of the text, duplicates included.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonObject {
  readonly kind: "object"
  readonly start: number
  readonly end: number
  readonly members: ReadonlyArray<Member>
}

/**
 * One member: its decoded name, the range of the name in the text, and the value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member {
  readonly name: string
  readonly start: number
  readonly nameEnd: number
  readonly value: JsonNode
}

/** Deeper documents are refused, instead of overflowing the stack. */
const MAX_DEPTH = 1_000

const QUOTE = 0x22
const BACKSLASH = 0x5c

const WHITESPACE = /[ \t\r\n]*/y
// Everything of a string that stands for itself.
// eslint-disable-next-line no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const LITERAL = /true|false|null/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

const nameOf = (quoted: string): string => quoted.includes("\\") ? JSON.parse(quoted) : quoted.slice(1, -1)

class Parser {
  position = 0
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  document(): JsonNode | undefined {
    this.space()
    const node = this.value(0)
    if (node === undefined) return undefined
    this.space()
    return this.position === this.text.length ? node : undefined
  }

  private consume(pattern: RegExp): boolean {
    pattern.lastIndex = this.position
    if (!pattern.test(this.text)) return false
    this.position = pattern.lastIndex
    return true
  }

  /** Mostly there is none, and to see that is cheaper than to ask a pattern. */
  private space(): void {
    if (this.text.charCodeAt(this.position) <= 0x20) this.consume(WHITESPACE)
  }

  private take(character: string): boolean {
    if (this.text[this.position] !== character) return false
    this.position++
    return true
  }

  private value(depth: number): JsonNode | undefined {
    if (depth > MAX_DEPTH) return undefined
    const start = this.position
    const first = this.text[start]
    switch (first) {
      case "{":
        return this.object(depth)
      case "[":
        return this.array(depth)
      case "\"":
        return this.string() ? { kind: "string", start, end: this.position } : undefined
      case "t":
      case "f":
      case "n":
        return this.consume(LITERAL)
          ? { kind: first === "n" ? "null" : "boolean", start, end: this.position }
          : undefined
      default:
        return this.consume(NUMBER) ? { kind: "number", start, end: this.position } : undefined
    }
  }

  private string(): boolean {
    if (!this.take("\"")) return false
    for (;;) {
      this.consume(PLAIN)
      const code = this.text.charCodeAt(this.position)
      if (code === QUOTE) {
        this.position++
        return true
      }
      if (code !== BACKSLASH || !this.consume(ESCAPE)) return false
    }
  }

  private object(depth: number): JsonObject | undefined {
    const start = this.position++
    const members: Array<Member> = []
    this.space()
    if (this.take("}")) return { kind: "object", start, end: this.position, members }
    do {
      this.space()
      const nameStart = this.position
      if (!this.string()) return undefined
      const nameEnd = this.position
      this.space()
      if (!this.take(":")) return undefined
      this.space()
      const value = this.value(depth + 1)
      if (value === undefined) return undefined
      members.push({ name: nameOf(this.text.slice(nameStart, nameEnd)), start: nameStart, nameEnd, value })
      this.space()
    } while (this.take(","))
    return this.take("}") ? { kind: "object", start, end: this.position, members } : undefined
  }

  private array(depth: number): JsonNode | undefined {
    const start = this.position++
    this.space()
    if (this.take("]")) return { kind: "array", start, end: this.position }
    do {
      this.space()
      if (this.value(depth + 1) === undefined) return undefined
      this.space()
    } while (this.take(","))
    return this.take("]") ? { kind: "array", start, end: this.position } : undefined
  }
}

/**
 * Parses a JSON text. Fails with the offset of the first error.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<JsonNode, number> => {
  const parser = new Parser(text)
  const node = parser.document()
  return node === undefined ? Either.left(parser.position) : Either.right(node)
}

/**
 * Evaluates a string, number, boolean or null; `undefined` for an object or an array.
 *
 * @since 0.1.0
 * @category getters
 */
export const scalar = (text: string, node: JsonNode): string | number | boolean | null | undefined =>
  node.kind === "object" || node.kind === "array" ? undefined : JSON.parse(text.slice(node.start, node.end))

const BYTE_ORDER_MARK = "\uFEFF"

/**
 * Says in which line and column an offset lies, both counted from 1, and what lies there where no editor shows it.
 *
 * @since 0.1.0
 * @category getters
 */
export const position = (text: string, offset: number): string => {
  const before = text.slice(0, offset)
  const what = text.startsWith(BYTE_ORDER_MARK, offset) ? " (a byte-order mark)" : ""
  return `line ${before.split("\n").length}, column ${offset - before.lastIndexOf("\n")}${what}`
}
