/**
 * A record per tenant in Redis, and a key with a time to live as its lock.
 *
 * @since 0.1.0
 */
import { createClient } from "@redis/client"
import { randomUUID } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import type { NaiveRecord, NaiveStore } from "./NaiveStore.js"

/** Milliseconds. */
const POLL = 50
const PATIENCE = 10_000

const RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"

/**
 * Connects. `ttl` is the time to live of the lock, in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = async (port: number, ttl: number): Promise<NaiveStore> => {
  const client = createClient({
    name: `worker-${process.pid}`,
    socket: { host: "127.0.0.1", port, connectTimeout: 2_000, reconnectStrategy: 100 },
    commandOptions: { timeout: 5_000 }
  })
  // It connects again by itself, and says of each attempt that it failed.
  client.on("error", () => {})
  await client.connect()
  const read = async (tenant: string) => {
    const text = await client.get(`login:${tenant}`)
    if (text === null) throw new Error("there is no login")
    return JSON.parse(text) as NaiveRecord
  }
  const put = async (tenant: string, record: NaiveRecord) => {
    await client.set(`login:${tenant}`, JSON.stringify(record))
  }
  const take = async (key: string, owner: string) => {
    for (const until = performance.now() + PATIENCE; performance.now() < until; await setTimeout(POLL)) {
      if (await client.set(key, owner, { condition: "NX", expiration: { type: "PX", value: ttl } }) !== null) return
    }
    throw new Error("the lock was not free in time")
  }
  return {
    read,
    put,
    locked: async (tenant, body) => {
      const [key, owner] = [`lock:${tenant}`, randomUUID()]
      await take(key, owner)
      try {
        return await body({ read: () => read(tenant), write: (record) => put(tenant, record) })
      } finally {
        await client.eval(RELEASE, { keys: [key], arguments: [owner] }).catch(() => {})
      }
    },
    close: async () => client.destroy()
  }
}
