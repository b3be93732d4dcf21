/**
 * A PostgreSQL server of one's own, which can be crashed, started again, followed by a standby and promoted.
 *
 * It lies in a directory of its run, listens on loopback and on a socket in that directory, and asks for passwords. A
 * runner that is killed leaves it behind; the next run removes its directory, and a server without its directory ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile, execFileSync, spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import Pg from "pg"
import * as freePort from "../internal/freePort.js"
import * as RunDirectory from "../processes/RunDirectory.js"
import * as PostgresPrograms from "./PostgresPrograms.js"

/**
 * A server that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresServer {
  readonly version: number
  readonly port: number
  readonly directory: string
  readonly password: string
  /** The address of a database for the owner of the server, over loopback. */
  readonly url: (database: string) => string
  /** Asks as the owner, in a database that is there from the beginning or in another one. */
  readonly ask: (sql: string, database?: string) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** Ends it without a word to its clients and without a checkpoint, as a crash does. */
  readonly crash: Effect.Effect<void>
  /** Starts it again at the same port, with what it had written. */
  readonly restart: Effect.Effect<void>
}

/**
 * A server that follows another one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Standby extends PostgresServer {
  /** Makes it a primary, and waits until it is one. */
  readonly promote: Effect.Effect<void>
}

/**
 * How a server is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Lines of `postgresql.conf`, without quotes. */
  readonly settings?: ReadonlyArray<string>
  /** PEM; the server speaks TLS where they are given. */
  readonly tls?: { readonly key: string; readonly certificate: string }
}

/**
 * Finds what this machine can run, a current version first. Empty where it can run none.
 *
 * @since 0.1.0
 * @category getters
 */
export const installations = PostgresPrograms.installations

const execute = promisify(execFile)

/** The password is long and of one kind, so that a search for leaks finds it. */
const PASSWORD = "password-of-the-database-0f1e2d3c"

const OWNER = "lockstep"

/** SQLSTATE of a server that is not ready yet. */
const STARTING = "57P03"

const SETTINGS = [
  "fsync=off",
  "max_connections=400",
  "shared_buffers=64MB",
  "listen_addresses=127.0.0.1",
  "log_min_messages=warning",
  "log_statement=all",
  "logging_collector=on",
  "log_filename=server.log"
]

interface Place {
  readonly bin: string
  readonly directory: string
  readonly data: string
  readonly as: { readonly uid?: number; readonly gid?: number; readonly cwd: string; readonly env: NodeJS.ProcessEnv }
  readonly write: (name: string, text: string) => string
}

