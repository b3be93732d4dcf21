/**
 * The machine's own Redis, in a directory of its run and on loopback. It keeps nothing on disk.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { tmpdir } from "node:os"
import * as freePort from "../internal/freePort.js"
import * as RunDirectory from "../processes/RunDirectory.js"

/**
 * A server that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface RedisServer {
  readonly port: number
}

/**
 * Finds the program; `None` where it is not installed.
 *
 * @since 0.1.0
 * @category getters
 */
export const installation = (): Option.Option<string> =>
  Option.fromNullable(["/usr/bin/redis-server", "/usr/local/bin/redis-server"].find((path) => existsSync(path)))

/**
 * Starts a server that ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (program: string): Effect.Effect<RedisServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = RunDirectory.make(tmpdir(), "lockstep-redis")
      const port = await freePort.find()
      const child = spawn(
        program,
        ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no"],
        { stdio: "ignore" }
      )
      await freePort.answers(child, port)
      return { child, server: { port } }
    }),
    ({ child }) =>
      Effect.promise(async () => {
        if (child.exitCode !== null) return
        child.kill("SIGKILL")
        await once(child, "exit")
      })
  ).pipe(Effect.map(({ server }) => server))
