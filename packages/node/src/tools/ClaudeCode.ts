/**
 * The credential file of Claude Code on Linux and Windows, `~/.claude/.credentials.json`. It has a place for one login.
 * Format and locks as read in versions 2.1.x and in the issues of anthropics/claude-code.
 *
 * - Times are in milliseconds. `refreshTokenExpiresAt` is when the login ends, whatever is refreshed until then.
 * - After a refresh that failed it may leave empty strings and a zero: nobody is logged in, and nothing is damaged.
 * - `mcpOAuth`, `organizationUuid` and whatever else lies beside the login belongs to Claude Code alone.
 * - A refresh takes two locks, the second for the sake of older versions; whoever finds the second one held lets go of
 *   the first. A write of the file takes a third.
 * - It tries the locks of a refresh five times, one to two seconds apart, watches for 7.5 s whether their holder lives,
 *   and gives up; it then has sent nothing.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import { LockFile } from "../locks/LockFile.js"
import type { Damage, StoreCodec } from "../StoreCodec.js"
import type { Surroundings, ToolDocument, ToolFile } from "./ToolFile.js"
import * as ToolJson from "./ToolJson.js"
import * as ToolToken from "./ToolToken.js"

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
  get: (document, tenant) => tenant === TENANT ? decode(document) : Either.right(Option.none()),
  list: (document) => Option.exists(Either.getRight(decode(document)), Option.isNone) ? [] : [TENANT],

  put: (document, tenant, credential) => {
    if (tenant !== TENANT) return Either.left(`it has a place for ${TENANT} alone`)
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
    tenant === TENANT ? ToolJson.update(document, new Map([[MEMBER, undefined]]), ToolJson.COMPACT) : document.text
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
  locks: (file, target) => {
    const directory = Path.dirname(file)
    const refresh = Path.join(directory, ".oauth_refresh.lock")
    const stale = Duration.seconds(60)
    switch (target._tag) {
      case "RotationGroup":
        return []
      case "Tenant":
        return [
          LockFile.Directory({ path: refresh, stale, heartbeat: HEARTBEAT, owner: `${refresh}.owner` }),
          LockFile.Directory({ path: `${directory}.lock`, stale, heartbeat: HEARTBEAT })
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
