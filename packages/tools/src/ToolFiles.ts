/**
 * The tools whose credential files are read and written in place, and how a person names one of them: `TOOL`, or
 * `TOOL:PATH` for a file that is not where the tool itself looks.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as ClaudeCode from "./adapters/ClaudeCode.js"
import * as CodexMcp from "./adapters/CodexMcp.js"
import * as Hermes from "./adapters/Hermes.js"
import * as McpRemote from "./adapters/McpRemote.js"
import * as Openab from "./adapters/Openab.js"
import * as Pi from "./adapters/Pi.js"
import * as PiMcp from "./adapters/PiMcp.js"
import type { Located, Surroundings, ToolFile } from "./ToolFile.js"

/**
 * All of them.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<ToolFile> = [
  ClaudeCode.tool,
  CodexMcp.tool,
  Hermes.tool,
  McpRemote.tool,
  Openab.tool,
  Pi.tool,
  PiMcp.tool
]

const USER_HOME = process.platform === "win32" ? "USERPROFILE" : "HOME"

const invalid = (message: string) => ConfigError.InvalidData(["LOCKSTEP_STORE"], message)

/** The environment as the configuration has it; a variable that is set to nothing is there. */
const surroundings: Effect.Effect<Surroundings, ConfigError.ConfigError> = Effect.configProviderWith((provider) =>
  Effect.map(provider.load(Config.string(USER_HOME)), (userHome) => ({
    userHome,
    variable: (name) => Effect.runSync(Effect.option(provider.load(Config.string(name))))
  }))
)

const pathOf = (text: string, userHome: string): Option.Option<string> => {
  const expanded = text === "~" || text.startsWith("~/") || text.startsWith(`~${Path.sep}`)
    ? Path.join(userHome, text.slice(1))
    : text
  return Path.isAbsolute(expanded) ? Option.some(Path.normalize(expanded)) : Option.none()
}

/**
 * Whether a text names a tool, well or badly, and no kind of store of our own.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNamed = (text: string): boolean => {
  const name = text.split(":", 1)[0]!
  return text.includes(":") || all.some((tool) => tool.name === name)
}

/**
 * Finds the tool and the file that `TOOL` or `TOOL:PATH` names; `~` is the user's home directory. Fails with a
 * `ConfigError` when there is no such tool, and when the path is relative: it would name another file in every directory.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (text: string): Effect.Effect<Located, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const colon = text.indexOf(":")
    const name = colon < 0 ? text : text.slice(0, colon)
    const tool = all.find((one) => one.name === name)
    if (tool === undefined) {
      return yield* Effect.fail(
        invalid(`no tool is called so: one of ${all.map((one) => one.name).join(", ")} is expected`)
      )
    }
    const around = yield* surroundings
    const named = colon < 0 ? Option.none<string>() : Option.some(text.slice(colon + 1))
    const found = yield* Either.mapLeft(
      tool.files?.find(named, around) ?? Either.right(Option.none<Located>()),
      invalid
    )
    if (Option.isSome(found)) return found.value
    if (colon < 0) return { tool, path: tool.locate(around) }
    const path = pathOf(text.slice(colon + 1), around.userHome)
    if (Option.isNone(path)) {
      return yield* Effect.fail(
        invalid(`${name}: is followed by the absolute path of its file, or by one that begins with ~/`)
      )
    }
    return { tool: tool.files?.at(path.value) ?? tool, path: path.value }
  })
