/**
 * The order that the parser needs, out of the order in which people write.
 *
 * `@effect/cli` wants the options of a command before its subcommand, and looks for `--help` and `--version` in the
 * whole line, also behind `--`. So the global options are moved to the front from wherever they stand, options that were
 * written before the subcommand are moved behind it, and what follows `--` is shielded: an argument can never contain a
 * NUL, which therefore marks what belongs to the command behind `--`.
 *
 * @since 0.1.0
 */

const SHIELD = "\u0000"

/** Global options that take a value. */
const GLOBAL = ["--home", "--store", "--completions"]

/** Those of them that say where a command acts. */
const PLACES = ["--home", "--store"]

const LOG_LEVEL = "--log-level"

/** Options whose value may be left out, and what it is then. */
const IMPLIED: Readonly<Record<string, string>> = { "--code": "-", "--install": "auto" }

/**
 * A command line, put in order.
 *
 * @since 0.1.0
 * @category models
 */
export interface Argv {
  /** What the parser reads. */
  readonly args: ReadonlyArray<string>
  /** The subcommand, if one is named; with its own subcommand, in two words. */
  readonly command: string | undefined
  /** Home and store as they were named: what another command needs to act on the same logins. */
  readonly globals: ReadonlyArray<string>
  /** As it was named. The parser would take a name that it does not know for a command. */
  readonly logLevel: string | undefined
  readonly wantsHelp: boolean
  /** Whether errors are wanted as JSON. */
  readonly wantsJson: boolean
}

/** The global options that say where a command acts. */
const placesOf = (own: ReadonlyArray<string>): ReadonlyArray<string> =>
  own.flatMap((arg, i) => {
    const named = PLACES.find((name) => arg === name || arg.startsWith(`${name}=`))
    if (named === undefined) return []
    return arg !== named ? [named, arg.slice(named.length + 1)] : i + 1 < own.length ? [named, own[i + 1]!] : []
  })

/**
 * Puts a command line in order.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  line: ReadonlyArray<string>,
  commands: ReadonlyArray<string>,
  subcommands: Readonly<Record<string, ReadonlyArray<string>>> = {}
): Argv => {
  const end = line.indexOf("--")
  const own = end === -1 ? line : line.slice(0, end)
  const theirs = end === -1 ? [] : ["--", ...line.slice(end + 1).map((arg) => SHIELD + arg)]
  // A store is called like a command, for which the parser would take it.
  const option = (name: string, value: string) => commands.includes(value) ? [`${name}=${value}`] : [name, value]
  const globals: Array<string> = []
  const rest: Array<string> = []
  let logLevel: string | undefined
  for (let i = 0; i < own.length; i++) {
    const arg = own[i]!
    if (arg === LOG_LEVEL) logLevel = own[++i] ?? ""
    else if (arg.startsWith(`${LOG_LEVEL}=`)) logLevel = arg.slice(LOG_LEVEL.length + 1)
    else if (GLOBAL.includes(arg) && i + 1 < own.length) globals.push(...option(arg, own[++i]!))
    else if (GLOBAL.some((name) => arg.startsWith(`${name}=`))) globals.push(arg)
    else {
      rest.push(arg)
      const isLast = i + 1 === own.length || own[i + 1]!.startsWith("--")
      if (isLast && Object.hasOwn(IMPLIED, arg)) rest.push(IMPLIED[arg]!)
    }
  }
  const asksForHelp = rest[0] === "help"
  if (asksForHelp) rest.shift()
  const names: Array<string> = []
  const take = (known: ReadonlyArray<string>) => {
    const at = rest.findIndex((arg) => known.includes(arg))
    if (at !== -1) names.push(...rest.splice(at, 1))
  }
  take(commands)
  if (names.length > 0) take(subcommands[names[0]!] ?? [])
  return {
    args: [...globals, ...names, ...rest, ...theirs],
    globals: placesOf(own),
    command: names.length === 0 ? undefined : names.join(" "),
    logLevel,
    wantsHelp: asksForHelp || rest.includes("--help") || rest.includes("-h"),
    wantsJson: rest.includes("--json") || rest.includes("--format=json") ||
      rest[rest.indexOf("--format") + 1] === "json" && rest.includes("--format")
  }
}

/**
 * Gives back what was written behind `--`, and nothing else.
 *
 * @since 0.1.0
 * @category getters
 */
export const unshield = (arg: string): ReadonlyArray<string> => arg.startsWith(SHIELD) ? [arg.slice(SHIELD.length)] : []
