/**
 * Attempts that were begun in an earlier run of the command: finished, asked about, or dropped.
 *
 * @since 0.1.0
 */
import { LOCAL_USER, type PendingKey } from "@lockstep/core/PendingLogins"
import * as ShellWord from "@lockstep/core/ShellWord"
import { Login } from "@lockstep/oauth/Login"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Question from "../terminal/Question.js"
import * as Stdin from "../terminal/Stdin.js"
import * as Style from "../terminal/Style.js"

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

/** What another paste can mend; the attempt waits on. */
const isWrongPaste = (error: { readonly _tag: string; readonly reason?: string }): boolean =>
  error._tag === "LoginFailed" &&
  ["CodeUnreadable", "CodeRefused", "StateMismatch", "IssuerMismatch"].includes(error.reason ?? "")

const NO_CODE = new UsageError({
  reason: "Input",
  message: "no code was given",
  advice: "paste the code or the address that the browser shows"
})

const QUESTION = "Paste the code, or the address that the browser ended at: "

/**
 * Hands on what a person brings back: from the command line, or through standard input where it is `-`. At a terminal it is
 * asked for, and asked for again where it was not the answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const answer = <A, E extends { readonly _tag: string; readonly reason?: string; readonly message: string }, R>(
  code: string,
  complete: (answer: Redacted.Redacted) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | UsageError, R | Stdin.Stdin | Question.Question | Output.Output> =>
  Effect.gen(function*() {
    if (code !== "-") return yield* complete(Redacted.make(code))
    const question = yield* Question.Question
    const stdin = yield* Stdin.Stdin
    if (!stdin.isTerminal || !question.canAsk) {
      return yield* complete(yield* Stdin.readSecret("the code or address"))
    }
    const asked: Effect.Effect<A, E | UsageError, R | Output.Output> = Effect.flatMap(
      question.ask(QUESTION),
      (line) => {
        if (Option.isNone(line)) return NO_CODE
        if (line.value.trim() === "") return asked
        return Effect.catchIf(
          complete(Redacted.make(line.value.trim())),
          isWrongPaste,
          (error) =>
            Effect.zipRight(Output.warn(`${error.message}; the login waits on, and Ctrl-C leaves it for later`), asked)
        )
      }
    )
    return yield* asked
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
