/**
 * A login that no person would see: no terminal shows its address, no program reads it, and no browser opens it.
 *
 * It would wait for ten minutes for nothing. Who has no terminal logs in in two steps.
 *
 * @since 0.1.0
 */
import { Browser } from "@lockstep/node/login/Browser"
import type { LoginMethod } from "@lockstep/oauth/OAuthVendor"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Beginning from "./Beginning.js"

/**
 * What decides whether a person is waited for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Beginning.Typed {
  readonly json: boolean
  readonly timeout: Option.Option<Duration.Duration>
}

/**
 * The error of such a login, with the command that begins it in two steps.
 *
 * @since 0.1.0
 * @category constructors
 */
export const error = (options: Options): UsageError =>
  new UsageError({
    reason: "Input",
    message: "no terminal shows the address of this login, and no browser can be opened here",
    advice: `log in in two steps: ${
      Advice.command(...Beginning.ofOptions({ ...options, noBrowser: true }))
    } prints the address, and the command that it names takes the answer`
  })

/**
 * Whether only a browser that opens would bring a person. A device grant is agreed to elsewhere, a program reads
 * `--json`, and `--timeout` says that there is a person to wait for.
 *
 * @since 0.1.0
 * @category getters
 */
export const isLikely = (
  method: LoginMethod,
  { json, noBrowser, timeout }: Options
): Effect.Effect<boolean, never, Output.Output> =>
  Effect.map(
    Output.Output,
    ({ noteScreen }) => method !== "device" && !noBrowser && !json && Option.isNone(timeout) && !noteScreen.isTerminal
  )

/**
 * Refuses such a login where it is known before anything is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const refuse = (
  method: LoginMethod,
  options: Options
): Effect.Effect<void, UsageError, Output.Output | Browser> =>
  Effect.flatMap(
    Effect.zip(isLikely(method, options), Browser),
    ([isIt, browser]) => isIt && !browser.isThere ? Effect.fail(error(options)) : Effect.void
  )
