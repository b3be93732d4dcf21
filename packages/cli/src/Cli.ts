/**
 * The command tree.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { LOCAL_USER } from "@lockstep/core/PendingLogins"
import * as StoreDrift from "@lockstep/node/stores/StoreDrift"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Exec from "./commands/Exec.js"
import * as GitCredential from "./commands/GitCredential.js"
import * as Import from "./commands/Import.js"
import * as Logout from "./commands/Logout.js"
import * as Refresh from "./commands/Refresh.js"
import * as Status from "./commands/Status.js"
import * as Token from "./commands/Token.js"
import * as Advised from "./errors/Advised.js"
import * as Argv from "./line/Argv.js"
import * as Parameters from "./line/Parameters.js"
import { UsageError } from "./line/UsageError.js"
import { CONSUMERS } from "./setup/Consumers.js"
import * as SetupLine from "./setup/SetupLine.js"
import * as Output from "./terminal/Output.js"
import * as Times from "./terminal/Times.js"
import * as TokenFormat from "./token/TokenFormat.js"
import * as FleetStore from "./wiring/FleetStore.js"
import * as LookWiring from "./wiring/LookWiring.js"
import * as Wiring from "./wiring/Wiring.js"

const { duration, flag, json, port, tenant, text, texts } = Parameters

const lockstep = Command.make(
  "lockstep",
  { ...Parameters.globals, json },
  (options) => Wiring.provide(Advised.worded()(Status.overview(options)), options)
).pipe(
  Command.withDescription(
    "Hands out OAuth access tokens to many processes and refreshes each login at most once among them."
  )
)

/** Runs a command over the home that the global options name. */
const wired = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(lockstep, (options) => Wiring.provide(Advised.worded()(effect), options))

/** A command that is nothing without the one behind it. */
const nothingAsked = (command: string) =>
  new UsageError({
    reason: "Arguments",
    message: "a command is missing",
    advice: `did you mean \`lockstep ${command}\`?`
  })

const onDemand = Effect.promise(() => import("./commands/OnDemand.js"))

const MANAGERS = ["systemd", "launchd"] as const

const minTtl = duration("min-ttl", "validity that the token must have left")

const source = text("source", "SOURCE", "stored, or the variable to use; else the first that is there")

const token = Command.make(
  "token",
  {
    tenant,
    minTtl,
    source,
    maxWait: duration("max-wait", "answer in time; a refresh that takes longer goes on in the background"),
    noRefresh: flag("no-refresh", "print what is stored, or fail; ask no server"),
    rejectedStdin: flag("rejected-stdin", "read the token that got a 401 from standard input and answer with another"),
    format: Options.choice("format", TokenFormat.all).pipe(
      Options.withDescription(
        "raw (default), json, header (Authorization: …), headers-json ({\"Authorization\": …}), env (LOCKSTEP_TOKEN=…), git "
          + "or kubernetes"
      ),
      Options.withDefault("raw")
    ),
    json: flag("json", "the same as --format json")
  },
  ({ json, ...options }) =>
    Effect.flatMap(lockstep, (root) =>
      wired(Token.run({
        ...options,
        format: json ? "json" : options.format,
        globals: LookWiring.toArguments(root)
      })))
).pipe(Command.withDescription("Prints a usable access token, refreshing it first where necessary."))

const gitCredential = Command.make(
  "git-credential",
  {
    tenant,
    operation: Args.text({ name: "OPERATION" }).pipe(
      Args.withDescription("what git asks for: get, store or erase; anything else is no error and no answer")
    ),
    maxWait: duration("max-wait", "answer in time; a refresh that takes longer goes on in the background"),
    username: text("username", "NAME", "the user's name that the server wants; else git's, else oauth2")
  },
  (options) =>
    Effect.flatMap(lockstep, (root) => wired(GitCredential.run({ ...options, globals: LookWiring.toArguments(root) })))
).pipe(Command.withDescription("Answers git: a token for a password, and another one after a server refused it."))

