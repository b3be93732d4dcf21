/**
 * What a login did, for people and for programs. Never a token.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import type { LoginResult } from "@lockstep/oauth/Login"
import * as Option from "effect/Option"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"

const nameOf = ({ account }: Credential.Credential): Option.Option<string> =>
  Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id))

/** An account that is known to be another one than before. */
const formerOf = ({ replaced, stored }: LoginResult): Option.Option<Credential.Credential> =>
  Option.filter(replaced, (before) => Credential.isOtherAccount(before, stored.credential))

const UNNAMED = "an account without a name"

/**
 * Says that another account than before is logged in now, where that is so.
 *
 * @since 0.1.0
 * @category rendering
 */
export const warning = (result: LoginResult): Option.Option<string> =>
  Option.map(formerOf(result), (before) => {
    const [from, to] = [before, result.stored.credential].map((one) => Option.getOrElse(nameOf(one), () => UNNAMED))
    return `${result.tenant} was logged in as ${from} and is now logged in as ${to}`
  })

/**
 * The line for a person. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const line = (result: LoginResult, options: {
  readonly store: string
  readonly now: number
  readonly style: Style.Style
}): string => {
  const { credential } = result.stored
  const expiry = Option.match(credential.expiresAt, {
    onNone: () => "expiry unknown",
    onSome: (at) => `expires ${Times.relative(at * 1000, options.now)}`
  })
  const before = Option.match(formerOf(result), {
    onNone: () => "",
    onSome: (one) => ` (was ${Option.getOrElse(nameOf(one), () => UNNAMED)})`
  })
  const account = Option.match(nameOf(credential), { onNone: () => "", onSome: (name) => ` as ${name}${before}` })
  return `${options.style.bold(Style.printable(result.tenant))} logged in${
    Style.printable(account)
  }: ${expiry}, stored in ${options.store}`
}

const accountJson = ({ account }: Credential.Credential) =>
  Option.match(account, {
    onNone: () => null,
    onSome: ({ id, label }) => ({ id: Option.getOrNull(id), label: Option.getOrNull(label) })
  })

/**
 * The document for programs. Times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (result: LoginResult, store: string): unknown => {
  const { credential } = result.stored
  return {
    status: "stored",
    tenant: result.tenant,
    user: result.user,
    method: result.method,
    issuer: Option.getOrNull(credential.issuer),
    resource: Option.getOrNull(credential.resource),
    scope: Option.getOrNull(credential.scope),
    account: accountJson(credential),
    expires_at: Option.getOrNull(credential.expiresAt),
    login_expires_at: Option.getOrNull(credential.loginExpiresAt),
    refreshable: Option.isSome(Credential.presented(credential)),
    store,
    generation: credential.generation,
    replaced: Option.match(result.replaced, {
      onNone: () => null,
      onSome: (before) => ({ account: accountJson(before), other_account: Option.isSome(formerOf(result)) })
    })
  }
}
