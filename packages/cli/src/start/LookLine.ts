/**
 * The command lines that only look, and that the start of the command understands by itself: `lockstep`, `lockstep status`
 * and `lockstep doctor` with the options that scripts use. Every other line, and every line whose meaning is the parser's
 * to say, is left to the parser, which costs more to load than all that these commands do.
 *
 * @since 0.1.0
 */
import * as PlainName from "../line/PlainName.js"

/**
 * What was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type LookLine =
  & { readonly home: string | undefined; readonly store: string | undefined; readonly json: boolean }
  & (
    | { readonly command: "overview" }
    | {
      readonly command: "status"
      readonly tenant: string | undefined
      readonly history: boolean
      readonly check: boolean
    }
    | { readonly command: "doctor"; readonly offline: boolean }
  )

const VALUES = ["--home", "--store"]

const FLAGS: Readonly<Record<LookLine["command"], ReadonlyArray<string>>> = {
  overview: ["--json"],
  status: ["--json", "--history", "--check"],
  doctor: ["--json", "--offline"]
}

const commandOf = (word: string | undefined): LookLine["command"] | undefined =>
  word === undefined ? "overview" : word === "status" || word === "doctor" ? word : undefined

/**
 * Reads a command line; nothing where the parser has to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (args: ReadonlyArray<string>): LookLine | undefined => {
  const words: Array<string> = []
  const flags = new Set<string>()
  const values = new Map<string, string>()
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (!arg.startsWith("-")) {
      words.push(arg)
      continue
    }
    const at = arg.indexOf("=")
    const name = at === -1 ? arg : arg.slice(0, at)
    // The parser says what an option means that is there twice.
    if (flags.has(name) || values.has(name)) return undefined
    if (!VALUES.includes(name)) {
      if (at !== -1) return undefined
      flags.add(name)
      continue
    }
    const text = at === -1 ? args[++i] : arg.slice(at + 1)
    if (text === undefined || text.startsWith("-") || text.trim() === "") return undefined
    values.set(name, text)
  }
  const [word, tenant, ...more] = words
  const command = commandOf(word)
  if (command === undefined || more.length > 0 || [...flags].some((flag) => !FLAGS[command].includes(flag))) {
    return undefined
  }
  const common = { home: values.get("--home"), store: values.get("--store"), json: flags.has("--json") }
  if (command === "status") {
    return tenant === undefined || PlainName.isOne(tenant)
      ? { ...common, command, tenant, history: flags.has("--history"), check: flags.has("--check") }
      : undefined
  }
  if (tenant !== undefined) return undefined
  return command === "doctor" ? { ...common, command, offline: flags.has("--offline") } : { ...common, command }
}
