/**
 * pi's `mcp-auth.json`, beside its `auth.json`: a state per MCP server, with its tokens, its registered client and what
 * was discovered. Read in `@earendil-works/pi-coding-agent` 1.6.0, `extensions/mcp/oauth.js`, and
 * `@earendil-works/pi-mcp` 1.6.0, `oauth/`.
 *
 * - A key is `mcp__NAME|URL`, the dashes of the name as underscores. Older versions had the address alone for a key; pi
 *   renames such an entry when it next reads it; until then it is left alone.
 * - pi believes a state only if its `serverUrl` is the address of its key.
 * - `tokensExpireAt` is in milliseconds and on time.
 * - pi writes the file in place, under the lock of `auth.json`'s protocol. A refresh holds a lock of its server across
 *   the network, and reads again under it.
 * - A client that is known by a metadata document, or by pi's settings, is not in the file: such a login is refreshed by
 *   pi alone.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import type * as TenantId from "@lockstep/core/TenantId"
import type * as JsonTree from "@lockstep/node/JsonTree"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import type { Damage, StoreCodec } from "@lockstep/node/StoreCodec"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import type { ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"
import * as McpServers from "./McpServers.js"
import * as Pi from "./Pi.js"

interface Server extends McpServers.Server {
  readonly url: string
  readonly state: JsonTree.JsonObject
}

const NAMESPACE = "mcp__"

const spelled = (name: string): string => name.replaceAll("-", "_")

const keyOf = (name: string, url: string): string => `${NAMESPACE}${spelled(name)}|${new URL(url).href}`

const KEY = /^mcp__([^|]+)\|(.+)$/s

const serversOf = (document: ToolDocument): ReadonlyArray<Server> =>
  document.root.members.flatMap(({ name: key, value }) => {
    const [, name, url] = KEY.exec(key) ?? []
    return name === undefined || url === undefined || value.kind !== "object" ||
        ToolJson.text(document, value, "serverUrl") !== url ?
      [] :
      [{ name, url, state: value, keys: [key] as const }]
  })

const serverOf = (document: ToolDocument, tenant: TenantId.TenantId) => McpServers.find(serversOf(document), tenant)

const TOKENS = {
  access_token: "text",
  refresh_token: "text?",
  token_type: "text?",
  scope: "text?",
  id_token: "text?"
} as const
const CLIENT = { client_id: "text", client_secret: "text?", token_endpoint_auth_method: "text?" } as const

type Shape = Readonly<Record<string, ToolJson.Kind>>

const damageOf = (document: ToolDocument, { keys: [key], state }: Server): Option.Option<Damage> => {
  const inside = (member: string, shape: Shape): Option.Option<ReadonlyArray<string>> =>
    Option.fromNullable(ToolJson.object(state, member)).pipe(
      Option.flatMap((found) => ToolJson.mismatch(document, found, shape)),
      Option.map((name) => [member, name])
    )
  const own = Option.map(
    ToolJson.mismatch(document, state, { tokens: "object?", clientInformation: "object?" }),
    Array.of
  )
  const isTwice = document.root.members.filter(({ name }) => name === key).length > 1
  const wrong = isTwice
    ? Option.some<ReadonlyArray<string>>([])
    : Option.firstSomeOf([own, inside("tokens", TOKENS), inside("clientInformation", CLIENT)])
  return Option.map(wrong, (path) => ToolJson.damage([key, ...path], "not of the expected type, or there twice"))
}

const NOTHING: JsonTree.JsonObject = { kind: "object", start: 0, end: 0, members: [] }

const read = (document: ToolDocument, { state, url }: Server): Option.Option<Credential.Credential> => {
  const within = (parent: JsonTree.JsonObject, name: string) => ToolJson.object(parent, name) ?? NOTHING
  const tokens = within(state, "tokens")
  const client = within(state, "clientInformation")
  const discovery = within(state, "discovery")
  const server = within(discovery, "authorizationServerMetadata")
  const token = (name: string) => ToolToken.read(document, tokens, name)
  const filled = (parent: JsonTree.JsonObject, name: string) => ToolJson.filled(document, parent, name)
  if (Option.isNone(token("access_token")) && Option.isNone(token("refresh_token"))) return Option.none()
  const end = ToolJson.number(document, client, "client_secret_expires_at")
  return Option.some(Credential.Credential.make({
    issuer: Option.orElse(filled(server, "issuer"), () => filled(discovery, "authorizationServerUrl")),
    tokenEndpoint: filled(server, "token_endpoint"),
    clientId: filled(client, "client_id"),
    clientSecret: Option.map(filled(client, "client_secret"), Redacted.make),
    clientSecretExpiresAt: Option.filter(Option.fromNullable(end), (at) => at > 0),
    tokenEndpointAuthMethod: filled(client, "token_endpoint_auth_method"),
    // What pi sends: the resource as the server itself names it.
    resource: Option.orElse(filled(within(discovery, "resourceMetadata"), "resource"), () => Option.some(url)),
    accessToken: token("access_token"),
    refreshToken: token("refresh_token"),
    idToken: token("id_token"),
    tokenType: filled(tokens, "token_type"),
    scope: filled(tokens, "scope"),
    expiresAt: Option.map(
      Option.fromNullable(ToolJson.number(document, state, "tokensExpireAt")),
      (at) => Math.max(1, at / 1_000)
    )
  }))
}

const get: StoreCodec<ToolDocument>["get"] = (document, tenant) =>
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

const update = (document: ToolDocument, changes: ToolJson.Members): string =>
  ToolJson.update(document, changes, ToolJson.PRETTY)

/** What a login is in the file. Times that are the same stay written as they are. */
const membersOf = (
  next: Credential.Credential,
  present: Option.Option<Credential.Credential>,
  now: number
): Record<string, ToolJson.Value | undefined> => {
  const expiry = Option.getOrUndefined(next.expiresAt)
  const isKept = Option.exists(present, ({ expiresAt }) => Option.getOrUndefined(expiresAt) === expiry)
  const ends = Option.isNone(next.expiresAt)
    ? { tokens: { expires_in: undefined }, state: { tokensExpireAt: undefined } }
    : {
      tokens: { expires_in: Math.max(0, Math.round(next.expiresAt.value - now / 1_000)) },
      state: { tokensExpireAt: Math.round(next.expiresAt.value * 1_000) }
    }
  return {
    tokens: ToolJson.members({
      access_token: ToolToken.orBlank(next.accessToken),
      ...(isKept && Option.isSome(present) ? {} : ends.tokens),
      refresh_token: Option.getOrUndefined(ToolToken.reveal(next.refreshToken)),
      token_type: Option.getOrElse(next.tokenType, () => "Bearer"),
      scope: Option.getOrUndefined(next.scope),
      id_token: Option.getOrUndefined(ToolToken.reveal(next.idToken))
    }),
    ...(isKept && Option.isSome(present) ? {} : ends.state)
  }
}

