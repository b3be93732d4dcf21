/**
 * The keyring and the keys in it: whether it does what it is asked, whether what it holds belongs to something, and whether
 * the key of what is encrypted can be read. Finding that out creates nothing.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import { Home } from "@lockstep/node/Home"
import { homeName, Keyring } from "@lockstep/node/keyring/Keyring"
import type { KeyringError } from "@lockstep/node/keyring/Keyring"
import * as KeyringIndex from "@lockstep/node/keyring/KeyringIndex"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import type { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import { SealingKeys as Keys } from "@lockstep/node/secrets/SealingKeys"
import * as SecretsKeys from "@lockstep/node/secrets/SecretsKeys"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as WholeFile from "@lockstep/node/WholeFile"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Times from "../terminal/Times.js"
import * as Files from "./Files.js"
import * as Finding from "./Finding.js"

const ADVICE: Readonly<Record<KeyringError["reason"], string>> = {
  Absent:
    "start one (on Linux a Secret Service such as gnome-keyring, with a D-Bus session), or move the logins back " +
    "from where it runs with `lockstep store move --to file`",
  Locked: "unlock it: log in to the desktop, or run `gnome-keyring-daemon --unlock`",
  Unavailable: "restart the program that keeps it; the logins in it are untouched",
  Timeout: "look for a prompt that waits for an answer; LOCKSTEP_KEYRING_TIMEOUT gives it more time",
  TooLarge: "use a store without that limit: `lockstep store move --to secrets`"
}

/** Milliseconds. A keyring that works answers in a few. */
const SLOW = 1_000

const probe = Effect.gen(function*() {
  const keyring = yield* Keyring
  const before = yield* Clock.currentTimeMillis
  const answered = yield* Effect.either(keyring.probe)
  const took = (yield* Clock.currentTimeMillis) - before
  if (Either.isLeft(answered)) {
    const { detail, reason } = answered.left
    return [Finding.problem("keyring_trouble", `${keyring.name} is not usable: ${reason} (${detail})`, ADVICE[reason])]
  }
  return took > SLOW
    ? [Finding.remark(
      "keyring_slow",
      `${keyring.name} took ${Times.span(took)} to write, read and remove an entry`,
      "restart the program that keeps it, if this goes on"
    )]
    : []
})

/** The end of an account's name says which write made it. */
const WRITE = /\|([0-9a-f]{16})(?:\|\d+)?$/

/** Every write id that the index names, in any of its lists. */
const named = (text: string): ReadonlySet<string> => new Set(text.match(/\b[0-9a-f]{16}\b/g))

/** Names of files that hand on the record of a tenant that is not here: a version that knows nothing of them took it out. */
const handedOn = (index: string, document: KeyringIndex.Document): ReadonlyArray<string> => {
  const directory = SidecarNames.handovers(index)
  const known = new Set(KeyringIndex.list(document).map((tenant) => SidecarNames.handover(index, tenant)))
  return fs.existsSync(directory)
    ? fs.readdirSync(directory).map((name) => path.join(directory, name)).filter((file) =>
      // What a writer is about to rename is not left over.
      !known.has(file) && !file.endsWith(".tmp")
    )
    : []
}

