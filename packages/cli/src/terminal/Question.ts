/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as readline from "node:readline"
import * as Output from "./Output.js"
import * as Style from "./Style.js"

/**
 * Asks a person. Without a terminal, or where `LOCKSTEP_NO_INPUT` says so, nothing is asked.
 *
 * @since 0.1.0
 * @category services
 */
export class Question extends Context.Tag("@lockstep/cli/Question")<Question, {
  readonly canAsk: boolean
  /** Reads one line; nothing where the input ends first. Ctrl-C ends the command, as it does everywhere. */
  readonly ask: (prompt: string) => Effect.Effect<Option.Option<string>>
}>() {}

const ask = (prompt: string): Effect.Effect<Option.Option<string>> =>
  Effect.async((resume) => {
    const lines = readline.createInterface({ input: process.stdin, output: process.stderr })
    lines.question(prompt, (answer) => {
      resume(Effect.succeed(Option.some(answer)))
      lines.close()
    })
    // Readline reads the keys itself, so the terminal sends no signal for Ctrl-C; Ctrl-D is the end of input.
    lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"))
    lines.once("close", () => resume(Effect.succeedNone))
    return Effect.sync(() => lines.close())
  })

/**
 * Makes what asks at the terminal of this process. Whether there is one is found out by the first who wants to ask.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Question["Type"], never, Output.Output> = Effect.map(
  Output.Output,
  (output) =>
    Question.of({
      get canAsk() {
        return output.isInteractive && (process.env["LOCKSTEP_NO_INPUT"] ?? "") === ""
      },
      ask
    })
)

/**
 * Tells something and asks whether to go on. Without a terminal the answer is no.
 *
 * @since 0.1.0
 * @category combinators
 */
export const confirm = (
  told: string,
  question: string
): Effect.Effect<boolean, never, Question | Output.Output> =>
  Effect.gen(function*() {
    const service = yield* Question
    if (!service.canAsk) return false
    const output = yield* Output.Output
    yield* output.note(`${told}\n`)
    const answer = yield* service.ask(`${output.noteStyle.bold(Style.printable(question))} [y/N] `)
    return Option.exists(answer, (text) => /^y(es)?$/i.test(text.trim()))
  })
