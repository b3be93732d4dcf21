/**
 * git: a credential helper for one server, in git's global configuration, as `gh auth setup-git` makes one. git's own
 * command writes it. The empty helper in front keeps those out that are set up for all servers: they would store the token
 * and hand it out after its end.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Address from "./Address.js"
import * as OtherProgram from "./OtherProgram.js"
import type { Self } from "./Self.js"
import type { Setting, State } from "./Setting.js"

/**
 * What git is set up for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: string
  /** The server: an origin, and perhaps a path. */
  readonly to: string
  readonly username: Option.Option<string>
}

const OURS = /^!.*\bgit-credential\b/

const stateOf = (present: ReadonlyArray<string>, wanted: ReadonlyArray<string>): State =>
  present.length === 0
    ? "absent"
    : present.join("\0") === wanted.join("\0")
    ? "same"
    : present.every((one) => one === "" || OURS.test(one) && one.includes("lockstep"))
    ? "outdated"
    : "other"

const git = (...args: ReadonlyArray<string>) => OtherProgram.run("git", ["config", "--global", ...args])

const must = (...args: ReadonlyArray<string>) =>
  Effect.flatMap(git(...args), ({ code }) =>
    code === 0 ? Effect.void : new UsageError({
      reason: "Configuration",
      message: `git could not write its configuration (code ${code})`,
      advice: "see what `git config --global --list` says"
    }))

/**
 * Looks at what git has for the server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (self: Self, options: Options): Effect.Effect<Setting, UsageError> =>
  Effect.gen(function*() {
    const key = `credential.${yield* Address.read(options.to)}.helper`
    const name = Option.match(options.username, { onNone: () => [], onSome: (one) => ["--username", one] })
    const wanted = ["", `!${self.line("git-credential", options.tenant, ...name)}`]
    const { code, stdout } = yield* git("--null", "--get-all", key)
    const present = code === 0 ? stdout.split("\0").slice(0, -1) : []
    const first = ["--replace-all", key, wanted[0]!]
    const second = ["--add", key, wanted[1]!]
    const shown = (args: ReadonlyArray<string>) => ["git", "config", "--global", ...args].map(ShellWord.quote).join(" ")
    return {
      place: "the global configuration of git",
      state: stateOf(present, wanted),
      text: `${shown(first)}\n${shown(second)}\n`,
      write: Effect.zipRight(must(...first), must(...second)),
      next: []
    }
  })
