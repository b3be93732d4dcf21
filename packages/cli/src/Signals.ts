/**
 * What signals do to the command.
 *
 * The first SIGINT, SIGTERM or SIGHUP interrupts the command, whose finalizers drain a flight that has sent its refresh
 * token: a rotated token that is not stored is a login lost. Later ones change nothing, since the drain has bounds of
 * its own and killing it is what loses the login; so the listeners stay until the process ends.
 *
 * SIGTSTP stops the process only where it holds no tenant's lock: a stopped holder would make every other process wait
 * until somebody types `fg`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Flights } from "./Flights.js"

/**
 * Signals that end the command.
 *
 * @since 0.1.0
 * @category models
 */
export type Ending = "SIGINT" | "SIGTERM" | "SIGHUP"

const ENDING: ReadonlyArray<Ending> = ["SIGINT", "SIGTERM", "SIGHUP"]

/**
 * Whether a signal asks the command to end.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEnding = (signal: NodeJS.Signals): signal is Ending =>
  (ENDING as ReadonlyArray<NodeJS.Signals>).includes(signal)

/**
 * Where the process's signals go.
 *
 * @since 0.1.0
 * @category services
 */
export class Signals extends Context.Tag("@lockstep/cli/Signals")<Signals, {
  /** Hands signals to somebody else, such as a child process, for as long as the scope lives. */
  readonly redirect: (to: (signal: NodeJS.Signals) => void) => Effect.Effect<void, never, Scope.Scope>
}>() {}

/**
 * Listens for the rest of the process's life. `onEnding` is called for each signal that asks the command to end, with
 * the number of those before it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (options: {
  readonly flights: Flights
  readonly onEnding: (signal: Ending, earlier: number) => void
}): Signals["Type"] => {
  let redirected: ((signal: NodeJS.Signals) => void) | undefined
  let received = 0
  for (const signal of ENDING) {
    process.on(signal, () => redirected === undefined ? options.onEnding(signal, received++) : redirected(signal))
  }
  if (process.platform !== "win32") {
    process.on("SIGTSTP", () =>
      redirected === undefined
        ? options.flights.whenIdle(() => process.kill(process.pid, "SIGSTOP"))
        : redirected("SIGTSTP"))
  }
  return Signals.of({
    redirect: (to) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          redirected = to
        }),
        () =>
          Effect.sync(() => {
            redirected = undefined
          })
      )
  })
}
