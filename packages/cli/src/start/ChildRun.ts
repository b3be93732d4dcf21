/**
 * A command that takes this one's place, as plain callbacks: the start of the command runs it before anything is loaded.
 *
 * @since 0.1.0
 */
import * as ChildEnvironment from "@lockstep/node/ChildEnvironment"
import { type ChildProcess, spawn } from "node:child_process"
import * as ExitCode from "../errors/ExitCode.js"

/**
 * What is forwarded beside the signals that would end this command.
 *
 * @since 0.1.0
 * @category constants
 */
export const FORWARDED: ReadonlyArray<NodeJS.Signals> = ["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"]

// A terminal sends these to every process in its foreground, the child included: forwarding would say them twice.
const FROM_TERMINAL: ReadonlyArray<string> = ["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"]

/**
 * Why a command could not be started, and what to do.
 *
 * @since 0.1.0
 * @category models
 */
export interface NotStarted {
  readonly message: string
  readonly advice: string
}

const notStarted = (code: string | undefined): NotStarted => ({
  message: `the command could not be started (${code ?? "unknown"})`,
  advice: code === "ENOENT" ? "check its name and PATH" : "check that it is executable"
})

/**
 * A command that is going to run.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChildRun {
  /** Hands a signal on; one that comes before the command is started reaches it then. */
  readonly forward: (signal: NodeJS.Signals) => void
  /** Runs it with our streams and our environment, extended by secrets. */
  readonly start: (ended: {
    /** With its exit code, or with 128 and the number of the signal that ended it. */
    readonly onExit: (code: number) => void
    readonly onError: (why: NotStarted) => void
  }) => void
}

const stopNow = (): void => {
  process.kill(process.pid, "SIGSTOP")
}

/**
 * Prepares a command. Listening comes before starting: a child that runs may be signalled at once. `stop` stops this
 * process where a terminal says so; one that may hold a tenant waits until it does not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  command: ReadonlyArray<string>,
  secrets: Readonly<Record<string, string>>,
  stop: () => void = stopNow
): ChildRun => {
  const [file = "", ...args] = command
  const isForeground = process.stdin.isTTY === true
  let child: ChildProcess | undefined
  const early: Array<NodeJS.Signals> = []
  const forward = (signal: NodeJS.Signals): void => {
    if (child === undefined) return void early.push(signal)
    if (!isForeground || !FROM_TERMINAL.includes(signal)) child.kill(signal)
    if (signal === "SIGTSTP") stop()
  }
  return {
    forward,
    start: ({ onError, onExit }) => {
      child = spawn(file, args, { stdio: "inherit", env: { ...ChildEnvironment.of(process.env), ...secrets } })
      child.once("error", (error: NodeJS.ErrnoException) => onError(notStarted(error.code)))
      child.once("exit", (code, signal) => onExit(code ?? ExitCode.fromSignal(signal ?? "SIGTERM")))
      early.forEach(forward)
    }
  }
}