const login = Command.make(
  "login",
  {
    target: Args.optional(
      Args.text({ name: "VENDOR|URL|TENANT" }).pipe(
        Args.withDescription("a vendor, the address of an MCP server, or a login to repeat")
      )
    ),
    tenant: text("tenant", "T", "how the login is called; else like its vendor, or mcp:SERVER"),
    profile: text("profile", "P", "a further account: the tenant VENDOR@P"),
    device: flag("device", "log in on another device: prints an address and a code, and waits"),
    noBrowser: flag("no-browser", "print the address and end; a second step brings the answer"),
    code: text("code", "CODE|URL", "the second step: what the browser ended at, or - for standard input"),
    poll: flag("poll", "the second step of --device --no-browser: ask once"),
    cancel: flag("cancel", "drop the unfinished login"),
    user: text("user", "ID", "the person who logs in, where several people do so through one relay").pipe(
      Options.map(Option.getOrElse(() => LOCAL_USER))
    ),
    issuer: text("issuer", "URL", "any OAuth or OpenID Connect server; a vendor's other domain or region"),
    clientId: text("client-id", "ID", "the client to log in with"),
    clientSecretFrom: text("client-secret-from", "FILE", "where its secret is read, or - for standard input"),
    clientKeyFrom: text(
      "client-key-from",
      "FILE",
      "its private key instead (private_key_jwt): PEM or JWK; - for stdin"
    ),
    authMethod: Options.choice("auth-method", ["client_secret_basic", "client_secret_post", "private_key_jwt"]).pipe(
      Options.withDescription("how the client proves itself, where the server does not say"),
      Options.optional
    ),
    grant: Options.choice("grant", ["client_credentials", "jwt-bearer"]).pipe(
      Options.withDescription("a login without a person: asked for in the client's own name, or with an id token"),
      Options.optional
    ),
    subjectTokenFrom: text("subject-token-from", "FILE", "the id token of --grant jwt-bearer, or - for standard input"),
    subjectTokenEndpoint: text(
      "subject-token-endpoint",
      "URL",
      "the identity provider that trades it for an assertion"
    ),
    subjectClientId: text("subject-client-id", "ID", "the client of the identity provider"),
    scopes: texts("scope", "S", "a scope, in place of the usual ones; may be repeated"),
    resource: text("resource", "R", "the resource that the token is for (RFC 8707)"),
    omitResource: flag("omit-resource", "never send the server `resource`, where it refuses that; kept with the login"),
    authorizeParams: texts(
      "authorize-param",
      "NAME=VALUE",
      "sent with the authorization request, too; kept with the login; may be repeated"
    ),
    newClient: flag("new-client", "register another client, where the server has forgotten the one that is known"),
    clientName: text("client-name", "NAME", "what the client is called that is registered (default Lockstep)"),
    callbackHost: Options.choice("callback-host", ["localhost", "127.0.0.1"]).pipe(
      Options.withDescription("how the address that the browser comes back to names this machine"),
      Options.optional
    ),
    mcpVersion: Options.choice("mcp-version", ["2025-03-26"]).pipe(
      Options.withDescription("2025-03-26: trust a server whose metadata names another issuer, or is missing"),
      Options.optional
    ),
    replace: flag("replace", "replace a login that is still alive"),
    acceptTerms: flag("accept-terms", "log in although the vendor reserves this login for its own programs"),
    qr: flag("qr", "show the address as a QR code, too"),
    timeout: duration("timeout", "how long to wait for the person"),
    port: port("the port that the browser comes back to; 0 is any that is free"),
    json
  },
  (options) =>
    Effect.flatMap(lockstep, (root) =>
      Effect.flatMap(
        onDemand,
        ({ Login }) => wired(StoreDrift.onPurpose(Login.run({ ...options, globals: LookWiring.toArguments(root) })))
      ))
).pipe(Command.withDescription("Logs a person in, in a browser, in two steps or on another device."))

const secret = Command.make(
  "secret",
  {
    vendor: Args.text({ name: "VENDOR" }).pipe(Args.withDescription("a vendor that needs one: gemini, antigravity")),
    from: Options.text("from").pipe(
      Options.withPseudoName("FILE"),
      Options.withDescription("where the secret is read, or - for standard input")
    ),
    json
  },
  (options) =>
    Effect.flatMap(
      onDemand,
      ({ VendorSecret }) => wired(VendorSecret.run(options))
    )
).pipe(Command.withDescription("Stores a vendor's client secret, which Lockstep does not ship."))