const makePlace = (installed: string): Place => {
  const user = PostgresPrograms.unprivileged()
  const directory = RunDirectory.make(tmpdir(), "lockstep-postgres")
  chmodSync(directory, 0o755)
  const data = join(directory, "data")
  mkdirSync(data, { mode: 0o700 })
  const owned = (path: string): string => {
    if (user !== undefined) chownSync(path, user.uid, user.gid)
    return path
  }
  for (const path of [directory, data]) owned(path)
  const as = { ...user, cwd: directory, env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" } }
  return {
    directory,
    data,
    as,
    bin: PostgresPrograms.reachable(installed, directory, as),
    write: (name, text) => {
      const path = join(directory, name)
      writeFileSync(path, text, { mode: 0o600 })
      return owned(path)
    }
  }
}

/** Names, to the processes that this one starts, what `initdb` made once: it takes seconds, and a copy of it does not. */
const INITIALISED = "LOCKSTEP_TEST_INITIALISED"

const initialised = (): Readonly<Record<string, string>> =>
  JSON.parse(process.env[INITIALISED] ?? "{}") as Readonly<Record<string, string>>

const copy = (from: string, to: string): void => {
  execFileSync("cp", ["-Rp", `${from}/.`, to])
}

const initialise = (installed: string, { as, bin, data, write }: Place): void => {
  const made = initialised()[installed]
  if (made !== undefined && existsSync(made)) return copy(made, data)
  execFileSync(join(bin, "initdb"), [
    "--pgdata",
    data,
    `--username=${OWNER}`,
    "--auth=scram-sha-256",
    `--pwfile=${write("password", `${PASSWORD}\n`)}`,
    "--encoding=UTF8",
    "--no-sync",
    "--no-instructions"
  ], { ...as, stdio: ["ignore", "ignore", "inherit"] })
  const kept = RunDirectory.make(tmpdir(), "lockstep-initialised")
  copy(data, kept)
  process.env[INITIALISED] = JSON.stringify({ ...initialised(), [installed]: kept })
}

const settingsOf = ({ directory, write }: Place, { settings = [], tls }: Options): ReadonlyArray<string> => [
  ...SETTINGS,
  `log_directory=${directory}`,
  ...tls === undefined ? [] : [
    "ssl=on",
    `ssl_cert_file=${write("server.crt", tls.certificate)}`,
    `ssl_key_file=${write("server.key", tls.key)}`
  ],
  ...settings
]

const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode === null && child.signalCode === null ? once(child, "exit") : Promise.resolve()

const ask = async (
  port: number,
  sql: string,
  database = "postgres"
): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const client = new Pg.Client({ host: "127.0.0.1", port, user: OWNER, password: PASSWORD, database })
  client.on("error", () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Waits until it lets its owner in: it listens before it has recovered. */
const accepts = async (port: number): Promise<void> => {
  for (;;) {
    try {
      await ask(port, "select")
      return
    } catch (error) {
      if ((error as { readonly code?: string }).code !== STARTING) throw error
      await setTimeout(20)
    }
  }
}

/** A server over a directory that is filled already. */
const serve = (
  version: number,
  place: Place,
  settings: ReadonlyArray<string>
): Effect.Effect<PostgresServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { as, bin, data, directory } = place
    const port = yield* Effect.promise(freePort.find)
    let child: ChildProcess | undefined
    const launch = async (): Promise<void> => {
      child = spawn(
        join(bin, "postgres"),
        ["-D", data, "-p", String(port), "-k", directory, ...settings.flatMap((setting) => ["-c", setting])],
        { ...as, stdio: "ignore" }
      )
      await freePort.answers(child, port)
      await accepts(port)
    }
    const crash = Effect.promise(async () => {
      if (child === undefined) return
      child.kill("SIGQUIT")
      await ended(child)
    })
    yield* Effect.acquireRelease(Effect.promise(launch), () => crash)
    return {
      version,
      port,
      directory,
      password: PASSWORD,
      url: (database) => `postgres://${OWNER}:${PASSWORD}@127.0.0.1:${port}/${database}`,
      ask: (sql, other) => Effect.promise(() => ask(port, sql, other)),
      crash,
      restart: Effect.promise(launch)
    }
  })

/**
 * Starts a server that ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  { bin, version }: PostgresPrograms.Installation,
  options: Options = {}
): Effect.Effect<PostgresServer, never, Scope.Scope> =>
  Effect.suspend(() => {
    const place = makePlace(bin)
    initialise(bin, place)
    return serve(version, place, settingsOf(place, options))
  })

/**
 * Starts a server that follows the one behind a port of loopback, from a copy of it. The programs are those of the system.
 *
 * @since 0.1.0
 * @category constructors
 */
export const follow = (
  { bin, version }: PostgresPrograms.Installation,
  port: number
): Effect.Effect<Standby, never, Scope.Scope> =>
  Effect.gen(function*() {
    const place = makePlace(bin)
    // Not synchronously: the network to that server may be one of this process.
    yield* Effect.promise(() =>
      execute(
        join(place.bin, "pg_basebackup"),
        ["-h", "127.0.0.1", "-p", String(port), "-U", OWNER, "-D", place.data, "-R", "--no-sync", "--checkpoint=fast"],
        { ...place.as, env: { ...place.as.env, PGPASSWORD: PASSWORD } }
      )
    )
    const server = yield* serve(version, place, settingsOf(place, {}))
    return {
      ...server,
      promote: Effect.promise(() =>
        execute(join(place.bin, "pg_ctl"), ["promote", "-D", place.data, "--wait"], place.as)
      ).pipe(Effect.asVoid)
    }
  })
