/**
 * codex's `$CODEX_HOME/.credentials.json`: the logins of its MCP servers, where no keyring holds them.
 *
 * A server's key is its name and the start of a SHA-256 over its address. Builds of codex disagree on the order of
 * members that is hashed, so every server may go by two keys; entries are known by the name and the address in them, a
 * key that is there stays, and the locks of both are taken. The first in byte order of two entries for one server
 * counts, as in codex.
 *
 * codex writes the file in place; a reader that finds half of it reads again. Where it keeps these logins in the keyring
 * (its `auto`, where there is one), there is no such file: service `Codex MCP Credentials`, a server's key for the account.
 *
 * A tenant is `mcp:NAME`. Where two servers have one name, each is `mcp:KEY`, such as `mcp:linear|638130d5ab3558f4`.
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
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import type { ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"
import * as McpServers from "./McpServers.js"

const ENTRY = {
  server_name: "text",
  server_url: "text",
  client_id: "text",
  access_token: "text",
  expires_at: "u64?",
  refresh_token: "text?",
  scopes: "texts?",
  issuer: "text?",
  executor_owned: "flag?"
} as const

/** Later than any date that JavaScript can write. */
const LAST_MILLISECOND = 8_640_000_000_000_000

const sha256 = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

/** Both keys of a server, the one of the builds that people have first. */
const keysOf = (name: string, url: string): readonly [string, string] => {
  const address = `"url":${JSON.stringify(url)}`
  const key = (payload: string) => `${name}|${sha256(payload).slice(0, 16)}`
  return [key(`{"type":"http",${address},"headers":{}}`), key(`{"headers":{},"type":"http",${address}}`)]
}

interface Entry {
  readonly key: string
  readonly object: JsonTree.JsonObject
}

/** One server with all of its entries, the one that counts first. */
interface Server extends McpServers.Server {
  readonly url: string
  readonly entries: readonly [Entry, ...ReadonlyArray<Entry>]
}

const byteOrder = (a: Entry, b: Entry): number => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))

const serversOf = (document: ToolDocument): ReadonlyArray<Server> => {
  const entries = document.root.members.flatMap(({ name, value }): ReadonlyArray<Entry> =>
    value.kind === "object" ? [{ key: name, object: value }] : []
  )
  const servers = new Map<string, [Entry, ...Array<Entry>]>()
  for (const entry of entries.toSorted(byteOrder)) {
    const name = ToolJson.text(document, entry.object, "server_name")
    const url = ToolJson.text(document, entry.object, "server_url")
    if (name === undefined || url === undefined) continue
    const id = JSON.stringify([name, url])
    const same = servers.get(id)
    if (same === undefined) servers.set(id, [entry])
    else same.push(entry)
  }
  return [...servers].map(([id, entries]) => {
    const [name, url] = JSON.parse(id) as [string, string]
    const [first, ...more] = entries
    return { name, url, entries, keys: [first.key, ...more.map(({ key }) => key)] as const }
  })
}

const serverOf = (document: ToolDocument, tenant: TenantId.TenantId) => McpServers.find(serversOf(document), tenant)

const damageOf = (document: ToolDocument, { key, object }: Entry): Option.Option<Damage> =>
  Option.map(
    ToolJson.mismatch(document, object, ENTRY),
    (member) => ToolJson.damage([key, member], "not of the expected type, or there twice")
  )

const findDamage = (document: ToolDocument): Option.Option<Damage> => {
  const seen = new Set<string>()
  for (const { name, value } of document.root.members) {
    if (seen.has(name)) return Option.some(ToolJson.damage([name], "there twice"))
    seen.add(name)
    if (value.kind !== "object") return Option.some(ToolJson.damage([name], "not an object"))
    const damage = damageOf(document, { key: name, object: value })
    if (Option.isSome(damage)) return damage
  }
  return Option.none()
}

const read = (document: ToolDocument, { object }: Entry): Credential.Credential => {
  const filled = (name: string) => ToolJson.filled(document, object, name)
  const expiry = ToolJson.whole(document, object, "expires_at")
  const scopes = (ToolJson.texts(document, object, "scopes") ?? []).join(" ")
  return Credential.Credential.make({
    issuer: filled("issuer"),
    clientId: filled("client_id"),
    resource: filled("server_url"),
    accessToken: ToolToken.read(document, object, "access_token"),
    refreshToken: ToolToken.read(document, object, "refresh_token"),
    scope: scopes === "" ? Option.none() : Option.some(scopes),
    expiresAt: expiry === undefined || expiry > LAST_MILLISECOND
      ? Option.none()
      : Option.some(Math.max(1, Number(expiry)) / 1_000)
  })
}

const get: StoreCodec<ToolDocument>["get"] = (document, tenant) =>
  Either.flatMap(
    serverOf(document, tenant),
    Option.match({
      onNone: () => Either.right(Option.none<Credential.Credential>()),
      onSome: ({ entries: [entry] }) =>
        Option.match(damageOf(document, entry), {
          onSome: (damage) => Either.left(damage),
          onNone: () => Either.right(Option.some(read(document, entry)))
        })
    })
  )

const list: StoreCodec<ToolDocument>["list"] = (document) => McpServers.tenants(serversOf(document))

