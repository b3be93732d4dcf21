/**
 * What a fleet without Lockstep is usually built of: a record per tenant, and a lock that the store offers.
 *
 * @since 0.1.0
 */

/**
 * What is stored of a tenant.
 *
 * @since 0.1.0
 * @category models
 */
export interface NaiveRecord {
  readonly token_endpoint: string
  readonly client_id: string
  readonly access_token: string
  readonly refresh_token: string
  /** Milliseconds since the epoch. */
  readonly expires_at: number
}

/**
 * A store with its lock. Everything rejects where the store cannot be reached.
 *
 * @since 0.1.0
 * @category models
 */
export interface NaiveStore {
  readonly read: (tenant: string) => Promise<NaiveRecord>
  /** Waits for the lock of a tenant, and runs `body` under it. Within `body`, `write` replaces the record. */
  readonly locked: <A>(
    tenant: string,
    body: (store: {
      readonly read: () => Promise<NaiveRecord>
      readonly write: (record: NaiveRecord) => Promise<void>
    }) => Promise<A>
  ) => Promise<A>
  readonly put: (tenant: string, record: NaiveRecord) => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * The kinds that there are. `redis`: a key with a time to live, set where it is absent, removed by its owner alone, as the
 * documentation of Redis shows it. `advisory`: a session's advisory lock of PostgreSQL, waited for by the server. `row`:
 * `select … for update` in a transaction that lasts as long as the request.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "redis" | "advisory" | "row"
