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
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import { codeOf, lockUnavailable } from "./internal/errno.js"
import { hostId } from "./internal/hostId.js"
import * as Ownership from "./Ownership.js"
import * as Refuge from "./Refuge.js"
import * as WholeFile from "./WholeFile.js"

const STORE_KIND = /^[a-z][a-z0-9-]{0,31}$/

/**
 * The kind of store that a home has: the name of one in `stores/Stores`.
 *
 * @since 0.1.0
 * @category models
 */
export type StoreKind = typeof StoreKind.Type

/**
 * The name of a kind of store. A home may have been pinned by a version that knows more of them than this one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StoreKind = Schema.String.pipe(Schema.pattern(STORE_KIND))

/**
 * What the first write of a home records.
 *
 * @since 0.1.0
 * @category models
 */
export class Pin extends Schema.Class<Pin>("@lockstep/node/Pin")({
  store: StoreKind,
  lockDirectory: Schema.optionalWith(Schema.String, { as: "Option", nullable: true }).pipe(Schema.fromKey("lock_dir")),
  host: Schema.String
}) {}

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
  readonly store?: StoreKind | undefined
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
  readonly store: StoreKind

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
  readonly pin: Effect.Effect<Option.Option<Pin>, CredentialStoreError>

  /**
   * Pins the home to another kind of store. This home then is `Superseded`, like those of all other processes that have
   * it open as it was.
   */
  readonly repin: (store: StoreKind) => Effect.Effect<void, CredentialStoreError | LockUnavailable>

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

/**
 * The name of the file in which the first write of a home pins it.
 *
 * @since 0.1.0
 * @category constants
 */
export const PIN_FILE = "store.json"

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
 * The error of a process that was told to use another store than the home has. Names both.
 *
 * @since 0.1.0
 * @category errors
 */
export const otherStore = (directory: string, its: StoreKind, told: StoreKind): CredentialStoreError =>
  new CredentialStoreError({
    reason: "Superseded",
    location: directory,
    detail: `its store is ${its}, and this process was told ${told}`,
    remedy: `use \`--store ${its}\`, or take its logins along with \`lockstep store move --to ${told}\``
  })

const moved = (directory: string, to: StoreKind): CredentialStoreError =>
  new CredentialStoreError({
    reason: "Superseded",
    location: directory,
    detail: `moved to ${to}: open it again`,
    remedy: "start this process again: it opens the store that the logins moved to"
  })

/** A pin as this version writes it, without the schema: the first change of a new home is read by many at once. */
const pinOf = (text: string): Option.Option<Effect.Effect<Pin>> => {
  try {
    const { host, lock_dir, store }: { readonly [Name in "host" | "lock_dir" | "store"]?: unknown } = JSON.parse(text)
    return typeof store === "string" && STORE_KIND.test(store) && typeof host === "string" && lock_dir === null
      ? Option.some(Effect.succeed(new Pin({ store, lockDirectory: Option.none(), host }, true)))
      : Option.none()
  } catch {
    return Option.none()
  }
}

const decodePin = (text: string) => Schema.decode(Schema.parseJson(Pin))(text)

/**
 * The text of a pin's file.
 *
 * @since 0.1.0
 * @category rendering
 */
export const textOfPin = (pin: Pin): string =>
  `${JSON.stringify({ lock_dir: null, ...Schema.encodeSync(Pin)(pin) }, null, 2)}\n`

/**
 * What keeps every process of this user from having its locks in a directory that was named for them: it belongs to
 * another user, others may write it, or it is no directory. One that is missing is made by the first that locks there.
 *
 * @since 0.1.0
 * @category predicates
 */
export const faultOfLocks = (directory: string): Ownership.Exposure | undefined => {
  const elsewhere = "set LOCKSTEP_LOCK_DIR to a directory of your own on a local disk"
  try {
    const stat = Fs.statSync(directory, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (!stat.isDirectory()) return { detail: "it is not a directory", remedy: elsewhere }
    const { uid } = stat
    return Ownership.mayWrite(stat)
      ? Ownership.exposureOf(directory, "writable")
      : { detail: `it belongs to user ${uid}, and this process does not run as that user`, remedy: elsewhere }
  } catch (cause) {
    return { detail: `it cannot be looked at (${codeOf(cause)})`, remedy: elsewhere }
  }
}

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
    const pinFile = yield* AtomicFile.resolve(Path.join(directory, PIN_FILE))
    const movedLocks = Option.map(
      Option.orElse(Option.fromNullable(options.lockDirectory), () => env.lockDirectory),
      (path) => Path.resolve(path)
    )
    const trustLocks = options.trustLocks ?? env.trustLocks
    const refuges = options.refuges ?? (yield* Refuge.config)
    const readPin = Effect.flatMap(
      WholeFile.read(pinFile),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: ({ bytes, changedAt, identity }) =>
          Effect.flatMap(WholeFile.decodeText(pinFile, bytes), (text) =>
            Option.getOrElse(pinOf(text), () => decodePin(text))).pipe(
              // Dropped, because it quotes the file.
              Effect.mapError(() =>
                new CredentialStoreError({ reason: "Decode", location: pinFile })
              ),
              Effect.map((decoded) => {
                const known = Option.some(decoded)
                if (Date.now() - changedAt > WholeFile.COARSE) pinned = { identity, pin: known }
                return known
              })
            )
      })
    )
    let pinned: { readonly identity: WholeFile.Identity; readonly pin: Option.Option<Pin> } | undefined
    /** Asked at every change of the store, and changed by a move only: what is known is not decoded again. */
    const pin: typeof readPin = Effect.suspend(() => {
      if (pinned !== undefined && WholeFile.look(pinFile) === pinned.identity) return Effect.succeed(pinned.pin)
      pinned = undefined
      return WholeFile.isAbsent(pinFile) ? Effect.succeedNone : readPin
    })

    // Once, for as long as the home is open (I10). A pin that cannot be read stops every read and write after this.
    const atFirst = yield* Effect.orElseSucceed(pin, () => Option.none<Pin>())
    const store: StoreKind = options.store ??
      Option.match(atFirst, { onNone: () => "file", onSome: (one) => one.store })
    let wasOurs = Option.exists(atFirst, (pinned) => pinned.store === store)

    const checkStore = (pinned: Pin): Effect.Effect<void, CredentialStoreError> =>
      Effect.suspend(() => {
        if (pinned.store !== store) {
          return wasOurs
            ? moved(directory, pinned.store)
            : otherStore(directory, pinned.store, store)
        }
        wasOurs = true
        return Effect.void
      })

    // Logins in `auth.json` are a decision for it, even if they were put there by hand.
    const unpinned = Effect.suspend(() =>
      store !== "file" && Fs.existsSync(file) ? otherStore(directory, "file", store) : Effect.void
    )

    const otherDomain = (detail: string) => new LockUnavailable({ reason: "OtherDomain", path: directory, detail })

    const checkLocks = (pinned: Pin, own: Pin) => {
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

    const agreeOn = (pinned: Pin, own: Pin) => Effect.zipRight(checkStore(pinned), checkLocks(pinned, own))

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
        const fault = faultOfLocks(movedLocks.value)
        if (fault !== undefined) {
          return yield* new LockUnavailable({ reason: "Permission", path: movedLocks.value, ...fault })
        }
      }
      const own = Pin.make({
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
        AtomicFile.create(pinFile, textOfPin(own)),
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
          (pinned) => AtomicFile.replace(pinFile, textOfPin(Pin.make({ ...Option.getOrThrow(pinned), store: next })))
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
