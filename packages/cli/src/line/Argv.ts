/**
 * A command line, taken apart, and put into the one order that the parser reads without a guess.
 *
 * People write options before a command, behind it and among its arguments. `@effect/cli` wants those of a command before
 * its subcommand and before its arguments, takes a word such as `on` behind a switch for its value, drops an optional
 * option that has none, and looks for `--help` and `--version` in the whole line, also behind `--`. So it is given the
 * options first, each with its value, and then the arguments; and what follows `--` is shielded: an argument can never
 * contain a NUL, which therefore marks what belongs to the command behind `--`. What is wrong with a line is judged before,
 * by {@link LineFault}.
 *
 * @since 0.1.0
 */

const SHIELD = "\u0000"

/** Global options that say where a command acts. */
const PLACES = ["--home", "--store"]

const LOG_LEVEL = "--log-level"

/** Global options that take a value. */
const GLOBAL = [...PLACES, LOG_LEVEL, "--completions"]

/**
 * Options whose value may be left out, and what it is then.
 *
 * @since 0.1.0
 * @category constants
 */
export const IMPLIED: Readonly<Record<string, string>> = { "--code": "-", "--install": "auto" }

/**
 * What has to be known of the commands to take a line apart.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lexicon {
  /** In one word or in two. */
  readonly commands: ReadonlyArray<string>
  /** The commands that stand behind another one. */
  readonly subcommands: Readonly<Record<string, ReadonlyArray<string>>>
  /** Whether an option of a command takes a value. */
  readonly takesValue: (name: string) => boolean
}

/**
 * An option as it was typed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Typed {
  readonly name: string
  /** What stands behind it, glued with `=` or as the next word; nothing where the next word is an option. */
  readonly value: string | undefined
  readonly isGlued: boolean
}

/**
 * A command line, taken apart.
 *
 * @since 0.1.0
 * @category models
 */
export interface Argv {
  /** What the parser reads. */
  readonly args: ReadonlyArray<string>
  /** The subcommand, if one is named; with its own subcommand, in two words. */
  readonly command: string | undefined
  /** Every option before `--`. */
  readonly options: ReadonlyArray<Typed>
  /** Every argument before `--`; where no command is named, the word in its place, too. */
  readonly words: ReadonlyArray<string>
  /** What stands behind `--`; nothing where the line has no `--`. */
  readonly theirs: ReadonlyArray<string> | undefined
  /** Home and store as they were named: what another command needs to act on the same logins. */
  readonly globals: ReadonlyArray<string>
  /** As it was named. The parser would take a name that it does not know for a command. */
  readonly logLevel: string | undefined
  readonly wantsHelp: boolean
  /** Whether errors are wanted as JSON. */
  readonly wantsJson: boolean
}

/** An option begins with a hyphen; a hyphen alone is standard input. */
const isOption = (arg: string): boolean => arg.startsWith("-") && arg !== "-"

/** What begins like an option of ours is the next one, and no value; a value may begin with a single hyphen. */
const isValue = (arg: string | undefined): arg is string => arg !== undefined && !arg.startsWith("--") && arg !== "-h"

const split = (own: ReadonlyArray<string>, takesValue: (name: string) => boolean) => {
  const options: Array<Typed> = []
  const words: Array<string> = []
  for (let i = 0; i < own.length; i++) {
    const arg = own[i]!
    if (!isOption(arg)) {
      words.push(arg)
      continue
    }
    const at = arg.indexOf("=")
    const name = at === -1 ? arg : arg.slice(0, at)
    const isGlued = at !== -1
    const takes = GLOBAL.includes(name) || takesValue(name)
    const value = isGlued ? arg.slice(at + 1) : takes && isValue(own[i + 1]) ? own[++i] : undefined
    options.push({ name, value: value ?? IMPLIED[name], isGlued })
  }
  return { options, words }
}

/** Takes the words that name a command away from the others. */
const commandOf = (words: Array<string>, { commands, subcommands }: Lexicon): ReadonlyArray<string> => {
  if (words[0] === undefined || !commands.includes(words[0])) return []
  const command = words.shift()!
  const at = words.findIndex((word) => (subcommands[command] ?? []).includes(word))
  return at === -1 ? [command] : [command, ...words.splice(at, 1)]
}

/**
 * Takes a command line apart.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (line: ReadonlyArray<string>, lexicon: Lexicon): Argv => {
  const end = line.indexOf("--")
  const theirs = end === -1 ? undefined : line.slice(end + 1)
  const { options, words } = split(end === -1 ? line : line.slice(0, end), lexicon.takesValue)
  const asksForHelp = words[0] === "help"
  if (asksForHelp) words.shift()
  const command = commandOf(words, lexicon)

  const has = (...names: ReadonlyArray<string>) => options.some(({ name }) => names.includes(name))
  const valueOf = (name: string) => options.find((option) => option.name === name)?.value
  // A home or a store may be called like a command, for which the parser would take it.
  const place = ({ name, value = "" }: Typed) => lexicon.commands.includes(value) ? [`${name}=${value}`] : [name, value]
  const places = options.filter(({ name }) => PLACES.includes(name))
  const others = options.filter(({ name }) => !PLACES.includes(name) && name !== LOG_LEVEL)
  return {
    args: has("--version") && !asksForHelp ? ["--version"] : [
      ...places.flatMap(place),
      ...command,
      // A switch says its value, too: the parser would look for it in the next word.
      ...others.flatMap(({ name, value }) => [name, value ?? "true"]),
      ...words,
      ...(theirs === undefined ? [] : ["--", ...theirs.map((arg) => SHIELD + arg)])
    ],
    command: command.length === 0 ? undefined : command.join(" "),
    options,
    words,
    theirs,
    globals: places.flatMap(({ name, value }) => value === undefined ? [] : [name, value]),
    logLevel: has(LOG_LEVEL) ? valueOf(LOG_LEVEL) ?? "" : undefined,
    wantsHelp: asksForHelp || has("--help", "-h"),
    wantsJson: has("--json") || valueOf("--format") === "json"
  }
}

/**
 * Gives back what was written behind `--`, and nothing else.
 *
 * @since 0.1.0
 * @category getters
 */
export const unshield = (arg: string): ReadonlyArray<string> => arg.startsWith(SHIELD) ? [arg.slice(SHIELD.length)] : []
