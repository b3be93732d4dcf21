/**
 * Single keys at the terminal, while something is shown that changes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What the terminal sends signals for, except while keys are read one by one. */
const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  "\u0003": "SIGINT",
  "\u001a": "SIGTSTP",
  "\u001c": "SIGQUIT"
}

/**
 * Waits for a key, for as long as the scope lives: every other one is read and dropped, but for those that end or stop
 * the process. After `fg` the keys are read one by one again.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pressed = (wanted: ReadonlyArray<string>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const again = () => void process.stdin.setRawMode(true)
      process.on("SIGCONT", again)
      process.stdin.setRawMode(true).setEncoding("utf8").resume()
      return again
    }),
    () =>
      Effect.async<void>((resume) => {
        const onData = (keys: string) => {
          for (const key of keys) {
            const signal = SIGNALS[key]
            if (signal !== undefined) {
              if (signal === "SIGTSTP") process.stdin.setRawMode(false)
              process.kill(process.pid, signal)
            }
            if (wanted.includes(key)) resume(Effect.void)
          }
        }
        process.stdin.on("data", onData)
        return Effect.sync(() => void process.stdin.off("data", onData))
      }),
    (again) =>
      Effect.sync(() => {
        process.off("SIGCONT", again)
        process.stdin.setRawMode(false).pause()
      })
  )
