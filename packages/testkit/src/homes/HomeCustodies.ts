import type { Custody } from "@lockstep/core/Custody"
import type { Stage } from "@lockstep/testkit/contract/CustodyContract"
import type { Machine } from "@lockstep/testkit/contract/CustodyCrashContract"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Homes from "./FileHomes.js"

interface View {
  readonly custody: Custody["Type"]
}

/** Two views of a custody whose journals are files. */
export const stageOf = <E>(
  views: Effect.Effect<readonly [View, View], E, Scope.Scope>
): Effect.Effect<Stage, E, Scope.Scope> =>
  Effect.map(views, ([{ custody }, other]) => ({
    custody,
    other: other.custody,
    breakJournal: (tenant) =>
      Effect.sync(() => {
        const path = custody.journalOf(tenant)
        Fs.renameSync(path, `${path}.aside`)
        Fs.mkdirSync(path)
        return Effect.sync(() => {
          Fs.rmdirSync(path)
          Fs.renameSync(`${path}.aside`, path)
        })
      }),
    damageJournal: (tenant) => Effect.sync(() => Fs.writeFileSync(custody.journalOf(tenant), "{"))
  }))

/** A killed holder's directory is no lock any more once it is this old. */
const age = (directory: string): void => {
  for (const entry of Fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory() && entry.name.endsWith(".lock")) {
      Fs.utimesSync(Path.join(entry.parentPath, entry.name), 1, 1)
    }
  }
}

/** A machine that has a disk and, beside it, what `entries` holds. */
export const machine = <E>(
  open: (root: string) => Machine<E>["open"],
  entries: Map<string, string> = new Map()
): Effect.Effect<Machine<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const root = yield* Homes.temporary
    const copies = yield* Homes.temporary
    let count = 0
    return {
      open: open(root),
      snapshot: () => {
        const copy = Path.join(copies, String(++count))
        const held = [...entries]
        Fs.cpSync(root, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
        return () => {
          for (const name of Fs.readdirSync(root)) Fs.rmSync(Path.join(root, name), { recursive: true })
          Fs.cpSync(copy, root, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
          // Newer lines of Node do not copy the mode of a directory.
          for (const entry of Fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
            if (entry.isDirectory()) Fs.chmodSync(Path.join(entry.parentPath, entry.name), 0o700)
          }
          age(root)
          entries.clear()
          for (const [name, value] of held) entries.set(name, value)
        }
      }
    }
  })
