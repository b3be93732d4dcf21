/**
 * What is wrong with a command line: judged here, before the parser reads it, for every command and every option alike.
 *
 * The parser takes an option that it does not know for an argument, drops an optional one that lacks its value, takes the
 * next option for a value, and does not say of which option a choice is wrong. None of that may decide what is done with a
 * login. What was typed in the place of a value may be a token, so only names of options are repeated.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Argv, Typed } from "./Argv.js"
import * as Grammar from "./Grammar.js"
import * as Nearest from "./Nearest.js"
import { UsageError } from "./UsageError.js"

interface Fault {
  readonly message: string
  /** What was probably meant. */
  readonly meant?: string
}

/** A name that cannot be a token that was mistyped. */
const NAME = /^-{1,2}[a-z][a-z-]*$/i

const orNothing = (found: string | undefined): Pick<Fault, "meant"> => found === undefined ? {} : { meant: found }

const didYouMean = (words: ReadonlyArray<string>): string | undefined =>
  words.length === 0 ? undefined : `did you mean ${words.map((word) => `\`${word}\``).join(" or ")}?`

const command = ({ command, words }: Argv): Option.Option<Fault> =>
  command !== undefined || words.length === 0 ? Option.none() : Option.some({
    message: "there is no such command",
    ...orNothing(didYouMean(Nearest.find(words[0]!, Grammar.lexicon.commands.filter((name) => !name.includes(" ")))))
  })

const shapeOf = ({ options }: Grammar.Grammar, name: string): Grammar.OptionShape | undefined =>
  options.find(({ names }) => names.includes(name))

const unknown = ({ name }: Typed, argv: Argv, grammar: Grammar.Grammar): Fault => {
  const of = argv.command === undefined ? "" : `${argv.command}: `
  if (!NAME.test(name)) return { message: `${of}there is an option that is not known` }
  const elsewhere = Grammar.commandsWith(name)
  const near = Nearest.find(name, grammar.options.flatMap(({ names }) => names))
  return {
    message: `${of}there is no option ${name}`,
    ...orNothing(
      elsewhere.length > 0
        ? `${elsewhere.slice(0, 3).map((one) => `\`${one}\``).join(", ")} ${elsewhere.length === 1 ? "has" : "have"} it`
        : didYouMean(near)
    )
  }
}

/** What an option takes, in words. */
const expected = ({ choices, takes }: Grammar.OptionShape): string =>
  choices.length === 0
    ? `${takes} is expected`
    : `${choices.length === 1 ? "" : "one of "}${choices.join(", ")} is expected`

const value = ({ isGlued, name, value }: Typed, shape: Grammar.OptionShape): Fault | undefined => {
  if (shape.takes === undefined) return isGlued ? { message: `${name} is a switch and takes no value` } : undefined
  if (value === undefined || value === "") return { message: `${name}: its value is missing; ${expected(shape)}` }
  return shape.choices.length === 0 || shape.choices.includes(value) ? undefined : {
    message: `${name}: ${expected(shape)}`,
    ...orNothing(didYouMean(Nearest.find(value, shape.choices)))
  }
}

const option = (argv: Argv, grammar: Grammar.Grammar): Option.Option<Fault> => {
  const seen = new Set<Grammar.OptionShape>()
  for (const typed of argv.options) {
    const shape = shapeOf(grammar, typed.name)
    if (shape === undefined) return Option.some(unknown(typed, argv, grammar))
    const wrong = value(typed, shape)
    if (wrong !== undefined) return Option.some(wrong)
    if (seen.has(shape) && !shape.repeats) return Option.some({ message: `${typed.name} is there twice` })
    seen.add(shape)
  }
  const missing = grammar.options.find((shape) => shape.isRequired && !seen.has(shape))
  return missing === undefined ? Option.none() : Option.some({
    message: `${missing.names[0]} is missing; ${expected(missing)}`
  })
}

const words = (argv: Argv, { words }: Grammar.Grammar): Option.Option<Fault> => {
  const missing = words.filter(({ isRequired }) => isRequired)[argv.words.length]
  if (missing !== undefined) return Option.some({ message: `${missing.name} is missing` })
  const repeats = words.some(({ repeats }) => repeats)
  if (argv.theirs !== undefined && !repeats) {
    return Option.some({ message: `${argv.command ?? "lockstep"} runs no command: nothing is expected behind --` })
  }
  if (repeats || argv.words.length <= words.length) return Option.none()
  const behind = argv.command === undefined ? [] : Grammar.lexicon.subcommands[argv.command] ?? []
  return Option.some({
    message: behind.length === 0 ? "there is an argument too many" : `${argv.command} has no such command`,
    ...orNothing(didYouMean(behind.map((name) => `${argv.command} ${name}`)))
  })
}

/**
 * Finds what is wrong with a line.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (argv: Argv): Option.Option<UsageError> => {
  const grammar = Grammar.of(argv.command)
  const fault = command(argv).pipe(
    Option.orElse(() => option(argv, grammar)),
    Option.orElse(() => words(argv, grammar))
  )
  return Option.map(fault, ({ meant, message }) => {
    const help = argv.command === undefined ? "`lockstep --help`" : `\`lockstep ${argv.command} --help\``
    return new UsageError({
      reason: "Arguments",
      message,
      advice: meant === undefined ? `see ${help}` : `${meant}${meant.endsWith("?") ? " See" : "; see"} ${help}`
    })
  })
}
