/**
 * The command tree.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Argv from "./Argv.js"
import * as Doctor from "./commands/Doctor.js"
import * as Exec from "./commands/Exec.js"
import * as Import from "./commands/Import.js"
import * as Logout from "./commands/Logout.js"
import * as Refresh from "./commands/Refresh.js"
import * as Status from "./commands/Status.js"
import * as Token from "./commands/Token.js"
import * as TokenFormat from "./TokenFormat.js"
import * as Wiring from "./Wiring.js"

const tenant = Args.text({ name: "TENANT" }).pipe(
  Args.withDescription("a login: codex, codex@work, mcp:linear"),
  Args.mapEffect((text) =>
    Either.mapLeft(
      TenantId.fromString(text),
      () => HelpDoc.p("a tenant is 1 to 512 bytes without control characters")
    )
  )
)

const duration = (name: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription(description),
    Options.filterMap(
      RefreshPolicy.parseDuration,
      `--${name}: a duration such as 300, 300s, 5m, 2h or "5 minutes" is expected`
    ),
    Options.optional
  )

const flag = (name: string, description: string) => Options.boolean(name).pipe(Options.withDescription(description))

const json = flag("json", "print JSON, errors too")

const globals = {
  home: Options.text("home").pipe(
    Options.withPseudoName("DIR"),
    Options.withDescription("where credentials live: LOCKSTEP_HOME, else ~/.lockstep"),
    Options.optional
  ),
  store: Options.text("store").pipe(
    Options.withPseudoName("STORE"),
    Options.withDescription("which store to use: LOCKSTEP_STORE, else the one that the home is pinned to, else file"),
    Options.optional
  )
}

const lockstep = Command.make(
  "lockstep",
  { ...globals, json },
  (options) => Effect.provide(Status.overview(options), Wiring.layer(options))
).pipe(
  Command.withDescription(
    "Hands out OAuth access tokens to many processes and refreshes each login at most once among them."
  )
)

/** Runs a command over the home that the global options name. */
const wired = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(lockstep, (options) => Effect.provide(effect, Wiring.layer(options)))

const minTtl = duration("min-ttl", "validity that the token must have left")

const token = Command.make(
  "token",
  {
    tenant,
    minTtl,
    maxWait: duration("max-wait", "answer in time; a refresh that takes longer goes on in the background"),
    noRefresh: flag("no-refresh", "print what is stored, or fail; ask no server"),
    rejectedStdin: flag("rejected-stdin", "read the token that got a 401 from standard input and answer with another"),
    format: Options.choice("format", TokenFormat.all).pipe(
      Options.withDescription("raw (default), json, header (Authorization: …) or env (LOCKSTEP_TOKEN=…)"),
      Options.withDefault("raw")
    ),
    json: flag("json", "the same as --format json")
  },
  ({ json, ...options }) =>
    Effect.flatMap(lockstep, (root) =>
      wired(Token.run({
        ...options,
        format: json ? "json" : options.format,
        globals: Wiring.toArguments(root)
      })))
).pipe(Command.withDescription("Prints a usable access token, refreshing it first where necessary."))

const refresh = Command.make(
  "refresh",
  {
    tenant,
    acceptRisk: flag("accept-risk", "send a refresh token of unknown outcome once more; other logins may end"),
    json
  },
  (options) => wired(Refresh.run(options))
).pipe(Command.withDescription("Refreshes now and prints what changed."))

const status = Command.make(
  "status",
  {
    tenant: Args.optional(tenant),
    watch: flag("watch", "show again at every change"),
    history: flag("history", "show what happened to each login"),
    check: flag("check", "answer with the exit code alone: 0 healthy, 3 login needed, 6 damaged"),
    json
  },
  (options) => wired(Status.run(options))
).pipe(Command.withDescription("Shows how the logins stand. Never a token, never a request, never a lock."))

const importCommand = Command.make(
  "import",
  {
    tenant,
    from: Options.text("from").pipe(
      Options.withPseudoName("FILE"),
      Options.withDescription("a JSON file, or - for standard input")
    ),
    replace: flag("replace", "replace a login that is still alive, or one of another account"),
    json
  },
  (options) => wired(Import.run(options))
).pipe(Command.withDescription("Takes over a login from JSON."))

const logout = Command.make(
  "logout",
  {
    tenant: Args.optional(tenant),
    all: flag("all", "end every login"),
    local: flag("local", "do not ask the server to revoke the tokens"),
    json
  },
  (options) => wired(Logout.run(options))
).pipe(Command.withDescription("Revokes the tokens where possible, then removes the login. Absent is fine."))

const exec = Command.make(
  "exec",
  {
    tenant,
    command: Args.repeated(Args.text({ name: "CMD" })).pipe(Args.withDescription("the command, behind --")),
    variable: Options.text("env").pipe(
      Options.withPseudoName("NAME"),
      Options.withDescription(`the variable that holds the token (default ${Exec.DEFAULT_VARIABLE})`),
      Options.withDefault(Exec.DEFAULT_VARIABLE)
    ),
    minTtl
  },
  ({ command, variable, ...options }) =>
    Effect.gen(function*() {
      const checked = yield* Exec.check({ variable, command: command.flatMap(Argv.unshield) })
      yield* Exec.run(checked, yield* wired(Token.get(options)))
    })
).pipe(Command.withDescription("Runs a command with a fresh token in its environment."))

const doctor = Command.make("doctor", { json }, (options) => wired(Doctor.run(options))).pipe(
  Command.withDescription("Checks home, locks, journals and clock, and says how to repair what it finds.")
)

/**
 * The commands by name, in the order of the help.
 *
 * @since 0.1.0
 * @category commands
 */
export const commands = { token, exec, status, refresh, import: importCommand, logout, doctor }

/**
 * The whole tree.
 *
 * @since 0.1.0
 * @category commands
 */
export const root = lockstep.pipe(
  Command.withSubcommands([token, exec, status, refresh, importCommand, logout, doctor])
)
