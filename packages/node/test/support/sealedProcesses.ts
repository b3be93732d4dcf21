import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as Workers from "@lockstep/testkit/processes/AskedWorker"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import type { Point } from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as SealedHomes from "./sealedHomes.js"

/** Where the keys are: a key file, or the directory of a keyring that several processes share. */
export type Place = { readonly keyFile: string } | { readonly keyring: string }

export interface Settings {
  readonly home: string
  readonly place: Place
  readonly die?: Point
}

/** A keyring that many processes share and that loses nothing when one of them is killed: a file for each entry. */
const inDirectory = (directory: string): Keyring.Keyring["Type"] => {
  const fileOf = (account: string) => Path.join(directory, encodeURIComponent(account))
  const call = <A>(name: string, run: () => A) => Effect.withSpan(Effect.sync(run), `keyring.${name}`)
  return Keyring.Keyring.of({
    ...Keyring.makeMemory(),
    get: (account) =>
      call("get", () =>
        Fs.existsSync(fileOf(account))
          ? Option.some(Redacted.make(Fs.readFileSync(fileOf(account), "utf8")))
          : Option.none()),
    set: (account, secret) =>
      call("set", () => {
        const temporary = `${fileOf(account)}-${Crypto.randomUUID()}`
        Fs.writeFileSync(temporary, Redacted.value(secret))
        Fs.renameSync(temporary, fileOf(account))
      }),
    remove: (account) =>
      call("remove", () => {
        const existed = Fs.existsSync(fileOf(account))
        Fs.rmSync(fileOf(account), { force: true })
        return existed
      })
  })
}

/** The same place, for a home that this very process opens. */
export const keysOf = (place: Place): SealedHomes.Keys =>
  "keyFile" in place
    ? { file: place.keyFile }
    : { keyring: Layer.sync(Keyring.Keyring, () => inDirectory(place.keyring)) }

const bundle = Bundle.make(new URL("../fixtures/sealedWorker.ts", import.meta.url))

/** A real process with a sealed home. Its answer to a message is `done` with a result, or `failed` with an error. */
export const spawn = (settings: Settings) =>
  Effect.flatMap(bundle, (file) => Workers.start(file, settings, settings.home))
