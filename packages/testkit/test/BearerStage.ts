/**
 * What every test of requests begins with: an authorization server, a resource server that asks it, a home with a login
 * whose token is good, and no secret shown at the end.
 */
import type * as Gate from "@lockstep/testing/Gate"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as ResourceServer from "@lockstep/testkit/servers/ResourceServer"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readFileSync } from "node:fs"

export const TENANT = "agent"

/** One recovery that went well. */
export const ONCE = { redemptions: 1, reuses: 0, refusals: 0, revocations: 0 }

export const NONE = { ...ONCE, redemptions: 0 }

export const make = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const api = yield* ResourceServer.make({ authorizationServer: server })
  const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
  const resource = `${api.origin}/`
  yield* server.protect(resource, ["files:read"])
  const login = yield* server.issue(TENANT, { resource, scope: "openid offline_access files:read" })
  const file = yield* SeededHome.write(harness.home, [{
    tenant: TENANT,
    access_token: login.access_token,
    refresh_token: login.refresh_token,
    scope: login.scope,
    issuer: server.issuer,
    token_endpoint: server.tokenEndpoint,
    client_id: server.clientId,
    expires_at: Math.floor(Date.now() / 1_000) + login.expires_in,
    resource
  }])
  const entry = Effect.sync(() =>
    (JSON.parse(readFileSync(file, "utf8")) as {
      readonly tenants: Record<string, { readonly access_token: string }>
    }).tenants[TENANT]!
  )
  return {
    server,
    api,
    harness,
    /** The access token that the login began with. */
    token: login.access_token,
    first: fingerprint(login.access_token),
    /** The fingerprint of the access token that is stored. */
    current: Effect.map(entry, ({ access_token }) => fingerprint(access_token)),
    worker: RemoteWorker.spawn(harness),
    counts: Effect.sync(() => ({
      redemptions: server.ledger.redemptions.length,
      reuses: server.ledger.reuses.length,
      refusals: server.ledger.refusals.length,
      revocations: server.ledger.revocations.length
    }))
  }
})

/** Lets the next answer pass, which must have this status. */
export const passing = (hold: Gate.Hold<number>, status: number) =>
  Effect.flatMap(
    Queue.take(hold.arrivals),
    ({ pass, who }) => who === status ? pass : Effect.dieMessage(`the answer was ${who} in place of ${status}`)
  )
