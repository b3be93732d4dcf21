/**
 * Another tool's credential file, as data: where it is, how its text holds credentials, which locks its owner takes, and
 * how long that owner waits for them.
 *
 * @since 0.1.0
 */
import type { CustodyLimits } from "@lockstep/core/RefreshPolicy"
import type * as JsonTree from "@lockstep/node/JsonTree"
import type { LockFile } from "@lockstep/node/locks/LockFile"
import type { LockTarget } from "@lockstep/node/locks/LockTarget"
import type { StoreCodec } from "@lockstep/node/StoreCodec"
import * as Duration from "effect/Duration"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"

/**
 * The text of a JSON file and its tree.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolDocument {
  readonly text: string
  readonly root: JsonTree.JsonObject
}

/**
 * What the place of a file depends on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Surroundings {
  /** The user's home directory. */
  readonly userHome: string
  readonly variable: (name: string) => Option.Option<string>
}

/**
 * A tool's file that was found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Located {
  readonly tool: ToolFile
  /** Absolute. */
  readonly path: string
}

/**
 * How the files of a tool are told apart that has one for each of its logins.
 *
 * @since 0.1.0
 * @category models
 */
export interface Files {
  /** The tool as far as one of its files goes. */
  readonly at: (path: string) => ToolFile

  /**
   * Finds the file that is meant by what stands behind the tool's name. `None` for a path, which needs no finding; a text
   * says why no file is meant.
   */
  readonly find: (
    named: Option.Option<string>,
    surroundings: Surroundings
  ) => Either.Either<Option.Option<Located>, string>
}

/**
 * One tool.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolFile {
  /** How `--store` calls it. */
  readonly name: string

  /** What messages call it. */
  readonly title: string

  /** Where the tool itself looks. Absolute. */
  readonly locate: (surroundings: Surroundings) => string

  /**
   * How the text holds credentials. A codec says what the file says and no more: generations, attempts and members for
   * which the file has no place are kept in our own companion file.
   */
  readonly codec: StoreCodec<ToolDocument>

  /**
   * The tool's own locks of a target, in the order in which it takes them; ours come before. `file` is the path as the
   * tool names it, its directory resolved and a last link not: that is where the tool locks. `document` reads the file,
   * where the name of a lock depends on what is in there; `None` when there is no sound one.
   */
  readonly locks: (
    file: string,
    target: LockTarget,
    document: () => Option.Option<ToolDocument>
  ) => ReadonlyArray<LockFile>

  /** How long the tool waits for a lock before it gives up. */
  readonly wait: Duration.Duration

  /** How long a lock of the tool's outlives a holder that was killed, where the kernel does not free it. */
  readonly stale?: Duration.Duration

  /** Where each login has a file of its own. */
  readonly files?: Files
}

/** What a redemption leaves of the time that the tool waits, to persist and to release. */
const SPARE = Duration.seconds(5)

/**
 * What sharing a tool's file adds to the bounds of a refresh: its waiters must not give up on us.
 *
 * @since 0.1.0
 * @category getters
 */
export const limits = ({ stale, wait }: Pick<ToolFile, "wait" | "stale">): CustodyLimits => ({
  redeem: Duration.subtract(wait, SPARE),
  ...(stale === undefined ? {} : { afterDeath: stale })
})