const vendors = Command.make(
  "vendors",
  { json },
  (options) => Effect.flatMap(onDemand, ({ Vendors }) => Vendors.run(options))
).pipe(
  Command.withDescription("Shows every vendor: how it logs in, what its terms say, and what is not offered and why."),
  Command.withSubcommands([secret])
)

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
    check: flag("check", "answer with the exit code alone: 0 no person is needed, 3 login needed, 6 damaged"),
    fleet: flag("fleet", "show the shared database instead: sessions, leases, lag of the sweep, spool of this host"),
    json
  },
  ({ fleet, ...options }) =>
    Effect.gen(function*() {
      if (!fleet) return yield* wired(Status.run(options))
      if (Option.isSome(options.tenant) || options.watch || options.history || options.check) {
        return yield* new UsageError({
          reason: "Arguments",
          message: "--fleet shows the database, and no login",
          advice: "did you mean `lockstep status --fleet`?"
        })
      }
      const { Fleet } = yield* onDemand
      yield* wired(Fleet.show(options))
    })
).pipe(Command.withDescription("Shows how the logins stand. Never a token, never a request, never a lock."))

const importCommand = Command.make(
  "import",
  {
    tenant,
    from: text("from", "FILE", "a file with JSON or an access token, or - for standard input"),
    fromTool: text("from-tool", "NAME[:PATH]", "another tool, whose login is read and never written"),
    entry: text("entry", "NAME", "which of the tool's logins, where it has several"),
    accessTokenOnly: flag("access-token-only", "leave the tool its refresh token"),
    shareLogin: flag("share-login", "take a refresh token that the tool goes on using; one of the two is logged out"),
    replace: flag("replace", "replace a login that is still alive, or one of another account"),
    json
  },
  (options) => wired(StoreDrift.onPurpose(Import.run(options)))
).pipe(Command.withDescription("Takes over a login, from JSON or from another tool."))

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
    variable: text(
      "env",
      "NAME",
      `the variable that holds the token (default ${Exec.VARIABLES.token}), or the address of the proxy (${Exec.VARIABLES.proxy})`
    ),
    proxy: text("proxy", "URL", "start a proxy to there, for a command that runs longer than a token lasts"),
    minTtl,
    source
  },
  (options) =>
    Effect.gen(function*() {
      const checked = yield* Exec.check({ ...options, command: options.command.flatMap(Argv.unshield) })
      if (checked.proxy === undefined) return yield* Exec.run(checked, yield* wired(Token.fromAnySource(options)))
      const { ExecProxy } = yield* onDemand
      yield* wired(ExecProxy.run({ ...checked, tenant: options.tenant, to: checked.proxy }))
    })
).pipe(Command.withDescription("Runs a command with a fresh token in its environment, or behind a proxy of its own."))

const proxy = Command.make(
  "proxy",
  {
    tenant,
    to: Options.text("to").pipe(
      Options.withPseudoName("URL"),
      Options.withDescription("where requests go: https, or http on this machine")
    ),
    port: port("the port to listen on; 0 (default) is any that is free"),
    allowOrigin: texts("allow-origin", "ORIGIN", "a web page that may send requests; may be repeated"),
    allowHost: texts("allow-host", "NAME", "another name by which clients reach this machine; may be repeated"),
    grace: duration("grace", "how long what is under way may take when the proxy ends (default 5s)"),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Proxy }) => wired(Proxy.run(options)))
).pipe(
  Command.withDescription("Passes requests on with a fresh token, for clients in any language, until it is ended.")
)

const keeper = Effect.promise(() => import("./commands/Serve.js"))

const serve = Command.make(
  "serve",
  {
    socket: text("socket", "PATH", "the keeper's socket, in place of the one in the home"),
    agentSocket: text("agent-socket", "PATH", "a further socket, which every user reaches who has an agent's key"),
    port: port("a port of this machine, for clients with an agent's key; 0 is any that is free"),
    audit: text("audit", "FILE", "where each answer is noted, or - for standard error (default: in the home)"),
    grace: duration("grace", "how long what is under way may take when the keeper ends (default 5s)"),
    lazy: flag("lazy", "refresh nothing ahead of expiry; else what was used in the last day is kept fresh"),
    sweep: flag("sweep", "keep every login alive, used or not, and fresh what is used"),
    install: Options.choice("install", ["auto", ...MANAGERS]).pipe(
      Options.withDescription("print what makes it a service of this user (systemd or launchd), and end"),
      Options.optional
    ),
    json
  },
  ({ install, ...options }) =>
    Effect.flatMap(lockstep, (root) => {
      const globals = LookWiring.toArguments(root)
      return Effect.flatMap(keeper, (Serve) =>
        Option.match(install, {
          onSome: (manager) => wired(Serve.install(manager, globals)),
          onNone: () => wired(Serve.run({ ...options, globals }))
        }))
    })
).pipe(
  Command.withDescription("Keeps the logins of this home: hands tokens to agents that hold nothing, until it is ended.")
)

