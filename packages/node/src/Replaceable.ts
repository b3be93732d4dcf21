/**
 * Whether a file can be given up for another one of its name.
 *
 * A rename needs the directory and not the file, and yet there are files that no rename replaces: one that is mounted by
 * itself (a container's `auth.json`), one that is immutable, one on a mount that may only be read. Who finds that out
 * from the rename that stores a rotated token has spent the old one already, so it is asked beforehand.
 *
 * Such a file is not written in place instead: other processes replace theirs by rename and leave a mount with what it
 * named before, and the locks of the directory around it are not those of the directory that it came from. Two places
 * would redeem one token, which is what locks are for (I1).
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { codeOf } from "./internal/errno.js"
import * as Procfs from "./internal/procfs.js"

/**
 * Why a file cannot be replaced. `Mounted`: it is a mount of its own. `Immutable`: an attribute of the file forbids it.
 * `ReadOnly`: it lies on something that may only be read.
 *
 * @since 0.1.0
 * @category models
 */
export type Obstacle = "Mounted" | "Immutable" | "ReadOnly"

let counter = 0

/**
 * Whether the kernel takes a file for another mount than its directory. The device does not tell: a bind mount has that
 * of what it shows, and on overlayfs the files of one directory have several.
 */
const isOfAnotherMount = (path: string): boolean => {
  const trial = Path.join(Path.dirname(path), `${Path.basename(path)}.lockstep-${process.pid}-${++counter}.tmp`)
  try {
    Fs.linkSync(path, trial)
  } catch (cause) {
    return codeOf(cause) === "EXDEV"
  }
  Fs.unlinkSync(trial)
  return false
}

// The table is a hint: it has what is mounted from a path, too, and what lies beneath another mount. The link decides, and
// is made for a name in the table only: it would change the times of every other file. Without a table it alone tells.
const isMounted = (path: string): boolean =>
  Option.getOrElse(Procfs.namesMount(path), () => process.platform === "linux") && isOfAnotherMount(path)

const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_WRONLY } = Fs.constants

/** What the kernel says of writing into the file. Nothing is written, and its times stay. */
const refusal = (path: string): string | undefined => {
  try {
    Fs.closeSync(Fs.openSync(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK))
    return undefined
  } catch (cause) {
    return codeOf(cause)
  }
}

/**
 * Looks for what would keep a file from being replaced, its links resolved. `None` also for one that is not there. A mode
 * without write permission is no obstacle: the name belongs to the directory.
 *
 * @since 0.1.0
 * @category getters
 */
export const obstacle = (path: string): Option.Option<Obstacle> => {
  if (isMounted(path)) return Option.some("Mounted")
  // Windows refuses to open what another program has open, and replaces it all the same.
  if (process.platform === "win32") return Option.none()
  const code = refusal(path)
  // EACCES is the answer of the mode; of what is left, only an attribute forbids it to the owner.
  return code === "EPERM" ? Option.some("Immutable") : code === "EROFS" ? Option.some("ReadOnly") : Option.none()
}

/** What is wrong, and what to do about it. */
const WORDS: Record<Obstacle, { readonly detail: string; readonly remedy: string }> = {
  Mounted: {
    detail: "it is mounted by itself, so it cannot be replaced",
    remedy: "mount the directory that it is in, so that its locks are shared as well; nothing was changed"
  },
  Immutable: {
    detail: "it is immutable or append-only",
    remedy: "take that attribute off the file (`lsattr` shows it, `chattr -i -a` removes it); nothing was changed"
  },
  ReadOnly: {
    detail: "it is on a mount that may only be read",
    remedy: "mount it for writing, or choose another store; nothing was changed"
  }
}

/**
 * Makes the error about a file that cannot be replaced.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failure = (path: string, found: Obstacle): CredentialStoreError =>
  new CredentialStoreError({ reason: "Write", location: path, ...WORDS[found] })

/**
 * Fails with `CredentialStoreError(Write)` where a file could not be replaced.
 *
 * @since 0.1.0
 * @category combinators
 */
export const check = (path: string): Effect.Effect<void, CredentialStoreError> =>
  Effect.suspend(() =>
    Option.match(obstacle(path), { onNone: () => Effect.void, onSome: (found) => failure(path, found) })
  )

/**
 * Says why a replacement failed, where the file itself was the reason.
 *
 * @since 0.1.0
 * @category combinators
 */
export const explain = (path: string) => (error: CredentialStoreError): CredentialStoreError =>
  Option.match(obstacle(path), { onNone: () => error, onSome: (found) => failure(path, found) })
