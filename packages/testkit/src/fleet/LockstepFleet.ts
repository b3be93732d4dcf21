/**
 * A fleet of Lockstep over a database.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as Migrations from "@lockstep/postgres/Migrations"
import * as PostgresAddress from "@lockstep/postgres/PostgresAddress"
import * as PostgresHome from "@lockstep/postgres/PostgresHome"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Custodies from "../contract/custodies.js"
import * as RunDirectory from "../processes/RunDirectory.js"
import type { Login } from "../processes/SeededHome.js"
import type { Contender } from "./Backend.js"

const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./FleetWorker.ts" : "./FleetWorker.js", import.meta.url)

const HOUR = 3_600

/** An access token that ended an hour ago. */
const credentialOf = (login: Login): Credential.Credential => {
  const now = Math.floor(Date.now() / 1_000)
  return Credential.Credential.make({
    accessToken: Option.some(Redacted.make(login.access_token)),
    refreshToken: Option.some(Redacted.make(login.refresh_token)),
    tokenEndpoint: Option.some(login.token_endpoint),
    issuer: Option.fromNullable(login.issuer),
    clientId: Option.some(login.client_id),
    obtainedAt: Option.some(now - 2 * HOUR),
    expiresAt: Option.some(now - HOUR),
    generation: 1
  })
}

const revealed = (token: Option.Option<Redacted.Redacted>): string =>
  Option.match(token, { onNone: () => "", onSome: Redacted.value })

/** Ends the sessions of every process with this pid: pids of the workers of one machine are their own. */
const DROP = "select pg_terminate_backend(backend) from lockstep.session where pid = $1"

/**
 * The fleet over a database that is empty, or set up already, with the bounds that are used where nothing else is said.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (url: string): Contender => ({
  name: "lockstep",
  label: "Lockstep on PostgreSQL",
  start: Effect.gen(function*() {
    const address = yield* PostgresAddress.parse(Redacted.make(url))
    yield* Migrations.migrate(address)
    const directory = RunDirectory.make(tmpdir(), "lockstep-fleet-keys")
    const key = randomBytes(32).toString("base64")
    const secret = (name: string, text: string): string => {
      const path = join(directory, name)
      writeFileSync(path, `${text}\n`, { mode: 0o600 })
      return path
    }
    const keyFile = secret("key", key)
    const observed = yield* Layer.build(
      PostgresHome.layerUnpinned().pipe(
        Layer.provide(RefreshPolicy.layerDefaults),
        Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(
          new Map([
            ["LOCKSTEP_HOME", join(directory, "observer")],
            ["LOCKSTEP_POSTGRES_URL_FILE", secret("url", url)],
            ["LOCKSTEP_SECRETS_KEY_FILE", keyFile]
          ]),
          { pathDelim: "_" }
        )))
      )
    )
    const custody = Context.get(observed, Custody)
    const store = Context.get(observed, CredentialStore)
    const session = Context.get(observed, PostgresSession)
    return {
      port: address.servers[0].port,
      entry: ENTRY,
      wait: Duration.toMillis(RefreshPolicy.defaults.redeemLimit) + Duration.toMillis(RefreshPolicy.defaults.quietTime),
      env: (home: string, port: number) => {
        // Made by a process whose clock is that of the file system: one that is not would not know it for its own.
        mkdirSync(join(home, "spool"), { recursive: true, mode: 0o700 })
        return {
          LOCKSTEP_HOME: home,
          LOCKSTEP_POSTGRES_URL_FILE: secret(`url-${port}`, url.replace(`:${address.servers[0].port}/`, `:${port}/`)),
          LOCKSTEP_SECRETS_KEY_FILE: keyFile
        }
      },
      secrets: [
        { kind: "client_secret" as const, value: key },
        ...Option.toArray(address.password).map((password) => ({
          kind: "client_secret" as const,
          value: Redacted.value(password)
        }))
      ],
      login: (login: Login) =>
        Effect.orDie(Custodies.login(custody, TenantId.make(login.tenant), credentialOf(login))).pipe(Effect.asVoid),
      stored: (tenant: string) =>
        store.get(TenantId.make(tenant)).pipe(
          Effect.flatten,
          Effect.map(({ credential }) => ({
            access_token: revealed(credential.accessToken),
            refresh_token: revealed(credential.refreshToken)
          })),
          Effect.orDie
        ),
      drop: (pid: number) => Effect.asVoid(Effect.orDie(session.query(DROP, [pid])))
    }
  }).pipe(Effect.orDie)
})
