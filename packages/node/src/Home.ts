/**
 * Where this user's credentials live, and what every process of that home has agreed on.
 *
 * The first write pins the store, the lock directory and the host in `store.json`. A process that was told otherwise
 * stops: two stores would hold two halves of the truth, two lock directories would let two processes redeem one
 * token (I10). Reading never creates anything.
 *
 * @since 0.1.0
 */
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import * as Trace from "@lockstep/core/Trace"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import * as HomePin from "./HomePin.js"
import { codeOf, lockUnavailable } from "./internal/errno.js"
import { hostId } from "./internal/hostId.js"
import * as Ownership from "./Ownership.js"
import * as Refuge from "./Refuge.js"

/**
 * What a caller may say about the home. What it leaves out comes from the environment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `LOCKSTEP_HOME`, else `.lockstep` in the user's home directory. */
  readonly directory?: string | undefined
  /** `LOCKSTEP_LOCK_DIR`, else beside the store. Must belong to the user. */
  readonly lockDirectory?: string | undefined
  /** Whether locks count across hosts: `LOCKSTEP_TRUST_LOCKS`. Off. */
  readonly trustLocks?: boolean | undefined
  /** The kind of store that is used. What the home is pinned to, else `file`. */
  readonly store?: HomePin.StoreKind | undefined
  /** Where the answer of a rotation is kept that the disk of the store refuses. `Refuge.config`. */
  readonly refuges?: ReadonlyArray<Refuge.Refuge> | undefined
}

/**
 * The home of this user's credentials.
 *
 * @since 0.1.0
 * @category services
 */
export class Home extends Context.Tag("@lockstep/node/Home")<Home, {
  /** As it was named, absolute. It may not exist yet. */
  readonly directory: string

  /** The kind of store that this process uses, for as long as it has the home open (I10). */
  readonly store: HomePin.StoreKind

  /**
   * The store file `auth.json`, links resolved. Everything else lies in the same directory, and locks and journals are
   * called after it whatever the kind of store, so that a move from one to another takes the very same locks.
   */
  readonly file: string

  /** Where lock files lie: beside the store, or where `LOCKSTEP_LOCK_DIR` says. */
  readonly lockDirectory: string

  /** Where the answer of a rotation is kept that the disk of the store refuses, in this order. */
  readonly refuges: ReadonlyArray<Refuge.Refuge>

  /** What the first write recorded; `None` before it. Creates nothing. */
  readonly pin: Effect.Effect<Option.Option<HomePin.Pin>, CredentialStoreError>

  /**
   * Pins the home to another kind of store. This home then is `Superseded`, like those of all other processes that have
   * it open as it was.
   */
  readonly repin: (store: HomePin.StoreKind) => Effect.Effect<void, CredentialStoreError | LockUnavailable>

  /** Finds out that the home has another store by now, or is open to others or of another user. Creates nothing. */
  readonly check: Effect.Effect<void, CredentialStoreError>

  /**
   * Makes ready for a lock: creates the directories, and finds out that this process must not write the home, since it
   * belongs to another user or was pinned to other settings. Pins nothing: a process that is refused its lock, or that
   * only waits for it, leaves no settings behind for all others.
   */
  readonly agree: Effect.Effect<void, CredentialStoreError | LockUnavailable>

  /**
   * Makes ready for a write: agrees, and pins the home where no write has done so. Each write does it, a refresh before
   * it sends anything; so of two processes that lock in different places, one at most gets to write.
   */
  readonly open: Effect.Effect<void, CredentialStoreError | LockUnavailable>
}>() {}

const FILE = "auth.json"

const nonEmpty = (name: string) =>
  Config.option(Config.string(name)).pipe(Config.map(Option.filter((text) => text.trim() !== "")))

const USER_HOME = process.platform === "win32" ? "USERPROFILE" : "HOME"

const environment = Config.all({
  directory: nonEmpty("LOCKSTEP_HOME"),
  userHome: nonEmpty(USER_HOME),
  lockDirectory: nonEmpty("LOCKSTEP_LOCK_DIR"),
  trustLocks: Config.withDefault(Config.boolean("LOCKSTEP_TRUST_LOCKS"), false)
})

