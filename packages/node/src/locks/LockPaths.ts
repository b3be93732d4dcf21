/**
 * @since 0.1.0
 */
import type { LockUnavailable } from "@lockstep/core/Errors"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { LockFile } from "./LockFile.js"
import type { LockTarget } from "./LockTarget.js"

/**
 * Says which locks on disk a lock target stands for.
 *
 * @since 0.1.0
 * @category services
 */
export class LockPaths extends Context.Tag("@lockstep/node/locks/LockPaths")<LockPaths, {
  /**
   * The directory of the sidecars, absolute. It is watched for releases, created when it is missing, and must belong to
   * the user: a directory that several users share needs one of its own for each of them inside.
   */
  readonly directory: string

  /** The locks of a target in the order in which they are taken. Two targets may name the same one. */
  readonly plan: (target: LockTarget) => ReadonlyArray<LockFile>

  /** Runs before every try: the place to create the home and to find out that others lock this store elsewhere. */
  readonly prepare?: Effect.Effect<void, LockUnavailable>
}>() {}
