/**
 * What every test of real processes begins with: a server, a home with expired logins, and no secret shown at the end.
 */
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

export const TENANT = "agent"

interface Entry {
  readonly refresh_token: string
  readonly generation: number
}

export const make = (
  tenants: ReadonlyArray<string> = [TENANT],
  options: AuthorizationServer.Options = {}
) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make(options)
    const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
    const logins = yield* Effect.forEach(tenants, (tenant) => SeededHome.issue(server, tenant))
    const file = yield* SeededHome.write(harness.home, logins)
    const entries = Effect.sync(() =>
      (JSON.parse(readFileSync(file, "utf8")) as { readonly tenants: Record<string, Entry> }).tenants
    )
    return {
      server,
      harness,
      file,
      logins,
      /** The fingerprint of the refresh token that each login began with. */
      first: Object.fromEntries(logins.map(({ refresh_token, tenant }) => [tenant, fingerprint(refresh_token)])),
      /** Fingerprint and generation of what is stored. */
      stored: (tenant = TENANT) =>
        Effect.map(entries, (all) => ({
          refreshToken: fingerprint(all[tenant]!.refresh_token),
          generation: all[tenant]!.generation
        })),
      /** Whether the server honours the stored login. */
      lives: (tenant = TENANT) => Effect.flatMap(entries, (all) => server.isActive(all[tenant]!.refresh_token)),
      hasAnswerFile: (tenant = TENANT) =>
        Effect.sync(() => existsSync(join(harness.home, `auth.json.refresh.${tenant}.answer`))),
      /** Whether an answer that lies there holds the refresh token that is stored. */
      isAnswerStored: (tenant = TENANT) =>
        Effect.map(entries, (all) =>
          readFileSync(join(harness.home, `auth.json.refresh.${tenant}.answer`), "utf8").includes(
            JSON.stringify(all[tenant]!.refresh_token)
          )),
      temporaries: Effect.sync(() =>
        readdirSync(harness.home).filter((name) =>
          name.endsWith(".tmp")
        )
      ),
      counts: Effect.sync(() => ({
        redemptions: server.ledger.redemptions.length,
        reuses: server.ledger.reuses.length,
        refusals: server.ledger.refusals.length,
        revocations: server.ledger.revocations.length
      }))
    }
  })

export type Stage = Effect.Effect.Success<ReturnType<typeof make>>

/** What the server should have seen when all went well. */
export const ONCE = { redemptions: 1, reuses: 0, refusals: 0, revocations: 0 }
