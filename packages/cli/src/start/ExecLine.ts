/**
 * The command lines of `lockstep exec` that the start of the command understands by itself. Every other line, and every line
 * whose meaning is the parser's to say, is left to the parser.
 *
 * @since 0.1.0
 */
import * as DurationText from "@lockstep/core/DurationText"
import * as PlainName from "../line/PlainName.js"

/**
 * What was asked for. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecLine {
  readonly tenant: string
  readonly home: string | undefined
  readonly store: "file" | undefined
  readonly minTtl: number | undefined
  readonly storedOnly: boolean
  readonly variable: string
  readonly command: ReadonlyArray<string>
}

const VALUES = ["--home", "--store", "--source", "--min-ttl", "--env"]

const isUnderstood = (name: string, text: string): boolean => {
  switch (name) {
    case "--min-ttl":
      return DurationText.millis(text) !== undefined
    case "--store":
      return text === "file"
    case "--source":
      return text === "stored"
    case "--env":
      return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text)
    default:
      return text.trim() !== ""
  }
}

/**
 * Reads a command line; nothing where the parser has to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (args: ReadonlyArray<string>): ExecLine | undefined => {
  const end = args.indexOf("--")
  if (end === -1 || end === args.length - 1) return undefined
  const words: Array<string> = []
  const options = new Map<string, string>()
  for (let i = 0; i < end; i++) {
    const arg = args[i]!
    if (!arg.startsWith("-")) {
      words.push(arg)
      continue
    }
    const at = arg.indexOf("=")
    const name = at === -1 ? arg : arg.slice(0, at)
    const text = at === -1 ? args[++i] : arg.slice(at + 1)
    // The parser says what an option means that is there twice.
    if (options.has(name) || !VALUES.includes(name) || text === undefined || i >= end || text.startsWith("-")) {
      return undefined
    }
    if (!isUnderstood(name, text)) return undefined
    options.set(name, text)
  }
  const [command, tenant, ...more] = words
  if (command !== "exec" || tenant === undefined || more.length > 0 || !PlainName.isOne(tenant)) return undefined
  const minTtl = options.get("--min-ttl")
  return {
    tenant,
    home: options.get("--home"),
    store: options.get("--store") as "file" | undefined,
    minTtl: minTtl === undefined ? undefined : DurationText.millis(minTtl),
    storedOnly: options.has("--source"),
    variable: options.get("--env") ?? "LOCKSTEP_TOKEN",
    command: args.slice(end + 1)
  }
}
