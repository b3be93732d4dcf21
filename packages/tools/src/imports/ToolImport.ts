/**
 * Another tool's login, to be read and never written: where the tool keeps it and how that is read, as data.
 *
 * @since 0.1.0
 */
import type { Damage } from "@lockstep/node/StoreCodec"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Path from "node:path"
import type { Surroundings } from "../ToolFile.js"
import type { ToolEntry } from "./ToolEntry.js"

/**
 * What the place of a file and its reading depend on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Machine extends Surroundings {
  /** The names in a directory; none where it cannot be read. */
  readonly names: (directory: string) => ReadonlyArray<string>
  /** The text of a file of settings; empty where it cannot be read. */
  readonly text: (path: string) => string
  readonly hostname: string
  readonly username: string
}

/**
 * A file that was read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Source {
  /** Absolute, links resolved. */
  readonly path: string
  readonly text: string
  /** Milliseconds since the epoch. */
  readonly changedAt: number
  /** The texts of the further files that were there. */
  readonly companions: ReadonlyMap<string, string>
  readonly machine: Machine
}

/**
 * One kind of file.
 *
 * @since 0.1.0
 * @category models
 */
export interface Format {
  /** Where the tool itself looks. Absolute, the first one first. */
  readonly locate: (machine: Machine) => ReadonlyArray<string>

  /**
   * Makes the text of a file that is not text. Fails with the reason, in place of the damage. Absent, the file is
   * UTF-8.
   */
  readonly open?: (path: string) => Either.Either<string, Damage>

  /**
   * The store of a newer version that has taken the place of this file, so that what is in here may have been used up long
   * ago. Asked only where the file was not named.
   */
  readonly replacedBy?: (path: string, machine: Machine) => Option.Option<string>

  /** Further files that tell more about what is in this one. Absolute. */
  readonly companions?: (source: Pick<Source, "path" | "text" | "machine">) => ReadonlyArray<string>

  /** Reads every entry. Fails with the place of the damage and without a word of the content. */
  readonly read: (source: Source) => Either.Either<ReadonlyArray<ToolEntry>, Damage>
}

/**
 * One tool.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolImport {
  /** How `--from-tool` calls it. */
  readonly name: string

  /** What messages call it. */
  readonly title: string

  /** Its files. The first one is taken for a path whose name says nothing. */
  readonly formats: readonly [Format, ...ReadonlyArray<Format>]

  /** How `--store` calls it, where its file can be shared in place, under its own locks. */
  readonly store: Option.Option<string>

  /** Where the tool keeps logins that only the tool can read; asked where none was found in its files. */
  readonly elsewhere?: (machine: Machine) => ReadonlyArray<Extract<ToolEntry, { readonly _tag: "Elsewhere" }>>
}

/**
 * A file in a directory that a variable names, or else in the user's home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const locateIn = (options: {
  readonly variable?: string
  /** Below what the variable names. */
  readonly below?: ReadonlyArray<string>
  /** Below the user's home, where the variable is not set. */
  readonly otherwise: ReadonlyArray<string>
}) =>
(machine: Machine, ...file: ReadonlyArray<string>): string => {
  const named = options.variable === undefined ? undefined : machine.variable(options.variable)
  return named?._tag === "Some" && named.value !== ""
    ? Path.resolve(named.value, ...options.below ?? [], ...file)
    : Path.join(machine.userHome, ...options.otherwise, ...file)
}
