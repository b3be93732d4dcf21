/**
 * The command lines that the start of the command understands by itself: `lockstep token TENANT` with the options that
 * hooks use. Every other line, and every line whose meaning is the parser's to say, is left to the parser.
 *
 * @since 0.1.0
 */
import * as DurationText from "@lockstep/core/DurationText"
import * as PlainName from "../line/PlainName.js"
import * as TokenText from "../token/TokenText.js"

/**
 * What was asked for. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface FastLine {
  readonly tenant: string
  readonly home: string | undefined
  /** The kind of store, where it was named: the plain file. */
  readonly store: "file" | undefined
  readonly minTtl: number | undefined
  readonly maxWait: number | undefined
  readonly rejectedStdin: boolean
  readonly format: TokenText.TokenFormat
  /** Whether the stored login was asked for by name, whatever variables are set. */
  readonly storedOnly: boolean
}

const FLAGS = new Set(["--json", "--rejected-stdin"])
const VALUES = new Set(["--home", "--store", "--source", "--format", "--min-ttl", "--max-wait"])

/** Reads a value; `undefined` is one that it does not understand. */
const value = (name: string, text: string): string | number | undefined => {
  switch (name) {
    case "--min-ttl":
    case "--max-wait":
      return DurationText.millis(text)
    case "--format":
      return (TokenText.all as ReadonlyArray<string>).includes(text) ? text : undefined
    case "--store":
      return text === "file" ? text : undefined
    case "--source":
      return text === "stored" ? text : undefined
    default:
      return text.trim() === "" ? undefined : text
  }
}

/**
 * Reads a command line; nothing where the parser has to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (args: ReadonlyArray<string>): FastLine | undefined => {
  const words: Array<string> = []
  const options = new Map<string, string | number | true>()
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (!arg.startsWith("-")) {
      words.push(arg)
      continue
    }
    const at = arg.indexOf("=")
    const name = at === -1 ? arg : arg.slice(0, at)
    // The parser says what an option means that is there twice.
    if (options.has(name)) return undefined
    if (at === -1 && FLAGS.has(name)) {
      options.set(name, true)
      continue
    }
    const text = at === -1 ? args[++i] : arg.slice(at + 1)
    if (!VALUES.has(name) || text === undefined || text.startsWith("-")) return undefined
    const read = value(name, text)
    if (read === undefined) return undefined
    options.set(name, read)
  }
  const [command, tenant, ...more] = words
  if (command !== "token" || tenant === undefined || more.length > 0 || !PlainName.isOne(tenant)) return undefined
  // A bare word may be the name of a command, too, and then of no tenant.
  return {
    tenant,
    home: options.get("--home") as string | undefined,
    store: options.get("--store") as "file" | undefined,
    minTtl: options.get("--min-ttl") as number | undefined,
    maxWait: options.get("--max-wait") as number | undefined,
    rejectedStdin: options.has("--rejected-stdin"),
    format: options.has("--json") ? "json" : options.get("--format") as TokenText.TokenFormat | undefined ?? "raw",
    storedOnly: options.has("--source")
  }
}
