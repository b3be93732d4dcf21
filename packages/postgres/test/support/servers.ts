/** One server of each version that this machine can run, with a database to copy, for all tests of the project. */
import * as Migrations from "@lockstep/postgres/Migrations"
import * as PostgresAddress from "@lockstep/postgres/PostgresAddress"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"

export interface Server {
  readonly version: number
  readonly port: number
  readonly directory: string
  readonly password: string
}

declare module "vitest" {
  interface ProvidedContext {
    readonly postgres: ReadonlyArray<Server>
  }
}

/** The database that those of the tests are copies of. */
export const TEMPLATE = "lockstep_template"

const start = (one: Parameters<typeof PostgresServer.start>[0]) =>
  Effect.tap(PostgresServer.start(one), (server) =>
    Effect.gen(function*() {
      yield* server.ask(`create database ${TEMPLATE}`)
      yield* Migrations.migrate(yield* PostgresAddress.parse(Redacted.make(server.url(TEMPLATE))))
    }))

export const provide = async (project: TestProject): Promise<() => Promise<void>> => {
  const scope = Effect.runSync(Scope.make())
  const started = await Effect.runPromise(
    Effect.forEach(PostgresServer.installations(), start).pipe(Scope.extend(scope))
  )
  project.provide(
    "postgres",
    started.map(({ directory, password, port, version }) => ({ directory, password, port, version }))
  )
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
