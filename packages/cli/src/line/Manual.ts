/**
 * What `--help` prints beside the options.
 *
 * @since 0.1.0
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Cli from "../Cli.js"
import type * as Style from "../terminal/Style.js"
import * as Grammar from "./Grammar.js"
import * as Help from "./Help.js"
import * as Page from "./HelpPage.js"
import type { HelpBook, HelpPage } from "./HelpPage.js"

type Items = ReadonlyArray<readonly [string, string]>
type Section = readonly [title: string, items: Items]

const config = CliConfig.make({ showBuiltIns: false, showTypes: true })

const GLOBAL: Section = ["global options", [
  ["--home DIR", "where credentials live: LOCKSTEP_HOME, else ~/.lockstep"],
  ["--store STORE", "file, keyring, secrets, auto or TOOL[:PATH]: LOCKSTEP_STORE, else the home's own"],
  ["--log-level LEVEL", "all, trace, debug, info, warning (default), error, fatal, none"],
  ["completions SHELL", "print a completion script: bash, fish, sh, zsh"],
  ["--version", "print the version"],
  ["--help, -h", "print this; behind a command, its own help"]
]]

const EXIT_CODES: Section = ["exit codes", [
  ["0", "done"],
  ["1", "unexpected, or doctor found something"],
  ["2", "usage and configuration"],
  ["3", "login needed"],
  ["4", "lock timeout or unavailable"],
  ["5", "provider timeout, unavailable or rejected"],
  ["6", "store error, or a rotation that could not be stored"],
  ["129/130/143", "after SIGHUP, SIGINT, SIGTERM"]
]]

const IMPORT_MEMBERS: Section = ["members", [
  ["access_token", "one of the two tokens is needed"],
  ["refresh_token", "needs token_endpoint (or issuer) and client_id, or vendor"],
  ["expires_at, expires_in", "when the access token ends: seconds since the epoch, or from now"],
  ["token_endpoint, client_id", "where and as whom to refresh"],
  ["client_secret", "for confidential clients; token_endpoint_auth_method where it is not HTTP Basic"],
  ["client_secret_expires_at", "when a dynamic registration ends: seconds since the epoch, 0 for never"],
  ["login_expires_at", "when the login itself ends, whatever is refreshed until then"],
  ["scope, resource, vendor", "as granted; kept and sent again where the protocol says so"],
  ["issuer", "finds the token endpoint where none is given"],
  ["account", "a label, or an object of id and label"]
]]

const IMPORT_TOOLS: Section = ["from another tool", [
  ["NAME", "claude-code, codex, copilot, gemini, gh, grok, kiro, mcp-remote, opencode, pi, …; a wrong one lists them"],
  ["NAME:PATH", "a file that lies elsewhere than the tool itself looks"],
  ["gh", "`gh auth token | lockstep import gh --from -`, where gh keeps its token in the keyring"],
  [
    "two users of one login",
    "a refresh token that is good for one use is not copied unasked: `lockstep login VENDOR` makes a login of its own, " +
    "and `--store NAME` shares the file of a tool that locks it"
  ]
]]

const LOGIN_ELSEWHERE: Section = ["without a browser", [
  ["over SSH", "the address is shown; open it where your browser is, and paste the address of its last page"],
  [
    "through a relay",
    "`lockstep login codex --no-browser --user ID` prints the address and ends; " +
    "`lockstep login codex --user ID --code -` reads the answer from standard input"
  ],
  [
    "in a container",
    "`lockstep login codex --device --no-browser` prints address and code and ends; " +
    "`lockstep login codex --poll` asks once: 0 stored, 3 with AuthorizationPending while it waits"
  ],
  ["for programs", "--json prints one object per line: waiting, then stored or an error"]
]]

/** A line that can be typed, and what it does. */
const EXAMPLES: Readonly<Record<keyof typeof Cli.commands | "", Items>> = {
  "": [
    ["lockstep login codex", "log in, in a browser"],
    ["lockstep token codex", "print an access token that works, refreshed where it must be"],
    ["lockstep status", "see every login and what it needs"]
  ],
  token: [
    ["lockstep token codex", "an access token, and nothing else"],
    ["lockstep token codex --format header", "a line for curl: Authorization: Bearer"],
    ["lockstep token codex --min-ttl 10m", "one that is good for ten minutes at least"],
    ["lockstep token codex --rejected-stdin", "another one than that on standard input, which got a 401"]
  ],
  exec: [
    ["lockstep exec codex -- env", "a command that finds the token in LOCKSTEP_TOKEN"],
    [
      "lockstep exec gateway --proxy https://gateway.example --env ANTHROPIC_BASE_URL -- claude",
      "the address of a proxy, for as long as the command runs"
    ],
    ["lockstep exec codex --env OPENAI_API_KEY -- sh -c 'echo $OPENAI_API_KEY'", "in another variable"]
  ],
  proxy: [
    ["lockstep proxy codex --to https://api.example/v1", "an address on this machine that needs no token"],
    ["lockstep proxy codex --to https://api.example --port 8080", "at a port that stays"]
  ],
  serve: [
    ["lockstep serve", "a keeper of this home's logins, at a socket of its own"],
    ["lockstep serve --install systemd", "the unit that starts it with the session"]
  ],
  agent: [
    ["lockstep agent list", "which keys there are, and when they end"]
  ],
  "agent add": [
    ["lockstep agent add ci --tenant 'mcp:*' --out ci.key", "a key for some logins, in a file"]
  ],
  "agent list": [
    ["lockstep agent list", "which keys there are, and when they end"]
  ],
  "agent remove": [
    ["lockstep agent remove ci", "no key of that name opens anything any more"]
  ],
  mcp: [
    ["lockstep mcp mcp:linear", "what an MCP client runs, in place of the server"],
    ["lockstep mcp https://mcp.linear.app/mcp --transport http", "by address, over Streamable HTTP alone"]
  ],
  setup: [
    ["lockstep setup git gitlab --to https://gitlab.example", "shows what git is to be told"],
    ["lockstep setup git gitlab --to https://gitlab.example --write", "tells it"],
    ["lockstep setup kubectl cluster --context prod --write", "the user of a context"],
    ["lockstep setup mcp mcp:linear --client claude-code --write", "a server that the client starts"]
  ],
  "setup git": [
    ["lockstep setup git gitlab --to https://gitlab.example", "shows what git is to be told"],
    ["lockstep setup git gitlab --to https://gitlab.example --write", "tells it"]
  ],
  "setup kubectl": [
    ["lockstep setup kubectl cluster --context prod --write", "the user of a context"]
  ],
  "setup claude-code": [
    ["lockstep setup claude-code gateway --write", "the key of its API, from this login"]
  ],
  "setup codex": [
    ["lockstep setup codex gateway --to https://gateway.example/v1 --write", "a provider, with the key from this login"]
  ],
  "setup mcp": [
    ["lockstep setup mcp mcp:linear --client claude-code --write", "a server that the client starts"]
  ],
  "git-credential": [
    ["lockstep git-credential gitlab get", "what git runs; it asks on standard input"]
  ],
  login: [
    ["lockstep login codex", "in a browser of this machine"],
    ["lockstep login codex --profile work", "a second account, as the tenant codex@work"],
    ["lockstep login codex --device --qr", "on a phone, where the vendor offers it"],
    ["lockstep login https://mcp.linear.app/mcp", "an MCP server, by its address: the tenant mcp:linear"],
    ["lockstep login mcp:linear --scope files:write", "the same login, allowed more"],
    ["lockstep login TENANT", "once more, as it was made before"],
    ["lockstep login --issuer https://id.example --client-id ID --tenant acme", "any OAuth or OpenID Connect server"]
  ],
  status: [
    ["lockstep status --fleet", "the shared database: sessions, and what each holds"],
    ["lockstep status", "every login: what it is worth, and who refreshes it"],
    ["lockstep status codex --history", "what happened to one of them"],
    ["lockstep status --watch", "again at every change"],
    ["lockstep status --check", "for scripts: ends with 0 while no person is needed"]
  ],
  refresh: [
    ["lockstep refresh codex", "another access token now, whatever the stored one is worth"]
  ],
  logout: [
    ["lockstep logout codex", "revoked at the server, then removed"],
    ["lockstep logout --all --local", "every login, without a word to a server"]
  ],
  import: [
    ["lockstep import codex --from login.json", "out of a file of JSON"],
    ["lockstep import gh --from -", "a token on standard input: gh auth token | …"],
    ["lockstep import codex --from-tool codex --access-token-only", "what another tool has, but for its refresh token"]
  ],
  vendors: [
    ["lockstep vendors", "every vendor, and what to know of it"],
    ["lockstep vendors --json", "the same for a program"]
  ],
  "vendors secret": [
    ["lockstep vendors secret gemini --from secret.txt", "out of a file"],
    ["lockstep vendors secret gemini --from -", "out of standard input"]
  ],
  store: [
    ["lockstep store", "which store this home has, and why"]
  ],
  "store move": [
    ["lockstep store move --to keyring", "into the keyring of the operating system"],
    ["lockstep store move --to file", "and back"]
  ],
  secrets: [
    ["lockstep secrets rotate-key", "make a new key and encrypt everything again"]
  ],
  "secrets rotate-key": [
    ["lockstep secrets rotate-key", "whenever the old key may be known"]
  ],
  migrate: [
    ["lockstep migrate --check", "whether the database has what this version needs"],
    ["lockstep migrate", "bring it there"]
  ],
  evict: [
    ["lockstep evict 3f9a", "ends the session whose id begins so; a living process begins another one at once"],
    [
      "lockstep evict 3f9a --force",
      "although it has sent a request: the next process may have to send the token again, which can end the login"
    ]
  ],
  restored: [
    [
      "lockstep restored --before 2026-11-30T18:00:00Z",
      "with every other process stopped; without a zone it is local time"
    ]
  ],
  doctor: [
    ["lockstep doctor", "everything that can be checked from here"],
    ["lockstep doctor --offline", "without asking a server what time it is"]
  ]
}

