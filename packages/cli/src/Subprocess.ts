/**
 * A command that takes this one's place.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import { UsageError } from "./line/UsageError.js"
import { Signals } from "./Signals.js"
import * as ChildRun from "./start/ChildRun.js"

/**
 * Runs a command with our streams and our environment, extended by secrets and by `more`. Answers with its exit code, or
 * with 128 and the number of the signal that ended it. Signals that reach us meanwhile are its own.
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
    const child = ChildRun.make(
      command,
      { ...more, ...Record.map(secrets, (secret) => Redacted.value(secret)) },
      signals.stop
    )
    yield* signals.redirect(child.forward)
    yield* Effect.acquireRelease(
      Effect.sync(() => ChildRun.FORWARDED.forEach((signal) => process.on(signal, child.forward))),
      () => Effect.sync(() => ChildRun.FORWARDED.forEach((signal) => process.off(signal, child.forward)))
    )
    return yield* Effect.async<number, UsageError>((resume) =>
      child.start({
        onError: (why) => resume(new UsageError({ reason: "Arguments", ...why })),
        onExit: (code) => resume(Effect.succeed(code))
      })
    )
  }))
