/**
 * The credential files of other programs that a process may use as its store: `--store TOOL[:PATH]`.
 *
 * This package knows that there are such files and none of them. A program that wants them brings them, as
 * `ToolStores.layer` of `@lockstep/tools` does.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { CustodyLimits, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as LockedPorts from "../LockedPorts.js"

/**
 * How the locks of such a file are judged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether locks on remote and shared file systems are believed: `LOCKSTEP_TRUST_LOCKS`. Off. */
  readonly trustLocks?: boolean | undefined
}

/**
 * One file that was found.
 *
 * @since 0.1.0
 * @category models
 */
export interface ForeignStore {
  /** How `--store` calls the program that owns it. */
  readonly name: string

  /** What messages call that program. */
  readonly title: string

  /** Absolute. */
  readonly path: string

  /** What its custody adds to the bounds of a refresh. */
  readonly limits: CustodyLimits

  /** The ports over it. Building them opens, creates and locks nothing. */
  readonly ports: (
    options: Options
  ) => Layer.Layer<LockedPorts.Ports, ConfigError.ConfigError | CredentialStoreError, RefreshPolicy>
}

/**
 * The files that this process may use: none, unless a program brings them.
 *
 * @since 0.1.0
 * @category services
 */
export class ForeignStores extends Context.Reference<ForeignStores>()("@lockstep/node/stores/ForeignStores", {
  defaultValue: (): {
    /** How `--store` calls the programs. */
    readonly names: Effect.Effect<ReadonlyArray<string>>
    /** Finds the file that `TOOL` or `TOOL:PATH` names. Fails with a `ConfigError` where that names none. */
    readonly find: (text: string) => Effect.Effect<ForeignStore, ConfigError.ConfigError>
  } => ({
    names: Effect.succeed([]),
    find: () =>
      Effect.fail(ConfigError.InvalidData(["LOCKSTEP", "STORE"], "this program knows no file of another tool"))
  })
}) {}
