/**
 * Where a secret may go for a while when the disk of its home takes nothing more: the user's own home, and the directory
 * of the user's session.
 *
 * A refuge is used by the owner of the store alone, on this machine alone: its directory belongs to that user, no other
 * user can enter it or put another in its place, and it lies on no network. It is judged anew whenever it is written or
 * read, for what is found there is believed.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as RemoteFileSystem from "./locks/RemoteFileSystem.js"
import * as Ownership from "./Ownership.js"

/**
 * A place that may hold a secret, whether it exists or not.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refuge {
  /** Belongs to the user, and is there or is no place at all. */
  readonly parent: string
  /** Made where it is missing. */
  readonly directory: string
  /** Whether what lies there is gone when the user's session or the machine ends. */
  readonly isVolatile: boolean
}

const nonEmpty = (name: string) =>
  Config.option(Config.string(name)).pipe(Config.map(Option.filter((text) => Path.isAbsolute(text))))

const USER_HOME = process.platform === "win32" ? "USERPROFILE" : "HOME"

/** Where systemd puts it: a job without a session of its own finds there what a session has kept. */
const sessionOf = (user: number | undefined): Option.Option<string> =>
  process.platform === "linux" && user !== undefined ? Option.some(`/run/user/${user}`) : Option.none()

/**
 * The places of this user, in the order in which they are tried: `.lockstep` in the user's home, `lockstep` in
 * `XDG_RUNTIME_DIR`.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<ReadonlyArray<Refuge>> = Config.all({
  user: nonEmpty(USER_HOME),
  session: nonEmpty("XDG_RUNTIME_DIR")
}).pipe(
  Config.map(({ session, user }) => [
    ...Option.toArray(user).map((parent) => ({
      parent,
      directory: Path.join(parent, ".lockstep"),
      isVolatile: false
    })),
    ...Option.toArray(Option.orElse(session, () => sessionOf(process.geteuid?.()))).map((parent) => ({
      parent,
      directory: Path.join(parent, "lockstep"),
      isVolatile: true
    }))
  ])
)

const isOwned = (stat: Fs.Stats, owner: number): boolean =>
  stat.isDirectory() && (process.geteuid === undefined || stat.uid === owner)

/** Whether no other user can enter it, nor put another in its place. */
const isPrivate = ({ directory, parent }: Refuge, owner: number): boolean => {
  const above = Fs.statSync(parent)
  const here = Fs.lstatSync(directory)
  return isOwned(above, owner) && isOwned(here, owner) &&
    (process.geteuid === undefined || (above.mode & 0o022) === 0 && (here.mode & 0o077) === 0) &&
    RemoteFileSystem.findName(directory) === undefined
}

/**
 * Whether it is there and may hold a secret of the owner of a store. Never throws.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUsable = (refuge: Refuge, store: string): boolean => {
  try {
    const directory = Path.dirname(store)
    return Fs.realpathSync(refuge.directory) !== directory && isPrivate(refuge, Ownership.ownerOf(directory).uid)
  } catch {
    return false
  }
}

/**
 * Makes it where it is missing, and tells whether it may hold a secret of the owner of a store. Never throws.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (refuge: Refuge, store: string): boolean => {
  try {
    if (!Fs.existsSync(refuge.directory)) {
      const above = Fs.statSync(refuge.parent)
      if (!isOwned(above, Ownership.ownerOf(Path.dirname(store)).uid) || (above.mode & 0o022) !== 0) return false
      Ownership.makeOne(refuge.directory)
    }
    return isUsable(refuge, store)
  } catch {
    return false
  }
}

/** Sixteen hex digits that name the directory of a store, whatever its device is called after the next start. */
const keyOf = (directory: string): string => Crypto.createHash("sha256").update(directory).digest("hex").slice(0, 16)

/**
 * The path in a refuge of what is called so beside a store. Links of the store's path are resolved.
 *
 * @since 0.1.0
 * @category getters
 */
export const pathOf = ({ directory }: Refuge, store: string, name: string): string =>
  Path.join(directory, `${keyOf(Path.dirname(store))}.${name}`)

/**
 * The name beside a store of what lies in a refuge; `None` where it is of another store.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (store: string, file: string): Option.Option<string> => {
  const prefix = `${keyOf(Path.dirname(store))}.`
  return file.startsWith(prefix) ? Option.some(file.slice(prefix.length)) : Option.none()
}
