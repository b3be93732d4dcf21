/**
 * A record per tenant in PostgreSQL, and what PostgreSQL offers as a lock that its server waits for: the advisory lock of a
 * session, or the row itself for as long as a transaction lasts.
 *
 * @since 0.1.0
 */
import Pg from "pg"
import type { NaiveRecord, NaiveStore } from "./NaiveStore.js"

/** Milliseconds. */
const CONNECT = 2_000
const PATIENCE = 10_000

const TABLE = "create table if not exists naive_login (tenant text primary key, record text not null)"
const READ = "select record from naive_login where tenant = $1"
const PUT = `insert into naive_login values ($1, $2)
on conflict (tenant) do update set record = excluded.record`

const LOCKS = {
  advisory: {
    begin: "select pg_advisory_lock(hashtext($1))",
    end: "select pg_advisory_unlock(hashtext($1))"
  },
  row: { begin: "select from naive_login where tenant = $1 for update", end: undefined }
} as const

/**
 * Connects through a pool of connections, one for each lock that is held or waited for and one for what only reads.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = async (url: string, kind: "advisory" | "row"): Promise<NaiveStore> => {
  const pool = new Pg.Pool({
    connectionString: url,
    application_name: `worker-${process.pid}`,
    max: 4,
    connectionTimeoutMillis: CONNECT,
    query_timeout: PATIENCE
  })
  pool.on("error", () => {})
  const recordIn = ({ rows: [row] }: Pg.QueryResult<{ readonly record: string }>): NaiveRecord => {
    if (row === undefined) throw new Error("there is no login")
    return JSON.parse(row.record) as NaiveRecord
  }
  await pool.query(TABLE)
  return {
    read: async (tenant) => recordIn(await pool.query(READ, [tenant])),
    put: async (tenant, record) => void await pool.query(PUT, [tenant, JSON.stringify(record)]),
    locked: async (tenant, body) => {
      const client = await pool.connect()
      client.on("error", () => {})
      let isLost = true
      try {
        if (kind === "row") await client.query("begin")
        await client.query(LOCKS[kind].begin, [tenant])
        const done = await body({
          read: async () => recordIn(await client.query(READ, [tenant])),
          write: async (record) => void await client.query(PUT, [tenant, JSON.stringify(record)])
        })
        if (LOCKS[kind].end === undefined) await client.query("commit")
        else await client.query(LOCKS[kind].end, [tenant])
        isLost = false
        return done
      } finally {
        // What failed inside leaves a connection behind of which nothing is known: it goes, and its locks with it.
        client.release(isLost)
      }
    },
    close: () => pool.end()
  }
}
