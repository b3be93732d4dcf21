/**
 * Claude Code: a command for its key, in the settings of the user.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { UsageError } from "../line/UsageError.js"
import * as Address from "./Address.js"
import * as JsonSettings from "./JsonSettings.js"
import * as Places from "./Places.js"
import type { Self } from "./Self.js"
import type { Setting } from "./Setting.js"
import * as SettingsFile from "./SettingsFile.js"

/**
 * What Claude Code is set up for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: string
  /** The address of the gateway; Claude Code's own where nothing is said. */
  readonly to: Option.Option<string>
}

/** Milliseconds. The command answers from the store, so that asking often costs little. */
const KEPT = "60000"

const isOurs = (value: unknown): boolean => typeof value === "string" && /\blockstep\b.* token /.test(value)

/**
 * Looks at Claude Code's settings.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (self: Self, options: Options): Effect.Effect<Setting, UsageError> =>
  Effect.gen(function*() {
    const to = Option.isSome(options.to) ? [yield* Address.read(options.to.value)] : []
    const wanted: ReadonlyArray<JsonSettings.Wanted> = [
      { path: ["apiKeyHelper"], value: self.line("token", options.tenant) },
      ...to.map((value) => ({ path: ["env", "ANTHROPIC_BASE_URL"], value })),
      { path: ["env", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"], value: KEPT, isDefault: true }
    ]
    return yield* SettingsFile.make({
      path: Places.claudeCode(process.env),
      text: JsonSettings.render(wanted),
      edit: (text) => JsonSettings.edit(text, wanted, isOurs)
    })
  })