const asMilliseconds = (seconds: number): bigint =>
  seconds * 1_000 > LAST_MILLISECOND ? ToolJson.U64_MAX : BigInt(Math.max(0, Math.round(seconds * 1_000)))

const membersOf = (
  next: Credential.Credential,
  present: Option.Option<Credential.Credential>
): Record<string, ToolJson.Value> => {
  const isKept = <A>(of: (credential: Credential.Credential) => Option.Option<A>): boolean =>
    Option.exists(present, (one) => Option.getOrUndefined(of(one)) === Option.getOrUndefined(of(next)))
  return {
    ...(Option.isNone(next.clientId) && Option.isSome(present)
      ? {}
      : { client_id: Option.getOrElse(next.clientId, () => "") }),
    access_token: ToolToken.orBlank(next.accessToken),
    ...(isKept(({ expiresAt }) => expiresAt)
      ? {}
      : { expires_at: Option.getOrNull(Option.map(next.expiresAt, asMilliseconds)) }),
    refresh_token: Option.getOrNull(ToolToken.reveal(next.refreshToken)),
    ...(isKept(({ scope }) => scope)
      ? {}
      : { scopes: Option.getOrElse(next.scope, () => "").split(" ").filter((one) => one !== "") })
  }
}

const update = (document: ToolDocument, changes: ToolJson.Members): string =>
  ToolJson.update(document, changes, ToolJson.COMPACT)

const create = (document: ToolDocument, tenant: TenantId.TenantId, credential: Credential.Credential) => {
  const name = McpServers.nameOf(tenant)
  if (Option.isNone(name)) {
    return Either.left(`${tenant}: codex keeps logins of MCP servers here, which are called mcp:NAME`)
  }
  const url = Option.filter(credential.resource, (resource) => URL.canParse(resource))
  if (Option.isNone(url)) {
    return Either.left(`${tenant}: codex knows a server by its URL, and this login names no URL as its resource`)
  }
  return Either.right(update(
    document,
    new Map([[
      keysOf(name.value, url.value)[0],
      ToolJson.members({
        server_name: name.value,
        server_url: url.value,
        ...(Option.isSome(credential.issuer) ? { issuer: credential.issuer.value } : {}),
        ...membersOf(credential, Option.none())
      })
    ]])
  ))
}

const put: StoreCodec<ToolDocument>["put"] = (document, tenant, credential) =>
  Either.flatMap(
    serverOf(document, tenant),
    Option.match({
      onNone: () => create(document, tenant, credential),
      onSome: ({ entries: [entry], url }) => {
        const present = read(document, entry)
        if (McpServers.isOther(url, credential.resource)) {
          return Either.left(`${tenant}: it is another server's login in codex, at ${McpServers.originOf(url)}`)
        }
        // An entry without an issuer was written by a codex that knows none.
        const issuer = Option.isSome(present.issuer) && Option.isSome(credential.issuer)
          ? { issuer: credential.issuer.value }
          : {}
        return Either.right(update(
          document,
          new Map([[
            entry.key,
            ToolJson.members({ ...issuer, ...membersOf(credential, Option.some(present)) })
          ]])
        ))
      }
    })
  )

const remove: StoreCodec<ToolDocument>["remove"] = (document, tenant) =>
  Either.match(serverOf(document, tenant), {
    onLeft: () => document.text,
    onRight: Option.match({
      onNone: () => document.text,
      // All of them: the next one would come to light as soon as the first is gone.
      onSome: ({ entries }) => update(document, new Map(entries.map(({ key }) => [key, undefined])))
    })
  })

/**
 * How codex's file holds the logins of MCP servers.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<ToolDocument> = ToolJson.codec({
  isWrittenInPlace: true,
  findDamage,
  get,
  list,
  put,
  remove
})

const lock = (file: string, name: string) =>
  LockFile.Kernel({ path: Path.join(Path.dirname(file), "mcp-oauth-locks", `${name}.lock`) })

/** The locks of every key by which codex may call the server, in byte order. */
const refreshLocks = (file: string, tenant: TenantId.TenantId, document: Option.Option<ToolDocument>) => {
  const server = Option.flatMap(document, (one) => Option.flatten(Either.getRight(serverOf(one, tenant))))
  return Option.match(server, {
    // codex refreshes no login that is not there.
    onNone: () => [],
    onSome: ({ entries, name, url }) =>
      [...new Set([...keysOf(name, url), ...entries.map(({ key }) => key)].map(sha256))]
        .sort()
        .map((digest) => lock(file, digest))
  })
}

/**
 * codex, for its MCP servers.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  name: "codex-mcp",
  title: "codex",
  locate: ({ userHome, variable }) =>
    Path.join(
      Option.getOrElse(
        Option.filter(variable("CODEX_HOME"), (path) => path !== ""),
        () => Path.join(userHome, ".codex")
      ),
      ".credentials.json"
    ),
  codec,
  locks: (file, target, document) =>
    LockTarget.$match(target, {
      RotationGroup: () => [],
      Tenant: ({ tenant }) => refreshLocks(file, tenant, document()),
      Aggregate: () => [lock(file, "file-store")]
    }),
  wait: Duration.seconds(60)
}
