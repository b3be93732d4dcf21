/**
 * hermes-agent's `~/.hermes/auth.json`: `providers.<name>.tokens` of those providers that log in by OAuth. Its pool of
 * credentials and all other providers are left alone.
 *
 * One lock, `auth.lock`, serves both roles, and hermes holds it across the network.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import type * as JsonTree from "@lockstep/node/JsonTree"
import { LockFile } from "@lockstep/node/locks/LockFile"
import type { Damage, StoreCodec } from "@lockstep/node/StoreCodec"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import type { ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"

const TOKENS = {
  access_token: "text?",
  refresh_token: "text?",
  id_token: "text?",
  token_type: "text?"
} as const

/** The providers that we know, and how hermes marks a login of theirs. */
const PROVIDERS = new Map([
  ["openai-codex", { vendor: "codex", mode: "chatgpt" }],
  ["xai-oauth", { vendor: "xai-oauth", mode: "oauth_device_code" }]
])

/** What makes a provider's state foreign, where it has no `tokens`. */
const OTHER_SECRETS = ["access_token", "refresh_token", "agent_key", "api_key"]

interface Provider {
  readonly name: string
  readonly state: JsonTree.JsonObject
  readonly tokens: JsonTree.JsonObject | undefined
}

const normal = (text: string): string => text.normalize("NFC")

const twice = (path: ReadonlyArray<string>) => ToolJson.damage(path, "there twice")
const isTwice = (parent: JsonTree.JsonObject, name: string): boolean =>
  parent.members.filter((one) => normal(one.name) === name).length > 1

const parse = (text: string): Either.Either<ToolDocument, Damage> =>
  Either.filterOrLeft(
    ToolJson.parse(text),
    ({ root }) => {
      const providers = ToolJson.member(root, "providers")
      return !isTwice(root, "providers") && (providers === undefined || providers.kind === "object")
    },
    () => ToolJson.damage(["providers"], "not one object")
  )

const providerOf = (
  { root }: ToolDocument,
  tenant: string
): Either.Either<Option.Option<Provider>, Damage> => {
  const providers = ToolJson.object(root, "providers")
  const found = providers?.members.find(({ name }) => normal(name) === tenant)
  if (providers === undefined || found === undefined) return Either.right(Option.none())
  const path = ["providers", tenant]
  if (isTwice(providers, tenant)) return Either.left(twice(path))
  if (found.value.kind !== "object") return Either.left(ToolJson.damage(path, "not an object"))
  if (isTwice(found.value, "tokens")) return Either.left(twice([...path, "tokens"]))
  return Either.right(
    Option.some({ name: found.name, state: found.value, tokens: ToolJson.object(found.value, "tokens") })
  )
}

const damageOf = (document: ToolDocument, { name, tokens }: Provider): Option.Option<Damage> =>
  tokens === undefined
    ? Option.none()
    : Option.map(ToolJson.mismatch(document, tokens, TOKENS), (member) =>
      ToolJson.damage(["providers", name, "tokens", member], "not of the expected type, or there twice"))

const namesOf = ({ root }: ToolDocument): ReadonlyArray<string> => [
  ...new Set(ToolJson.object(root, "providers")?.members.map(({ name }) => normal(name)))
]

const findDamage = (document: ToolDocument): Option.Option<Damage> => {
  for (const name of namesOf(document)) {
    const provider = providerOf(document, name)
    if (Either.isLeft(provider)) return Option.some(provider.left)
    const damage = Option.flatMap(provider.right, (one) => damageOf(document, one))
    if (Option.isSome(damage)) return damage
  }
  return Option.none()
}

/** RFC 7519 `exp`, unchecked: it tells when the token ends, and nothing else is believed. */
const endOf = (token: string): Option.Option<number> => {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"))
    const end = typeof payload === "object" && payload !== null && "exp" in payload ? payload.exp : undefined
    return typeof end === "number" && Number.isFinite(end) && end > 0 ? Option.some(end) : Option.none()
  } catch {
    return Option.none()
  }
}

const timeOf = (document: ToolDocument, state: JsonTree.JsonObject): Option.Option<number> => {
  const time = Date.parse(ToolJson.text(document, state, "last_refresh") ?? "")
  return time > 0 ? Option.some(time / 1_000) : Option.none()
}

const read = (document: ToolDocument, { name, state, tokens }: Provider): Option.Option<Credential.Credential> => {
  if (tokens === undefined) return Option.none()
  const filled = (member: string) => ToolJson.filled(document, tokens, member)
  const discovery = ToolJson.object(state, "discovery")
  const obtainedAt = timeOf(document, state)
  const lifetime = Option.fromNullable(ToolJson.number(document, tokens, "expires_in"))
  const accessToken = filled("access_token")
  return Option.some(Credential.Credential.make({
    vendor: Option.map(Option.fromNullable(PROVIDERS.get(name)), ({ vendor }) => vendor),
    tokenEndpoint: discovery === undefined ? Option.none() : ToolJson.filled(document, discovery, "token_endpoint"),
    accessToken: ToolToken.read(document, tokens, "access_token"),
    refreshToken: ToolToken.read(document, tokens, "refresh_token"),
    idToken: ToolToken.read(document, tokens, "id_token"),
    tokenType: filled("token_type"),
    obtainedAt,
    expiresAt: Option.orElse(
      Option.zipWith(obtainedAt, lifetime, (from, seconds) => Math.max(1, from + seconds)),
      () => Option.flatMap(accessToken, endOf)
    )
  }))
}

