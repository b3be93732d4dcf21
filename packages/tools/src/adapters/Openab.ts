/**
 * openab's `~/.openab/agent/auth.json`: a map of tenants, shared by one agent per chat thread.
 *
 * Its entries carry no tag; openab tells them apart by their members, and sets the whole file aside when one of them is
 * of no kind that it knows. So no member of ours is ever added, and a file with such an entry is damaged. An older form
 * is one login alone, without a map.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import type * as JsonTree from "@lockstep/node/JsonTree"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import type { Damage, StoreCodec } from "@lockstep/node/StoreCodec"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import type { ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"

/** `TokenStore`: a login of one of its vendors. */
const TOKEN = {
  access_token: "text",
  refresh_token: "text",
  expires_at: "u64",
  token_endpoint: "text",
  provider: "text"
} as const

/** `PendingPasteLogin`: left over by a login in two steps. */
const PENDING = {
  verifier: "text",
  state: "text",
  token_url: "text",
  provider_name: "text",
  resource: "text?",
  created_at: "u64?"
} as const

/** rmcp's `StoredCredentials`: a login of an MCP server, under the server's bare name. */
const MCP = {
  client_id: "text",
  token_response: "object?",
  granted_scopes: "texts?",
  token_received_at: "u64?",
  issuer: "text?"
} as const

const MCP_RESPONSE = {
  access_token: "text",
  token_type: "text",
  expires_in: "u64?",
  refresh_token: "text?",
  scope: "text?",
  id_token: "text?"
} as const

/** The vendors that openab and we call by the same names, and where their tokens come from. */
const ENDPOINTS = new Map([
  ["codex", "https://auth.openai.com/oauth/token"],
  ["anthropic-oauth", "https://platform.claude.com/v1/oauth/token"],
  ["xai-oauth", "https://auth.x.ai/oauth2/token"]
])

/** The tenant of a file that is one login alone, known by its first member. */
const LEGACY_TENANT = "codex"
const LEGACY_MEMBER = "access_token"

const PENDING_SECONDS = 15 * 60

/** Later than any date that JavaScript can write. */
const LAST_SECOND = 8_640_000_000_000

type Kind = "token" | "pending" | "mcp"

const isLegacy = ({ root }: ToolDocument): boolean => ToolJson.member(root, LEGACY_MEMBER) !== undefined

const kindOf = (document: ToolDocument, entry: JsonTree.JsonObject): Option.Option<Kind> => {
  const fits = (shape: Readonly<Record<string, ToolJson.Kind>>) =>
    Option.isNone(ToolJson.mismatch(document, entry, shape))
  // In openab's own order: each kind asks for less than the one before.
  if (fits(TOKEN)) return Option.some("token")
  if (fits(PENDING)) return Option.some("pending")
  const response = ToolJson.object(entry, "token_response")
  return fits(MCP) && (response === undefined || Option.isNone(ToolJson.mismatch(document, response, MCP_RESPONSE)))
    ? Option.some("mcp")
    : Option.none()
}

interface Entry {
  readonly object: JsonTree.JsonObject
  readonly kind: Kind
}

const strange = (path: ReadonlyArray<string>): Damage =>
  ToolJson.damage(path, "of no kind that openab knows: it would set the whole file aside")

const normal = (name: string): string => name.normalize("NFC")

const entryOf = (document: ToolDocument, tenant: string): Either.Either<Option.Option<Entry>, Damage> => {
  if (isLegacy(document)) {
    if (tenant !== LEGACY_TENANT) return Either.right(Option.none())
    return Option.isNone(ToolJson.mismatch(document, document.root, TOKEN))
      ? Either.right(Option.some({ object: document.root, kind: "token" }))
      : Either.left(strange([]))
  }
  const members = document.root.members.filter(({ name }) => normal(name) === tenant)
  const node = members[0]?.value
  if (node === undefined) return Either.right(Option.none())
  if (members.length > 1) return Either.left(ToolJson.damage([tenant], "there twice"))
  const kind = node.kind === "object" ? kindOf(document, node) : Option.none()
  return Option.isNone(kind) || node.kind !== "object"
    ? Either.left(strange([tenant]))
    : Either.right(Option.some({ object: node, kind: kind.value }))
}

const findDamage = (document: ToolDocument): Option.Option<Damage> => {
  const tenants = isLegacy(document) ? [LEGACY_TENANT] : new Set(document.root.members.map(({ name }) => normal(name)))
  for (const tenant of tenants) {
    const entry = entryOf(document, tenant)
    if (Either.isLeft(entry)) return Option.some(entry.left)
  }
  return Option.none()
}

/** A record without a time is over: openab writes 0, and a record holds no time before the first second. */
const timeOf = (seconds: bigint | undefined): Option.Option<number> =>
  seconds === undefined || seconds > LAST_SECOND ? Option.none() : Option.some(Math.max(1, Number(seconds)))

const asWhole = (seconds: number): bigint =>
  seconds > LAST_SECOND ? ToolJson.U64_MAX : BigInt(Math.max(0, Math.floor(seconds)))

