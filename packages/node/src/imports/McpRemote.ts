/**
 * The logins of mcp-remote, one pair of files per server in a directory per version, as read in geelen/mcp-remote
 * `src/lib/mcp-auth-config.ts` and `utils.ts`. The newest version is looked at.
 *
 * A file is called after a hash of the server's address and says neither the address nor where to refresh. How long its
 * token lasts is counted from when the answer came, which no file tells; the file cannot be older than the answer, so
 * its time bounds the expiry from above.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as LooseJson from "./LooseJson.js"
import { fromSeconds, login, type ToolEntry } from "./ToolEntry.js"
import type { Machine, Source, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ variable: "MCP_REMOTE_CONFIG_DIR", otherwise: [".mcp-auth"] })

const VERSION = /^mcp-remote-(\d+)\.(\d+)\.(\d+)/

const TOKENS = "_tokens.json"

const newest = (names: ReadonlyArray<string>): string | undefined =>
  names.flatMap((name) => {
    const [, ...parts] = VERSION.exec(name) ?? []
    return parts.length === 0 ? [] : [{ name, parts: parts.map(Number) }]
  }).reduce<{ name: string; parts: ReadonlyArray<number> } | undefined>((best, one) => {
    const differs = one.parts.findIndex((part, i) => part !== best?.parts[i])
    return best === undefined || differs >= 0 && one.parts[differs]! > best.parts[differs]! ? one : best
  }, undefined)?.name

const locate = (machine: Machine): ReadonlyArray<string> => {
  const root = directory(machine)
  const version = newest(machine.names(root))
  if (version === undefined) return []
  const names = machine.names(Path.join(root, version)).filter((name) => name.endsWith(TOKENS))
  return [...names].sort().map((name) => Path.join(root, version, name))
}

const clientOf = (path: string): string => `${path.slice(0, -TOKENS.length)}_client_info.json`

const client = ({ companions, path }: Source): LooseJson.Members =>
  Option.fromNullable(companions.get(clientOf(path))).pipe(
    Option.flatMap((text) => Either.getRight(LooseJson.parse(text))),
    Option.getOrElse(() => ({}))
  )

const entry = (source: Source, tokens: LooseJson.Members): ToolEntry => {
  const registered = client(source)
  const changed = source.changedAt / 1000
  return login(Path.basename(source.path).replace(TOKENS, ""), Option.none(), {
    clientId: LooseJson.text(registered, "client_id"),
    clientSecret: LooseJson.text(registered, "client_secret"),
    clientSecretExpiresAt: Option.flatMap(LooseJson.number(registered, "client_secret_expires_at"), fromSeconds),
    accessToken: LooseJson.text(tokens, "access_token"),
    refreshToken: LooseJson.text(tokens, "refresh_token"),
    tokenType: LooseJson.text(tokens, "token_type"),
    scope: LooseJson.text(tokens, "scope"),
    expiresAt: Option.flatMap(LooseJson.number(tokens, "expires_in"), (span) => fromSeconds(changed + span)),
    obtainedAt: Option.some(Math.floor(changed))
  })
}

/**
 * mcp-remote.
 *
 * @since 0.1.0
 * @category tools
 */
export const mcpRemote: ToolImport = {
  name: "mcp-remote",
  title: "mcp-remote",
  store: Option.none(),
  formats: [{
    locate,
    companions: ({ path }) => path.endsWith(TOKENS) ? [clientOf(path)] : [],
    read: (source) => Either.map(LooseJson.parse(source.text), (tokens) => [entry(source, tokens)])
  }]
}
