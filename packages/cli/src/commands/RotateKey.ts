/**
 * @since 0.1.0
 */
import { Home } from "@lockstep/node/Home"
import * as KeyRotation from "@lockstep/node/secrets/KeyRotation"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as FleetStore from "../wiring/FleetStore.js"

/**
 * What `lockstep secrets rotate-key` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly json: boolean
}

const files = (count: number): string => count === 1 ? "1 file" : `${count} files`

const words = ({ isNew, key, location, sealed }: KeyRotation.Rotation): string => {
  if (isNew) return `new key ${key} in ${location}; ${files(sealed.length)} sealed with it`
  return sealed.length > 0
    ? `${files(sealed.length)} sealed with key ${key}, the first in ${location}`
    : `nothing to do: everything is sealed with key ${key}, the first in ${location}`
}

/** What is left to the person who brings the keys. */
const notes = ({ isNew, left, location, sealed }: KeyRotation.Rotation): ReadonlyArray<string> => [
  ...isNew || sealed.length > 0
    ? []
    : [`${location} is not written by lockstep: put a new key before the others (openssl rand -base64 32), and repeat`],
  ...left.map((id) => `key ${id} is still in ${location}; remove it once no backup and no other home is sealed with it`)
]

/**
 * Seals every row with the current key. No host may make a key that the others have not: a file brings it, or the command
 * that asks a key management service does.
 */
const ofFleet = (options: Options) =>
  Effect.gen(function*() {
    const { PostgresSession, SealingRotation } = yield* Effect.promise(() => import("../wiring/Fleet.js"))
    const session = yield* Effect.serviceOption(PostgresSession.PostgresSession)
    if (Option.isNone(session)) return yield* Effect.dieMessage("a store without its session")
    const keys = yield* SealingKeys
    const isWrapped = Option.isSome(yield* Config.option(Config.nonEmptyString("LOCKSTEP_KEY_COMMAND")))
    if (isWrapped) yield* keys.renew
    const rotation = yield* Effect.provideService(
      SealingRotation.rotate,
      PostgresSession.PostgresSession,
      session.value
    )
    if (options.json) return yield* Output.json({ new: isWrapped, ...rotation })
    const rows = `${rotation.sealed} ${rotation.sealed === 1 ? "row" : "rows"}`
    yield* Output.line(Style.printable(`${rows} sealed anew; everything is sealed with key ${rotation.key}`))
    if (rotation.left.length > 0) {
      yield* Output.warn(`other processes still seal with ${rotation.left.join(", ")}: repeat this in a minute`)
    }
  })

/**
 * Seals the home with a new key. Logins go on meanwhile, and whenever it is interrupted everything can be read.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const home = yield* Home
    const keys = yield* Effect.serviceOption(SealingKeys)
    if (home.store === FleetStore.store.name && Option.isSome(keys)) {
      return yield* Effect.provideService(ofFleet(options), SealingKeys, keys.value)
    }
    if (home.store !== "secrets" || Option.isNone(keys)) {
      return yield* new UsageError({
        reason: "Configuration",
        message: `the store of ${home.directory} is ${home.store}, and only the stores secrets and postgres have a key`,
        advice: "encrypt it with `lockstep store move --to secrets`"
      })
    }
    const rotation = yield* Effect.provideService(KeyRotation.rotate, SealingKeys, keys.value)
    if (options.json) {
      const { isNew, key, left, location, sealed } = rotation
      return yield* Output.json({ key, new: isNew, location, sealed, left })
    }
    yield* Output.line(Style.printable(words(rotation)))
    for (const note of notes(rotation)) yield* output.note(`${Style.printable(note)}\n`)
  })
