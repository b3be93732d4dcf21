/**
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Ended } from "../errors/Ended.js"
import * as ExitCode from "../errors/ExitCode.js"
import { UsageError } from "../line/UsageError.js"
import * as Subprocess from "../Subprocess.js"
import * as Output from "../terminal/Output.js"
import * as Times from "../terminal/Times.js"
import * as Sources from "../token/Sources.js"

/**
 * The variable that holds the token, or the address of the proxy, where none is named.
 *
 * @since 0.1.0
 * @category defaults
 */
export const VARIABLES = { token: "LOCKSTEP_TOKEN", proxy: "LOCKSTEP_PROXY_URL" } as const

/**
 * What `lockstep exec` was asked for, checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly variable: string
  readonly command: ReadonlyArray<string>
  /** Where the requests of the command go, which then gets the address of a proxy in place of a token. */
  readonly proxy: string | undefined
}

/** A child keeps the token that it was given for as long as it runs. */
const SHORT = 10 * 60_000

const refused = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

/**
 * Checks what was asked before a token is asked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (asked: {
  readonly variable: Option.Option<string>
  readonly command: ReadonlyArray<string>
  readonly proxy: Option.Option<string>
  readonly minTtl: Option.Option<unknown>
  readonly source: Option.Option<string>
}): Effect.Effect<Options, UsageError> => {
  const { command } = asked
  const proxy = Option.getOrUndefined(asked.proxy)
  const variable = Option.getOrElse(asked.variable, () => VARIABLES[proxy === undefined ? "token" : "proxy"])
  if (command.length === 0) {
    return refused("no command to run", "write it behind --: `lockstep exec TENANT -- CMD…`")
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
    return refused("--env: the name of a variable is expected", "use letters, digits and underscores")
  }
  if (proxy !== undefined && Option.isSome(asked.minTtl)) {
    return refused("--min-ttl: a proxy renews the token for as long as it runs", "leave out --min-ttl or --proxy")
  }
  return proxy !== undefined && Option.exists(asked.source, (source) => source !== Sources.STORED)
    ? refused("--source: a proxy uses the stored login", "leave out --source or --proxy")
    : Effect.succeed({ variable, command, proxy })
}

/**
 * Runs a command with the token in its environment, and ends with its exit code.
 *
 * The coordinator is closed before: a child that starts while a flight is being settled would run under a lock that it
 * knows nothing of.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Pick<Options, "command" | "variable">, token: AccessToken) =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const left = Option.map(token.expiresAt, (at) => at * 1000 - now)
    if (Option.exists(left, (millis) => millis < SHORT)) {
      yield* Output.warn(
        `the token of ${token.tenant} expires in ${
          Times.span(Option.getOrElse(left, () => 0))
        }, and a running command keeps it; behind --proxy it is renewed`
      )
    }
    const code = yield* Subprocess.run(options.command, { [options.variable]: token.token })
    if (code !== ExitCode.Done) yield* new Ended({ code })
  })
