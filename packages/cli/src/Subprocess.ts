/**
 * A command that takes this one's place.
 *
 * @since 0.1.0
 */
import * as ChildEnvironment from "@lockstep/node/ChildEnvironment"
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import { type ChildProcess, spawn } from "node:child_process"
import * as ExitCode from "./ExitCode.js"
import { Signals } from "./Signals.js"
import { UsageError } from "./UsageError.js"

/** What is forwarded beside the signals that would end this command. */
const FORWARDED: ReadonlyArray<NodeJS.Signals> = ["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"]

// A terminal sends these to every process in its foreground, the child included: forwarding would say them twice.
const FROM_TERMINAL: ReadonlyArray<string> = ["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"]

const notStarted = (code: string | undefined) =>
  new UsageError({
    reason: "Arguments",
    message: `the command could not be started (${code ?? "unknown"})`,
    advice: code === "ENOENT" ? "check its name and PATH" : "check that it is executable"
  })

/**
 * Runs a command with our streams and our environment, extended by secrets and by `more`. Answers with its exit code, or with 128 and
 * the number of the signal that ended it. Signals that reach us meanwhile are its own.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (
  command: ReadonlyArray<string>,
  secrets: Readonly<Record<string, Redacted.Redacted>>,
  more: Readonly<Record<string, string>> = {}
): Effect.Effect<number, UsageError, Signals> =>
  Effect.scoped(Effect.gen(function*() {
    const signals = yield* Signals
    const [file = "", ...args] = command
    const isForeground = process.stdin.isTTY === true
    let child: ChildProcess | undefined
    const early: Array<NodeJS.Signals> = []
    const forward = (signal: NodeJS.Signals) => {
      if (child === undefined) return void early.push(signal)
      if (!isForeground || !FROM_TERMINAL.includes(signal)) child.kill(signal)
      if (signal === "SIGTSTP") signals.stop()
    }
    // Listening comes before starting: a child that runs may be signalled at once.
    yield* signals.redirect(forward)
    yield* Effect.acquireRelease(
      Effect.sync(() => FORWARDED.forEach((signal) => process.on(signal, forward))),
      () => Effect.sync(() => FORWARDED.forEach((signal) => process.off(signal, forward)))
    )
    return yield* Effect.async<number, UsageError>((resume) => {
      child = spawn(file, args, {
        stdio: "inherit",
        env: {
          ...ChildEnvironment.of(process.env),
          ...more,
          ...Record.map(secrets, (secret) => Redacted.value(secret))
        }
      })
      child.once("error", (error: NodeJS.ErrnoException) => resume(notStarted(error.code)))
      child.once("exit", (code, signal) => resume(Effect.succeed(code ?? ExitCode.fromSignal(signal ?? "SIGTERM"))))
      early.forEach(forward)
    })
  }))
