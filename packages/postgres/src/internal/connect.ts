/** The first server of an address that takes writes. */
import * as Effect from "effect/Effect"
import type { PostgresAddress, Server } from "../PostgresAddress.js"
import { PostgresFailure } from "../PostgresFailure.js"
import { connect, type Connection } from "./connection.js"

const asked = (connection: Connection): Effect.Effect<Connection, PostgresFailure> =>
  connection.query("select pg_is_in_recovery() as standby").pipe(
    Effect.flatMap(({ rows }) =>
      rows[0]?.["standby"] === false
        ? Effect.succeed(connection)
        : new PostgresFailure({ kind: "Unreachable", code: "standby" })
    ),
    Effect.tapError(() => connection.close)
  )

const primary = (address: PostgresAddress, server: Server): Effect.Effect<Connection, PostgresFailure> =>
  Effect.uninterruptible(Effect.flatMap(
    Effect.interruptible(connect(address, server)),
    (connection) => Effect.onInterrupt(Effect.interruptible(asked(connection)), () => Effect.sync(connection.cut))
  ))

/**
 * Tells of the last one, where none does.
 *
 * A server that is silent keeps its caller for seconds, and each further one of the address again: the wait can be interrupted,
 * also where the connection and the promise to close it are acquired as one. What was connected is never left behind.
 */
export const toPrimary = (address: PostgresAddress): Effect.Effect<Connection, PostgresFailure> => {
  const [first, ...others] = address.servers
  return others.reduce(
    (tried, server) => Effect.orElse(tried, () => primary(address, server)),
    primary(address, first)
  )
}
