/** The first server of an address that takes writes. */
import * as Effect from "effect/Effect"
import type { PostgresAddress } from "../PostgresAddress.js"
import { PostgresFailure } from "../PostgresFailure.js"
import { connect, type Connection } from "./connection.js"

const primary = (connection: Connection): Effect.Effect<Connection, PostgresFailure> =>
  connection.query("select pg_is_in_recovery() as standby").pipe(
    Effect.flatMap(({ rows }) =>
      rows[0]?.["standby"] === false
        ? Effect.succeed(connection)
        : new PostgresFailure({ kind: "Unreachable", code: "standby" })
    ),
    Effect.tapError(() => connection.close)
  )

/** Tells of the last one, where none does. */
export const toPrimary = (address: PostgresAddress): Effect.Effect<Connection, PostgresFailure> => {
  const [first, ...others] = address.servers
  return others.reduce(
    (tried, server) => Effect.orElse(tried, () => Effect.flatMap(connect(address, server), primary)),
    Effect.flatMap(connect(address, first), primary)
  )
}