const agentAdd = Command.make(
  "add",
  {
    name: Args.text({ name: "NAME" }).pipe(Args.withDescription("what the agent is called in the audit")),
    tenants: texts("tenant", "PATTERN", "a login that it may ask for; * stands for any text; may be repeated"),
    expires: duration("expires", "how long the key is good for; else until it is removed"),
    allowLogin: flag("allow-login", "let it begin logins of these tenants, too"),
    out: Options.text("out").pipe(
      Options.withPseudoName("FILE"),
      Options.withDescription("where the key is written, a file that is not there yet, or - for standard output")
    ),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Agent }) => wired(Agent.add(options)))
).pipe(Command.withDescription("Makes a key by which an agent asks the keeper for some of the logins."))

const agentList = Command.make(
  "list",
  { json },
  (options) => Effect.flatMap(onDemand, ({ Agent }) => wired(Agent.list(options)))
).pipe(Command.withDescription("Shows which agents have keys and what these open. Never a key."))

const agentRemove = Command.make(
  "remove",
  {
    name: Args.text({ name: "NAME" }).pipe(Args.withDescription("an agent, or the id of one of its keys")),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Agent }) => wired(Agent.remove(options)))
).pipe(Command.withDescription("Removes an agent's keys. A keeper that runs refuses them at once."))

const agent = Command.make("agent", {}, () => nothingAsked("agent list")).pipe(
  Command.withDescription("Looks after the keys of agents."),
  Command.withSubcommands([agentAdd, agentList, agentRemove])
)

const mcp = Command.make(
  "mcp",
  {
    target: Args.text({ name: "TENANT|URL" }).pipe(
      Args.withDescription("a login of an MCP server, or the address of one: mcp:linear, https://mcp.linear.app/mcp")
    ),
    to: text("to", "URL", "another address on the server's origin"),
    transport: Options.choice("transport", ["auto", "http", "sse"]).pipe(
      Options.withDescription("how the server is spoken to: http (Streamable HTTP), sse, or auto (default)"),
      Options.withDefault("auto")
    ),
    headerFrom: text("header-from", "FILE", "a file with further headers, one `Name: value` on a line")
  },
  (options) =>
    Effect.flatMap(
      lockstep,
      (root) =>
        Effect.flatMap(onDemand, ({ Mcp }) => wired(Mcp.run({ ...options, globals: LookWiring.toArguments(root) })))
    )
).pipe(Command.withDescription("Speaks MCP on standard input and output for a server that wants a login."))

const storeMove = Command.make(
  "move",
  {
    to: Options.choice("to", FleetStore.names).pipe(Options.withDescription("file, keyring, secrets or postgres")),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Store }) => wired(Store.move(options)))
).pipe(Command.withDescription("Moves all logins to another store and pins the home to it."))

const store = Command.make(
  "store",
  { json },
  (options) => Effect.flatMap(onDemand, ({ Store }) => wired(Store.show(options)))
).pipe(
  Command.withDescription("Shows which store is used, where it is, and why this one."),
  Command.withSubcommands([storeMove])
)

const rotateKey = Command.make(
  "rotate-key",
  { json },
  (options) => Effect.flatMap(onDemand, ({ RotateKey }) => wired(RotateKey.run(options)))
).pipe(Command.withDescription("Makes a new key and encrypts everything again. Logins go on meanwhile."))

const migrate = Command.make(
  "migrate",
  {
    check: flag("check", "only say whether there is something to do; ends with 1 if there is"),
    sql: flag("sql", "print the statements for an empty database; connect to nothing"),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Migrate }) => Effect.zipRight(lockstep, Migrate.run(options)))
).pipe(Command.withDescription("Sets up the database that hosts share, or brings it to this version."))

