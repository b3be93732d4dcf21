import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { Custody } from "@lockstep/core/Custody"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as FileHome from "@lockstep/node/FileHome"
import * as Home from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** A directory that goes with the scope. */
export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-home-")))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

export interface Opened {
  readonly home: Home.Home["Type"]
  readonly store: WritableStore["Type"]
  readonly pending: PendingLogins["Type"]
  readonly registrations: ClientRegistrations["Type"]
  readonly journal: RefreshJournal["Type"]
  readonly lock: FileLock["Type"]
  readonly custody: Custody["Type"]
}

const policy = RefreshPolicy.layer({
  aggregateLockTimeout: Duration.seconds(30),
  lockTimeout: Duration.minutes(2)
})

/** What one more process has of a home. The user's own places are left alone. */
export const open = (directory: string, options: Home.Options = {}) =>
  Effect.map(
    Layer.build(Layer.provide(FileHome.layer({ directory, refuges: [], ...options }), policy)),
    (context): Opened => ({
      home: Context.get(context, Home.Home),
      store: Context.get(context, WritableStore),
      pending: Context.get(context, PendingLogins),
      registrations: Context.get(context, ClientRegistrations),
      journal: Context.get(context, RefreshJournal),
      lock: Context.get(context, FileLock),
      custody: Context.get(context, Custody)
    })
  )

/** A home that does not exist yet, as two processes see it. */
export const twoViews = Effect.flatMap(temporary, (directory) => {
  const home = Path.join(directory, "home")
  return Effect.all([open(home), open(home)])
})
