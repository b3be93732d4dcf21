import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLine from "../src/terminal/LogLine.js"
import * as Style from "../src/terminal/Style.js"

/** What an effect logs, as the command prints it. */
const printed = (effect: Effect.Effect<void>): Effect.Effect<string> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>((entry) => void lines.push(LogLine.render(entry, Style.plain)))
    return Effect.map(
      Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)),
      () => lines.join("")
    )
  })

describe("an entry of the log", () => {
  it.effect("is a sentence with its advice; fields that the sentence says are for collectors", () =>
    Effect.gen(function*() {
      const entry = Effect.annotateLogs(Effect.logWarning("codex is not renewed"), {
        tenant: "codex",
        error: "ProviderUnavailable",
        reason: "RateLimited",
        advice: "wait a minute",
        generation: 7,
        status: 503,
        bytes: 12
      })
      assert.strictEqual(
        yield* printed(entry),
        "lockstep: warning: codex is not renewed; wait a minute bytes=12 status=503\n"
      )
    }))

  it.effect("shows no cause, which may quote what could not be read", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* printed(Effect.logError("the file is damaged", Cause.fail(new Error("lockstep-rt-quoted")))),
        "lockstep: error: the file is damaged\n"
      )
    }))
})
