/**
 * The MCP servers of a tool's file as tenants: `mcp:NAME`, or `mcp:KEY` where two servers go by one name, such as
 * `mcp:linear|638130d5ab3558f4`. The key is what the file calls an entry.
 *
 * @since 0.1.0
 */
import * as TenantId from "@lockstep/core/TenantId"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

const PREFIX = "mcp:"

/**
 * A server as a tool's file has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  readonly name: string
  /** The keys of its entries, the one that counts first. */
  readonly keys: readonly [string, ...ReadonlyArray<string>]
}

const normal = (text: string): string => text.normalize("NFC")

const tenantOf = (server: Server, servers: ReadonlyArray<Server>): string =>
  PREFIX + (servers.some((other) => other !== server && normal(other.name) === normal(server.name))
    ? server.keys[0]
    : server.name)

/**
 * What the file would call the server of a tenant; `None` where the tenant is no MCP server.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (tenant: TenantId.TenantId): Option.Option<string> =>
  tenant.startsWith(PREFIX) && tenant.length > PREFIX.length ? Option.some(tenant.slice(PREFIX.length)) : Option.none()

/**
 * Lists the tenants of the servers that can be one.
 *
 * @since 0.1.0
 * @category getters
 */
export const tenants = (servers: ReadonlyArray<Server>): ReadonlyArray<TenantId.TenantId> =>
  servers.flatMap((server) => Option.toArray(Either.getRight(TenantId.fromString(tenantOf(server, servers)))))

/**
 * Finds the server of a tenant, by its name or by one of its keys.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = <S extends Server>(
  servers: ReadonlyArray<S>,
  tenant: TenantId.TenantId
): Either.Either<Option.Option<S>, Damage> =>
  Option.match(nameOf(tenant), {
    onNone: () => Either.right(Option.none()),
    onSome: (wanted) => {
      const named = servers.filter(({ name }) => normal(name) === wanted)
      if (named.length > 1) {
        const names = named.map((one) => tenantOf(one, servers)).join(", ")
        return Either.left(`${tenant}: more than one server has this name; ask for ${names}`)
      }
      return Either.right(Option.fromNullable(
        named[0] ?? servers.find(({ keys }) => keys.some((key) => normal(key) === wanted))
      ))
    }
  })

/**
 * The origin of an address, where it is one: two logins of one server never differ in it.
 *
 * @since 0.1.0
 * @category getters
 */
export const originOf = (url: string): string | undefined => URL.canParse(url) ? new URL(url).origin : undefined

/**
 * Refuses to write one server's login where another server's is. Servers of which nothing is known are not told apart.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOther = (url: string, resource: Option.Option<string>): boolean => {
  const theirs = originOf(url)
  const ours = Option.getOrUndefined(Option.flatMapNullable(resource, originOf))
  return theirs !== undefined && ours !== undefined && theirs !== ours
}
