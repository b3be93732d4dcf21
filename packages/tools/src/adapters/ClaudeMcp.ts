/**
 * The logins at MCP servers in Claude Code's file: `mcpOAuth`, an entry per server. Read in Claude Code 2.1.332, and in
 * files that it wrote.
 *
 * - A key is `NAME|` and the start of a SHA-256 over the server's type, address and headers.
 * - `expiresAt` is in milliseconds and on time. Where the server's metadata are is in `issuer`, or in `discoveryState`.
 *   The client's secret is in the entry, or in `mcpOAuthClientConfig`.
 * - A refresh holds a directory lock of its server. Claude Code tries it five times, one to two seconds apart, reads again
 *   under it, and takes what another process stored. Without it, it sends no refresh. It neither writes nor reads a note of
 *   who holds it, and takes it over once its last heartbeat is a minute old.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import type * as TenantId from "@lockstep/core/TenantId"
import type * as JsonTree from "@lockstep/node/JsonTree"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import type { ToolDocument } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"
import * as McpServers from "./McpServers.js"

const MEMBER = "mcpOAuth"
const CONFIGURED = "mcpOAuthClientConfig"

interface Server extends McpServers.Server {
  readonly url: string
  readonly entry: JsonTree.JsonObject
}

const SHAPE = {
  serverName: "text",
  serverUrl: "text",
  accessToken: "text?",
  refreshToken: "text?",
  scope: "text?",
  clientId: "text?",
  clientSecret: "text?",
  issuer: "text?",
  discoveryState: "object?"
} as const

const keyOf = (name: string, url: string): string => {
  const config = JSON.stringify({ type: "http", url, headers: {} })
  return `${name}|${Crypto.createHash("sha256").update(config).digest("hex").slice(0, 16)}`
}

const serversOf = (document: ToolDocument): ReadonlyArray<Server> =>
  (ToolJson.object(document.root, MEMBER)?.members ?? []).flatMap(({ name: key, value }) => {
    if (value.kind !== "object") return []
    const name = ToolJson.text(document, value, "serverName")
    const url = ToolJson.text(document, value, "serverUrl")
    return name === undefined || url === undefined ? [] : [{ name, url, entry: value, keys: [key] as const }]
  })

const serverOf = (document: ToolDocument, tenant: TenantId.TenantId) => McpServers.find(serversOf(document), tenant)

const damageOf = (document: ToolDocument, { entry, keys: [key] }: Server): Option.Option<Damage> => {
  const isTwice = serversOf(document).filter(({ keys }) => keys[0] === key).length > 1
  const expiry = ToolJson.member(entry, "expiresAt")
  const isWrong = expiry !== undefined && expiry.kind !== "null" &&
    ToolJson.number(document, entry, "expiresAt") === undefined
  return Option.map(
    isTwice
      ? Option.some<ReadonlyArray<string>>([])
      : Option.map(
        Option.orElse(
          ToolJson.mismatch(document, entry, SHAPE),
          () => isWrong ? Option.some("expiresAt") : Option.none()
        ),
        (name) => [name]
      ),
    (path) => ToolJson.damage([MEMBER, key, ...path], "not of the expected type, or there twice")
  )
}

const NOTHING: JsonTree.JsonObject = { kind: "object", start: 0, end: 0, members: [] }

const read = (
  document: ToolDocument,
  { entry, keys: [key], url }: Server
): Option.Option<Credential.Credential> => {
  const token = (name: string) => ToolToken.read(document, entry, name)
  if (Option.isNone(token("accessToken")) && Option.isNone(token("refreshToken"))) return Option.none()
  const filled = (name: string) => ToolJson.filled(document, entry, name)
  const discovered = ToolJson.object(entry, "discoveryState") ?? NOTHING
  const configured = ToolJson.object(ToolJson.object(document.root, CONFIGURED) ?? NOTHING, key) ?? NOTHING
  return Option.some(Credential.Credential.make({
    issuer: Option.orElse(filled("issuer"), () => ToolJson.filled(document, discovered, "authorizationServerUrl")),
    clientId: filled("clientId"),
    clientSecret: Option.map(
      Option.orElse(filled("clientSecret"), () => ToolJson.filled(document, configured, "clientSecret")),
      Redacted.make
    ),
    // What Claude Code sends: the address as it is parsed.
    resource: URL.canParse(url) ? Option.some(new URL(url).href) : Option.none(),
    accessToken: token("accessToken"),
    refreshToken: token("refreshToken"),
    scope: filled("scope"),
    expiresAt: Option.map(
      Option.fromNullable(ToolJson.number(document, entry, "expiresAt")),
      (at) => Math.max(1, at / 1_000)
    )
  }))
}

/**
 * Lists the tenants of the servers with a login.
 *
 * @since 0.1.0
 * @category getters
 */
