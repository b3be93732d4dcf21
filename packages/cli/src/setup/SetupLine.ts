/**
 * The commands behind `lockstep setup`, one for each program that can be set up.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { TenantId } from "@lockstep/core/TenantId"
import type * as Effect from "effect/Effect"
import * as Parameters from "../line/Parameters.js"
import type * as ClaudeCode from "./ClaudeCode.js"
import type * as Codex from "./Codex.js"
import { CLIENTS } from "./Consumers.js"
import type * as Git from "./Git.js"
import type * as Kubectl from "./Kubectl.js"
import type * as Mcp from "./Mcp.js"

const { flag, json, tenant, text } = Parameters

interface Common {
  readonly tenant: TenantId
  readonly write: boolean
  readonly replace: boolean
  readonly json: boolean
}

/**
 * What `lockstep setup` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type Asked =
  | (Common & Git.Options & { readonly consumer: "git" })
  | (Common & Kubectl.Options & { readonly consumer: "kubectl" })
  | (Common & ClaudeCode.Options & { readonly consumer: "claude-code" })
  | (Common & Codex.Options & { readonly consumer: "codex" })
  | (Common & Mcp.Options & { readonly consumer: "mcp" })

const common = {
  tenant,
  write: flag("write", "write it; else it is shown, and nothing is changed"),
  replace: flag("replace", "write it over what is there and not from this command"),
  json
}

const to = (description: string) =>
  Options.text("to").pipe(Options.withPseudoName("URL"), Options.withDescription(description))

/**
 * Makes the commands. `run` does what was asked.
 *
 * @since 0.1.0
 * @category commands
 */
export const make = <E, R>(run: (asked: Asked) => Effect.Effect<void, E, R>) => ({
  git: Command.make(
    "git",
    {
      ...common,
      to: to("the server, as its addresses begin: https://gitlab.example"),
      username: text("username", "NAME", "the user's name that the server wants; else git's, else oauth2")
    },
    (options) => run({ ...options, consumer: "git" })
  ).pipe(Command.withDescription("Has git ask Lockstep for the password of one server.")),

  kubectl: Command.make(
    "kubectl",
    {
      ...common,
      user: text("user", "NAME", "what kubectl calls the user; else like the tenant"),
      context: text("context", "NAME", "a context that is to be this user's")
    },
    (options) => run({ ...options, consumer: "kubectl" })
  ).pipe(Command.withDescription("Has kubectl ask Lockstep for a user's token.")),

  "claude-code": Command.make(
    "claude-code",
    { ...common, to: text("to", "URL", "the gateway that the key is for; else Claude Code's own server") },
    (options) => run({ ...options, consumer: "claude-code" })
  ).pipe(Command.withDescription("Has Claude Code ask Lockstep for its key.")),

  codex: Command.make(
    "codex",
    {
      ...common,
      to: to("the address of a model provider: https://gateway.example/v1"),
      name: text("name", "NAME", "what codex calls the provider; else like the tenant"),
      isDefault: flag("default", "have codex use it where it is told nothing else")
    },
    (options) => run({ ...options, consumer: "codex" })
  ).pipe(Command.withDescription("Has codex ask Lockstep for the token of a model provider.")),

  mcp: Command.make(
    "mcp",
    {
      ...common,
      client: Options.choice("client", CLIENTS).pipe(
        Options.withDescription(`the client: ${CLIENTS.join(", ")}`),
        Options.optional
      ),
      file: text("file", "FILE", "a file with the `mcpServers` of any client"),
      name: text("name", "NAME", "what the client calls the server; else like the tenant, without mcp:")
    },
    (options) => run({ ...options, consumer: "mcp" })
  ).pipe(Command.withDescription("Has an MCP client start the bridge to a server that wants a login."))
})
