/**
 * A way to ask for a stored token that is good.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Asks so many times, one after the other.
 *
 * @since 0.1.0
 * @category models
 */
export type Ask = (times: number) => Effect.Effect<unknown, unknown>

/**
 * A way to ask for a stored token that is good.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reader {
  readonly name: string
  /** For people. */
  readonly label: string
  /** Opens a home of so many fresh logins, having written it. */
  readonly open: (home: string, tenants: number) => Effect.Effect<Ask, unknown, Scope.Scope>
}

/**
 * A login for which no process asks a server anything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const login = (tenant: string) => ({
  tenant,
  access_token: `access-${tenant}`,
  refresh_token: `refresh-${tenant}`,
  token_endpoint: "http://127.0.0.1:9/token",
  client_id: "bench",
  expires_at: Math.floor(Date.now() / 1000) + 86_400
})
