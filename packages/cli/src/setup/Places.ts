/**
 * Where other programs keep their settings.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as Path from "node:path"

type Environment = Readonly<Record<string, string | undefined>>

/** A directory that a variable may name. */
const directory = (env: Environment, variable: string, otherwise: string): string => {
  const named = env[variable]
  return named === undefined || named === "" ? Path.join(Os.homedir(), otherwise) : Path.resolve(named)
}

/**
 * Claude Code's settings of a user.
 *
 * @since 0.1.0
 * @category getters
 */
export const claudeCode = (env: Environment): string =>
  Path.join(directory(env, "CLAUDE_CONFIG_DIR", ".claude"), "settings.json")

/**
 * Where Claude Code keeps the MCP servers of a user. Only Claude Code writes there.
 *
 * @since 0.1.0
 * @category getters
 */
export const claudeCodeState = (env: Environment): string =>
  env["CLAUDE_CONFIG_DIR"] === undefined || env["CLAUDE_CONFIG_DIR"] === ""
    ? Path.join(Os.homedir(), ".claude.json")
    : Path.join(Path.resolve(env["CLAUDE_CONFIG_DIR"]), ".claude.json")

/**
 * codex's configuration.
 *
 * @since 0.1.0
 * @category getters
 */
export const codex = (env: Environment): string => Path.join(directory(env, "CODEX_HOME", ".codex"), "config.toml")

/**
 * Cursor's MCP servers of a user.
 *
 * @since 0.1.0
 * @category getters
 */
export const cursor: string = Path.join(Os.homedir(), ".cursor", "mcp.json")

/**
 * Gemini CLI's settings of a user.
 *
 * @since 0.1.0
 * @category getters
 */
export const gemini = (env: Environment): string =>
  Path.join(
    env["GEMINI_CLI_HOME"] === undefined || env["GEMINI_CLI_HOME"] === "" ? Os.homedir() : env["GEMINI_CLI_HOME"],
    ".gemini",
    "settings.json"
  )

/**
 * kubectl's configurations, of which the first is written where none says more.
 *
 * @since 0.1.0
 * @category getters
 */
export const kubectl = (env: Environment): readonly [first: string, ...more: ReadonlyArray<string>] => {
  const [first, ...more] = (env["KUBECONFIG"] ?? "").split(Path.delimiter).filter((path) => path !== "").map((path) =>
    Path.resolve(path)
  )
  return first === undefined ? [Path.join(Os.homedir(), ".kube", "config")] : [first, ...more]
}
