/**
 * How the login of an MCP server is called where no name is given: `mcp:` and a name made of its address. The prefix
 * keeps it apart from every vendor, also that of a server which is literally called `codex`.
 *
 * @since 0.1.0
 */
import * as TenantId from "@lockstep/core/TenantId"

/**
 * What tenants of MCP servers begin with.
 *
 * @since 0.1.0
 * @category constants
 */
export const PREFIX = "mcp:"

/** What hosts are called in front of the name that people know them by. */
const GENERIC_HOSTS: ReadonlySet<string> = new Set(["mcp", "api", "www", "remote", "server"])

/** What stands between a name and a country. */
const SECOND_LEVEL: ReadonlySet<string> = new Set(["co", "com", "org", "net", "gov", "ac", "edu", "ne", "or"])

/** Where servers are on their host. */
const GENERIC_PATHS: ReadonlySet<string> = new Set(["mcp", "sse", "api", "message", "messages", "http", "stream"])

/** Characters, well below what a tenant may have. */
const LIMIT = 120

const isAddress = (hostname: string): boolean => hostname.startsWith("[") || /^\d+(?:\.\d+){3}$/.test(hostname)

const clean = (text: string): string =>
  text.toLowerCase().replace(/%[0-9a-f]{2}/g, "-").replace(/[^a-z0-9._-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "")

const shortHost = (hostname: string): string => {
  if (isAddress(hostname)) return hostname
  const labels = hostname.split(".").filter((label) => label !== "")
  if (labels.length < 2) return hostname
  const [top = "", ...rest] = [...labels].reverse()
  const names = top.length === 2 && rest.length > 1 && SECOND_LEVEL.has(rest[0]!) ? rest.slice(1) : rest
  const known = names.reverse()
  while (known.length > 1 && GENERIC_HOSTS.has(known[0]!)) known.shift()
  return known.length === 1 && GENERIC_HOSTS.has(known[0]!) ? hostname : known.join(".")
}

const join = (parts: ReadonlyArray<string>): TenantId.TenantId =>
  TenantId.make(`${PREFIX}${parts.map(clean).filter((part) => part !== "").join("-").slice(0, LIMIT)}`)

/** Some servers take a key in their path: it stays out of names, since they become file names. */
const isKeyLike = (part: string): boolean => part.length >= 20 && /\d/.test(part)

const segments = ({ pathname }: URL): ReadonlyArray<string> =>
  pathname.split("/").filter((part) => part !== "" && !isKeyLike(part))

/**
 * The short name of a server: `mcp:linear` of `https://mcp.linear.app/mcp`. Two servers may have the same one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const short = (server: URL): TenantId.TenantId =>
  join([
    shortHost(server.hostname),
    server.port,
    ...segments(server).filter((part) => !GENERIC_PATHS.has(part.toLowerCase()) && !/^v\d+$/i.test(part))
  ])

/**
 * The long name of a server, which holds its host and path as they are: `mcp:mcp.linear.app-mcp`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const long = (server: URL): TenantId.TenantId => join([server.hostname, server.port, ...segments(server)])

/**
 * Whether a tenant is called like that of an MCP server.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOne = (tenant: string): boolean => tenant.startsWith(PREFIX) && tenant.length > PREFIX.length
