/**
 * Attempts that were begun in an earlier run of the command: finished, asked about, or dropped.
 *
 * @since 0.1.0
 */
import { LOCAL_USER, type PendingKey } from "@lockstep/core/PendingLogins"
import * as ShellWord from "@lockstep/core/ShellWord"
import { Login } from "@lockstep/oauth/Login"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Output from "../Output.js"
import * as Question from "../Question.js"
import * as Stdin from "../Stdin.js"
import * as Style from "../Style.js"
import { UsageError } from "../UsageError.js"

/**
 * The command that goes on with an attempt.
 *
 * @since 0.1.0
 * @category getters
 */
export const command = (
  { tenant, user }: PendingKey,
  step: ReadonlyArray<string>,
  globals: ReadonlyArray<string> = []
): string =>
  ["lockstep", "login", tenant, ...(user === LOCAL_USER ? [] : ["--user", user]), ...step, ...globals]
    .map(ShellWord.quote).join(" ")

/**
 * Reads what a person brings back: from the command line, or through standard input where it is `-`. At a terminal it is
 * asked for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readAnswer = (
  code: string
): Effect.Effect<Redacted.Redacted, UsageError, Stdin.Stdin | Question.Question> =>
  Effect.gen(function*() {
    if (code !== "-") return Redacted.make(code)
    const question = yield* Question.Question
    const stdin = yield* Stdin.Stdin
    if (!stdin.isTerminal || !question.canAsk) return yield* Stdin.readSecret("the code or address")
    const answer = (yield* question.ask("Paste the code, or the address that the browser ended at: ")).trim()
    return answer === ""
      ? yield* new UsageError({
        reason: "Input",
        message: "no code was given",
        advice: "paste the code or the address that the browser shows"
      })
      : Redacted.make(answer)
  })

/**
 * Drops an attempt. One that is not there is fine.
 *
 * @since 0.1.0
 * @category combinators
 */
export const cancel = (key: PendingKey, json: boolean) =>
  Effect.gen(function*() {
    const login = yield* Login
    const { dataStyle } = yield* Output.Output
    const dropped = yield* login.cancel(key)
    if (json) return yield* Output.json({ tenant: key.tenant, user: key.user, cancelled: dropped })
    const whose = key.user === LOCAL_USER ? "" : ` of ${Style.printable(key.user)}`
    yield* Output.line(
      `${dataStyle.bold(Style.printable(key.tenant))} ${
        dropped ? `unfinished login${whose} dropped` : `has no unfinished login${whose}`
      }`
    )
  })
