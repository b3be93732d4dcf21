/**
 * The machine's own PgBouncer in front of a server, on loopback.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, existsSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as freePort from "../internal/freePort.js"
import * as RunDirectory from "../processes/RunDirectory.js"
import * as PostgresPrograms from "./PostgresPrograms.js"

/**
 * A pooler that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface PgBouncer {
  readonly port: number
}

/**
 * Finds the program; `None` where it is not installed.
 *
 * @since 0.1.0
 * @category getters
 */
export const installation = (): Option.Option<string> =>
  Option.fromNullable(["/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"].find((path) => existsSync(path)))

/**
 * What it is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The port of loopback on which the server is. */
  readonly server: number
  readonly user: string
  readonly password: string
  /** What a client keeps the connection of the server for. */
  readonly mode: "session" | "transaction" | "statement"
}

/**
 * Starts a pooler that ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  program: string,
  { mode, password, server, user }: Options
): Effect.Effect<PgBouncer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = RunDirectory.make(tmpdir(), "lockstep-pgbouncer")
      const owner = PostgresPrograms.unprivileged()
      const port = await freePort.find()
      const write = (name: string, lines: ReadonlyArray<string>): string => {
        const path = join(directory, name)
        writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o600 })
        if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
        return path
      }
      if (owner !== undefined) chownSync(directory, owner.uid, owner.gid)
      const settings = write("pgbouncer.ini", [
        "[databases]",
        `* = host=127.0.0.1 port=${server}`,
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        `listen_port = ${port}`,
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        `auth_file = ${write("users", [`"${user}" "${password}"`])}`,
        `pool_mode = ${mode}`
      ])
      const child = spawn(program, [settings], { ...owner, cwd: directory, stdio: "ignore" })
      await freePort.answers(child, port)
      return { child, pooler: { port } }
    }),
    ({ child }) =>
      Effect.promise(async () => {
        if (child.exitCode !== null) return
        child.kill("SIGKILL")
        await once(child, "exit")
      })
  ).pipe(Effect.map(({ pooler }) => pooler))
