/**
 * The credential file of the pi coding agent, `~/.pi/agent/auth.json`: a record per provider. Read in
 * `@earendil-works/pi-coding-agent` 1.6.0, `core/auth-storage.js`, and `@earendil-works/pi-ai` 1.6.0, `auth/oauth/`.
 *
 * - `expires` is in milliseconds. Each provider's code stores it early by a margin of its own, or by none; what a token
 *   says of its own end counts before that. No margin of an unknown provider is believed: a token is never
 *   taken for longer-lived than pi takes it.
 * - pi writes the file in place; a reader that finds half of it reads again.
 * - One lock serves for everything: a refresh holds it across the network, and readers of older versions take it too. A
 *   refresh takes it with a `stale` of 30 s and renews it every 15 s; what is done at once takes it with one of 10 s. So
 *   no holder younger than 30 s is taken for dead, and we are heard from three times in 10 s.
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
import type * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { jwtExpiry } from "../internal/jwtExpiry.js"
import type { Surroundings, ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"

/** Seconds by which `expires` is early, where that is not 0 (`openai-codex`, `kimi-coding` and whatever is not known). */
const EARLY: ReadonlyMap<string, number> = new Map([
  ["anthropic", 300],
  ["github-copilot", 300],
  ["xai", 300],
  ["openai-chatgpt", 180],
  ["radius", 60]
])

const early = (provider: string): number => EARLY.get(provider) ?? 0

/** What pi calls our vendors. */
const VENDORS: ReadonlyMap<string, string> = new Map([
  ["openai-codex", "codex"],
  ["anthropic", "anthropic-oauth"],
  ["github-copilot", "copilot"],
  ["xai", "xai-oauth"]
])

/** The only provider of which pi keeps the account. */
const WITH_ACCOUNT = "openai-codex"

/** The only provider that has domains of its own: `enterpriseUrl` names one, as an address or as a bare host. */
const WITH_DOMAIN = "github-copilot"

/** pi takes a number that no clock reaches for a token without an expiry. */
const NEVER = Number.MAX_SAFE_INTEGER

const SHAPE = { type: "text", access: "text", refresh: "text", accountId: "text?", enterpriseUrl: "text?" } as const

const isOAuth = (document: ToolDocument, node: JsonTree.JsonNode): node is JsonTree.JsonObject =>
  node.kind === "object" && ToolJson.text(document, node, "type") === "oauth"

const entriesOf = (document: ToolDocument, name: string) =>
  document.root.members.filter((member) => member.name.normalize("NFC") === name)

const issuerOf = (domain: string): Option.Option<string> => {
  const address = domain.includes("://") ? domain : `https://${domain}`
  return URL.canParse(address) ? Option.some(new URL(address).origin) : Option.none()
}

/** 0 and less is how pi writes what has expired long ago, whatever the token says. */
const expiryOf = (
  provider: string,
  accessToken: Option.Option<Redacted.Redacted>,
  expires: number
): Option.Option<number> => {
  if (expires <= 0) return Option.some(1)
  return Option.orElse(
    Option.flatMap(accessToken, jwtExpiry),
    () => expires >= NEVER ? Option.none() : Option.some(Math.max(1, expires / 1_000 + early(provider)))
  )
}

const decode = (
  document: ToolDocument,
  name: string,
  entry: JsonTree.JsonObject
): Either.Either<Option.Option<Credential.Credential>, Damage> => {
  const wrong = Option.getOrUndefined(ToolJson.mismatch(document, entry, SHAPE))
  const expires = ToolJson.number(document, entry, "expires")
  if (wrong !== undefined || expires === undefined) {
    return Either.left(ToolJson.damage([name, wrong ?? "expires"], "not of the expected type"))
  }
  const accessToken = ToolToken.read(document, entry, "access")
  const refreshToken = ToolToken.read(document, entry, "refresh")
  if (Option.isNone(accessToken) && Option.isNone(refreshToken)) return Either.right(Option.none())
  const accountId = ToolJson.filled(document, entry, "accountId")
  return Either.right(Option.some(Credential.Credential.make({
    vendor: Option.fromNullable(VENDORS.get(name)),
    issuer: name === WITH_DOMAIN
      ? Option.flatMap(ToolJson.filled(document, entry, "enterpriseUrl"), issuerOf)
      : Option.none(),
    accessToken,
    refreshToken,
    expiresAt: expiryOf(name, accessToken, expires),
    account: Option.map(accountId, (id) => Credential.Account.make({ id: Option.some(id) }))
  })))
}