/**
 * Makes the home of some options and the environment. Fails with a `ConfigError` when neither names a directory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<Home["Type"], ConfigError.ConfigError | CredentialStoreError> =>
  Effect.gen(function*() {
    const env = yield* environment
    const named = options.directory ?? Option.getOrUndefined(env.directory) ??
      Option.getOrUndefined(Option.map(env.userHome, (home) => Path.join(home, ".lockstep")))
    if (named === undefined) {
      return yield* Effect.fail(ConfigError.MissingData(
        ["LOCKSTEP_HOME"],
        `no place for credentials: set LOCKSTEP_HOME, or ${USER_HOME} to the user's home directory`
      ))
    }
    const directory = Path.resolve(named)
    const link = Path.join(directory, FILE)
    const file = yield* AtomicFile.resolve(link)
    const pinFile = yield* AtomicFile.resolve(Path.join(directory, HomePin.PIN_FILE))
    const movedLocks = Option.map(
      Option.orElse(Option.fromNullable(options.lockDirectory), () => env.lockDirectory),
      (path) => Path.resolve(path)
    )
    const trustLocks = options.trustLocks ?? env.trustLocks
    const refuges = options.refuges ?? (yield* Refuge.config)
    const pin = HomePin.reader(pinFile)

    // Once, for as long as the home is open (I10). A pin that cannot be read stops every read and write after this.
    const atFirst = yield* Effect.orElseSucceed(pin, () => Option.none<HomePin.Pin>())
    const store: HomePin.StoreKind = options.store ??
      Option.match(atFirst, { onNone: () => "file", onSome: (one) => one.store })
    let wasOurs = Option.exists(atFirst, (pinned) => pinned.store === store)

    const checkStore = (pinned: HomePin.Pin): Effect.Effect<void, CredentialStoreError> =>
      Effect.suspend(() => {
        if (pinned.store !== store) {
          return wasOurs
            ? HomePin.moved(directory, pinned.store)
            : HomePin.otherStore(directory, pinned.store, store)
        }
        wasOurs = true
        return Effect.void
      })

    // Logins in `auth.json` are a decision for it, even if they were put there by hand.
    const unpinned = Effect.suspend(() =>
      store !== "file" && Fs.existsSync(file) ? HomePin.otherStore(directory, "file", store) : Effect.void
    )

    const otherDomain = (detail: string) => new LockUnavailable({ reason: "OtherDomain", path: directory, detail })

    const checkLocks = (pinned: HomePin.Pin, own: HomePin.Pin) => {
      const theirs = Option.getOrElse(pinned.lockDirectory, () => "the store's directory")
      const ours = Option.getOrElse(own.lockDirectory, () => "the store's directory")
      if (theirs !== ours) {
        return otherDomain(`its locks are in ${theirs}, and this process was told ${ours}`)
      }
      // Locks that were moved are local to their host, whatever the store's file system can do.
      return pinned.host === own.host || trustLocks && Option.isNone(own.lockDirectory)
        ? Effect.void
        : otherDomain(`it belongs to host ${pinned.host}, and this is ${own.host}`)
    }

    const agreeOn = (pinned: HomePin.Pin, own: HomePin.Pin) =>
      Effect.zipRight(checkStore(pinned), checkLocks(pinned, own))

    const realpath = (path: string) =>
      Effect.try({ try: () => Fs.realpathSync(path), catch: (cause) => lockUnavailable(path, codeOf(cause)) })

    /** The home itself is ours alone; a store that is a link lies where its owner wants it. */
    const places: ReadonlyArray<readonly [string, "any" | "writable"]> = [
      [directory, "any"],
      ...Path.dirname(file) === directory ? [] : [[Path.dirname(file), "writable"] as const]
    ]

    const exposed = Effect.try({
      try: () => {
        for (const [path, to] of places) {
          const exposure = Ownership.exposureOf(path, to)
          if (exposure !== undefined) return Option.some({ path, ...exposure })
        }
        return Option.none()
      },
      catch: (cause) => new CredentialStoreError({ reason: "Read", location: directory, detail: codeOf(cause) })
    })

    const checkPrivate = Effect.flatMap(
      exposed,
      Option.match({
        onNone: () => Effect.void,
        onSome: ({ detail, path, remedy }) =>
          new CredentialStoreError({ reason: "Read", location: path, detail, remedy })
      })
    )

    const ready = Effect.gen(function*() {
      yield* Ownership.makeDirectory(directory)
      for (const [path] of places) yield* Ownership.claim(path)
      const open = yield* exposed
      if (Option.isSome(open)) {
        const { detail, path, remedy } = open.value
        return yield* new LockUnavailable({ reason: "Permission", path, detail, remedy })
      }
      const now = yield* AtomicFile.resolve(link)
      // The directory may have been missing when `file` was resolved.
      if (now !== Path.join(yield* realpath(Path.dirname(file)), Path.basename(file))) {
        return yield* new CredentialStoreError({
          reason: "Superseded",
          location: link,
          detail: `it named ${file} when this process opened it, and names ${now} now`
        })
      }
      if (Option.isSome(movedLocks)) {
        yield* Ownership.makeDirectory(movedLocks.value)
        const fault = Ownership.faultOfLocks(movedLocks.value)
        if (fault !== undefined) {
          return yield* new LockUnavailable({ reason: "Permission", path: movedLocks.value, ...fault })
        }
      }
      const own = HomePin.Pin.make({
        store,
        lockDirectory: Option.isSome(movedLocks) ? Option.some(yield* realpath(movedLocks.value)) : Option.none(),
        host: hostId()
      })
      const pinned = yield* pin
      if (Option.isNone(pinned)) yield* unpinned
      else yield* agreeOn(pinned.value, own)
      return { own, isPinned: Option.isSome(pinned) }
    })

    const open = Effect.gen(function*() {
      const { isPinned, own } = yield* ready
      if (isPinned) return
      yield* Effect.catchIf(
        AtomicFile.create(pinFile, HomePin.textOf(own)),
        ({ detail }) => detail === "EROFS" || detail === "EACCES" || detail === "EPERM",
        ({ detail }) => lockUnavailable(directory, detail!)
      )
      // Another process may have been first, and what it recorded counts.
      const pinned = yield* pin
      if (Option.isSome(pinned)) yield* agreeOn(pinned.value, own)
    })

    return Home.of({
      directory,
      store,
      file,
      lockDirectory: Option.getOrElse(movedLocks, () => Path.dirname(file)),
      refuges,
      pin,
      check: Effect.zipRight(
        checkPrivate,
        Effect.flatMap(pin, Option.match({ onNone: () => unpinned, onSome: checkStore }))
      ),
      agree: Effect.asVoid(ready),
      open,
      repin: (next) =>
        Effect.flatMap(
          Effect.zipRight(open, pin),
          (pinned) =>
            AtomicFile.replace(pinFile, HomePin.textOf(HomePin.Pin.make({ ...Option.getOrThrow(pinned), store: next })))
        ).pipe(
          Trace.withSpan("lockstep.home.repin")
        )
    })
  })

/**
 * The home of some options and the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Home, ConfigError.ConfigError | CredentialStoreError> => Layer.effect(Home, make(options))
