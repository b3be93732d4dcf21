/**
 * A pin that no process can work with: every write of the home is refused, and nothing but a person could delete it.
 *
 * It names a directory for the locks that every process refuses, or it does not decode. Only what no process can use is
 * replaced: locks on a network may be trusted by another process, and a home of another host is that host's.
 *
 * @since 0.1.0
 */
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "../AtomicFile.js"
import type * as Home from "../Home.js"
import * as HomePin from "../HomePin.js"
import { hostId } from "../internal/hostId.js"
import * as Ownership from "../Ownership.js"

/**
 * Why the pin cannot be used, as part of a sentence, and the kind of store that the home has, as far as that is known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  readonly detail: string
  readonly store: Option.Option<HomePin.StoreKind>
}

/** The file that each kind of store begins with. */
const FILES: ReadonlyArray<readonly [HomePin.StoreKind, string]> = [
  ["file", ""],
  ["keyring", ".keyring"],
  ["secrets", ".sealed"]
]

/** Told by its files, where they leave no doubt. */
const storeOf = ({ file }: Pick<Home.Home["Type"], "file">): Option.Option<HomePin.StoreKind> => {
  const found = FILES.flatMap(([kind, suffix]) => Fs.existsSync(`${file}${suffix}`) ? [kind] : [])
  return found.length === 1 ? Option.some(found[0]!) : Option.none()
}

/**
 * Finds out whether the pin of a home can be used by any process of this user. Creates nothing.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (home: Home.Home["Type"]): Effect.Effect<Option.Option<Fault>, CredentialStoreError> =>
  home.pin.pipe(
    Effect.map(Option.flatMap(({ lockDirectory, store }) =>
      Option.flatMap(lockDirectory, (directory) =>
        Option.map(
          Option.fromNullable(Ownership.faultOfLocks(directory)),
          ({ detail }): Fault => ({
            detail: `it has the locks in ${directory}, and ${detail}`,
            store: Option.some(store)
          })
        ))
    )),
    Effect.catchIf(
      ({ reason }) => reason === "Decode",
      () => Effect.succeedSome<Fault>({ detail: "it is damaged", store: storeOf(home) })
    )
  )

/**
 * Pins a home whose pin cannot be used to where this process locks. Answers with what was wrong; `None` where nothing was,
 * and then nothing is written.
 *
 * Fails where this process names a directory that cannot be used either, and where it is not known which store the home
 * has.
 *
 * @since 0.1.0
 * @category combinators
 */
export const repair = (
  home: Home.Home["Type"]
): Effect.Effect<Option.Option<Fault>, CredentialStoreError | LockUnavailable> =>
  Effect.gen(function*() {
    const fault = yield* find(home)
    if (Option.isNone(fault)) return Option.none()
    const path = yield* AtomicFile.resolve(Path.join(home.directory, HomePin.PIN_FILE))
    if (Option.isNone(fault.value.store)) {
      return yield* new CredentialStoreError({
        reason: "Decode",
        location: path,
        detail: "and its files do not tell which store it has",
        remedy: "repair it by hand or restore it: {\"store\": \"file\", \"lock_dir\": null, \"host\": \"…\"}"
      })
    }
    yield* Ownership.claim(home.directory)
    const isMoved = home.lockDirectory !== Path.dirname(home.file)
    if (isMoved) {
      yield* Ownership.makeDirectory(home.lockDirectory)
      const own = Ownership.faultOfLocks(home.lockDirectory)
      if (own !== undefined) {
        return yield* new LockUnavailable({
          reason: "Permission",
          path: home.lockDirectory,
          detail: own.detail,
          remedy: `${own.remedy}, or unset LOCKSTEP_LOCK_DIR`
        })
      }
    }
    const pin = HomePin.Pin.make({
      store: fault.value.store.value,
      lockDirectory: isMoved ? Option.some(Fs.realpathSync(home.lockDirectory)) : Option.none(),
      host: hostId()
    })
    yield* AtomicFile.replaceResolved(path, HomePin.textOf(pin))
    return fault
  }).pipe(Effect.withSpan("lockstep.home.repair"))
