/**
 * What is piped into the command.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../line/UsageError.js"

/**
 * Standard input.
 *
 * @since 0.1.0
 * @category services
 */
export class Stdin extends Context.Tag("@lockstep/cli/Stdin")<Stdin, {
  readonly isTerminal: boolean
  /** Reads everything, or `None`-like `undefined` as soon as there is more than `limit` bytes. */
  readonly read: (limit: number) => Effect.Effect<Redacted.Redacted | undefined, UsageError>
}>() {}

const unreadable = new UsageError({
  reason: "Input",
  message: "standard input cannot be read",
  advice: "pipe the input into the command"
})

const readProcess = (limit: number): Effect.Effect<Redacted.Redacted | undefined, UsageError> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) {
        stop()
        resume(Effect.succeed(undefined))
      } else chunks.push(chunk)
    }
    const onEnd = () => {
      stop()
      resume(Effect.succeed(Redacted.make(Buffer.concat(chunks).toString("utf8"))))
    }
    const onError = () => {
      stop()
      resume(Effect.fail(unreadable))
    }
    const stop = () => {
      process.stdin.off("data", onData).off("end", onEnd).off("error", onError)
      process.stdin.pause()
    }
    process.stdin.on("data", onData).on("end", onEnd).on("error", onError)
    return Effect.sync(stop)
  })

/**
 * Makes the standard input of this process, read lazily.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Stdin["Type"] =>
  Stdin.of({
    get isTerminal() {
      return process.stdin.isTTY === true
    },
    read: readProcess
  })

const SECRET_LIMIT = 64 * 1024

const usage = (message: string, advice: string) => new UsageError({ reason: "Input", message, advice })

/**
 * Reads one secret: never from a terminal, at most 64 KiB, without its one line ending.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readSecret = (what: string): Effect.Effect<Redacted.Redacted, UsageError, Stdin> =>
  Effect.gen(function*() {
    const stdin = yield* Stdin
    if (stdin.isTerminal) {
      return yield* usage(`${what} is not read from a terminal`, "pipe it into the command")
    }
    const text = yield* stdin.read(SECRET_LIMIT)
    if (text === undefined) {
      return yield* usage(`${what} is longer than 64 KiB`, "pipe it alone into the command")
    }
    const secret = Redacted.value(text).replace(/\r?\n$/, "")
    if (secret === "") return yield* usage(`${what} is empty`, "pipe it into the command")
    return Redacted.make(secret)
  })
