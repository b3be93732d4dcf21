import { Custody } from "@lockstep/core/Custody"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as Home from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Companion from "@lockstep/tools/Companion"
import * as ToolFile from "@lockstep/tools/ToolFile"
import * as ToolHome from "@lockstep/tools/ToolHome"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"

export interface Opened {
  readonly home: Home.Home["Type"]
  readonly store: WritableStore["Type"]
  readonly journal: RefreshJournal["Type"]
  readonly lock: FileLock["Type"]
  readonly custody: Custody["Type"]
}

/** Patient: these tests starve each other. */
const policy = (tool: ToolFile.ToolFile) =>
  Layer.succeed(RefreshPolicy.RefreshPolicy, {
    ...RefreshPolicy.defaultsFor(ToolFile.limits(tool)),
    aggregateLockTimeout: Duration.seconds(60),
    lockTimeout: Duration.minutes(3)
  })

/** What one more process has of a tool's file. */
export const open = (tool: ToolFile.ToolFile, path: string, options: ToolHome.Options = {}) =>
  Effect.map(
    Layer.build(Layer.provide(ToolHome.layer(tool, path, { refuges: [], ...options }), policy(tool))),
    (context): Opened => ({
      home: Context.get(context, Home.Home),
      store: Context.get(context, WritableStore),
      journal: Context.get(context, RefreshJournal),
      lock: Context.get(context, FileLock),
      custody: Context.get(context, Custody)
    })
  )

/** A file that does not exist yet, in a directory of its own. `name` is the file's. */
export const place = (name: string) =>
  Effect.map(Homes.temporary, (directory) => {
    const home = Path.join(directory, "tool")
    Fs.mkdirSync(home, { mode: 0o700 })
    return Path.join(home, name)
  })

/** A tool's file that does not exist yet, as two processes see it. */
export const twoViews = (tool: ToolFile.ToolFile, name: string) =>
  Effect.flatMap(place(name), (path) => Effect.all([open(tool, path), open(tool, path)]))

/** The same for a file with this text. */
export const withText = (tool: ToolFile.ToolFile, name: string, text: string) =>
  Effect.gen(function*() {
    const path = yield* place(name)
    Fs.writeFileSync(path, text, { mode: 0o600 })
    const opened = yield* open(tool, path)
    return {
      ...opened,
      path,
      read: () => Fs.readFileSync(path, "utf8"),
      /** As the tool writes: in place, or by a rename. */
      write: (next: string) => {
        if (tool.codec.isWrittenInPlace === true) return Fs.writeFileSync(path, next)
        Fs.writeFileSync(`${path}.theirs`, next, { mode: 0o600 })
        Fs.renameSync(`${path}.theirs`, path)
      },
      companion: () => Fs.readFileSync(Companion.pathOf(path), "utf8")
    }
  })
