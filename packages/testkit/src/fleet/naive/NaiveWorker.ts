/**
 * A worker of a fleet as most fleets have it: read; where the token has expired, take the lock, read again, send the refresh
 * token, write, give the lock back. Run as `node NaiveWorker.mjs SETUP`; where it keeps its logins it is told by the
 * environment.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as FleetLoop from "../FleetLoop.js"
import type { NaiveRecord } from "./NaiveStore.js"
import * as NaiveStores from "./NaiveStores.js"

class Refused extends Error {}

const redeem = async (record: NaiveRecord): Promise<NaiveRecord> => {
  FleetLoop.sending(record.refresh_token)
  const response = await fetch(record.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: record.client_id,
      refresh_token: record.refresh_token
    }),
    signal: AbortSignal.timeout(10_000)
  })
  const answer = await response.json() as {
    readonly access_token: string
    readonly refresh_token: string
    readonly expires_in: number
    readonly error?: string
  }
  if (!response.ok) throw new Refused(String(answer.error))
  return {
    ...record,
    access_token: answer.access_token,
    refresh_token: answer.refresh_token,
    expires_at: Date.now() + answer.expires_in * 1_000
  }
}

/** A quarter of a second is left of what it hands out. */
const isFresh = ({ expires_at }: NaiveRecord): boolean => expires_at > Date.now() + 250

const main = async (): Promise<FleetLoop.Ask> => {
  const store = await NaiveStores.fromEnv()
  const token = async (tenant: string): Promise<string> => {
    const known = await store.read(tenant)
    if (isFresh(known)) return known.access_token
    return store.locked(tenant, async ({ read, write }) => {
      const present = await read()
      if (isFresh(present)) return present.access_token
      const next = await redeem(present)
      await write(next)
      FleetLoop.kept(tenant)
      return next.access_token
    })
  }
  return (tenant) =>
    Effect.tryPromise({
      try: () => token(tenant),
      catch: (cause) => ({
        what: cause instanceof Refused ? `refused ${cause.message}` : "the store or the server is away",
        login: cause instanceof Refused && cause.message === "invalid_grant"
      })
    })
}

NodeRuntime.runMain(
  Effect.promise(main).pipe(
    Effect.flatMap((ask) => FleetLoop.run(ask, FleetLoop.setup())),
    // A pool and its sockets keep a process alive that has nothing else to do.
    Effect.zipRight(Effect.sync(() => process.exit(0)))
  )
)
