/**
 * A Unix socket of this user's own: no file of another kind is replaced, and no other user reaches it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Net from "node:net"

/**
 * Bytes of a path that a socket can have: `sun_path`, with the byte that ends it.
 *
 * @since 0.1.0
 * @category constants
 */
export const MAX_PATH = process.platform === "linux" ? 107 : 103

/**
 * Whether a socket can have this path.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPossible = (path: string): boolean => Buffer.byteLength(path) <= MAX_PATH && !path.includes("\0")

/**
 * Runs what makes files, so that they have no other mode than this at any moment. The umask is the process's: what is run
 * must not wait.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withMode = <A>(mode: number, make: () => A): A => {
  const before = process.umask(0o777 & ~mode)
  try {
    return make()
  } finally {
    process.umask(before)
  }
}

/**
 * What is at a path where a socket shall be. `Stale`: a socket at which no process listens. `Foreign`: something that is no
 * socket of this user's.
 *
 * @since 0.1.0
 * @category models
 */
export type Found = "Absent" | "Stale" | "Listening" | "Foreign"

/**
 * Looks what is at a path.
 *
 * @since 0.1.0
 * @category combinators
 */
export const look = (path: string): Effect.Effect<Found> =>
  Effect.async((resume) => {
    const done = (found: Found) => resume(Effect.succeed(found))
    const user = process.geteuid?.()
    const stat = Fs.lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return done("Absent")
    if (!stat.isSocket() || user !== undefined && user !== 0 && stat.uid !== user) return done("Foreign")
    const socket = Net.connect(path)
    socket.once("connect", () => {
      socket.destroy()
      done("Listening")
    })
    socket.once("error", ({ code }: NodeJS.ErrnoException) => done(code === "ECONNREFUSED" ? "Stale" : "Listening"))
  })
