/** One server of each version that this machine can run, for all tests of the project. */
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = Effect.runSync(Scope.make())
  const started = await Effect.runPromise(
    Effect.forEach(PostgresServer.installations(), (one) => PostgresServer.start(one)).pipe(Scope.extend(scope))
  )
  project.provide(
    "postgres",
    started.map(({ directory, password, port, version }) => ({ directory, password, port, version }))
  )
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
