/**
 * The commands that only look, without a parser and without what changes a login: `lockstep`, `lockstep status` and
 * `lockstep doctor`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Status from "./commands/Status.js"
import * as Advice from "./errors/Advice.js"
import * as ExitCode from "./errors/ExitCode.js"
import * as PlainName from "./line/PlainName.js"
import * as Run from "./Run.js"
import type { LookLine } from "./start/LookLine.js"
import * as Output from "./terminal/Output.js"
import * as LookWiring from "./wiring/LookWiring.js"

const globalsOf = ({ home, store }: LookLine): LookWiring.Globals => ({
  home: Option.fromNullable(home),
  store: Option.fromNullable(store)
})

const look = (line: LookLine) =>
  Effect.gen(function*() {
    switch (line.command) {
      case "overview":
        return yield* Status.overview(line)
      case "status": {
        const tenant = Option.map(Option.fromNullable(line.tenant), (name) => PlainName.tenantId(name))
        return yield* Status.run({ ...line, tenant, watch: false })
      }
      case "doctor": {
        const Doctor = yield* Effect.promise(() => import("./commands/Doctor.js"))
        return yield* Doctor.run({ ...line, repair: false, globals: LookWiring.toArguments(globalsOf(line)) })
      }
    }
  })

/**
 * Runs one command line and answers with its exit code.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (line: LookLine): Effect.Effect<number, never, Output.Output> => {
  const globals = LookWiring.toArguments(globalsOf(line))
  const command = line.command === "overview" ? undefined : line.command
  return look(line).pipe(
    // What an error needs to be told is loaded with the error.
    Effect.catchAll((error) =>
      Effect.flatMap(
        Effect.promise(() => import("./errors/Advised.js")),
        (Advised) => Advised.worded()(Effect.fail(error))
      )
    ),
    LookWiring.provide(globalsOf(line)),
    Effect.as(ExitCode.Done),
    Effect.catchAllCause((cause) =>
      Effect.flatMap(
        Effect.promise(() => import("./errors/Telling.js")),
        (Telling) => Telling.tell(cause, { command, globals, wantsJson: line.json })
      )
    ),
    Logger.withMinimumLogLevel(LogLevel.Warning),
    Effect.tap((code) => Effect.annotateCurrentSpan("exit_code", code)),
    Effect.withSpan("lockstep.command", { attributes: { command: command ?? "none" } }),
    Effect.updateService(
      Output.Output,
      (output) => Output.writing(output, { note: (text) => output.note(Advice.withGlobals(text, globals)) })
    )
  )
}

/**
 * Runs a command line of this process and ends it.
 *
 * @since 0.1.0
 * @category execution
 */
export const main = (line: LookLine): void => Run.main(Output.provide(Output.makeProcess())(run(line)))
