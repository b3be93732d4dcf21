/**
 * Replacing a file so that every reader sees the old text or the new one, and a crash leaves one of the two.
 *
 * The new text is written to a temporary file in the same directory, because `rename(2)` is atomic within one file
 * system only. It is synced before the rename: a file system may make the name durable before the data, and a power
 * loss would leave an empty file under the good name. The directory is synced after it: until then the rename itself
 * may be undone by a power loss, and the token that it replaced has been consumed (I3).
 *
 * A store is often a link into some other directory (a dotfile manager, a mounted volume). The link is resolved first
 * and stays a link; the temporary file lies beside what it names.
 *
 * The mode is set on the descriptor: the mode of `open(2)` is masked by the umask, and a umask of 0777 would make a
 * file that its own owner cannot read.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Trace from "@lockstep/core/Trace"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { codeOf } from "./internal/errno.js"
import { step, writeError } from "./internal/fileStep.js"
import * as Ownership from "./Ownership.js"
import * as Replaceable from "./Replaceable.js"

const CREATE = Fs.constants.O_CREAT | Fs.constants.O_EXCL | Fs.constants.O_WRONLY | (Fs.constants.O_NOFOLLOW ?? 0)

const MAX_LINKS = 40

let counter = 0

/** Whatever is missing yet will be made where the links that are there lead: one directory has one name from the first. */
const realDirectory = (path: string): string => {
  if (Fs.existsSync(path)) return Fs.realpathSync(path)
  const parent = Path.dirname(path)
  return parent === path ? path : Path.join(realDirectory(parent), Path.basename(path))
}

/** A path below a file leads nowhere, and the call that opens it says so. */
const isLink = (path: string): boolean => {
  try {
    return Fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
  } catch (cause) {
    if (codeOf(cause) === "ENOTDIR") return false
    throw cause
  }
}

/**
 * Finds the file that a path names through any links, whether it exists or not. Throws.
 *
 * @since 0.1.0
 * @category getters
 */
export const follow = (path: string): string => {
  let current = path
  for (let links = 0; links < MAX_LINKS; links++) {
    // The directory first: `..` in a link counts from where the link really lies.
    const real = realDirectory(Path.dirname(current))
    current = Path.join(real, Path.basename(current))
    if (!isLink(current)) return current
    current = Path.resolve(real, Fs.readlinkSync(current))
  }
  throw Object.assign(new Error("too many links"), { code: "ELOOP" })
}

/**
 * Finds the file that a path names through any links, whether it exists or not.
 *
 * @since 0.1.0
 * @category getters
 */
export const resolve = (path: string): Effect.Effect<string, CredentialStoreError> =>
  Effect.try({
    try: () => follow(path),
    catch: (cause) => new CredentialStoreError({ reason: "Read", location: path, detail: codeOf(cause) })
  })

/**
 * Makes what happened to the names of a directory durable. Where a directory cannot be synced (Windows), its file
 * system journals names by itself.
 *
 * @since 0.1.0
 * @category combinators
 */
export const syncDirectory = (path: string): void => {
  let fd: number | undefined
  try {
    fd = Fs.openSync(path, Fs.constants.O_RDONLY)
    Fs.fsyncSync(fd)
  } catch (cause) {
    if (process.platform !== "win32" || !["EPERM", "EISDIR", "EINVAL", "EACCES"].includes(codeOf(cause))) throw cause
  } finally {
    if (fd !== undefined) Fs.closeSync(fd)
  }
}

interface Temporary {
  path: string
  readonly fd: number
  /** Whether the name is gone, because the file got another one. */
  isRenamed: boolean
}

/** Names a temporary file of a path that no other process and no other call of this one uses. */
const nextName = (target: string): string =>
  Path.join(Path.dirname(target), `${Path.basename(target)}.lockstep-${process.pid}-${++counter}.tmp`)

/** Opens a file that no other process has, private whatever the umask, and of the directory's owner if this is root. */
const openTemporary = (target: string): Temporary => {
  const directory = Path.dirname(target)
  for (;;) {
    const path = nextName(target)
    let fd: number
    try {
      fd = Fs.openSync(path, CREATE, 0o600)
    } catch (cause) {
      // Left by a dead process that had this pid.
      if (codeOf(cause) === "EEXIST") continue
      throw cause
    }
    try {
      Fs.fchmodSync(fd, 0o600)
      Ownership.give(fd, Fs.statSync(directory))
      return { path, fd, isRenamed: false }
    } catch (cause) {
      Fs.closeSync(fd)
      Fs.unlinkSync(path)
      throw cause
    }
  }
}

/** One step of a write: the name under which an observer sees it, and what it does. */
type Step<A> = readonly [name: Parameters<typeof step>[0], run: (temporary: Temporary) => A]

const discard = ({ fd, isRenamed, path }: Temporary): void => {
  try {
    Fs.closeSync(fd)
    if (!isRenamed) Fs.unlinkSync(path)
  } catch {
    // The next writer of this file removes what is left.
  }
}

const writeNow = <A>(
  path: string,
  first: ReadonlyArray<Step<unknown>>,
  [, last]: Step<A>
): Either.Either<A, CredentialStoreError> => {
  let temporary: Temporary | undefined
  try {
    temporary = openTemporary(path)
    for (const [, run] of first) run(temporary)
    return Either.right(last(temporary))
  } catch (cause) {
    return Either.left(writeError(path, cause))
  } finally {
    if (temporary !== undefined) discard(temporary)
  }
}

