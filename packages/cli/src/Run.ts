/**
 * Runs the command as this process.
 *
 * @since 0.1.0
 */
import type * as UnderWay from "@lockstep/core/UnderWay"
import * as Telemetry from "@lockstep/node/Telemetry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ExitCode from "./errors/ExitCode.js"
import * as Waiting from "./errors/Waiting.js"
import * as Signals from "./Signals.js"
import * as Style from "./terminal/Style.js"
import { VERSION } from "./Version.js"

/** After a signal a person is told what the command still waits for, unless it is over sooner than that. */
const PATIENCE = 200

const tell = (underWay: UnderWay.UnderWay): void => {
  const text = Waiting.render(underWay.acts())
  if (text !== "" && process.stderr.isTTY === true) process.stderr.write(`lockstep: ${Style.printable(text)}\n`)
}

// Node may still hold output for a slow reader; leaving before it is gone would cut it.
const leave = (code: number): void => {
  const pending = [process.stdout, process.stderr].filter((stream) => stream.writableLength > 0)
  let left = pending.length
  const done = () => {
    if (--left <= 0) process.exit(code)
  }
  if (left === 0) process.exit(code)
  for (const stream of pending) stream.once("drain", done).once("error", done)
}

// Around everything else, so that it still hears of a refresh that is waited for at the end. What the environment says wrong
// about it is no reason to keep a token back.
const withTelemetry = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Telemetry.isAsked(process.env)
    ? Effect.provide(program, Layer.catchAll(Telemetry.layerFromEnv({ serviceVersion: VERSION }), () => Layer.empty))
    : program

/**
 * Runs a program that answers with its exit code, and ends the process with it: 128 and the signal's number where a
 * signal ended it, 0 where the reader of stdout went away.
 *
 * @since 0.1.0
 * @category execution
 */
export const main = (program: Effect.Effect<number, never, Signals.Signals>): void => {
  let ending: Signals.Ending | undefined
  let closedPipe = false
  const interrupt = () => fiber.unsafeInterruptAsFork(fiber.id())

  const signals = Signals.listen({
    onEnding: (signal, earlier, underWay) => {
      if (earlier > 0) return tell(underWay)
      ending = signal
      setTimeout(() => tell(underWay), PATIENCE).unref()
      interrupt()
    }
  })
  // `lockstep status | head -1` is no error. A running refresh is waited for all the same.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => {
      if (stream !== process.stdout) return
      closedPipe = true
      interrupt()
    })
  }

  const fiber = Effect.runFork(
    program.pipe(
      Effect.provideService(Signals.Signals, signals),
      withTelemetry
    )
  )
  // A fiber that waits for another one keeps no event loop alive.
  const keepAlive = setInterval(() => {}, 2 ** 31 - 1)
  fiber.addObserver((exit) => {
    clearInterval(keepAlive)
    if (closedPipe) return process.exit(ExitCode.Done)
    leave(
      Exit.isSuccess(exit)
        ? exit.value
        : ending !== undefined
        ? ExitCode.fromSignal(ending)
        : ExitCode.Unexpected
    )
  })
}
