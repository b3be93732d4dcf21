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
import type { Server } from "./servers.js"

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

/** Asks a database beside every session under test. */
export const connect = (url: string): Effect.Effect<Pg.Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Pg.Client({ connectionString: url })
      client.on("error", () => {})
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end().catch(() => {}))
  )

let count = 0
const templates = new Map<number, Promise<void>>()

const templateOf = (server: Server): Promise<void> => {
  const present = templates.get(server.port)
  if (present !== undefined) return present
  const made = Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const admin = yield* connect(urlOf(server, "postgres"))
    yield* Effect.promise(() => admin.query(`create database template_${process.pid}`))
    yield* Effect.orDie(Migrations.migrate(addressOf(urlOf(server, `template_${process.pid}`))))
  })))
  templates.set(server.port, made)
  return made
}

/** A database that was set up, and goes with the scope. */
export const database = (server: Server): Effect.Effect<Database, never, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Effect.promise(() => templateOf(server))
    const admin = yield* connect(urlOf(server, "postgres"))
    const name = `fleet_${process.pid}_${++count}`
    yield* Effect.acquireRelease(
      Effect.promise(() => admin.query(`create database ${name} template template_${process.pid}`)),
      // It goes with its server, where a test has crashed that.
      () => Effect.promise(() => admin.query(`drop database ${name} with (force)`).catch(() => {}))
    )
    // Each its own fleet: a copy of a template would pass for the template.
    const own = yield* connect(urlOf(server, name))
    yield* Effect.promise(() => own.query("update lockstep.fleet set id = gen_random_uuid()"))
    const url = urlOf(server, name)
    return {
      server,
      name,
      url,
      address: addressOf(url),
      sql: (text, values = []) =>
        Effect.promise(async () => (await own.query(text, [...values])).rows as Array<Record<string, unknown>>)
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