const create = (
  document: ToolDocument,
  tenant: TenantId.TenantId,
  credential: Credential.Credential,
  now: number
): Either.Either<string, Damage> => {
  const name = Option.filter(McpServers.nameOf(tenant), (found) => !found.includes("|") && spelled(found) === found)
  if (Option.isNone(name)) {
    return Either.left(`${tenant}: pi keeps logins of MCP servers here, called mcp:NAME with underscores for dashes`)
  }
  const url = Option.filter(credential.resource, (resource) => URL.canParse(resource))
  if (Option.isNone(url)) {
    return Either.left(`${tenant}: pi knows a server by its URL, and this login names no URL as its resource`)
  }
  const client = Option.map(credential.clientId, (id) =>
    ToolJson.members({
      client_id: id,
      client_secret: Option.getOrUndefined(ToolToken.reveal(credential.clientSecret)),
      token_endpoint_auth_method: Option.getOrUndefined(credential.tokenEndpointAuthMethod)
    }))
  const state = ToolJson.members({
    serverUrl: new URL(url.value).href,
    clientInformation: Option.getOrUndefined(client),
    // No `discovery`: pi looks for itself where it is missing, and believes half of one.
    ...membersOf(credential, Option.none(), now)
  })
  return Either.right(update(document, new Map([[keyOf(name.value, url.value), state]])))
}

const put: StoreCodec<ToolDocument>["put"] = (document, tenant, credential, now) =>
  Either.flatMap(
    serverOf(document, tenant),
    Option.match({
      onNone: () => create(document, tenant, credential, now),
      onSome: (server) => {
        if (McpServers.isOther(server.url, credential.resource)) {
          return Either.left(`${tenant}: it is another server's login in pi, at ${McpServers.originOf(server.url)}`)
        }
        const changed = ToolJson.members(membersOf(credential, read(document, server), now))
        return Either.right(update(document, new Map([[server.keys[0], changed]])))
      }
    })
  )

/** Tokens and when they end. pi keeps the registered client for the next login, and so do we. */
const remove: StoreCodec<ToolDocument>["remove"] = (document, tenant) =>
  Either.match(serverOf(document, tenant), {
    onLeft: () => document.text,
    onRight: Option.match({
      onNone: () => document.text,
      onSome: ({ keys: [key] }) =>
        update(document, new Map([[key, ToolJson.members({ tokens: undefined, tokensExpireAt: undefined })]]))
    })
  })

/**
 * How pi's file holds the logins of MCP servers.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<ToolDocument> = ToolJson.codec({
  isWrittenInPlace: true,
  get,
  findDamage: (document) => Option.firstSomeOf(serversOf(document).map((server) => damageOf(document, server))),
  list: (document) => McpServers.tenants(serversOf(document).filter((server) => Option.isSome(read(document, server)))),
  put,
  remove
})

/** proper-lockfile renews at half of `stale`, and we three times within it. */
const refreshLock = (file: string, key: string): LockFile => {
  const name = Crypto.createHash("sha256").update(key).digest("hex").slice(0, 16)
  const stale = Duration.seconds(20)
  return LockFile.Directory({
    path: Path.join(Path.dirname(file), `mcp-auth-refresh-${name}.lock`),
    stale,
    heartbeat: Duration.seconds(5)
  })
}

/** The file as a whole, which pi locks by what a link names. */
const fileLock = (file: string): ReadonlyArray<LockFile> =>
  Pi.lockNames(file).map((path) =>
    LockFile.Directory({ path, stale: Duration.seconds(10), heartbeat: Duration.seconds(3) })
  )

/**
 * pi, for its MCP servers.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  name: "pi-mcp",
  title: "pi",
  locate: (surroundings) => Path.join(Pi.agentDirectory(surroundings), "mcp-auth.json"),
  codec,
  locks: (file, target, document) =>
    LockTarget.$match(target, {
      RotationGroup: () => [],
      Tenant: ({ tenant }) =>
        Option.flatMap(document(), (one) => Option.flatten(Either.getRight(serverOf(one, tenant)))).pipe(
          Option.match({ onNone: () => [], onSome: ({ keys: [key] }) => [refreshLock(file, key)] })
        ),
      Aggregate: () => fileLock(file)
    }),
  wait: Duration.seconds(25),
  stale: Duration.seconds(20)
}
