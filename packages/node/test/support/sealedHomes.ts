import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { Custody } from "@lockstep/core/Custody"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as Home from "@lockstep/node/Home"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import { FileLock } from "@lockstep/node/locks/FileLock"
import type * as Refuge from "@lockstep/node/Refuge"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import * as SealingKeys from "@lockstep/node/secrets/SealingKeys"
import * as SecretsHome from "@lockstep/node/secrets/SecretsHome"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import { temporary } from "@lockstep/testkit/homes/FileHomes"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Where a home has its keys: in a file, or in a keyring. */
export type Keys = { readonly file: string } | { readonly keyring: Layer.Layer<Keyring.Keyring> }

const policy = RefreshPolicy.layer({
  aggregateLockTimeout: Duration.seconds(30),
  lockTimeout: Duration.minutes(2)
})

export const NO_KEYRING = Layer.sync(Keyring.Keyring, () => {
  const absent = new Keyring.KeyringError({ reason: "Absent", detail: "this session has no keyring" })
  return Keyring.Keyring.of({
    ...Keyring.makeMemory(),
    get: () => Effect.fail(absent),
    set: () => Effect.fail(absent),
    remove: () => Effect.fail(absent)
  })
})

/** The layer of one more process with a home. */
export const layer = (directory: string, keys: Keys, refuges: ReadonlyArray<Refuge.Refuge> = []) =>
  SecretsHome.layer({ directory, refuges }).pipe(
    Layer.provide("keyring" in keys ? keys.keyring : NO_KEYRING),
    Layer.provideMerge(policy),
    Layer.provide(Layer.setConfigProvider(
      ConfigProvider.fromMap(new Map("file" in keys ? [["LOCKSTEP_SECRETS_KEY_FILE", keys.file]] : []))
    ))
  )

/** What one more process has of a home. */
export const open = (directory: string, keys: Keys, refuges: ReadonlyArray<Refuge.Refuge> = []) =>
  Effect.map(Layer.build(layer(directory, keys, refuges)), (context) => ({
    home: Context.get(context, Home.Home),
    store: Context.get(context, WritableStore),
    pending: Context.get(context, PendingLogins),
    registrations: Context.get(context, ClientRegistrations),
    journal: Context.get(context, RefreshJournal),
    lock: Context.get(context, FileLock),
    custody: Context.get(context, Custody),
    keys: Context.get(context, SealingKeys.SealingKeys),
    context
  }))

export type Opened = Effect.Effect.Success<ReturnType<typeof open>>

export type TwoViews = readonly [Opened, Opened]

/** A line of a key file. */
export const keyLine = (): string => `${Crypto.randomBytes(32).toString("base64")}\n`

export const writeKeys = (file: string, text: string): void => Fs.writeFileSync(file, text, { mode: 0o600 })

/** A key file and the place of a home that does not exist yet. */
export const withKeyFile = Effect.map(temporary, (directory) => {
  const file = Path.join(directory, "lockstep.key")
  writeKeys(file, keyLine())
  return { directory: Path.join(directory, "home"), file, sealed: Path.join(directory, "home", "auth.json.sealed") }
})

/** A home with a key file, as two processes see it. */
export const twoViews = Effect.flatMap(
  withKeyFile,
  ({ directory, file }) => Effect.all([open(directory, { file }), open(directory, { file })])
)

/** Two views of a home whose keys are in one keyring. */
export const twoViewsWith = <E, R>(keyring: Effect.Effect<Layer.Layer<Keyring.Keyring>, E, R>) =>
  Effect.flatMap(Effect.all([temporary, keyring]), ([root, layer]) => {
    const directory = Path.join(root, "home")
    return Effect.all([open(directory, { keyring: layer }), open(directory, { keyring: layer })])
  })

/** A keyring that lives as long as the test, behind as many processes as there are layers of it. */
export const sharedKeyring = Effect.sync(() => {
  const entries = new Map<string, string>()
  return Layer.sync(Keyring.Keyring, () => Keyring.makeMemory({ entries }))
})

/** Every file below a directory, by its name. */
export const snapshot = (directory: string): ReadonlyMap<string, string> =>
  new Map(
    Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = Path.join(entry.parentPath, entry.name)
        return [Path.relative(directory, path), Fs.readFileSync(path).toString("latin1")] as const
      })
  )

/** The names of files in which a fake token can be read, in the clear or as base64 of it. */
export const leaks = (directory: string): ReadonlyArray<string> => {
  const inBase64 = /bG9ja3N0ZXAtcnQt|bG9ja3N0ZXAtYXQt|xvY2tzdGVwL[XW]|sb2Nrc3RlcC1/
  return [...snapshot(directory)].flatMap(([name, text]) =>
    text.match(FakeToken.PATTERN) !== null || inBase64.test(text) ? [name] : []
  )
}

/** The id of the key that a sealed file names. */
export const keyOf = (path: string): string => Either.getOrThrow(SealedText.headerOf(Fs.readFileSync(path))).key
