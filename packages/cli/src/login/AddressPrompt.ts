/**
 * A line at the terminal in which a person can paste the address that a browser on another machine ended at, while the
 * login waits. What it waits for stands in front of it and keeps changing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as readline from "node:readline"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"

/**
 * The line at the terminal.
 *
 * @since 0.1.0
 * @category models
 */
export interface AddressPrompt {
  /** The next line that is not empty. */
  readonly pasted: Effect.Effect<Redacted.Redacted>
  /** Writes this in front of what is being typed. */
  readonly show: (text: string) => Effect.Effect<void>
}

/**
 * Opens the line, on stdin and stderr, for as long as the scope lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<AddressPrompt, never, Output.Output | Scope.Scope> = Effect.gen(function*() {
  const { note } = yield* Output.Output
  const lines = yield* Queue.unbounded<Redacted.Redacted>()
  let isOpen = true
  const terminal = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const opened = readline.createInterface({
        input: process.stdin,
        output: process.stderr,
        terminal: true,
        historySize: 0
      })
      opened.on("line", (text) => {
        if (text.trim() !== "") lines.unsafeOffer(Redacted.make(text.trim()))
      })
      opened.once("close", () => {
        isOpen = false
      })
      // Readline reads the keys itself, so the terminal sends no signal for Ctrl-C.
      opened.on("SIGINT", () => process.kill(process.pid, "SIGINT"))
      return opened
    }),
    (opened) => Effect.zipRight(note(Style.redraw("rest")), Effect.sync(() => opened.close()))
  )
  return {
    pasted: Queue.take(lines),
    show: (text) =>
      Effect.sync(() => {
        if (!isOpen) return
        // Readline writes it, and not the output that makes everything harmless.
        terminal.setPrompt(Style.harmless(text))
        terminal.prompt(true)
      })
  }
})
