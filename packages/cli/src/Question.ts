/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as readline from "node:readline"
import * as Output from "./Output.js"

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
 * Asks at the terminal of this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Question, never, Output.Output> = Layer.effect(
  Question,
  Effect.map(
    Output.Output,
    ({ isInteractive }) =>
      Question.of({ canAsk: isInteractive && (process.env["LOCKSTEP_NO_INPUT"] ?? "") === "", ask })
  )
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
    const answer = yield* service.ask(`${output.noteStyle.bold(question)} [y/N] `)
    return /^y(es)?$/i.test(answer.trim())
  })
