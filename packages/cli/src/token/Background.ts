/**
 * A refresh that outlives the command which asked for it.
 *
 * A hook that must answer by a deadline must not take the refresh down with it: killed after the request was sent, it
 * would cost the login its one retry. So a detached child makes the refresh, and the command only looks.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import * as Relayed from "../errors/Relayed.js"
import type { Report } from "../errors/Report.js"

/**
 * A detached refresh.
 *
 * @since 0.1.0
 * @category models
 */
export interface Running {
  readonly pid: Option.Option<number>
  /** What it failed with, should it end while we still look; `None` where it succeeded. */
  readonly ended: Effect.Effect<Option.Option<Report>>
}

/**
 * Starts this command a second time, detached.
 *
 * @since 0.1.0
 * @category services
 */
export class Background extends Context.Tag("@lockstep/cli/Background")<Background, {
  /**
   * Runs `lockstep` with these arguments, `--json` among them. A secret goes through its standard input and is in no
   * argument.
   */
  readonly start: (
    args: ReadonlyArray<string>,
    input: Option.Option<Redacted.Redacted>
  ) => Effect.Effect<Running>
}>() {}

// Its stdout is a pipe of our own, through which it says why it failed. None of the caller's streams is inherited: a
// hook's caller waits until every copy of them is closed.
const start = (args: ReadonlyArray<string>, input: Option.Option<Redacted.Redacted>): Effect.Effect<Running> =>
  Effect.map(Deferred.make<Option.Option<Report>>(), (ended) => {
    const child = spawn(process.execPath, [process.argv[1]!, ...args], {
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
      windowsHide: true
    })
    const chunks: Array<Buffer> = []
    const settle = (code: number | null) =>
      Deferred.unsafeDone(
        ended,
        Effect.succeed(code === 0 ? Option.none() : Option.some(Relayed.parse(Buffer.concat(chunks).toString("utf8"))))
      )
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
    child.once("close", settle).once("error", () => settle(null))
    child.stdin.on("error", () => {})
    child.stdin.end(Option.match(input, { onNone: () => "", onSome: Redacted.value }))
    child.unref()
    return { pid: Option.fromNullable(child.pid), ended: Deferred.await(ended) }
  })

/**
 * Makes what starts the script that this process runs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Background["Type"] => Background.of({ start })
