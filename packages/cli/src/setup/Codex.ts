/**
 * codex: a model provider whose token Lockstep prints, in codex's configuration.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { UsageError } from "../line/UsageError.js"
import * as Address from "./Address.js"
import * as Places from "./Places.js"
import type { Self } from "./Self.js"
import type { Setting } from "./Setting.js"
import * as SettingsFile from "./SettingsFile.js"
import * as Toml from "./Toml.js"

/**
 * What codex is set up for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: string
  /** The address that the provider's paths are appended to. */
  readonly to: string
  /** What codex calls the provider; like the tenant where nothing is said. */
  readonly name: Option.Option<string>
  /** Whether codex uses it where it is told nothing else. */
  readonly isDefault: boolean
}

const isOurs = (table: unknown): boolean => /\blockstep\b/.test(JSON.stringify(table))

/**
 * Looks at codex's configuration.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (self: Self, options: Options): Effect.Effect<Setting, UsageError> =>
  Effect.flatMap(Address.read(options.to), (to) => {
    const name = Option.getOrElse(options.name, () => options.tenant)
    // codex sends its request without a token when it gives up on the command: this one answers sooner.
    const [command, ...args] = self.words("token", options.tenant, "--max-wait", "25s")
    const wanted: Toml.Wanted = {
      path: ["model_providers", name],
      table: { name, base_url: to, auth: { command, args, timeout_ms: 30_000 } },
      ...(options.isDefault ? { choice: ["model_provider", name] } : {})
    }
    return SettingsFile.make({
      path: Places.codex(process.env),
      text: Toml.render(wanted),
      edit: (text) => Toml.edit(text, wanted, isOurs),
      next: options.isDefault
        ? []
        : [`choose it: --default, or \`codex --config model_provider=${JSON.stringify(name)}\` for one session`]
    })
  })
