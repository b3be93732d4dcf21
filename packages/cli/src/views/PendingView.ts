/**
 * How unfinished logins look, for people and for programs. Holds no state, code or verifier.
 *
 * @since 0.1.0
 */
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"
import * as Times from "../terminal/Times.js"

/**
 * When an attempt ends, in seconds since the epoch: when it is dropped, or before that when the server forgets it.
 *
 * @since 0.1.0
 * @category getters
 */
export const endOf = ({ createdAt, expiresAt }: PendingLogins.PendingLogin): number =>
  Math.min(
    createdAt + Duration.toSeconds(PendingLogins.LIFETIME),
    Option.getOrElse(expiresAt, () => Number.POSITIVE_INFINITY)
  )

/**
 * Renders the table; nothing where no login is unfinished. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const table = (pending: ReadonlyArray<PendingLogins.Pending>, options: {
  readonly style: Style.Style
  readonly now: number
  readonly columns: number
}): string => {
  if (pending.length === 0) return ""
  const { now, style } = options
  return Table.render(
    ["UNFINISHED LOGIN", "USER", "METHOD", "BEGUN", "ENDS"],
    pending.map(({ login, tenant, user }) => [
      style.bold(Style.printable(tenant)),
      Style.printable(user),
      login.method,
      Times.relative(login.createdAt * 1000, now),
      Times.relative(endOf(login) * 1000, now)
    ]),
    style,
    options.columns
  )
}

/**
 * Renders the member `pending` of a document. Times are seconds since the epoch, spans are seconds.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (pending: ReadonlyArray<PendingLogins.Pending>, now: number): unknown =>
  pending.map(({ login, tenant, user }) => ({
    tenant,
    user,
    method: login.method,
    vendor: Option.getOrNull(login.vendor),
    created_at: login.createdAt,
    age: Math.floor(now / 1000 - login.createdAt),
    expires_at: endOf(login),
    expires_in: Math.floor(endOf(login) - now / 1000)
  }))
