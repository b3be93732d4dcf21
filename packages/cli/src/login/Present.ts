/**
 * What a new login would replace.
 *
 * @since 0.1.0
 */
import { presented } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialExists } from "@lockstep/core/Errors"
import * as Host from "@lockstep/core/Host"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Output from "../Output.js"
import * as Question from "../Question.js"
import type * as Standing from "../Standing.js"
import * as Survey from "../Survey.js"

/**
 * Whether the refresh token has had its last answer, also where the access token that came with it still works. Until
 * then a refusal is not final for a refresh, which comes early; for a person who was told to log in again it is.
 */
const hasEnded = (tenant: TenantId, { obstacle, state }: Standing.Standing) =>
  Effect.gen(function*() {
    const isOver = Option.exists(obstacle, (one) => one._tag === "Login" && one.reason !== "NoRefreshToken")
    if (state === "needs_login" || isOver) return true
    const store = yield* CredentialStore
    const journals = yield* RefreshJournal
    const host = yield* Host.Host
    const stored = yield* store.get(tenant)
    const { rest } = yield* journals.read(tenant)
    const fingerprint = Option.flatMap(stored, ({ credential }) =>
      Option.map(presented(credential), (token) => Host.fingerprint(host, token)))
    return Option.exists(rest, (one) =>
      Option.contains(fingerprint, one.fingerprint))
  })

/**
 * Finds out whether a login may take the place of what is there: nothing, a login that has ended, or a live one that the
 * command line or a person at the terminal gives up. One of another server is given up by them alone, whether it has
 * ended or not. Asked before anybody is sent to a browser.
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
    if (!isOther && (yield* Effect.orElseSucceed(hasEnded(tenant, found.value.standing), () => false))) return true
    const account = Option.flatMap(found.value.account, ({ id, label }) => Option.orElse(label, () => id))
    const error = new CredentialExists({ tenant, account })
    return (yield* Question.confirm(`${error.message}.`, "Replace this login?")) ? true : yield* error
  })