const readToken = (document: ToolDocument, object: JsonTree.JsonObject): Credential.Credential => {
  const filled = (name: string) => ToolJson.filled(document, object, name)
  return Credential.Credential.make({
    vendor: Option.filter(filled("provider"), (provider) => ENDPOINTS.has(provider)),
    tokenEndpoint: filled("token_endpoint"),
    accessToken: ToolToken.read(document, object, "access_token"),
    refreshToken: ToolToken.read(document, object, "refresh_token"),
    expiresAt: timeOf(ToolJson.whole(document, object, "expires_at"))
  })
}

const readMcp = (document: ToolDocument, object: JsonTree.JsonObject): Credential.Credential => {
  const response = ToolJson.object(object, "token_response")
  const filled = (name: string) =>
    response === undefined ? Option.none<string>() : ToolJson.filled(document, response, name)
  const token = (name: string) => response === undefined ? Option.none() : ToolToken.read(document, response, name)
  const received = ToolJson.whole(document, object, "token_received_at")
  const lifetime = response === undefined ? undefined : ToolJson.whole(document, response, "expires_in")
  const granted = (ToolJson.texts(document, object, "granted_scopes") ?? []).join(" ")
  return Credential.Credential.make({
    issuer: ToolJson.filled(document, object, "issuer"),
    clientId: ToolJson.filled(document, object, "client_id"),
    accessToken: token("access_token"),
    refreshToken: token("refresh_token"),
    idToken: token("id_token"),
    tokenType: filled("token_type"),
    scope: Option.orElse(filled("scope"), () => granted === "" ? Option.none() : Option.some(granted)),
    obtainedAt: Option.map(Option.filter(timeOf(received), () => received !== 0n), Number),
    expiresAt: timeOf(received === undefined || lifetime === undefined ? undefined : received + lifetime)
  })
}

const get = (
  document: ToolDocument,
  tenant: TenantId.TenantId
): Either.Either<Option.Option<Credential.Credential>, Damage> =>
  Either.map(
    entryOf(document, tenant),
    Option.flatMap(({ kind, object }) => {
      switch (kind) {
        case "token":
          return Option.some(readToken(document, object))
        case "mcp":
          return Option.some(readMcp(document, object))
        case "pending":
          return Option.none()
      }
    })
  )

const list = (document: ToolDocument): ReadonlyArray<TenantId.TenantId> => {
  if (isLegacy(document)) return [TenantId.make(LEGACY_TENANT)]
  const names = new Set(document.root.members.map(({ name }) => normal(name)))
  return [...names].flatMap((name) => {
    const entry = entryOf(document, name)
    return Either.isRight(entry) && Option.exists(entry.right, ({ kind }) => kind === "pending")
      ? []
      : Option.toArray(Either.getRight(TenantId.fromString(name)))
  })
}

const orEmpty = Option.getOrElse(() => "")

const tokenMembers = (
  next: Credential.Credential,
  tenant: TenantId.TenantId,
  present: Option.Option<Credential.Credential>
): ToolJson.Members => {
  const vendor = Option.getOrElse(next.vendor, () => TenantId.base(tenant))
  const keepsTime = Option.exists(
    present,
    ({ expiresAt }) => Option.getOrUndefined(expiresAt) === Option.getOrUndefined(next.expiresAt)
  )
  // A login without an access token has ended; only a token that is there can be valid for ever.
  const expiry = Option.getOrElse(
    next.expiresAt,
    () => Option.isSome(next.accessToken) ? Infinity : 0
  )
  const members: Record<string, ToolJson.Value> = {
    access_token: ToolToken.orBlank(next.accessToken),
    refresh_token: ToolToken.orBlank(next.refreshToken),
    ...(keepsTime ? {} : { expires_at: asWhole(expiry) }),
    token_endpoint: Option.getOrElse(next.tokenEndpoint, () => ENDPOINTS.get(vendor) ?? "")
  }
  return ToolJson.members(Option.isSome(present) ? members : { ...members, provider: vendor })
}

const mcpMembers = (
  next: Credential.Credential,
  present: Option.Option<Credential.Credential>,
  now: number
): ToolJson.Members => {
  const differs = <A>(of: (credential: Credential.Credential) => Option.Option<A>): boolean =>
    !Option.exists(present, (one) => Option.getOrUndefined(of(one)) === Option.getOrUndefined(of(next)))
  const isTimed = differs(({ expiresAt }) => expiresAt) || differs(({ obtainedAt }) => obtainedAt)
  const received = asWhole(Option.getOrElse(next.obtainedAt, () => now / 1_000))
  const lifetime = Option.map(next.expiresAt, (at) => asWhole(at - Number(received)))
  const isOut = Option.isNone(next.accessToken) && Option.isNone(next.refreshToken)
  // A response that is not there yet gets one of its own.
  const hasType = Option.isSome(next.tokenType) || Option.isNone(Option.flatMap(present, ({ tokenType }) => tokenType))
  const response: Record<string, ToolJson.Value | undefined> = {
    access_token: ToolToken.orBlank(next.accessToken),
    ...(hasType ? { token_type: Option.getOrElse(next.tokenType, () => "bearer") } : {}),
    ...(isTimed ? { expires_in: Option.getOrUndefined(lifetime) } : {}),
    refresh_token: Option.getOrUndefined(ToolToken.reveal(next.refreshToken)),
    ...(differs(({ scope }) => scope) ? { scope: Option.getOrUndefined(next.scope) } : {}),
    // One that belongs to an older access token is worse than none.
    ...(Option.exists(present, ({ idToken }) => Option.isSome(idToken))
      ? { id_token: Option.getOrUndefined(ToolToken.reveal(next.idToken)) }
      : {})
  }
  const scopes = orEmpty(next.scope).split(" ").filter((one) => one !== "")
  const clientId = Option.isSome(next.clientId) || Option.isNone(present)
    ? { client_id: orEmpty(next.clientId) }
    : {}
  return ToolJson.members({
    ...clientId,
    token_response: isOut ? null : ToolJson.members(response),
    ...(differs(({ scope }) => scope) ? { granted_scopes: scopes } : {}),
    ...(isTimed ? { token_received_at: received } : {}),
    ...(Option.isSome(next.issuer) ? { issuer: next.issuer.value } : {})
  })
}

