/**
 * What a new login would replace.
 *
 * @since 0.1.0
 */
import { CredentialExists } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Verdict from "@lockstep/core/Verdict"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Output from "../terminal/Output.js"
import * as Question from "../terminal/Question.js"
import * as Survey from "../views/Survey.js"

/**
 * Whether a person who logs in gives nothing up: the login is dead, or its refresh token has had its last answer while the
 * access token that came with it still works. A refused early refresh counts, too: a refresh tries once more when the
 * access token expires, and a person who asks for a login need not wait for that.
 */
const isGivenUp = ({ access, question }: Survey.Tenant): boolean => {
  if (!Verdict.isAlive(question)) return true
  const next = Verdict.ofRefresh(question, "person")
  return next._tag === "Login"
    ? next.reason !== "NoRefreshToken" || access === "Ended"
    : next._tag === "Wait" && next.why === "Rest"
}

/**
 * Finds out whether a login may take the place of what is there: nothing, a login that has ended, or a live one that the
 * command line or a person at the terminal gives up. One of another server is given up by them alone, whether it has
 * ended or not. Asked before a person is sent to a browser.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mayReplace = (
  tenant: TenantId,
  replace: boolean,
  isOther = false
): Effect.Effect<boolean, CredentialExists, Survey.Services | Question.Question | Output.Output> =>
  Effect.gen(function*() {
    if (replace) return true
    // What cannot be read is judged under the lock.
    const found = yield* Effect.option(Survey.one(tenant))
    if (Option.isNone(found)) return false
    if (!isOther && isGivenUp(found.value)) return true
    const account = Option.flatMap(found.value.credential.account, ({ id, label }) => Option.orElse(label, () => id))
    const error = new CredentialExists({ tenant, account })
    return (yield* Question.confirm(`${error.message}.`, "Replace this login?")) ? true : yield* error
  })
