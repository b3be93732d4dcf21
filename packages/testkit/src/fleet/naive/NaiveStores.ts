/**
 * Where a worker without Lockstep keeps its logins.
 *
 * @since 0.1.0
 */
import type { Kind, NaiveStore } from "./NaiveStore.js"
import * as PostgresLocks from "./PostgresLocks.js"
import * as RedisKey from "./RedisKey.js"

/**
 * Which store, and how it is reached.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly kind: Kind
  /** Of Redis. */
  readonly port?: number
  /** Milliseconds after which a lock in Redis is given up. */
  readonly ttl?: number
  /** Of PostgreSQL. */
  readonly url?: string
}

const VARIABLE = "TESTKIT_NAIVE"

/**
 * The environment of a worker that keeps its logins there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const environment = (place: Place): Readonly<Record<string, string>> => ({ [VARIABLE]: JSON.stringify(place) })

/**
 * Connects.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = ({ kind, port = 0, ttl = 0, url = "" }: Place): Promise<NaiveStore> =>
  kind === "redis" ? RedisKey.open(port, ttl) : PostgresLocks.open(url, kind)

/**
 * Connects to where the environment says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnv = (): Promise<NaiveStore> => open(JSON.parse(process.env[VARIABLE] ?? "{}") as Place)
