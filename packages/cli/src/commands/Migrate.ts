/**
 * @since 0.1.0
 */
import type { State } from "@lockstep/postgres/Migrations"
import * as Effect from "effect/Effect"
import { Ended } from "../errors/Ended.js"
import * as ExitCode from "../errors/ExitCode.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"

/**
 * What `lockstep migrate` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly check: boolean
  readonly sql: boolean
  readonly json: boolean
}

const words = ({ found, location, wanted }: State, check: boolean): string => {
  if (found === wanted) return `${location} is set up: version ${wanted}`
  if (found > wanted) return `${location} was set up by a later version (${found}); this one has ${wanted}`
  const what = found === 0 ? "nothing is set up" : `version ${found} is set up`
  return check ? `${location}: ${what}, and version ${wanted} is wanted` : `${location} brought to version ${wanted}`
}

/**
 * Sets up the tables, or tells what is to be done. Needs no store and no home: it comes before both.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const { Migrations, PostgresAddress } = yield* Effect.promise(() => import("../wiring/Fleet.js"))
    const output = yield* Output.Output
    if (options.sql) return yield* output.data(Migrations.sql)
    const address = yield* PostgresAddress.fromEnv
    const state = yield* options.check ? Migrations.check(address) : Migrations.migrate(address)
    yield* options.json
      ? Output.json({ location: state.location, found: state.found, wanted: state.wanted })
      : Output.line(Style.printable(words(state, options.check)))
    if (options.check && state.found !== state.wanted) yield* new Ended({ code: ExitCode.Unexpected })
  })
