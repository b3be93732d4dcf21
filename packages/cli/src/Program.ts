/**
 * The command behind the fast path: parses the line, runs the command, tells its errors, answers with the exit code.
 *
 * @since 0.1.0
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Cli from "./Cli.js"
import * as Advice from "./errors/Advice.js"
import * as ExitCode from "./errors/ExitCode.js"
import * as Telling from "./errors/Telling.js"
import * as Argv from "./line/Argv.js"
import * as Completions from "./line/Completions.js"
import * as Grammar from "./line/Grammar.js"
import * as LineFault from "./line/LineFault.js"
import * as Manual from "./line/Manual.js"
import * as ParserEnvironment from "./line/ParserEnvironment.js"
import { UsageError } from "./line/UsageError.js"
import * as Run from "./Run.js"
import type { Signals } from "./Signals.js"
import * as Output from "./terminal/Output.js"
import { VERSION } from "./Version.js"

const execute = Command.run(Cli.root, { name: "lockstep", version: VERSION, executable: "lockstep" })

/** Judges the line before the parser reads it, and answers with the level of the log. */
const checked = (argv: Argv.Argv): Effect.Effect<LogLevel.LogLevel, UsageError> => {
  const { logLevel } = argv
  const fault = LineFault.of(argv)
  if (Option.isSome(fault)) return fault.value
  const level = logLevel === undefined
    ? LogLevel.Warning
    : LogLevel.allLevels.find(({ _tag }) => _tag.toLowerCase() === logLevel.toLowerCase())
  return level === undefined
    ? new UsageError({
      reason: "Arguments",
      message: "--log-level: there is no such level",
      advice: `use one of ${LogLevel.allLevels.map(({ _tag }) => _tag.toLowerCase()).join(", ")}`
    })
    : Effect.succeed(level)
}

/**
 * Runs one command line and answers with its exit code.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (line: ReadonlyArray<string>): Effect.Effect<number, never, Output.Output | Signals> => {
  const argv = Argv.make(Completions.lineOf(line), Grammar.lexicon)
  if (argv.wantsHelp && (argv.command !== undefined || argv.words.length === 0)) {
    return Effect.gen(function*() {
      const output = yield* Output.Output
      yield* output.data(
        Manual.render(argv.command, { style: output.dataStyle, columns: output.screen.columns })
      )
      return ExitCode.Done
    })
  }
  const asked = Completions.of(argv.options)
  const attempt = Option.match(asked, {
    onNone: () => execute(["node", "lockstep", ...argv.args]),
    onSome: (one) =>
      one instanceof UsageError
        ? one
        : "shell" in one
        ? Effect.flatMap(Output.Output, ({ data }) => data(Completions.script(one.shell)))
        : execute(["node", "lockstep", ...argv.globals, Cli.LOGINS])
  }).pipe(
    Effect.as(ExitCode.Done),
    Effect.catchAllCause((cause) => Telling.tell(cause, argv))
  )
  return (Option.isSome(asked) ? Effect.succeed(LogLevel.Warning) : checked(argv)).pipe(
    Effect.flatMap((level) => Logger.withMinimumLogLevel(attempt, level)),
    Effect.catchAllCause((cause) => Telling.tell(cause, argv)),
    Effect.tap((code) => Effect.annotateCurrentSpan("exit_code", code)),
    // Only a name that we gave ourselves: a mistyped line may hold anything.
    Effect.withSpan("lockstep.command", {
      attributes: { command: Object.keys(Cli.commands).find((name) => name === argv.command) ?? "none" }
    }),
    Effect.provide(Layer.merge(ParserEnvironment.layer, CliConfig.layer({ showBuiltIns: false }))),
    Effect.updateService(
      Output.Output,
      (output) => Output.writing(output, { note: (text) => output.note(Advice.withGlobals(text, argv.globals)) })
    )
  )
}

/**
 * Runs the command line of this process and ends it.
 *
 * @since 0.1.0
 * @category execution
 */
export const main = (): void =>
  Run.main(
    run(process.argv.slice(2)).pipe(
      Output.provide(Output.makeProcess())
    )
  )
