/**
 * What signals do to the command.
 *
 * The first SIGINT, SIGTERM or SIGHUP interrupts the command, whose finalizers wait for a refresh that has sent its
 * refresh token: a rotated token that is not stored is a login lost. Later ones change nothing, since that wait has
 * bounds of its own and killing it is what loses the login; so the listeners stay until the process ends.
 *
 * SIGTSTP stops the process only while it holds no tenant: a stopped holder would make every other process wait until a
 * person types `fg`. What the process holds is asked of the services that hold it.
 *
 * @since 0.1.0
 */
import * as UnderWay from "@lockstep/core/UnderWay"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

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
  /** Hands signals on, to a child process for example, for as long as the scope lives. */
  readonly redirect: (to: (signal: NodeJS.Signals) => void) => Effect.Effect<void, never, Scope.Scope>

  /**
   * Has signals respect what a service does, for the rest of the process's life: while it closes, a refresh that has sent
   * its token is still under way.
   */
  readonly watch: (underWay: UnderWay.UnderWay) => Effect.Effect<void>

  /** Stops the process, as Ctrl-Z does, once it holds no tenant; not any more if it was told to go on by then. */
  readonly stop: () => void
}>() {}

/**
 * Listens for the rest of the process's life. `onEnding` is called for each signal that asks the command to end, with
 * the number of those before it and what is under way then.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (options: {
  readonly onEnding: (signal: Ending, earlier: number, underWay: UnderWay.UnderWay) => void
}): Signals["Type"] => {
  const watched: Array<UnderWay.UnderWay> = []
  const underWay = UnderWay.all(watched)
  let redirected: ((signal: NodeJS.Signals) => void) | undefined
  let received = 0
  let mayStop = false
  const stop = () => {
    mayStop = true
    underWay.whenIdle(() => mayStop && process.kill(process.pid, "SIGSTOP"))
  }
  for (const signal of ENDING) {
    process.on(
      signal,
      () => redirected === undefined ? options.onEnding(signal, received++, underWay) : redirected(signal)
    )
  }
  if (process.platform !== "win32") {
    process.on("SIGTSTP", () => redirected === undefined ? stop() : redirected("SIGTSTP"))
    process.on("SIGCONT", () => {
      mayStop = false
    })
  }
  return Signals.of({
    stop,
    watch: (one) => Effect.sync(() => void watched.push(one)),
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