/** Every write of openab drops the logins that were not finished. */
const swept = (document: ToolDocument, now: number): ReadonlyArray<readonly [string, undefined]> =>
  isLegacy(document) ? [] : document.root.members.flatMap(({ name, value }) => {
    if (value.kind !== "object" || !Option.contains(kindOf(document, value), "pending")) return []
    const created = Number(ToolJson.whole(document, value, "created_at") ?? 0n)
    return Math.floor(now / 1_000) - created > PENDING_SECONDS ? [[name, undefined] as const] : []
  })

const update = (document: ToolDocument, changes: ToolJson.Members): string =>
  ToolJson.update(document, changes, ToolJson.PRETTY)

/** A file that is one login alone becomes a map, as openab makes it when it writes another. */
const asMap = ({ root, text }: ToolDocument): ToolDocument => {
  const eol = text.includes("\n") ? "\n" : ""
  const map = `{${eol}${JSON.stringify(LEGACY_TENANT)}: ${text.slice(root.start, root.end)}${eol}}`
  return Either.getOrThrow(ToolJson.parse(text.slice(0, root.start) + map + text.slice(root.end)))
}

const put: StoreCodec<ToolDocument>["put"] = (document, tenant, credential, now) =>
  Either.flatMap(entryOf(document, tenant), (entry) => {
    if (isLegacy(document)) {
      return tenant === LEGACY_TENANT
        ? Either.right(
          update(document, tokenMembers(credential, tenant, Option.some(readToken(document, document.root))))
        )
        : put(asMap(document), tenant, credential, now)
    }
    if (tenant === LEGACY_MEMBER) {
      return Either.left(ToolJson.damage([tenant], "openab would take the whole file for its older form"))
    }
    if (Option.exists(entry, ({ kind }) => kind === "pending")) {
      return Either.left(ToolJson.damage([tenant], "an unfinished login of openab has this name"))
    }
    const present = Option.map(
      entry,
      ({ kind, object }) => kind === "mcp" ? readMcp(document, object) : readToken(document, object)
    )
    // What names a protected resource is a login of an MCP server.
    const isMcp = Option.match(entry, {
      onSome: ({ kind }) => kind === "mcp",
      onNone: () => Option.isSome(credential.resource) && Option.isSome(credential.clientId)
    })
    const members = isMcp ? mcpMembers(credential, present, now) : tokenMembers(credential, tenant, present)
    const name = document.root.members.find((one) => normal(one.name) === tenant)?.name ?? tenant
    return Either.right(update(document, new Map([...swept(document, now), [name, members]])))
  })

const remove: StoreCodec<ToolDocument>["remove"] = (document, tenant, now) => {
  const names = isLegacy(document)
    ? tenant === LEGACY_TENANT ? document.root.members.map(({ name }) => name) : []
    : document.root.members.filter(({ name }) => normal(name) === tenant).map(({ name }) => name)
  return update(document, new Map([...swept(document, now), ...names.map((name) => [name, undefined] as const)]))
}

/**
 * How openab's file holds credentials.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<ToolDocument> = ToolJson.codec({ findDamage, get, list, put, remove })

/** Its names are built from `auth.json` whatever the file is called, and from the tenant as it is. */
const sidecar = (file: string, suffix: string) =>
  LockFile.Kernel({ path: Path.join(Path.dirname(file), `auth.json.${suffix}.lock`) })

/** A name that no file can have is one that openab cannot lock either, and without its lock it refreshes nothing. */
const isFileName = (name: string): boolean => !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255

/**
 * openab.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  name: "openab",
  title: "openab",
  locate: ({ userHome }) => Path.join(userHome, ".openab", "agent", "auth.json"),
  codec,
  locks: (file, target) =>
    LockTarget.$match(target, {
      RotationGroup: () => [],
      Tenant: ({ tenant }) =>
        isFileName(`auth.json.refresh.${tenant}.lock`) ? [sidecar(file, `refresh.${tenant}`)] : [],
      Aggregate: () => [sidecar(file, "global")]
    }),
  wait: Duration.seconds(20)
}
