import type { Custody } from "@lockstep/core/Custody"
import type { Stage } from "@lockstep/testkit/contract/CustodyContract"
import type { Machine } from "@lockstep/testkit/contract/CustodyCrashContract"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
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

const entriesBelow = (directory: string) => Fs.readdirSync(directory, { recursive: true, withFileTypes: true })

/** A killed holder's directory is no lock any more once it is this old, and neither is its lease. */
const age = (directory: string): void => {
  for (const entry of entriesBelow(directory)) {
    const path = Path.join(entry.parentPath, entry.name)
    if (entry.isDirectory() && entry.name.endsWith(".lock")) Fs.utimesSync(path, 1, 1)
    if (entry.name.endsWith("_refresh_in_progress.json")) {
      Fs.writeFileSync(path, Fs.readFileSync(path, "utf8").replace(/("at":\s*)\d+/, "$11"))
    }
  }
}

/** Everything that is on a disk, but for times. */
const contentOf = (directory: string): string => {
  const digest = Crypto.createHash("sha256")
  for (const entry of entriesBelow(directory)) {
    const path = Path.join(entry.parentPath, entry.name)
    digest.update(`${path}\0${entry.isFile() ? "" : "/"}`)
    if (entry.isFile()) digest.update(Fs.readFileSync(path)).update("\0")
  }
  return digest.digest("hex")
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
        const putBack = () => {
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
        return { content: `${contentOf(root)}${JSON.stringify(held)}`, putBack }
      }
    }
  })
