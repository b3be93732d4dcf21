/**
 * Fleets without Lockstep: over Redis, and over what PostgreSQL has for a lock.
 *
 * @since 0.1.0
 */
import { createClient } from "@redis/client"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import Pg from "pg"
import type { Login } from "../processes/SeededHome.js"
import type { Backend, Contender } from "./Backend.js"
import * as NaiveStores from "./naive/NaiveStores.js"

const ENTRY = new URL(
  import.meta.url.endsWith(".ts") ? "./naive/NaiveWorker.ts" : "./naive/NaiveWorker.js",
  import.meta.url
)

/** An access token that ended a moment ago. */
const recordOf = ({ access_token, client_id, refresh_token, token_endpoint }: Login) => ({
  access_token,
  client_id,
  refresh_token,
  token_endpoint,
  expires_at: Date.now() - 1_000
})

const backend = (
  place: NaiveStores.Place,
  port: number,
  behind: (port: number) => NaiveStores.Place,
  drop: Backend["drop"]
): Effect.Effect<Backend, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => NaiveStores.open(place)),
      (store) => Effect.promise(() => store.close())
    ),
    (store) => ({
      port,
      entry: ENTRY,
      env: (_, network) => NaiveStores.environment(behind(network)),
      // What ends the wait for a holder says nothing of what it has sent.
      wait: Infinity,
      secrets: [],
      login: (login) => Effect.promise(() => store.put(login.tenant, recordOf(login))),
      stored: (tenant) => Effect.promise(() => store.read(tenant)),
      drop
    })
  )

/**
 * The fleet over a Redis, with a lock that lives for so many milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redis = (port: number, ttl: number): Contender => ({
  name: "redis",
  label: `a Redis key that lives for ${ttl / 1_000} s`,
  start: Effect.gen(function*() {
    const admin = yield* Effect.acquireRelease(
      Effect.promise(() => createClient({ socket: { host: "127.0.0.1", port } }).on("error", () => {}).connect()),
      (client) => Effect.sync(() => client.destroy())
    )
    const drop = (pid: number) =>
      Effect.promise(async () => {
        const own = (await admin.clientList()).filter(({ name }) => name === `worker-${pid}`)
        for (const { id } of own) await admin.sendCommand(["CLIENT", "KILL", "ID", String(id)])
      })
    const at = (where: number): NaiveStores.Place => ({ kind: "redis", port: where, ttl })
    return yield* backend(at(port), port, at, drop)
  })
})

const LABELS = {
  advisory: "an advisory lock of PostgreSQL, held across the request",
  row: "`select … for update`, held across the request"
} as const

/**
 * The fleet over a database, with one of its locks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const postgres = (url: string, kind: "advisory" | "row"): Contender => ({
  name: kind,
  label: LABELS[kind],
  start: Effect.gen(function*() {
    const admin = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Pg.Client({ connectionString: url })
        client.on("error", () => {})
        await client.connect()
        return client
      }),
      (client) => Effect.promise(() => client.end().catch(() => {}))
    )
    const port = Number(new URL(url).port)
    const drop = (pid: number) =>
      Effect.promise(() =>
        admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", [
          `worker-${pid}`
        ])
      ).pipe(Effect.asVoid)
    const at = (where: number): NaiveStores.Place => ({ kind, url: url.replace(`:${port}/`, `:${where}/`) })
    return yield* backend(at(port), port, at, drop)
  })
})
