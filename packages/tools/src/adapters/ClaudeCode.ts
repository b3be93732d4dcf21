/**
 * The credential file of Claude Code on Linux and Windows, `~/.claude/.credentials.json`. It has a place for one
 * subscription login, and for the logins at MCP servers (see `ClaudeMcp`). Format and locks as read in Claude Code 2.1.332.
 *
 * - Times are in milliseconds. `refreshTokenExpiresAt` is when the login ends, whatever is refreshed until then.
 * - After a refresh that failed it may leave empty strings and a zero: there is no login, and no damage.
 * - `organizationUuid` and whatever else lies beside the logins belongs to Claude Code alone.
 * - A refresh takes two locks, the second for the sake of older versions; a process that finds the second one held lets
 *   go of the first. A write of the file takes a third.
 * - A note beside the two says who holds them. It tries them five times, one to two seconds apart, watches for 7.5 s
 *   whether their holder lives, takes them from one that the note proves dead, and else gives up; it then has sent nothing.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockFile } from "@lockstep/node/locks/LockFile"
import type { Damage, StoreCodec } from "@lockstep/node/StoreCodec"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import type { Surroundings, ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"
import * as ClaudeMcp from "./ClaudeMcp.js"
import * as McpServers from "./McpServers.js"

const TENANT = TenantId.make("anthropic-oauth")
const MEMBER = "claudeAiOauth"

const SHAPE = { accessToken: "text?", refreshToken: "text?", scopes: "texts?" } as const
const TIMES = ["expiresAt", "refreshTokenExpiresAt"] as const

const isMissing = (kind: string | undefined): boolean => kind === undefined || kind === "null"

const decode = (document: ToolDocument): Either.Either<Option.Option<Credential.Credential>, Damage> => {
  const damage = (path: ReadonlyArray<string>, what: string) => Either.left(ToolJson.damage([MEMBER, ...path], what))
  if (document.root.members.filter(({ name }) => name === MEMBER).length > 1) return damage([], "there twice")
  const login = ToolJson.object(document.root, MEMBER)
  if (login === undefined) {
    return isMissing(ToolJson.member(document.root, MEMBER)?.kind)
      ? Either.right(Option.none())
      : damage([], "not an object")
  }
  const timeOf = (name: typeof TIMES[number]) => Option.fromNullable(ToolJson.number(document, login, name))
  const wrong = Option.orElse(
    ToolJson.mismatch(document, login, SHAPE),
    () =>
      Option.fromNullable(
        TIMES.find((name) =>
          !isMissing(ToolJson.member(login, name)?.kind) && Option.isNone(timeOf(name)) ||
          login.members.filter((one) => one.name === name).length > 1
        )
      )
  )
  if (Option.isSome(wrong)) return damage([wrong.value], "not of the expected type")
  const accessToken = ToolToken.read(document, login, "accessToken")
  const refreshToken = ToolToken.read(document, login, "refreshToken")
  if (Option.isNone(accessToken) && Option.isNone(refreshToken)) return Either.right(Option.none())
  return Either.right(Option.some(Credential.Credential.make({
    vendor: Option.some(TENANT),
    accessToken,
    refreshToken,
    scope: Option.map(Option.fromNullable(ToolJson.texts(document, login, "scopes")), (scopes) => scopes.join(" ")),
    // 0 is how Claude Code writes what has expired long ago.
    expiresAt: Option.map(timeOf("expiresAt"), (at) => Math.max(1, at / 1_000)),
    loginExpiresAt: Option.filter(Option.map(timeOf("refreshTokenExpiresAt"), (at) => at / 1_000), (at) => at > 0)
  })))
}

const millis = (seconds: number): number => Math.round(seconds * 1_000)

/**
 * How Claude Code's file holds credentials.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<ToolDocument> = ToolJson.codec({
  findDamage: (document) => Either.getLeft(decode(document)),
  get: (document, tenant) => tenant === TENANT ? decode(document) : ClaudeMcp.get(document, tenant),
  list: (document) => [
    ...(Option.exists(Either.getRight(decode(document)), Option.isNone) ? [] : [TENANT]),
    ...ClaudeMcp.list(document)
  ],

  put: (document, tenant, credential) => {
    if (McpServers.nameOf(tenant)._tag === "Some") return ClaudeMcp.put(document, tenant, credential)
    if (tenant !== TENANT) return Either.left(`it has a place for ${TENANT} and for MCP servers, called mcp:NAME`)
    const login = ToolJson.members({
      accessToken: ToolToken.orBlank(credential.accessToken),
      refreshToken: ToolToken.orBlank(credential.refreshToken),
      // A number that no clock reaches: without one, Claude Code takes the token for expired.
      expiresAt: Option.match(credential.expiresAt, { onNone: () => Number.MAX_SAFE_INTEGER, onSome: millis }),
      refreshTokenExpiresAt: Option.getOrUndefined(Option.map(credential.loginExpiresAt, millis)),
      ...Option.match(credential.scope, {
        onNone: () => ({}),
        onSome: (scope) => ({ scopes: scope.split(" ").filter((one) => one !== "") })
      })
    })
    return Either.right(ToolJson.update(document, new Map([[MEMBER, login]]), ToolJson.COMPACT))
  },

  remove: (document, tenant) =>
    tenant === TENANT
      ? ToolJson.update(document, new Map([[MEMBER, undefined]]), ToolJson.COMPACT)
      : ClaudeMcp.remove(document, tenant)
})

const storageDirectory = ({ userHome, variable }: Surroundings): string => {
  const fallback = Path.join(userHome, ".claude")
  const named = Option.getOrElse(
    variable("CLAUDE_SECURESTORAGE_CONFIG_DIR"),
    () => Option.getOrElse(variable("CLAUDE_CONFIG_DIR"), () => "")
  )
  return named === "" ? fallback : Path.resolve(named.normalize("NFC"))
}

const HEARTBEAT = Duration.seconds(5)

/**
 * Claude Code.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  name: "claude-code",
  title: "Claude Code",
  locate: (surroundings) => Path.join(storageDirectory(surroundings), ".credentials.json"),
  codec,
  locks: (file, target, document) => {
    const directory = Path.dirname(file)
    const refresh = Path.join(directory, ".oauth_refresh.lock")
    const legacy = `${directory}.lock`
    const owner = `${refresh}.owner`
    const stale = Duration.seconds(60)
    switch (target._tag) {
      case "RotationGroup":
        return []
      case "Tenant":
        if (target.tenant !== TENANT) {
          return Option.toArray(
            Option.map(
              Option.flatMap(document(), (one) => ClaudeMcp.lockName(one, target.tenant)),
              (name) => {
                const path = Path.join(directory, name)
                // Claude Code keeps no note of this one and looks for none: ours is for processes of ours.
                const note = { path: `${path}.owner`, member: "lockBirthtimeMs" } as const
                return LockFile.Directory({ path, stale, heartbeat: HEARTBEAT, owner: note })
              }
            )
          )
        }
        return [
          LockFile.Directory({
            path: refresh,
            stale,
            heartbeat: HEARTBEAT,
            owner: { path: owner, member: "lockBirthtimeMs", other: legacy }
          }),
          LockFile.Directory({
            path: legacy,
            stale,
            heartbeat: HEARTBEAT,
            owner: { path: owner, member: "legacyLockBirthtimeMs", other: refresh }
          })
        ]
      case "Aggregate":
        return [LockFile.Directory({
          path: Path.join(directory, ".storage-write.lock"),
          stale: Duration.seconds(15),
          heartbeat: HEARTBEAT
        })]
    }
  },
  wait: Duration.millis(12_500),
  stale: Duration.seconds(60)
}
