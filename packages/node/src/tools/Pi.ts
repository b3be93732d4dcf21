/**
 * The credential file of the pi coding agent, `~/.pi/agent/auth.json`: a record per provider. Read in
 * `@earendil-works/pi-coding-agent`, `src/core/auth-storage.ts`.
 *
 * - `expires` is in milliseconds and five minutes early, so that pi need not know of a margin.
 * - pi writes the file in place; a reader that finds half of it reads again.
 * - One lock serves for everything: a refresh holds it across the network, and readers of older versions take it too. A
 *   refresh takes it with a `stale` of 30 s and renews it every 15 s; what is done at once takes it with one of 10 s. So
 *   nobody younger than 30 s is taken for dead, and we are heard from three times in 10 s.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as JsonTree from "../JsonTree.js"
import { LockFile } from "../locks/LockFile.js"
import type { Damage, StoreCodec } from "../StoreCodec.js"
import type { ToolDocument, ToolFile } from "./ToolFile.js"
import * as ToolJson from "./ToolJson.js"
import * as ToolToken from "./ToolToken.js"

/** Seconds by which `expires` is early. */
const EARLY = 300

/** What pi calls our vendors. */
const VENDORS: ReadonlyMap<string, string> = new Map([
  ["openai-codex", "codex"],
  ["anthropic", "anthropic-oauth"]
])

/** The only provider of which pi keeps the account. */
const WITH_ACCOUNT = "openai-codex"

const SHAPE = { type: "text", access: "text", refresh: "text", accountId: "text?" } as const

const isOAuth = (document: ToolDocument, node: JsonTree.JsonNode): node is JsonTree.JsonObject =>
  node.kind === "object" && ToolJson.text(document, node, "type") === "oauth"

const entriesOf = (document: ToolDocument, name: string) =>
  document.root.members.filter((member) => member.name.normalize("NFC") === name)

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
    accessToken,
    refreshToken,
    // 0 is how pi writes what has expired long ago.
    expiresAt: Option.some(Math.max(1, expires / 1_000 + EARLY)),
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
        // A number that no clock reaches: pi knows of no token without one.
        onNone: () => Number.MAX_SAFE_INTEGER,
        onSome: (at) => Math.round((at - EARLY) * 1_000)
      }),
      ...(keepsAccount ? { accountId } : {})
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

/** Older versions lock what a link names, newer ones the link. */
const lockNames = (file: string): ReadonlyArray<string> => {
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
  locate: ({ userHome }) => Path.join(userHome, ".pi", "agent", "auth.json"),
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
