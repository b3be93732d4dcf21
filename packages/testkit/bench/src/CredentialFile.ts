/**
 * One login in a file of its own: what a tool has that keeps its tokens itself. Read, and when the token has expired,
 * read again under a lock, redeem and write. What differs is the lock, or its absence.
 *
 * @since 0.1.0
 */
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as Effect from "effect/Effect"
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender, Login } from "./Contender.js"
import type { Mutex } from "./Mutex.js"

/**
 * The name of the file.
 *
 * @since 0.1.0
 * @category constants
 */
export const FILE = "credential.json"

type Entry = Required<Pick<Login, "access_token" | "refresh_token" | "token_endpoint" | "client_id" | "expires_at">>

const nowInSeconds = (): number => Math.floor(Date.now() / 1000)

/** As durable as Lockstep's own: the peers are not to win by leaving out a sync. */
const replace = (path: string, text: string): void => {
  const temporary = `${path}.${process.pid}.tmp`
  const fd = openSync(temporary, "w", 0o600)
  writeFileSync(fd, text)
  fsyncSync(fd)
  closeSync(fd)
  renameSync(temporary, path)
  AtomicFile.syncDirectory(join(path, ".."))
}

const redeem = (entry: Entry): Effect.Effect<Entry, unknown> =>
  Effect.tryPromise(async () => {
    const response = await fetch(entry.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        client_id: entry.client_id,
        refresh_token: entry.refresh_token
      })
    })
    const answer = await response.json() as Login & { readonly error?: string; readonly expires_in: number }
    if (!response.ok) throw new Error(answer.error ?? `HTTP ${response.status}`)
    return {
      ...entry,
      access_token: answer.access_token,
      refresh_token: answer.refresh_token,
      expires_at: nowInSeconds() + answer.expires_in
    }
  })

/**
 * Reads the file.
 *
 * @since 0.1.0
 * @category getters
 */
export const read = (home: string): Entry => JSON.parse(readFileSync(join(home, FILE), "utf8")) as Entry

/**
 * Whether the access token can be used.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFresh = (entry: Entry): boolean => nowInSeconds() < entry.expires_at

/**
 * Writes a login. One without `expires_at` has expired an hour ago.
 *
 * @since 0.1.0
 * @category constructors
 */
export const seed = (home: string, login: Login): Effect.Effect<void> =>
  Effect.sync(() => {
    const entry: Entry = {
      access_token: login.access_token,
      refresh_token: login.refresh_token,
      token_endpoint: login.token_endpoint,
      client_id: login.client_id,
      expires_at: login.expires_at ?? nowInSeconds() - 3600
    }
    writeFileSync(join(home, FILE), JSON.stringify(entry), { mode: 0o600 })
  })

const obtain = (home: string): Effect.Effect<string, unknown> =>
  Effect.gen(function*() {
    const stored = read(home)
    if (isFresh(stored)) return stored.access_token
    const granted = yield* redeem(stored)
    replace(join(home, FILE), JSON.stringify(granted))
    return granted.access_token
  })

/**
 * The tool without any lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unlocked = (options: { readonly name: string; readonly label: string }): Contender => ({
  ...options,
  file: FILE,
  seed,
  open: (home) => Effect.succeed({ obtain: obtain(home) })
})

/**
 * The tool that waits for this lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const locked = (mutex: Mutex): Contender => ({
  name: mutex.name,
  label: mutex.label,
  file: FILE,
  seed,
  open: (home) =>
    Effect.map(mutex.open(home), (acquire) => ({
      obtain: Effect.suspend(() => {
        const stored = read(home)
        return isFresh(stored)
          ? Effect.succeed(stored.access_token)
          : Effect.scoped(Effect.zipRight(acquire, obtain(home)))
      })
    }))
})