const get: StoreCodec<ToolDocument>["get"] = (document, tenant) =>
  Either.flatMap(
    providerOf(document, tenant),
    Option.match({
      onNone: () => Either.right(Option.none<Credential.Credential>()),
      onSome: (provider) =>
        Option.match(damageOf(document, provider), {
          onSome: (damage) => Either.left(damage),
          onNone: () => Either.right(read(document, provider))
        })
    })
  )

const list: StoreCodec<ToolDocument>["list"] = (document) =>
  namesOf(document).flatMap((name) => {
    const provider = providerOf(document, name)
    return Either.isRight(provider) && Option.exists(provider.right, ({ tokens }) => tokens === undefined)
      ? []
      : Option.toArray(Either.getRight(TenantId.fromString(name)))
  })

/** `datetime.isoformat()` with the zone spelled as hermes spells it in this place. */
const isoTime = (millis: number, zone: "Z" | "+00:00"): string => new Date(millis).toISOString().replace("Z", zone)

/** Beyond it there is no date. */
const LAST_SECOND = 8_640_000_000_000

const stateMembers = (
  document: ToolDocument,
  next: Credential.Credential,
  name: string,
  provider: Option.Option<Provider>,
  now: number
): ToolJson.Members => {
  const tokens = Option.getOrUndefined(Option.flatMapNullable(provider, (one) => one.tokens))
  const present = Option.flatMap(provider, (one) => read(document, one))
  const isKept = <A>(of: (credential: Credential.Credential) => Option.Option<A>): boolean =>
    Option.exists(present, (one) => Option.getOrUndefined(of(one)) === Option.getOrUndefined(of(next)))
  const obtainedAt = Option.getOrElse(
    Option.filter(next.obtainedAt, (seconds) => seconds > 0 && seconds <= LAST_SECOND),
    () => now / 1_000
  )
  const accessToken = ToolToken.reveal(next.accessToken)
  const isTimed = !isKept((one) => one.expiresAt) || !isKept((one) => one.obtainedAt)
  // What ends by itself needs no lifetime beside it.
  const isLifetimeTold = tokens === undefined
    ? Option.isNone(Option.flatMap(accessToken, endOf))
    : ToolJson.member(tokens, "expires_in") !== undefined
  const lifetime = Option.map(next.expiresAt, (at) => Math.round(at - Math.floor(obtainedAt * 1_000) / 1_000))
  // A member that this provider's tokens do not have is kept in our companion.
  const optional = (member: string, value: Option.Option<string>) =>
    tokens === undefined
      ? Option.match(value, { onNone: () => ({}), onSome: (text) => ({ [member]: text }) })
      : ToolJson.member(tokens, member) === undefined
      ? {}
      : { [member]: Option.getOrUndefined(value) }
  const mode = PROVIDERS.get(name)?.mode
  return ToolJson.members({
    tokens: ToolJson.members({
      access_token: Option.getOrElse(accessToken, () => ""),
      refresh_token: ToolToken.orBlank(next.refreshToken),
      ...optional("id_token", ToolToken.reveal(next.idToken)),
      ...optional("token_type", next.tokenType),
      ...(isTimed && isLifetimeTold ? { expires_in: Option.getOrUndefined(lifetime) } : {})
    }),
    ...(isTimed ? { last_refresh: isoTime(Math.floor(obtainedAt * 1_000), "Z") } : {}),
    ...(Option.isNone(provider) && mode !== undefined ? { auth_mode: mode } : {})
  })
}

const update = (document: ToolDocument, now: number, providers: ToolJson.Members): string => {
  const isNew = document.root.members.length === 0
  const text = ToolJson.update(
    document,
    new Map<string, ToolJson.Value>([
      ...(isNew ? [["version", 1] as const] : []),
      ["updated_at", isoTime(now, "+00:00")],
      ["providers", providers]
    ]),
    ToolJson.PRETTY
  )
  return isNew && !text.endsWith("\n") ? `${text}\n` : text
}

const put: StoreCodec<ToolDocument>["put"] = (document, tenant, credential, now) =>
  Either.flatMap(providerOf(document, tenant), (provider) => {
    const isTheirs = Option.exists(
      provider,
      ({ state, tokens }) =>
        tokens === undefined && OTHER_SECRETS.some((name) => ToolJson.member(state, name) !== undefined)
    )
    if (isTheirs) return Either.left(ToolJson.damage(["providers", tenant], "hermes keeps no such login for it"))
    const name = Option.match(provider, { onNone: () => tenant as string, onSome: (one) => one.name })
    return Either.right(
      update(document, now, new Map([[name, stateMembers(document, credential, name, provider, now)]]))
    )
  })

const remove: StoreCodec<ToolDocument>["remove"] = (document, tenant, now) =>
  Either.match(providerOf(document, tenant), {
    onLeft: () => document.text,
    onRight: Option.match({
      onNone: () => document.text,
      onSome: ({ name, tokens }) =>
        tokens === undefined ? document.text : update(document, now, new Map([[name, undefined]]))
    })
  })

/**
 * How hermes' file holds credentials.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<ToolDocument> = ToolJson.codec({ parse, findDamage, get, list, put, remove })

/** `Path.with_suffix(".lock")` of Python: the ending is replaced and not appended. */
const lockOf = (file: string) =>
  LockFile.Kernel({ path: Path.join(Path.dirname(file), `${Path.basename(file, Path.extname(file))}.lock`) })

/**
 * hermes-agent.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  name: "hermes",
  title: "hermes",
  locate: ({ userHome, variable }) =>
    Path.join(
      Option.getOrElse(
        Option.filter(variable("HERMES_HOME"), (path) => path !== ""),
        () => Path.join(userHome, ".hermes")
      ),
      "auth.json"
    ),
  codec,
  locks: (file, target) => target._tag === "RotationGroup" ? [] : [lockOf(file)],
  wait: Duration.seconds(15)
}
