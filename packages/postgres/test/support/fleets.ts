/** Databases of their own, and processes that share them. */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { Custody } from "@lockstep/core/Custody"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Keys from "@lockstep/node/secrets/SealingKeys"
import * as Migrations from "@lockstep/postgres/Migrations"
import * as PostgresAddress from "@lockstep/postgres/PostgresAddress"
import * as PostgresClientRegistrations from "@lockstep/postgres/PostgresClientRegistrations"
import * as PostgresCredentialStore from "@lockstep/postgres/PostgresCredentialStore"
import * as PostgresCustody from "@lockstep/postgres/PostgresCustody"
import type * as PostgresLease from "@lockstep/postgres/PostgresLease"
import * as PostgresPendingLogins from "@lockstep/postgres/PostgresPendingLogins"
import * as PostgresSession from "@lockstep/postgres/PostgresSession"
import * as Spools from "@lockstep/postgres/Spool"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import Pg from "pg"
import { describe, inject } from "vitest"
import { type Server, TEMPLATE } from "./servers.js"

export const urlOf = ({ password, port }: Server, database: string, user = "lockstep"): string =>
  `postgres://${user}:${password}@127.0.0.1:${port}/${database}`

export const addressOf = (url: string): PostgresAddress.PostgresAddress =>
  Either.getOrThrow(PostgresAddress.parse(Redacted.make(url)))

/** Stands for the server of a machine that can run none, so that its tests are listed. */
const ABSENT: Server = { version: 0, port: 0, directory: "", password: "" }

/** Registers tests for each server that runs; where none does, they are shown as skipped. */
export const onEach = (register: (server: Server, name: string) => void): void => {
  const servers = inject("postgres")
  describe.skipIf(servers.length === 0)("a fleet", () => {
    for (const server of servers.length === 0 ? [ABSENT] : servers) register(server, `PostgreSQL ${server.version}`)
  })
}

export interface Database {
  readonly server: Server
  readonly name: string
  readonly url: string
  readonly address: PostgresAddress.PostgresAddress
  /** Asks as the owner, beside every session under test. */
  readonly sql: (text: string, values?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Record<string, unknown>>>
}

const connected = async (url: string): Promise<Pg.Client> => {
  const client = new Pg.Client({ connectionString: url })
  client.on("error", () => {})
  await client.connect()
  return client
}

/** Asks a database beside every session under test. */
export const connect = (url: string): Effect.Effect<Pg.Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => connected(url)),
    (client) => Effect.promise(() => client.end().catch(() => {}))
  )

const asked = async (server: Server, text: string): Promise<void> => {
  const admin = await connected(urlOf(server, "postgres"))
  try {
    await admin.query(text)
  } finally {
    await admin.end()
  }
}

let count = 0
const templates = new Map<number, Promise<string>>()

/** A server of a test's own has no database to copy yet. */
const makeTemplate = async (server: Server): Promise<string> => {
  const name = `template_${process.pid}`
  await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const admin = yield* connect(urlOf(server, "postgres"))
    yield* Effect.promise(() => admin.query(`create database ${name}`))
    yield* Effect.orDie(Migrations.migrate(addressOf(urlOf(server, name))))
  })))
  return name
}

const templateOf = (server: Server): Promise<string> => {
  if (inject("postgres").some(({ port }) => port === server.port)) return Promise.resolve(TEMPLATE)
  const template = templates.get(server.port) ?? makeTemplate(server)
  templates.set(server.port, template)
  return template
}

/** Databases that were given back, by the port of their server: one is emptied in a tenth of the time in which one is made. */
const idle = new Map<number, Array<string>>()

/** After these a database is no copy of its template any more. */
const CHANGES = /\b(?:alter|comment|create|drop|grant)\b/i

const EMPTY = `
truncate lockstep.tenant, lockstep.credential, lockstep.session, lockstep.pending, lockstep.client, lockstep.sealing_key,
  lockstep.schedule, lockstep.issuer, lockstep.team restart identity`

