/**
 * Which keys the secrets store is sealed with: those of the file that `LOCKSTEP_SECRETS_KEY_FILE` names, else those that
 * systemd hands over as the credential `lockstep.key`, else those in the keyring. Decided once, and no other place is
 * tried when that one fails (I10).
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Home } from "../Home.js"
import { codeOf } from "../internal/errno.js"
import type { Keyring } from "../keyring/Keyring.js"
import * as KeyringKeys from "../keyring/KeyringKeys.js"
import * as KeyFile from "./KeyFile.js"
import type { SealingKeys } from "./SealingKeys.js"

/** As in `LoadCredential=lockstep.key:/etc/lockstep.key` of systemd.exec(5). */
const CREDENTIAL = "lockstep.key"

const variable = (name: string) =>
  Config.option(Config.string(name)).pipe(Config.map(Option.filter((text) => text.trim() !== "")))

const environment = Config.all({
  keyFile: variable("LOCKSTEP_SECRETS_KEY_FILE"),
  credentials: variable("CREDENTIALS_DIRECTORY")
})

/** Only what is not there is passed over: one that cannot be read is an error of its own. */
const exists = (path: string): boolean => {
  try {
    Fs.lstatSync(path)
    return true
  } catch (cause) {
    return codeOf(cause) !== "ENOENT"
  }
}

/**
 * The keys that the environment decides on. Building it opens nothing and asks no keyring.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<SealingKeys, ConfigError.ConfigError, Keyring | Home> = Layer.unwrapEffect(
  Effect.map(environment, ({ credentials, keyFile }) => {
    if (Option.isSome(keyFile)) return KeyFile.layer(keyFile.value)
    const credential = Option.filter(Option.map(credentials, (path) => Path.join(path, CREDENTIAL)), exists)
    return Option.match(credential, {
      onNone: (): Layer.Layer<SealingKeys, never, Keyring | Home> => KeyringKeys.layer,
      onSome: (path) => KeyFile.layer(path, { systemd: true })
    })
  })
)
