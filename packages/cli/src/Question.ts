/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
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
  /** Reads one line. */
  readonly ask: (prompt: string) => Effect.Effect<string>
}>() {}

const ask = (prompt: string): Effect.Effect<string> =>
  Effect.async((resume) => {
    const lines = readline.createInterface({ input: process.stdin, output: process.stderr })
    lines.question(prompt, (answer) => {
      resume(Effect.succeed(answer))
      lines.close()
    })
    // Readline takes Ctrl-C and Ctrl-D from the terminal; both mean no.
    lines.once("SIGINT", () => lines.close()).once("close", () => resume(Effect.succeed("")))
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
    return /^y(es)?$/i.test(answer.trim())
  })
