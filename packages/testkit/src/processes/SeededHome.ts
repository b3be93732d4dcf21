/**
 * Writes a home as a finished login leaves it, for processes that start with it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { AuthorizationServer, IssueOptions } from "../servers/AuthorizationServer.js"

/**
 * The login of one tenant.
 *
 * @since 0.1.0
 * @category models
 */
export interface Login {
  readonly tenant: string
  readonly access_token: string
  readonly refresh_token: string
  readonly token_endpoint: string
  readonly client_id: string
  readonly issuer?: string
  readonly scope?: string
  readonly resource?: string
  /** Seconds since the epoch; an hour ago, when it is not said. */
  readonly expires_at?: number
}

const HOUR = 3600

/**
 * Has a server issue a login of the tenant, to an account of the same name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const issue = (
  server: Pick<AuthorizationServer, "clientId" | "issue" | "issuer" | "tokenEndpoint">,
  tenant: string,
  options: IssueOptions = {}
): Effect.Effect<Login> =>
  Effect.map(server.issue(tenant, options), ({ access_token, refresh_token, scope }) => ({
    tenant,
    access_token,
    refresh_token,
    scope,
    issuer: server.issuer,
    token_endpoint: server.tokenEndpoint,
    client_id: server.clientId,
    ...(options.resource === undefined ? {} : { resource: options.resource })
  }))

/**
 * Writes `auth.json` with these logins and answers with its path. A login without `expires_at` has expired.
 *
 * @since 0.1.0
 * @category constructors
 */
export const write = (home: string, logins: ReadonlyArray<Login>): Effect.Effect<string> =>
  Effect.sync(() => {
    const now = Math.floor(Date.now() / 1000)
    const tenants = Object.fromEntries(logins.map(({ tenant, ...login }) => [tenant, {
      token_type: "Bearer",
      obtained_at: now - 2 * HOUR,
      expires_at: now - HOUR,
      generation: 1,
      ...login
    }]))
    mkdirSync(home, { recursive: true, mode: 0o700 })
    const path = join(home, "auth.json")
    writeFileSync(path, `${JSON.stringify({ version: 1, tenants }, undefined, 2)}\n`, { mode: 0o600 })
    return path
  })
