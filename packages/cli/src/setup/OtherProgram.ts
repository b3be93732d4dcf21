/**
 * Settings that a program keeps by commands of its own.
 *
 * @since 0.1.0
 */
import * as ChildEnvironment from "@lockstep/node/ChildEnvironment"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { UsageError } from "../line/UsageError.js"

/**
 * How a program ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ran {
  readonly code: number
  readonly stdout: string
}

/** Milliseconds. A program that asks a person, or a network, is not waited for. */
const PATIENCE = 60_000

/**
 * Runs a program of another's making to its end, with nothing to read.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = (program: string, args: ReadonlyArray<string>): Effect.Effect<Ran, UsageError> =>
  Effect.async((resume) => {
    const child = execFile(
      program,
      [...args],
      { env: ChildEnvironment.of(process.env), timeout: PATIENCE, windowsHide: true, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout) => {
        if (error === null) return resume(Effect.succeed({ code: 0, stdout }))
        if (typeof error.code === "number") return resume(Effect.succeed({ code: error.code, stdout }))
        const code: unknown = error.code
        resume(
          new UsageError({
            reason: "Configuration",
            message: `${program} could not be run (${typeof code === "string" ? code : error.signal ?? "unknown"})`,
            advice: code === "ENOENT" ? `install ${program}, or name its directory in PATH` : "try again"
          })
        )
      }
    )
    child.stdin?.end()
    return Effect.sync(() => void child.kill())
  })
