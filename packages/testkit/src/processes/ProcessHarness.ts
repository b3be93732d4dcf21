/**
 * A home of its own for real processes that share a login, and a check that none of them shows a secret.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as LeakCheck from "../LeakCheck.js"
import type { Secret } from "../servers/TokenLedger.js"
import * as ChildProcess from "./ChildProcess.js"

/**
 * What the harness is told about.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Every secret there is, asked when the check is made. */
  readonly secrets: () => ReadonlyArray<Secret>
}

/**
 * What to run in the harness's home.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command extends Omit<ChildProcess.Command, "env"> {
  /** In addition to the clean environment. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * A temporary home and the processes that run in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProcessHarness {
  /** The `LOCKSTEP_HOME` of every process. Does not exist until a process writes it. */
  readonly home: string
  /** The clean environment: nothing of the one that runs the tests but the search path. */
  readonly environment: Readonly<Record<string, string>>
  /** Starts a process that ends with the scope at the latest. */
  readonly spawn: (command: Command) => Effect.Effect<ChildProcess.Child, never, Scope.Scope>
  /** Starts `count` processes and lets them go together. */
  readonly race: (count: number, command: (index: number) => Command) => Effect.Effect<
    ReadonlyArray<ChildProcess.Child>,
    ChildProcess.EndedEarly,
    Scope.Scope
  >
  /** What any process showed to others so far that it must not. */
  readonly leaks: Effect.Effect<ReadonlyArray<LeakCheck.Leak>>
  /** Dies when there are leaks, saying where and of what kind. */
  readonly assertNoLeak: Effect.Effect<void>
}

const namesBelow = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory, { recursive: true, encoding: "utf8" })
  } catch {
    return []
  }
}

/**
 * Makes a harness. Its home is removed, and every process of it has ended, when the scope is closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<ProcessHarness, never, Scope.Scope> =>
  Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-harness-"))),
      // A detached refresh may still be tidying up behind itself.
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
    )
    const home = join(directory, "home")
    const user = join(directory, "user")
    mkdirSync(user)
    const environment = {
      PATH: process.env["PATH"] ?? "",
      HOME: user,
      USERPROFILE: user,
      TMPDIR: directory,
      LOCKSTEP_HOME: home
    }
    const children: Array<ChildProcess.Child> = []

    const spawn: ProcessHarness["spawn"] = (command) =>
      Effect.tap(
        ChildProcess.spawn({ cwd: user, ...command, env: { ...environment, ...command.env } }),
        (child) => Effect.sync(() => children.push(child))
      )

    const leaks = Effect.gen(function*() {
      const evidence = yield* Effect.forEach(children, (child) => child.evidence)
      const names = namesBelow(directory).map((text) => ({ where: "a file name", text, permitted: [] }))
      return LeakCheck.find(options.secrets(), [...evidence.flat(), ...names])
    })

    return {
      home,
      environment,
      spawn,
      race: (count, command) =>
        Effect.gen(function*() {
          const started = yield* Effect.forEach(
            Array.from({ length: count }, (_, index) => ({ ...command(index), barrier: true })),
            spawn,
            { concurrency: 8 }
          )
          yield* ChildProcess.startTogether(started)
          return started
        }),
      leaks,
      assertNoLeak: Effect.flatMap(leaks, (found) =>
        found.length === 0
          ? Effect.void
          : Effect.dieMessage(`secrets were shown: ${found.map((leak) => `${leak.kind} in ${leak.where}`).join(", ")}`))
    }
  })
