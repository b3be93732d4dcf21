/**
 * The packages that Lockstep is measured against. They are installed for the benchmark only, so that none of them can
 * become a dependency of the product.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

/**
 * The environment variable that tells a process where the peers are installed.
 *
 * @since 0.1.0
 * @category constants
 */
export const VARIABLE = "BENCH_DIRECTORY"

/**
 * The folder of the benchmark.
 *
 * @since 0.1.0
 * @category getters
 */
export const directory = (): string => process.env[VARIABLE] ?? fileURLToPath(new URL("..", import.meta.url))

const file = (path: string): string => join(directory(), "node_modules", path)

/**
 * A peer does not run here.
 *
 * @since 0.1.0
 * @category errors
 */
export class PeerUnavailable extends Data.TaggedError("PeerUnavailable")<{ readonly message: string }> {}

/**
 * Loads a file of a peer, whatever its package exports. Fails when it is not installed or does not load here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = <A>(path: string): Effect.Effect<A, PeerUnavailable> =>
  Effect.tryPromise({
    try: () => import(pathToFileURL(file(path)).href) as Promise<A>,
    catch: (cause) =>
      new PeerUnavailable({
        message: `${path} does not load: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

/**
 * The version that is pinned.
 *
 * @since 0.1.0
 * @category getters
 */
export const version = (name: string): string => {
  const manifest = JSON.parse(readFileSync(join(directory(), "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  return `${name} ${manifest.dependencies[name] ?? "(not pinned)"}`
}

const isInstalled = (): boolean => {
  const installed = file(".package-lock.json")
  return existsSync(installed) &&
    statSync(installed).mtimeMs >= statSync(join(directory(), "package-lock.json")).mtimeMs
}

/**
 * Installs the peers where they are missing, without running any script of theirs. Says why when it cannot: the
 * benchmark goes on without them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const install: Effect.Effect<void, PeerUnavailable> = Effect.suspend(() => {
  if (isInstalled()) return Effect.void
  // What npm sets for the script that runs us would point the inner npm at another folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_")))
  const { error, status } = spawnSync("npm", ["ci", "--ignore-scripts"], {
    cwd: directory(),
    env,
    stdio: ["ignore", 2, 2]
  })
  if (status === 0) return Effect.void
  return Effect.fail(new PeerUnavailable({ message: `npm ci: ${error?.message ?? `it ended with ${status}`}` }))
})
