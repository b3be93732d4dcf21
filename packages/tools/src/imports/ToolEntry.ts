/**
 * What another tool's file holds under one name: a login that can be taken over, or something else and what that is.
 *
 * @since 0.1.0
 */
import { Credential } from "@lockstep/core/Credential"
import type { Account } from "@lockstep/core/Credential"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * One entry of a file. `name` is what tells it from the others of its file; no secret.
 *
 * - `Login`: a credential as far as the file tells it. `suggestion` is what its tenant would usually be called.
 * - `ApiKey`: a key of the vendor's; nothing of OAuth, and nothing to refresh.
 * - `LoggedOut`: a login that is over; the tool left its frame.
 * - `Elsewhere`: the tool keeps this one where only the tool can read it. `instead` is a command that asks the tool.
 * - `Replaced`: a login that an older version left, which the tool itself no longer reads: a newer store, `by`, has its
 *   place.
 * - `Foreign`: something that Lockstep does not know.
 *
 * @since 0.1.0
 * @category models
 */
export type ToolEntry = Data.TaggedEnum<{
  Login: { readonly name: string; readonly suggestion: Option.Option<string>; readonly credential: Credential }
  ApiKey: { readonly name: string }
  LoggedOut: { readonly name: string }
  Elsewhere: { readonly name: string; readonly place: string; readonly instead: string }
  Replaced: { readonly name: string; readonly by: string }
  Foreign: { readonly name: string }
}>

/**
 * Constructors of {@link ToolEntry}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ToolEntry = Data.taggedEnum<ToolEntry>()

/**
 * What a reader found out about a login. Times are seconds since the epoch. Everything but the tokens may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts {
  readonly accessToken: Option.Option<string>
  readonly refreshToken: Option.Option<string>
  readonly idToken?: Option.Option<string>
  readonly vendor?: Option.Option<string>
  readonly issuer?: Option.Option<string>
  readonly tokenEndpoint?: Option.Option<string>
  readonly clientId?: Option.Option<string>
  readonly clientSecret?: Option.Option<string>
  readonly clientSecretExpiresAt?: Option.Option<number>
  readonly tokenType?: Option.Option<string>
  readonly scope?: Option.Option<string>
  readonly resource?: Option.Option<string>
  readonly expiresAt?: Option.Option<number>
  readonly obtainedAt?: Option.Option<number>
  readonly loginExpiresAt?: Option.Option<number>
  readonly account?: Option.Option<Account>
}

/** 2100-01-01T00:00:00Z. Tools write "never" as a time beyond it. */
const YEAR_2100 = 4_102_444_800

/**
 * Takes a number of seconds since the epoch for a time where it can be one.
 *
 * @since 0.1.0
 * @category getters
 */
export const fromSeconds = (value: number): Option.Option<number> =>
  Option.liftPredicate((at: number) => at > 0 && at < YEAR_2100)(Math.floor(value))

/**
 * Takes a number of milliseconds since the epoch for a time in seconds where it can be one.
 *
 * @since 0.1.0
 * @category getters
 */
export const fromMillis = (value: number): Option.Option<number> => fromSeconds(value / 1000)

/**
 * Reads a date of RFC 3339 as seconds since the epoch.
 *
 * @since 0.1.0
 * @category getters
 */
export const fromDate = (text: string): Option.Option<number> => fromMillis(Date.parse(text))

const isAddress = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

const none = Option.none<never>()

/**
 * Makes the entry of a login from what was found out. One that has neither token is over.
 *
 * @since 0.1.0
 * @category constructors
 */
export const login = (name: string, suggestion: Option.Option<string>, facts: Facts): ToolEntry => {
  if (Option.isNone(facts.accessToken) && Option.isNone(facts.refreshToken)) return ToolEntry.LoggedOut({ name })
  const secret = (value: Option.Option<string> = none) => Option.map(value, Redacted.make)
  return ToolEntry.Login({
    name,
    suggestion,
    credential: Credential.make({
      vendor: facts.vendor ?? none,
      issuer: Option.filter(facts.issuer ?? none, isAddress),
      tokenEndpoint: Option.filter(facts.tokenEndpoint ?? none, isAddress),
      clientId: facts.clientId ?? none,
      clientSecret: secret(facts.clientSecret),
      clientSecretExpiresAt: facts.clientSecretExpiresAt ?? none,
      accessToken: secret(facts.accessToken),
      refreshToken: secret(facts.refreshToken),
      idToken: secret(facts.idToken),
      tokenType: facts.tokenType ?? none,
      scope: facts.scope ?? none,
      resource: Option.filter(facts.resource ?? none, isAddress),
      expiresAt: facts.expiresAt ?? none,
      obtainedAt: facts.obtainedAt ?? none,
      loginExpiresAt: facts.loginExpiresAt ?? none,
      account: facts.account ?? none,
      generation: 0,
      lastRedeem: none
    })
  })
}
