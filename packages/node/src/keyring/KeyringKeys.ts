/**
 * The sealing keys of a home, in the operating system's keyring.
 *
 * Each key is an entry of its own, named by its id, and is never changed: a write that was given up and arrives late
 * harms nothing. `auth.json.keys` beside the store says which of them is current; it holds ids and no key. The first use
 * makes a key, and of two first users at once the file system lets one win. Where something is sealed already no key is
 * ever made: the one that it was sealed with is to be found.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AtomicFile from "../AtomicFile.js"
import { Home } from "../Home.js"
import * as SealedFiles from "../internal/sealedFiles.js"
import * as SealIndex from "../internal/sealIndex.js"
import * as SealingKeys from "../secrets/SealingKeys.js"
import * as Keyring from "./Keyring.js"

type SealingKey = SealingKeys.SealingKey

const PREFIX = "lockstep-key-1 "

const encode = ({ key }: SealingKey): Redacted.Redacted =>
  Redacted.make(PREFIX + Buffer.from(Redacted.value(key)).toString("base64"))

const decode = (id: string, secret: Redacted.Redacted): Option.Option<SealingKey> => {
  const text = Redacted.value(secret)
  const bytes = Buffer.from(text.slice(PREFIX.length), "base64")
  return text.startsWith(PREFIX) && bytes.length === SealingKeys.KEY_LENGTH
    ? Option.filter(Option.some(SealingKeys.fromBytes(bytes)), (key) => key.id === id)
    : Option.none()
}

const REMEDY = "unlock or start the keyring, or bring a key of your own with LOCKSTEP_SECRETS_KEY_FILE"

/**
 * Makes the keys of a home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<SealingKeys.SealingKeys["Type"], never, Keyring.Keyring | Home> = Effect.gen(
  function*() {
    const home = yield* Home
    const keyring = yield* Keyring.Keyring
    const path = `${home.file}.keys`
    const ownName = Keyring.homeName(home)
    const known = new Map<string, SealingKey>()

    const failure = (detail: string) =>
      new CredentialStoreError({ reason: "Unavailable", location: keyring.name, detail, remedy: REMEDY })
    const asked = <A>(call: Effect.Effect<A, Keyring.KeyringError>) =>
      Effect.mapError(call, (error) => {
        const { detail, location, reason } = Keyring.toStoreError(keyring)(error)
        return new CredentialStoreError({ reason, location, detail, remedy: REMEDY })
      })
    const accountOf = (name: string, id: string) => `${name}#sealing-key:${id}`
    /** A home without an index has kept no key in a keyring: its key is a file that was not named, whatever a keyring says. */
    const notBrought = (id: string) =>
      new CredentialStoreError({
        reason: "Locked",
        location: home.directory,
        detail: `it is sealed with key ${id}, which no key file and no keyring gives`,
        remedy: "set LOCKSTEP_SECRETS_KEY_FILE to the key that it was sealed with; nothing was changed"
      })

    const open = Effect.catchTag(
      home.open,
      "LockUnavailable",
      ({ detail, path, reason }) =>
        new CredentialStoreError({ reason: "Write", location: path, detail: detail ?? reason })
    )

    const readIndex = SealIndex.read(path)

    const nameNow = Effect.map(
      // Unreadable, it is no help; a key is still looked for under the name that it would have.
      Effect.orElseSucceed(readIndex, () => Option.none<SealIndex.SealIndex>()),
      Option.match({ onNone: () => ownName, onSome: (index) => index.home })
    )

    const find = (id: string): Effect.Effect<Option.Option<SealingKey>, CredentialStoreError> =>
      Effect.suspend(() => {
        const loaded = known.get(id)
        if (loaded !== undefined) return Effect.succeedSome(loaded)
        const hasIndex = Effect.orElseSucceed(Effect.map(readIndex, Option.isSome), () => true)
        return Effect.flatMap(nameNow, (name) => asked(keyring.get(accountOf(name, id)))).pipe(
          Effect.catchAll((error) => Effect.flatMap(hasIndex, (has) => has ? error : notBrought(id))),
          Effect.flatMap(Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (secret) =>
              Option.match(decode(id, secret), {
                onNone: () => failure(`what it gave back as key ${id} is not that key`),
                onSome: (key) => Effect.succeedSome(key)
              })
          })),
          Effect.tap(
            Option.match({ onNone: () => Effect.void, onSome: (key) => Effect.sync(() => known.set(id, key)) })
          )
        )
      })

    const keep = (name: string, key: SealingKey) =>
      asked(keyring.set(accountOf(name, key.id), encode(key))).pipe(
        Effect.zipRight(asked(keyring.get(accountOf(name, key.id)))),
        // What a keyring says it wrote is believed once it gives it back.
        Effect.filterOrFail(
          (secret) => Option.isSome(Option.flatMap(secret, (given) => decode(key.id, given))),
          () => failure("it took a key and did not keep it")
        ),
        Effect.zipRight(Effect.sync(() => void known.set(key.id, key))),
        Effect.withSpan("lockstep.keys.keep")
      )

    const replaceIndex = (index: SealIndex.SealIndex) =>
      Effect.withSpan(
        Effect.zipRight(AtomicFile.sweep(path), AtomicFile.replace(path, SealIndex.textOf(index))),
        "lockstep.keys.index"
      )

    const loadCurrent = (index: SealIndex.SealIndex): Effect.Effect<SealingKey, CredentialStoreError> =>
      find(index.current).pipe(
        Effect.flatMap(Option.match({
          onNone: () => failure(`it has no key ${index.current}, which this home uses`),
          onSome: (key) => Effect.succeed(key)
        })),
        // The key was changed, and the new one cannot be read now. What is loaded still seals while the index names it:
        // a change of keys seals everything anew before the index drops one.
        Effect.catchAll((error) => {
          const loaded = index.others.map((id) => known.get(id)).find((key) => key !== undefined)
          return loaded === undefined ? error : Effect.succeed(loaded)
        })
      )

    const indexOf = (current: string) =>
      SealIndex.SealIndex.make({ version: 1, home: ownName, current, others: [], retired: [] })

    /** The index was lost, or the home came without it: what is sealed names the key. */
    const recover = Effect.flatMap(
      SealedFiles.keysInUse(home),
      (ids) =>
        Effect.flatMap(Effect.forEach(ids, find), (found) => {
          const [first, ...rest] = found.flatMap(Option.toArray)
          return first === undefined
            ? new CredentialStoreError({
              reason: "Locked",
              location: keyring.name,
              detail: `it has no key for what is sealed in ${home.directory}`,
              remedy: "set LOCKSTEP_SECRETS_KEY_FILE to the key that it was sealed with; nothing was changed"
            })
            : Effect.as(
              AtomicFile.create(
                path,
                SealIndex.textOf(SealIndex.SealIndex.make({ ...indexOf(first.id), others: rest.map(({ id }) => id) }))
              ),
              undefined
            )
        })
    )

    const makeFirst = Effect.gen(function*() {
      const key = yield* SealingKeys.generate
      yield* keep(ownName, key)
      if (yield* AtomicFile.create(path, SealIndex.textOf(indexOf(key.id)))) return
      known.delete(key.id)
      yield* Effect.ignore(keyring.remove(accountOf(ownName, key.id)))
    }).pipe(Effect.withSpan("lockstep.keys.first"))

    const begin = open.pipe(
      Effect.zipRight(SealedFiles.all(home)),
      Effect.flatMap((sealed) => sealed.length > 0 ? recover : makeFirst),
      Effect.zipRight(readIndex),
      // The key that was recorded counts, whichever process was first.
      Effect.flatMap(Option.match({
        onNone: () => new CredentialStoreError({ reason: "Read", location: path, detail: "ENOENT" }),
        onSome: (index) => Effect.succeed(index)
      }))
    )

    const index = Effect.flatMap(readIndex, Option.match({ onNone: () => begin, onSome: Effect.succeed }))
    const current = Effect.flatMap(index, loadCurrent)

    const renew = Effect.gen(function*() {
      const before = yield* index
      const key = yield* SealingKeys.generate
      yield* keep(before.home, key)
      yield* replaceIndex(
        SealIndex.SealIndex.make({ ...before, current: key.id, others: [before.current, ...before.others] })
      )
      return key
    }).pipe(Effect.withSpan("lockstep.keys.renew"))

    const retire = Effect.gen(function*() {
      const before = yield* index
      const retired = [...before.retired, ...before.others]
      if (retired.length === 0) return
      // Dropped first: from then on no process seals with them. The index names them until they are removed, so that a
      // kill leaves none.
      const dropped = SealIndex.SealIndex.make({ ...before, others: [], retired })
      yield* replaceIndex(dropped)
      for (const id of retired) {
        known.delete(id)
        yield* asked(keyring.remove(accountOf(before.home, id)))
      }
      yield* replaceIndex(SealIndex.SealIndex.make({ ...dropped, retired: [] }))
    }).pipe(Effect.withSpan("lockstep.keys.retire"))

    return SealingKeys.SealingKeys.of({ location: keyring.name, current, find, renew, retire })
  }
)

/**
 * The keys of a home in the keyring.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<SealingKeys.SealingKeys, never, Keyring.Keyring | Home> = Layer.effect(
  SealingKeys.SealingKeys,
  make
)