const leftovers = Effect.gen(function*() {
  const home = yield* Home
  const keyring = yield* Keyring
  const index = `${home.file}.keyring`
  const read = yield* Effect.orElseSucceed(WholeFile.read(index), () => Option.none<WholeFile.Snapshot>())
  const text = Option.match(read, { onNone: () => "", onSome: ({ bytes }) => Buffer.from(bytes).toString("utf8") })
  // Whatever a damaged index would have named is not left over.
  const document = KeyringIndex.format.parse(text)
  if (text !== "" && Either.isLeft(document)) return []
  const prefix = homeName(home)
  const accounts = yield* Effect.orElseSucceed(keyring.find(`${prefix}|`), () => [])
  const known = named(text)
  const left = accounts.filter((account) => {
    const write = WRITE.exec(account)?.[1]
    return write !== undefined && !known.has(write)
  })
  const files = handedOn(index, Either.getOrElse(document, () => KeyringIndex.format.empty))
  return [
    ...left.length === 0 ? [] : [Finding.remark(
      "keyring_leftovers",
      `${keyring.name} holds ${left.length} ${
        left.length === 1 ? "entry" : "entries"
      } of this home that nothing refers to`,
      `they may hold old tokens: remove the entries of the service lockstep whose names begin with ${prefix}|`
    )],
    ...files.map((file) =>
      Finding.remark(
        "keyring_leftovers",
        `${file} hands on a login that is not here any more; it is sealed`,
        `remove it: \`rm ${ShellWord.quote(file)}\``
      )
    )
  ]
})

const sealed = (home: Home["Type"]): ReadonlyArray<string> =>
  [`${home.file}.sealed`, `${home.file}.pending.sealed`].filter((file) => fs.existsSync(file))

const keyFor = (keys: SealingKeys["Type"], file: string) =>
  Effect.flatMap(WholeFile.read(file), (read) =>
    Effect.gen(function*() {
      const header = Option.map(read, ({ bytes }) => SealedText.headerOf(bytes))
      // One that is no sealed text is told by the store check.
      if (Option.isNone(header) || Either.isLeft(header.value)) return []
      const { key } = header.value.right
      return Option.isSome(yield* keys.find(key)) ? [] : [Finding.problem(
        "key_missing",
        `${file} is sealed with key ${key}, which ${keys.location} does not have`,
        "bring that key back: set LOCKSTEP_SECRETS_KEY_FILE to the file that has it, or open the keyring that was used"
      )]
    }))

const keyFile = (owner: number | undefined): ReadonlyArray<Finding.Finding> => {
  const named = process.env["LOCKSTEP_SECRETS_KEY_FILE"]
  if (named === undefined || named.trim() === "" || owner === undefined) return []
  const stat = fs.statSync(named, { throwIfNoEntry: false })
  return stat === undefined ? [] : Files.permissions(path.resolve(named), stat, stat.uid === 0 ? 0 : owner)
}

const sealing = Effect.gen(function*() {
  const home = yield* Home
  const files = sealed(home)
  const ofFile = keyFile(process.geteuid?.())
  if (files.length === 0) return ofFile
  const keys = yield* Keys
  const found = yield* Effect.forEach(
    files,
    (file) => Effect.catchAll(keyFor(keys, file), (error) => Effect.succeed([Finding.fromError(error, "key_missing")]))
  )
  return [...ofFile, ...found.flat()]
})

const isInKeyring = (kind: string): boolean =>
  kind === "keyring" || kind === "secrets" && (process.env["LOCKSTEP_SECRETS_KEY_FILE"] ?? "") === "" &&
    (process.env["CREDENTIALS_DIRECTORY"] ?? "") === ""

/**
 * Checks the keyring and the keys of a home that needs them.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const { chosen } = yield* StoreChoice
  const kind = chosen._tag === "Native" ? chosen.store.name : "file"
  if (kind === "file") return { check: "keyring", findings: [] } satisfies Finding.Checked
  const findings = yield* Effect.gen(function*() {
    const probed = isInKeyring(kind) ? yield* probe : []
    const isWell = !probed.some((finding) => finding.kind === "problem")
    // A keyring that does not answer is not asked again: every question could take as long.
    const left = kind === "keyring" && isWell ? yield* leftovers : []
    return [...probed, ...left, ...(isWell ? yield* sealing : [])]
  }).pipe(
    Effect.provide(Layer.provideMerge(SecretsKeys.layer, NativeKeyring.layer)),
    Effect.catchTag("ConfigError", () => Effect.succeed([]))
  )
  return { check: "keyring", findings } satisfies Finding.Checked
})
