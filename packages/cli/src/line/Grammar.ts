/**
 * What a command takes, read out of the parser's own description of it: nothing is written down a second time.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
import type * as Usage from "@effect/cli/Usage"
import * as Option from "effect/Option"
import * as Cli from "../Cli.js"
import type { Lexicon } from "./Argv.js"

/**
 * An option of a command.
 *
 * @since 0.1.0
 * @category models
 */
export interface OptionShape {
  readonly names: ReadonlyArray<string>
  /** What it takes: a word in capitals, or the choices. Nothing where it is a switch. */
  readonly takes: string | undefined
  /** The words that it takes, and no others; none where it takes any. */
  readonly choices: ReadonlyArray<string>
  readonly repeats: boolean
  readonly isRequired: boolean
}

/**
 * The arguments of a command.
 *
 * @since 0.1.0
 * @category models
 */
export interface ArgumentShape {
  readonly name: string
  readonly repeats: boolean
  readonly isRequired: boolean
}

/**
 * What a command takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grammar {
  readonly options: ReadonlyArray<OptionShape>
  readonly words: ReadonlyArray<ArgumentShape>
}

type Any = Command.Command<string, never, never, unknown>

interface Place {
  readonly repeats: boolean
  readonly isRequired: boolean
}

/** Choices are written small, and what stands for a value in capitals. */
const choicesOf = (takes: string | undefined): ReadonlyArray<string> =>
  takes === undefined || /[A-Z]/.test(takes) ? [] : takes.split(" | ")

const named = ({ acceptedValues, names }: Usage.Named, place: Place): Grammar => {
  const takes = Option.getOrUndefined(acceptedValues)
  const [name = ""] = names
  return name.startsWith("-")
    ? { options: [{ names, takes, choices: choicesOf(takes), ...place }], words: [] }
    : name.startsWith("<")
    ? { options: [], words: [{ name: name.slice(1, -1), ...place }] }
    // The command's own name.
    : { options: [], words: [] }
}

const fromUsage = (usage: Usage.Usage, place: Place): Grammar => {
  switch (usage._tag) {
    case "Empty":
    case "Mixed":
      return { options: [], words: [] }
    case "Named":
      return named(usage, place)
    case "Optional":
      return fromUsage(usage.usage, { ...place, isRequired: false })
    case "Repeated":
      return fromUsage(usage.usage, { repeats: true, isRequired: false })
    case "Alternation":
    case "Concat": {
      const [left, right] = [fromUsage(usage.left, place), fromUsage(usage.right, place)]
      return { options: [...left.options, ...right.options], words: [...left.words, ...right.words] }
    }
  }
}

const globalOption = (name: string, takes: string | undefined, ...more: ReadonlyArray<string>): OptionShape => ({
  names: [name, ...more],
  takes,
  choices: [],
  repeats: false,
  isRequired: false
})

/** What every command takes, and what the parser adds to its own. */
const GLOBAL: ReadonlyArray<OptionShape> = [
  globalOption("--home", "DIR"),
  globalOption("--store", "STORE"),
  globalOption("--log-level", "LEVEL"),
  globalOption("--completions", "SHELL"),
  globalOption("--version", undefined),
  globalOption("--help", undefined, "-h")
]

/**
 * What a command takes, by its name; without a name, what `lockstep` alone takes.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (name?: string): Grammar => {
  const command = name === undefined ? Cli.root : Cli.commands[name as keyof typeof Cli.commands]
  const own = fromUsage(Command.getUsage(command as unknown as Any), { repeats: false, isRequired: true })
  const globals = GLOBAL.flatMap(({ names }) => names)
  return {
    options: [...own.options.filter(({ names }) => !names.some((one) => globals.includes(one))), ...GLOBAL],
    words: own.words
  }
}

/**
 * The commands that have an option.
 *
 * @since 0.1.0
 * @category getters
 */
export const commandsWith = (option: string): ReadonlyArray<string> =>
  Object.keys(Cli.commands).filter((name) => of(name).options.some(({ names }) => names.includes(option)))

let known: ReadonlySet<string> | undefined

/**
 * The options that take a value, of whichever command.
 *
 * @since 0.1.0
 * @category getters
 */
export const valued = (): ReadonlySet<string> =>
  known ??= new Set(
    Object.keys(Cli.commands).flatMap((name) => of(name).options.flatMap(({ names, takes }) => takes ? names : []))
  )

/**
 * What has to be known of the commands to take a line apart.
 *
 * @since 0.1.0
 * @category getters
 */
export const lexicon: Lexicon = {
  commands: Object.keys(Cli.commands),
  subcommands: Cli.subcommands,
  takesValue: (name) => valued().has(name)
}