export const list = (document: ToolDocument): ReadonlyArray<TenantId.TenantId> =>
  McpServers.tenants(serversOf(document).filter((server) => Option.isSome(read(document, server))))

/**
 * Reads the login of one server. Damage of one does not touch the others.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (
  document: ToolDocument,
  tenant: TenantId.TenantId
): Either.Either<Option.Option<Credential.Credential>, Damage> =>
  Either.flatMap(
    serverOf(document, tenant),
    Option.match({
      onNone: () => Either.right(Option.none<Credential.Credential>()),
      onSome: (server) =>
        Option.match(damageOf(document, server), {
          onSome: (damage) => Either.left(damage),
          onNone: () => Either.right(read(document, server))
        })
    })
  )

const update = (document: ToolDocument, key: string, members: ToolJson.Members): string =>
  ToolJson.update(document, new Map([[MEMBER, new Map([[key, members]])]]), ToolJson.COMPACT)

const membersOf = (next: Credential.Credential): Record<string, ToolJson.Value | undefined> => ({
  accessToken: ToolToken.orBlank(next.accessToken),
  refreshToken: Option.getOrUndefined(ToolToken.reveal(next.refreshToken)),
  expiresAt: Option.getOrUndefined(Option.map(next.expiresAt, (at) => Math.round(at * 1_000))),
  scope: Option.getOrUndefined(next.scope)
})

const create = (
  document: ToolDocument,
  tenant: TenantId.TenantId,
  credential: Credential.Credential
): Either.Either<string, Damage> => {
  const name = McpServers.nameOf(tenant)
  const url = Option.filter(credential.resource, (resource) => URL.canParse(resource))
  if (Option.isNone(name) || Option.isNone(url)) {
    return Either.left(`${tenant}: Claude Code knows a server by its URL, and this login names no URL as its resource`)
  }
  const members = ToolJson.members({
    serverName: name.value,
    serverUrl: url.value,
    ...membersOf(credential),
    clientId: Option.getOrUndefined(credential.clientId),
    clientSecret: Option.getOrUndefined(ToolToken.reveal(credential.clientSecret)),
    issuer: Option.getOrUndefined(credential.issuer)
  })
  return Either.right(update(document, keyOf(name.value, url.value), members))
}

/**
 * Writes the login of one server.
 *
 * @since 0.1.0
 * @category combinators
 */
export const put = (
  document: ToolDocument,
  tenant: TenantId.TenantId,
  credential: Credential.Credential
): Either.Either<string, Damage> =>
  Either.flatMap(
    serverOf(document, tenant),
    Option.match({
      onNone: () => create(document, tenant, credential),
      onSome: (server) =>
        McpServers.isOther(server.url, credential.resource)
          ? Either.left(
            `${tenant}: it is another server's login in Claude Code, at ${McpServers.originOf(server.url)}`
          )
          : Either.right(update(document, server.keys[0], ToolJson.members(membersOf(credential))))
    })
  )

/**
 * Removes the tokens of one server. The client stays for the next login, as Claude Code leaves it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = (document: ToolDocument, tenant: TenantId.TenantId): string =>
  Either.match(serverOf(document, tenant), {
    onLeft: () => document.text,
    onRight: Option.match({
      onNone: () => document.text,
      onSome: ({ keys: [key] }) =>
        update(
          document,
          key,
          ToolJson.members({ accessToken: "", refreshToken: undefined, expiresAt: undefined })
        )
    })
  })

/**
 * What the lock of a server's refresh is called; `None` for a server that is not there.
 *
 * @since 0.1.0
 * @category getters
 */
export const lockName = (document: ToolDocument, tenant: TenantId.TenantId): Option.Option<string> =>
  Option.map(
    Option.flatten(Either.getRight(serverOf(document, tenant))),
    // proper-lockfile adds the second ending.
    ({ keys: [key] }) => `mcp-refresh-${key.replace(/[^a-zA-Z0-9]/g, "_")}.lock.lock`
  )
