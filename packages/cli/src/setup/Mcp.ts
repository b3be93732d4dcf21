/**
 * Clients of MCP: `lockstep mcp` as a server that they start. What it needs of a person's environment goes into the entry,
 * since many clients pass none on.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { UsageError } from "../line/UsageError.js"
import { type Client, CLIENTS } from "./Consumers.js"
import * as JsonSettings from "./JsonSettings.js"
import * as OtherProgram from "./OtherProgram.js"
import * as Places from "./Places.js"
import type { Self } from "./Self.js"
import type { Setting, State } from "./Setting.js"
import * as SettingsFile from "./SettingsFile.js"
import * as Toml from "./Toml.js"

/**
 * What a client is set up for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: string
  readonly client: Option.Option<Client>
  /** A file with `mcpServers`, of any client. */
  readonly file: Option.Option<string>
  /** What the client calls the server; like the tenant, without `mcp:`, where nothing is said. */
  readonly name: Option.Option<string>
}

interface Entry {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

const isOurs = (entry: unknown): boolean => {
  const { args, command } = (entry ?? {}) as { readonly args?: unknown; readonly command?: unknown }
  return typeof command === "string" && Array.isArray(args) && args.includes("mcp") &&
    /\blockstep\b/.test(`${command} ${args.join(" ")}`)
}

const wantedOf = (name: string, entry: Entry): JsonSettings.Wanted => ({
  path: ["mcpServers", name],
  value: { ...entry }
})

const inJson = (path: string, name: string, entry: Entry) => {
  const wanted = [wantedOf(name, entry)]
  return SettingsFile.make({
    path,
    text: JsonSettings.render(wanted),
    edit: (text) => JsonSettings.edit(text, wanted, isOurs)
  })
}

const inCodex = (name: string, entry: Entry) => {
  const wanted: Toml.Wanted = { path: ["mcp_servers", name], table: { ...entry } }
  return SettingsFile.make({
    path: Places.codex(process.env),
    text: Toml.render(wanted),
    edit: (text) => Toml.edit(text, wanted, isOurs)
  })
}

/** What Claude Code has of that name. It writes its file all the time, and is alone in that. */
const presentIn = (path: string, wanted: JsonSettings.Wanted): Effect.Effect<State, UsageError> =>
  Effect.try({
    try: (): State => {
      const text = Fs.existsSync(path) ? Option.some(Fs.readFileSync(path, "utf8")) : Option.none<string>()
      const edited = JsonSettings.edit(text, [wanted], isOurs)
      if (edited._tag === "Left") throw new Error(edited.left)
      return edited.right.state
    },
    catch: () =>
      new UsageError({
        reason: "Configuration",
        message: `${path}: cannot be read`,
        advice: "see what `claude mcp list` says"
      })
  })

const claude = (...args: ReadonlyArray<string>) =>
  Effect.flatMap(OtherProgram.run("claude", args), ({ code }) =>
    code === 0 ? Effect.void : new UsageError({
      reason: "Configuration",
      message: `claude did not take the setting (code ${code})`,
      advice: "see what `claude mcp list` says"
    }))

const inClaudeCode = (name: string, entry: Entry): Effect.Effect<Setting, UsageError> =>
  Effect.gen(function*() {
    const state = yield* presentIn(Places.claudeCodeState(process.env), wantedOf(name, entry))
    const remove = ["mcp", "remove", "--scope", "user", name]
    const add = ["mcp", "add-json", "--scope", "user", name, JSON.stringify(entry)]
    const commands = state === "absent" || state === "same" ? [add] : [remove, add]
    return {
      place: "Claude Code, by `claude mcp`",
      state,
      text: commands.map((args) => `${["claude", ...args].map(ShellWord.quote).join(" ")}\n`).join(""),
      write: Effect.forEach(commands, (args) => claude(...args), { discard: true }),
      next: []
    }
  })

/**
 * Looks at what the client has of that name. Without a client or a file there is only something to show.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (self: Self, options: Options): Effect.Effect<Setting, UsageError> => {
  const name = Option.getOrElse(options.name, () => options.tenant.replace(/^mcp:/, ""))
  const [command, ...args] = self.bare("mcp", options.tenant)
  const entry: Entry = { command, args, env: self.variables }
  if (Option.isSome(options.file)) return inJson(Path.resolve(options.file.value), name, entry)
  switch (Option.getOrUndefined(options.client)) {
    case "claude-code":
      return inClaudeCode(name, entry)
    case "codex":
      return inCodex(name, entry)
    case "cursor":
      return inJson(Places.cursor, name, entry)
    case "gemini":
      return inJson(Places.gemini(process.env), name, entry)
    case undefined:
      return Effect.succeed({
        place: "the settings of an MCP client",
        state: "absent",
        text: JsonSettings.render([wantedOf(name, entry)]),
        next: [],
        write: new UsageError({
          reason: "Arguments",
          message: "--write: which client is to be set up is not said",
          advice: `add --client ${CLIENTS.join("|")}, or --file FILE with its \`mcpServers\``
        })
      })
  }
}