const evict = Command.make(
  "evict",
  {
    session: Args.text({ name: "SESSION" }).pipe(
      Args.withDescription("the id of a session, or how it begins, as `lockstep status --fleet` shows it")
    ),
    force: flag("force", "although it has sent a request whose answer may still come"),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Fleet }) => wired(Fleet.evict(options)))
).pipe(Command.withDescription("Ends a session of the shared database, so that others may take what it holds."))

const restored = Command.make(
  "restored",
  {
    before: Options.text("before").pipe(
      Options.withPseudoName("TIME"),
      Options.withDescription("when the database that was lost took its last write: 2026-11-30T18:00:00Z"),
      Options.filterMap(Times.parse, "--before: a time such as 2026-11-30T18:00:00Z is expected")
    ),
    json
  },
  (options) => Effect.flatMap(onDemand, ({ Fleet }) => wired(Fleet.restored(options)))
).pipe(
  Command.withDescription(
    "After a backup was restored: lets no process refresh logins that are older than a time, because their tokens may have been "
      + "exchanged since."
  )
)

const secrets = Command.make("secrets", {}, () => nothingAsked("secrets rotate-key")).pipe(
  Command.withDescription("Looks after the key of the encrypted store."),
  Command.withSubcommands([rotateKey])
)

const setups = SetupLine.make((asked) =>
  Effect.flatMap(lockstep, (root) => Effect.flatMap(onDemand, ({ Setup }) => wired(Setup.run(asked, root))))
)

const setup = Command.make("setup", {}, () => nothingAsked("setup git")).pipe(
  Command.withDescription("Has another program ask Lockstep for its tokens, or shows how it is told."),
  Command.withSubcommands([setups.git, setups.kubectl, setups["claude-code"], setups.codex, setups.mcp])
)

const doctor = Command.make(
  "doctor",
  {
    offline: flag("offline", "ask no server what time it is"),
    repair: flag("repair", "replace what a home was pinned to where no process can use it"),
    json
  },
  (options) =>
    Effect.flatMap(
      lockstep,
      (root) =>
        Effect.flatMap(
          onDemand,
          ({ Doctor }) => wired(Doctor.run({ ...options, globals: LookWiring.toArguments(root) }))
        )
    )
).pipe(Command.withDescription("Checks home, store, locks, journals and clock, and says how to repair what it finds."))

/**
 * The commands by name, in the order of the help.
 *
 * @since 0.1.0
 * @category commands
 */
export const commands = {
  token,
  exec,
  proxy,
  serve,
  agent,
  "agent add": agentAdd,
  "agent list": agentList,
  "agent remove": agentRemove,
  mcp,
  "git-credential": gitCredential,
  setup,
  "setup git": setups.git,
  "setup kubectl": setups.kubectl,
  "setup claude-code": setups["claude-code"],
  "setup codex": setups.codex,
  "setup mcp": setups.mcp,
  login,
  status,
  refresh,
  logout,
  import: importCommand,
  vendors,
  "vendors secret": secret,
  store,
  "store move": storeMove,
  secrets,
  "secrets rotate-key": rotateKey,
  migrate,
  evict,
  restored,
  doctor
}

/**
 * The commands that stand behind another one.
 *
 * @since 0.1.0
 * @category commands
 */
export const subcommands = {
  agent: ["add", "list", "remove"],
  setup: CONSUMERS,
  vendors: ["secret"],
  store: ["move"],
  secrets: ["rotate-key"]
}

/**
 * What the scripts of `lockstep completions` ask for; it is in no help.
 *
 * @since 0.1.0
 * @category constants
 */
export const LOGINS = "completion-logins"

/** The names of the logins, one on a line. */
const logins = Command.make(
  LOGINS,
  {},
  () =>
    wired(Effect.gen(function*() {
      const store = yield* CredentialStore
      const names = yield* Effect.orElseSucceed(store.list, () => [])
      yield* Effect.forEach([...names].sort(), Output.line, { discard: true })
    }))
)

/**
 * The whole tree.
 *
 * @since 0.1.0
 * @category commands
 */
export const root = lockstep.pipe(
  Command.withSubcommands([
    token,
    exec,
    proxy,
    serve,
    agent,
    mcp,
    gitCredential,
    setup,
    login,
    status,
    refresh,
    logout,
    importCommand,
    vendors,
    store,
    secrets,
    migrate,
    evict,
    restored,
    doctor,
    logins
  ])
)