const EXEC_PROXY: Section = ["with --proxy", [
  ["the address", "http, on this machine, with a secret in its path: treat it like a token"],
  ["the login", "always the stored one; renewed before it ends, and once after a 401"],
  ["the end", "of the command is that of the proxy"]
]]

const SECRET_SOURCES: Section = ["where it comes from", [
  ["VENDOR's own program", "its client secret is public by design and the vendor's to publish"],
  ["LOCKSTEP_VENDOR_CLIENT_SECRET", "a variable that comes before what is stored"]
]]

const STORES: Section = ["stores", [
  ["file", "auth.json, readable for its owner; what is used where nothing is said"],
  ["keyring", "the keyring of the operating system"],
  ["secrets", "an encrypted file; its key is in the keyring, or where LOCKSTEP_SECRETS_KEY_FILE says"],
  ["auto", "the home's own; in a new home the keyring, and the file only where there is no keyring"],
  ["TOOL[:PATH]", "the file of another tool, with that tool's locks; named for one call and never remembered"]
]]

const MOVE: Section = ["what happens", [
  ["meanwhile", "refreshes wait; one that is under way is waited for"],
  [
    "then",
    "the new store is read back before the old one is emptied, and a move that was cut off is finished by another"
  ],
  ["running processes", "are told that their store moved, and start again"]
]]

