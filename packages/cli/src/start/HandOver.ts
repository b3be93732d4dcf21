/**
 * What the start of the command gives to the program where it cannot end by itself.
 *
 * @since 0.1.0
 */
import type { Inherited } from "@lockstep/node/locks/FileLock"
import type { Problem } from "@lockstep/serve/KeeperWire"
import type { FastLine } from "./FastLine.js"

/**
 * Why the login that was waited for gives no token.
 *
 * @since 0.1.0
 * @category models
 */
export type Refusal =
  | { readonly _tag: "Removed" }
  | { readonly _tag: "OtherAccount"; readonly from: string; readonly to: string }
  | { readonly _tag: "LockTimeout"; readonly waited: number }
  | Told

/**
 * An error that is told as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Told {
  readonly _tag: "Told"
  readonly error: Problem
}

/**
 * A command that is half done.
 *
 * @since 0.1.0
 * @category models
 */
export type HandOver =
  & Rest
  & (
    | { readonly command: "token"; readonly line: FastLine; readonly refusal: Refusal | undefined }
    | {
      readonly command: "exec"
      readonly line: Pick<FastLine, "format" | "home">
      readonly refusal: Told
    }
  )

interface Rest {
  /** The tenant's lock, which this process holds: its descriptor is the lock. */
  readonly lock: Inherited | undefined
  /** The token that was rejected, already read from standard input. */
  readonly rejected: string | undefined
}
