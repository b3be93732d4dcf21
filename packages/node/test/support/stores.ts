import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { Custody } from "@lockstep/core/Custody"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import type { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as FileHome from "@lockstep/node/FileHome"
import * as Home from "@lockstep/node/Home"
import type * as HomePin from "@lockstep/node/HomePin"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as SecretsHome from "@lockstep/node/secrets/SecretsHome"
import * as StoreMove from "@lockstep/node/stores/StoreMove"
import * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Long enough for a machine that is busy with other tests. */
const PATIENCE = Duration.seconds(30)

/** A keyring that outlives the process that writes it: its entries lie in one file, far from any home. */
export class KeyringFile extends Map<string, string> {
  readonly path: string
  constructor(path: string) {
    super()
    this.path = path
  }
  private load(): Map<string, string> {
    return new Map(Fs.existsSync(this.path) ? JSON.parse(Fs.readFileSync(this.path, "utf8")) : [])
  }
  private save(entries: Map<string, string>): void {
    Fs.writeFileSync(`${this.path}.tmp`, JSON.stringify([...entries]))
    Fs.renameSync(`${this.path}.tmp`, this.path)
  }
  override get(name: string): string | undefined {
    return this.load().get(name)
  }
  override set(name: string, value: string): this {
    this.save(this.load().set(name, value))
    return this
  }
  override delete(name: string): boolean {
    const entries = this.load()
    const had = entries.delete(name)
    this.save(entries)
    return had
  }
  override keys(): MapIterator<string> {
    return this.load().keys()
  }
}

/** A home that does not exist yet, and a keyring beside it. */
export interface Place {
  readonly home: string
  readonly keyring: Keyring.Keyring["Type"]
  readonly entries: Map<string, string>
}

export const place = (root: string): Place => {
  const entries = new KeyringFile(Path.join(root, "keyring.json"))
  return { home: Path.join(root, "home"), entries, keyring: Keyring.makeMemory({ entries, timeout: PATIENCE }) }
}

/** The same place, with a keyring that wants to be unlocked first. */
export const locked = ({ entries, home }: Place): Place => ({
  home,
  entries,
  keyring: Keyring.makeMemory({
    entries,
    timeout: PATIENCE,
    before: () => new Keyring.KeyringError({ reason: "Locked", detail: "it is locked" })
  })
})

const policy = RefreshPolicy.layer({
  aggregateLockTimeout: Duration.seconds(30),
  lockTimeout: Duration.minutes(5)
})

const layerOf = (kind: HomePin.StoreKind, options: Omit<Home.Options, "store">) => {
  switch (kind) {
    case "file":
      return FileHome.layer(options)
    case "keyring":
      return KeyringHome.layer(options)
    case "secrets":
      return SecretsHome.layer(options)
    default:
      throw new Error(`no store is called ${kind}`)
  }
}

/** One more process with a home: over the store that it is pinned to, where no other is named. */
export const open = ({ home: directory, keyring }: Pick<Place, "home" | "keyring">, options: {
  readonly kind?: HomePin.StoreKind
  readonly endpoint?: Layer.Layer<TokenEndpoint>
} = {}) =>
  Effect.gen(function*() {
    const { store: pinned } = yield* Home.make({ directory })
    const kind = options.kind ?? pinned
    const endpoint = options.endpoint ?? (yield* ScriptedTokenEndpoint.make).layer
    const context = yield* Layer.build(
      RefreshCoordinator.layer.pipe(
        Layer.provideMerge(endpoint),
        Layer.provideMerge(layerOf(kind, { directory, refuges: [] })),
        Layer.provideMerge(Layer.succeed(Keyring.Keyring, keyring)),
        Layer.provideMerge(policy)
      )
    )
    return {
      kind,
      home: Context.get(context, Home.Home),
      store: Context.get(context, WritableStore),
      pending: Context.get(context, PendingLogins),
      registrations: Context.get(context, ClientRegistrations),
      journal: Context.get(context, RefreshJournal),
      lock: Context.get(context, FileLock),
      custody: Context.get(context, Custody),
      coordinator: Context.get(context, RefreshCoordinator.RefreshCoordinator),
      context,
      move: (to: HomePin.StoreKind) => Effect.provide(StoreMove.move(to), context)
    }
  }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map())))

export type Opened = Effect.Effect.Success<ReturnType<typeof open>>

export const pinOf = (home: string): unknown => JSON.parse(Fs.readFileSync(Path.join(home, "store.json"), "utf8")).store