const SOURCES: Section = ["sources", [
  ["a variable", "of the vendor's own, such as CLAUDE_CODE_OAUTH_TOKEN, for the tenant that is called like the vendor"],
  ["stored", "the login that `lockstep login` or `lockstep import` stored"]
]]

const PROXY: Section = ["what to know", [
  ["the address", "printed once, when it listens, and never again: a program that knows it uses the login"],
  ["the login", "always the stored one; refreshed by the request that needs it, and once after a 401"],
  ["never passed on", "the client's own Authorization and cookies; the token to another origin"],
  ["its own answers", "application/problem+json with advice, and never a 401"],
  ["in a container", "--network host, or --allow-host with the name that leads to this machine"]
]]

const SERVE: Section = ["what to know", [
  ["clients", "`lockstep token` and `exec` find it by themselves; others over the socket, see docs/serve.md"],
  ["elsewhere", "LOCKSTEP_SERVE=unix:PATH or http://127.0.0.1:PORT; the key's file in LOCKSTEP_SERVE_KEY_FILE"],
  ["who may ask", "the same user over its socket; everyone else with a key, see `lockstep agent add --help`"],
  ["in a container", "mount the file of --agent-socket and a key's file, and nothing else"],
  ["when it is gone", "commands do it themselves: nothing needs a keeper"]
]]

const AGENT: Section = ["what to know", [
  [
    "the key",
    "is in the file of --out alone; here its digest is kept. Give the file to the agent, never the key as an argument"
  ],
  ["what it opens", "access tokens of these logins, through a keeper. Never a refresh token"]
]]

const MCP: Section = ["what to know", [
  ["in a client", `{"command": "lockstep", "args": ["mcp", "mcp:linear"]}`],
  ["the login", "always the stored one; `lockstep login URL` makes it, and nothing here opens a browser"],
  ["errors", "of a login or a network reach the client as the answer to its request, and the bridge goes on"],
  ["standard output", "holds messages and nothing else"]
]]

const GIT: Section = ["what to know", [
  ["to set it up", "git config --global credential.https://HOST.helper '!lockstep git-credential TENANT'"],
  ["get", "name, token and when it ends; never for an http address of another machine"],
  ["erase", "git's word for a token that was refused: another one is fetched, and the next get has it"],
  ["store", "nothing: what git was given is stored already"]
]]

const SETUP_RULES: Section = ["what to know", [
  ["without --write", "nothing is changed; the text goes to standard output"],
  ["what is there", "of another's making stays without --replace, and so does every other byte of a file"],
  ["--home, --store", "go into the setting where this call names them, or LOCKSTEP_HOME and LOCKSTEP_STORE do"],
  ["a refused token", "is replaced for git; the others need `lockstep exec --proxy` or `lockstep proxy`"]
]]