const get = (document: ToolDocument, tenant: string): ReturnType<typeof decode> => {
  const entries = entriesOf(document, tenant)
  const ours = entries.find(({ value }) => isOAuth(document, value))
  if (ours === undefined) return Either.right(Option.none())
  return entries.length > 1
    ? Either.left(ToolJson.damage([tenant], "there twice"))
    : decode(document, tenant, ours.value as JsonTree.JsonObject)
}

const names = (document: ToolDocument): ReadonlyArray<TenantId.TenantId> => [
  ...new Set(
    document.root.members.flatMap(({ name, value }) =>
      isOAuth(document, value) ? Option.toArray(Either.getRight(TenantId.fromString(name))) : []
    )
  )
]

/** The usual domain needs no naming. */
const domainOf = ({ issuer }: Credential.Credential): string | undefined => {
  const host = Option.getOrUndefined(Option.map(issuer, (address) => new URL(address).host))
  return host === "github.com" ? undefined : host
}

/**
 * How pi's file holds credentials.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<ToolDocument> = ToolJson.codec({
  isWrittenInPlace: true,
  get,

  findDamage: (document) => Option.firstSomeOf(names(document).map((name) => Either.getLeft(get(document, name)))),

  list: (document) =>
    names(document).filter((name) => !Option.exists(Either.getRight(get(document, name)), Option.isNone)),

  put: (document, tenant, credential) => {
    const present = entriesOf(document, tenant)[0]
    if (present !== undefined && !isOAuth(document, present.value)) {
      return Either.left(ToolJson.damage([tenant], "not a login"))
    }
    const accountId = Option.getOrUndefined(Credential.accountId(credential))
    const keepsAccount = tenant === WITH_ACCOUNT ||
      (present !== undefined && ToolJson.member(present.value as JsonTree.JsonObject, "accountId") !== undefined)
    const entry = ToolJson.members({
      type: "oauth",
      refresh: ToolToken.orBlank(credential.refreshToken),
      access: ToolToken.orBlank(credential.accessToken),
      expires: Option.match(credential.expiresAt, {
        onNone: () => NEVER,
        onSome: (at) => Math.round((at - early(tenant)) * 1_000)
      }),
      ...(keepsAccount ? { accountId } : {}),
      ...(present === undefined && tenant === WITH_DOMAIN ? { enterpriseUrl: domainOf(credential) } : {})
    })
    return Either.right(ToolJson.update(document, new Map([[present?.name ?? tenant, entry]]), ToolJson.PRETTY))
  },

  remove: (document, tenant) =>
    ToolJson.update(
      document,
      new Map(
        entriesOf(document, tenant).flatMap(({ name, value }) =>
          isOAuth(document, value) ? [[name, undefined] as const] : []
        )
      ),
      ToolJson.PRETTY
    )
})

/**
 * Where pi keeps everything of a user.
 *
 * @since 0.1.0
 * @category getters
 */
export const agentDirectory = ({ userHome, variable }: Surroundings): string =>
  Option.match(Option.filter(variable("PI_CODING_AGENT_DIR"), (named) => named !== ""), {
    onNone: () => Path.join(userHome, ".pi", "agent"),
    onSome: (named) => Path.resolve(named.replace(/^~(?=$|\/)/, userHome))
  })

/**
 * The names by which versions of pi lock a file: older ones by the link, newer ones by what it names.
 *
 * @since 0.1.0
 * @category getters
 */
export const lockNames = (file: string): ReadonlyArray<string> => {
  const target = Fs.existsSync(file) ? Fs.realpathSync(file) : file
  return [...new Set([file, target])].map((one) => `${one}.lock`).toSorted()
}

/**
 * pi.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  name: "pi",
  title: "pi",
  locate: (surroundings) => Path.join(agentDirectory(surroundings), "auth.json"),
  codec,
  locks: (file, target) =>
    target._tag === "RotationGroup" ?
      [] :
      lockNames(file).map((path) =>
        LockFile.Directory({ path, stale: Duration.seconds(30), heartbeat: Duration.millis(10_000 / 3) })
      ),
  wait: Duration.seconds(30),
  stale: Duration.seconds(30)
}