// Each its own fleet: a copy of a template would pass for the template.
const RENEW = `
update lockstep.fleet set id = gen_random_uuid(), schema = ${Migrations.VERSION},
  readers_from = ${Math.max(...Migrations.all.map(({ step, version }) => step === "contract" ? version : 0))}`

const OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"

const emptied = async (own: Pg.Client): Promise<void> => {
  await own.query("rollback")
  await own.query(`select pg_terminate_backend(pid, 5000) ${OTHERS}`)
  await own.query(EMPTY)
}

/** A database that was set up, and goes with the scope. */
export const database = (server: Server): Effect.Effect<Database, never, Scope.Scope> =>
  Effect.gen(function*() {
    let isChanged = false
    let own: Pg.Client | undefined
    const name = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const given = idle.get(server.port)?.pop()
        if (given !== undefined) return given
        const made = `fleet_${process.pid}_${++count}`
        const template = await templateOf(server)
        await asked(server, `create database ${made} template ${template}`)
        return made
      }),
      (made) =>
        Effect.promise(async () => {
          try {
            if (own === undefined || isChanged) throw new Error("it is not what it was")
            await emptied(own)
            idle.set(server.port, [...idle.get(server.port) ?? [], made])
          } catch {
            // It goes with its server, where a test has crashed that.
            await asked(server, `drop database ${made} with (force)`).catch(() => {})
          } finally {
            await own?.end().catch(() => {})
          }
        })
    )
    const url = urlOf(server, name)
    const client = yield* Effect.promise(() => connected(url))
    own = client
    yield* Effect.promise(() => client.query(RENEW))
    return {
      server,
      name,
      url,
      address: addressOf(url),
      sql: (text, values = []) =>
        Effect.promise(async () => {
          isChanged ||= CHANGES.test(text)
          return (await client.query(text, [...values])).rows as Array<Record<string, unknown>>
        })
    }
  })

/** A directory that goes with the scope. */
export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-fleet-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

export const KEY = Keys.fromBytes(Buffer.alloc(32, 7))

export const keysOf = (...keys: ReadonlyArray<Keys.SealingKey>): Keys.SealingKeys["Type"] =>
  Keys.SealingKeys.of({
    location: "the keys of a test",
    current: Effect.succeed(keys[0]!),
    find: (id) => Effect.succeed(Option.fromNullable(keys.find((key) => key.id === id))),
    renew: Effect.succeed(keys[0]!),
    retire: Effect.void
  })

export interface Process {
  readonly session: PostgresSession.PostgresSession["Type"]
  readonly store: WritableStore["Type"]
  readonly custody: Custody["Type"]
  readonly pending: PendingLogins["Type"]
  readonly registrations: ClientRegistrations["Type"]
  readonly spool: Spools.Spool["Type"]
}

export interface Options {
  readonly limits?: Partial<PostgresLease.Limits>
  readonly keys?: Keys.SealingKeys["Type"]
  readonly namespace?: string
  readonly spool?: Spools.Spool["Type"]
}

/** What one more process of a host has of a database; a host is a directory for its spool. */
export const open = (
  { address }: Pick<Database, "address">,
  host: string,
  { keys = keysOf(KEY), limits, namespace = "", spool }: Options = {}
): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function*() {
    const base = yield* Layer.build(Layer.provideMerge(
      PostgresSession.layer({ address, namespace }),
      Layer.mergeAll(
        NodeHost.layer,
        Layer.succeed(Keys.SealingKeys, keys),
        Layer.succeed(Spools.Spool, spool ?? Spools.make({ directory: host, keys, namespace }))
      )
    ))
    const all = Effect.all({
      session: PostgresSession.PostgresSession,
      store: PostgresCredentialStore.make,
      custody: PostgresCustody.make(limits),
      pending: PostgresPendingLogins.make,
      registrations: PostgresClientRegistrations.make,
      spool: Spools.Spool
    })
    return yield* Effect.provide(all, base)
  })

/** Two processes of one host. */
export const twoViews = (server: Server) =>
  Effect.gen(function*() {
    const shared = yield* database(server)
    const host = yield* temporary
    return [shared, yield* open(shared, host), yield* open(shared, host)] as const
  })