const MORE: Readonly<Record<string, ReadonlyArray<Section>>> = {
  token: [SOURCES],
  login: [LOGIN_ELSEWHERE],
  import: [IMPORT_MEMBERS, IMPORT_TOOLS],
  "vendors secret": [SECRET_SOURCES],
  proxy: [PROXY],
  serve: [SERVE],
  "agent add": [AGENT],
  mcp: [MCP],
  "git-credential": [GIT],
  setup: [SETUP_RULES],
  "setup git": [SETUP_RULES],
  "setup kubectl": [SETUP_RULES],
  "setup claude-code": [SETUP_RULES],
  "setup codex": [SETUP_RULES],
  "setup mcp": [SETUP_RULES],
  store: [STORES],
  "store move": [MOVE],
  exec: [EXEC_PROXY, ["exit codes", [[
    "the command's own",
    "once it started; 128 and the number of the signal that ended it"
  ]]]]
}

const USAGE: Readonly<Record<keyof typeof Cli.commands, string>> = {
  token: "lockstep token TENANT [options]",
  exec: "lockstep exec TENANT [--env NAME] [--min-ttl DURATION | --proxy URL] -- CMD…",
  proxy: "lockstep proxy TENANT --to URL [options]",
  serve: "lockstep serve [options]",
  agent: "lockstep agent add|list|remove",
  "agent add": "lockstep agent add NAME --tenant PATTERN --out FILE|- [options]",
  "agent list": "lockstep agent list [--json]",
  "agent remove": "lockstep agent remove NAME|KEY [--json]",
  mcp: "lockstep mcp TENANT|URL [options]",
  "git-credential": "lockstep git-credential TENANT get|store|erase [options]",
  setup: "lockstep setup git|kubectl|claude-code|codex|mcp TENANT [options]",
  "setup git": "lockstep setup git TENANT --to URL [--write] [options]",
  "setup kubectl": "lockstep setup kubectl TENANT [--context NAME] [--write] [options]",
  "setup claude-code": "lockstep setup claude-code TENANT [--to URL] [--write] [options]",
  "setup codex": "lockstep setup codex TENANT --to URL [--default] [--write] [options]",
  "setup mcp": "lockstep setup mcp TENANT --client CLIENT|--file FILE [--write] [options]",
  login: "lockstep login VENDOR|URL|TENANT [options]",
  status: "lockstep status [TENANT] [options]",
  refresh: "lockstep refresh TENANT [options]",
  import: "lockstep import TENANT --from FILE|- | --from-tool NAME [options]",
  logout: "lockstep logout TENANT|--all [options]",
  vendors: "lockstep vendors [--json]",
  "vendors secret": "lockstep vendors secret VENDOR --from FILE|- [--json]",
  store: "lockstep store [--json]",
  "store move": "lockstep store move --to file|keyring|secrets|postgres [--json]",
  secrets: "lockstep secrets rotate-key [--json]",
  "secrets rotate-key": "lockstep secrets rotate-key [--json]",
  migrate: "lockstep migrate [--check|--sql] [--json]",
  evict: "lockstep evict SESSION [--force] [--json]",
  restored: "lockstep restored --before TIME [--json]",
  doctor: "lockstep doctor [--offline] [--repair] [--json]"
}

const isCommand = (name: string | undefined): name is keyof typeof Cli.commands =>
  name !== undefined && Object.hasOwn(Cli.commands, name)

const pageOf = (command: string | undefined): HelpPage => {
  if (isCommand(command)) {
    return Help.page(
      Command.getHelp(Cli.commands[command] as Command.Command<string, never, never, unknown>, config),
      { usage: USAGE[command], more: [["examples", EXAMPLES[command]], ...MORE[command] ?? []] }
    )
  }
  const summaries = Object.entries(Cli.commands).map(([name, one]) =>
    [name, Help.summary(Command.getHelp(one as Command.Command<string, never, never, unknown>, config))] as const
  )
  return Help.page(HelpDoc.empty, {
    about: Help.summary(Command.getHelp(Cli.root, config)),
    usage: "lockstep [COMMAND] [options]",
    more: [["commands", summaries], ["examples", EXAMPLES[""]], GLOBAL, EXIT_CODES]
  })
}

/**
 * Every page, written down when the command is bundled: the start of the command answers `--help` out of it.
 *
 * @since 0.1.0
 * @category getters
 */
export const book = (): HelpBook => ({
  commands: Object.keys(Cli.commands),
  subcommands: Cli.subcommands,
  valued: [...Grammar.valued()],
  pages: Object.fromEntries(["", ...Object.keys(Cli.commands)].map((name) => [name, pageOf(name)]))
})

/**
 * Renders the help of one command, or of the whole.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (command: string | undefined, options: {
  readonly style: Style.Style
  readonly columns: number
}): string => Page.render(pageOf(command), options)
