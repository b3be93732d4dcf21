/**
 * The logins of mcp-remote, a pair of files per server. Since version 0.15 they lie in `mcp-remote-v1` and say who issued
 * them and when they end. Versions before that had a directory each, which stays where it is when a newer one comes, with
 * tokens that may have been used up long ago: none of them is offered where there is a newer directory.
 *
 * A file is called after a hash of the server's address and does not say the address. How long a token of an old version
 * lasts is counted from when the answer came, which no file tells; the file cannot be older than the answer, so its time
 * bounds the expiry from above.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as LooseJson from "./LooseJson.js"
import { fromMillis, fromSeconds, login, type ToolEntry } from "./ToolEntry.js"
import type { Format, Machine, Source, ToolImport } from "./ToolImport.js"
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

const filesIn = (machine: Machine, store: string): ReadonlyArray<string> =>
  machine.names(store).filter((name) => name.endsWith(TOKENS)).toSorted().map((name) => Path.join(store, name))

const current = (machine: Machine): string => directory(machine, "mcp-remote-v1")

const locate = (machine: Machine): ReadonlyArray<string> => filesIn(machine, current(machine))

/** The newest of the old ones: no program uses an older one. */
const locateOld = (machine: Machine): ReadonlyArray<string> => {
  const version = newest(machine.names(directory(machine)))
  return version === undefined ? [] : filesIn(machine, directory(machine, version))
}

const replacedBy: Format["replacedBy"] = (_, machine) =>
  machine.names(directory(machine)).includes(Path.basename(current(machine)))
    ? Option.some(current(machine))
    : Option.none()

const clientOf = (path: string): string => `${path.slice(0, -TOKENS.length)}_client_info.json`

const client = ({ companions, path }: Source): LooseJson.Members =>
  Option.fromNullable(companions.get(clientOf(path))).pipe(
    Option.flatMap((text) => Either.getRight(LooseJson.parse(text))),
    Option.getOrElse(() => ({}))
  )

const entry = (source: Source, tokens: LooseJson.Members): ToolEntry => {
  const registered = client(source)
  const changed = source.changedAt / 1000
  const name = Path.basename(source.path).replace(TOKENS, "")
  return login(name, Option.some(`mcp:${name}`), {
    issuer: Option.orElse(LooseJson.text(tokens, "issuer"), () => LooseJson.text(registered, "issuer")),
    clientId: LooseJson.text(registered, "client_id"),
    clientSecret: LooseJson.text(registered, "client_secret"),
    clientSecretExpiresAt: Option.flatMap(LooseJson.number(registered, "client_secret_expires_at"), fromSeconds),
    accessToken: LooseJson.text(tokens, "access_token"),
    refreshToken: LooseJson.text(tokens, "refresh_token"),
    tokenType: LooseJson.text(tokens, "token_type"),
    scope: LooseJson.text(tokens, "scope"),
    expiresAt: Option.orElse(
      Option.flatMap(LooseJson.number(tokens, "expires_at"), fromMillis),
      () => Option.flatMap(LooseJson.number(tokens, "expires_in"), (span) => fromSeconds(changed + span))
    ),
    obtainedAt: Option.some(Math.floor(changed))
  })
}

const format: Omit<Format, "locate"> = {
  companions: ({ path }) => path.endsWith(TOKENS) ? [clientOf(path)] : [],
  read: (source) => Either.map(LooseJson.parse(source.text), (tokens) => [entry(source, tokens)])
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
  store: Option.some("mcp-remote"),
  formats: [{ ...format, locate }, { ...format, locate: locateOld, replacedBy }]
}