const writeObserved = <A>(
  path: string,
  first: ReadonlyArray<Step<unknown>>,
  [name, last]: Step<A>
): Effect.Effect<A, CredentialStoreError> =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => openTemporary(path), catch: (cause) => writeError(path, cause) }),
    (temporary) =>
      Effect.zipRight(
        Effect.forEach(first, ([name, run]) => step(name, path, () => run(temporary)), { discard: true }),
        step(name, path, () => last(temporary))
      ),
    (temporary) => Effect.sync(() => discard(temporary))
  )

/**
 * Writes a temporary file beside `path` and takes these steps with it. It is gone afterwards, unless it was renamed. The
 * same steps one by one where a tracer observes them, else in one: a refresh writes six files.
 */
const withTemporary = <A>(
  path: string,
  first: ReadonlyArray<Step<unknown>>,
  last: Step<A>
): Effect.Effect<A, CredentialStoreError> =>
  Trace.whereCollected({
    collected: () => writeObserved(path, first, last),
    otherwise: () => writeNow(path, first, last)
  }).pipe(Effect.uninterruptible)

const write = (text: string): Step<void> => ["write", ({ fd }) => Fs.writeFileSync(fd, text)]

/** The data is durable before the name is: a file system may make a name durable first. */
const syncData: Step<void> = ["sync", ({ fd }) => Fs.fsyncSync(fd)]

const rename = (path: string): Step<void> => ["rename", (temporary) => {
  Fs.renameSync(temporary.path, path)
  temporary.isRenamed = true
}]

/** Until the directory is synced, a power loss may undo the new name. */
const syncName = (path: string): Step<void> => ["sync", () => syncDirectory(Path.dirname(path))]

/**
 * Replaces the text of a file, atomically and durably. Fails with `CredentialStoreError(Write)`, and the file is what
 * it was.
 *
 * @since 0.1.0
 * @category combinators
 */
export const replace = (path: string, text: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.flatMap(resolve(path), (target) => replaceResolved(target, text))

/**
 * The same for a path whose links are resolved already. A link in its last place is replaced, and not followed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const replaceResolved = (
  path: string,
  text: string,
  options: {
    /** Where it need not, a loss of power may bring back the text before, as a whole. */
    readonly mustLast?: boolean
  } = {}
): Effect.Effect<void, CredentialStoreError> =>
  withTemporary(
    path,
    options.mustLast === false ? [write(text), syncData] : [write(text), syncData, rename(path)],
    options.mustLast === false ? rename(path) : syncName(path)
  ).pipe(Effect.mapError(Replaceable.explain(path)))

/**
 * Replaces the text of a file that its readers can do without, atomically and with no sync at all: a loss of power may leave
 * the text before, a part of either, or nothing, and a reader has to find that out.
 *
 * @since 0.1.0
 * @category combinators
 */
export const replaceUnsynced = (path: string, text: string): Effect.Effect<void, CredentialStoreError> =>
  withTemporary(path, [write(text)], rename(path))

/**
 * Creates a file with its whole text, or finds out that another process was first. Answers whether it was created.
 *
 * @since 0.1.0
 * @category combinators
 */
export const create = (path: string, text: string): Effect.Effect<boolean, CredentialStoreError> =>
  withTemporary(path, [write(text), syncData], ["rename", (temporary) => {
    try {
      // Unlike a rename, a link never replaces: of two first writers one wins, and no reader sees half a file.
      Fs.linkSync(temporary.path, path)
    } catch (cause) {
      if (codeOf(cause) === "EEXIST") return false
      throw cause
    }
    syncDirectory(Path.dirname(path))
    return true
  }])

/** A directory may take new names and let none go again. */
const renameAside = (path: string): Step<void> => ["rename", (temporary) => {
  const other = nextName(path)
  try {
    Fs.renameSync(temporary.path, other)
    temporary.path = other
  } catch (cause) {
    // A writer removes what it finds beside the file, and this, too: then names can go.
    if (codeOf(cause) !== "ENOENT") throw cause
  }
}]

/**
 * Finds out whether a file could be replaced by one of so many bytes: writes a temporary file beside it, gives it another
 * name and removes it, and looks whether the file itself could be given up.
 *
 * Nothing is synced, for nothing of it is to last: a local file system takes the space at the write and not later.
 *
 * @since 0.1.0
 * @category combinators
 */
export const probe = (path: string, bytes: number): Effect.Effect<void, CredentialStoreError> =>
  Effect.zipRight(
    Replaceable.check(path),
    withTemporary(path, [write("\0".repeat(bytes))], renameAside(path))
  )

/**
 * Removes a file, durably; absent is fine.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = (path: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.try({
    try: () => {
      try {
        Fs.unlinkSync(path)
      } catch (cause) {
        if (codeOf(cause) === "ENOENT") return
        throw cause
      }
      syncDirectory(Path.dirname(path))
    },
    catch: (cause) => writeError(path, cause)
  })

/**
 * Removes what killed writers of this file left behind: it may hold live tokens. Only the holder of the lock under which
 * the file is written may do so, because no other process can be writing then.
 *
 * @since 0.1.0
 * @category combinators
 */
export const sweep = (path: string): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => {
    const directory = Path.dirname(path)
    const prefix = `${Path.basename(path)}.lockstep-`
    for (const name of Fs.readdirSync(directory)) {
      if (name.startsWith(prefix) && /^\d+-\d+\.tmp$/.test(name.slice(prefix.length))) {
        Fs.rmSync(Path.join(directory, name), { force: true })
      }
    }
  }))
