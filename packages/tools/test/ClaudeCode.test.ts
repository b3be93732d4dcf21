import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import { codec, tool } from "@lockstep/tools/adapters/ClaudeCode"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { twoViews, withText } from "./support/toolHomes.js"

const TENANT = TenantId.make("anthropic-oauth")
const OTHER = TenantId.make("codex")

const views = twoViews(tool, ".credentials.json")

credentialStoreContract("Claude Code", Effect.map(views, ([a, b]) => [a.store, b.store] as const), {
  tenants: [TENANT],
  names: [TENANT],
  // Without any token there is no login.
  fit: (one) =>
    Option.isSome(one.accessToken) || Option.isSome(one.refreshToken)
      ? one
      : Credential.Credential.make({ ...one, accessToken: Option.some(Redacted.make("at")) })
})
refreshJournalContract("beside Claude Code's file", Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))

/** With siblings and unknown members: a number that is no float, an escape, spaces of its own. */
const LOGIN = "{\"accessToken\":\"at\",\"refreshToken\":\"rt\",\"expiresAt\":1790000000000,"
  + "\"refreshTokenExpiresAt\":1792500000000,\"scopes\":[\"user:inference\",\"user:profile\"],"
  + "\"subscriptionType\":\"max\",\"rateLimitTier\":\"default_claude_max_5x\",\"later\":18446744073709551615}"
const MCP = "{\"linear|0123456789abcdef\": {\"serverName\":\"line\\u0061r\",\"accessToken\":\"theirs\"}}"
const file = (login: string) =>
  `{"claudeAiOauth":${login}, "mcpOAuth":${MCP},"organizationUuid":"0-0", "trustedDeviceToken" : "t"}`
const FILE = file(LOGIN)

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant = TENANT) => codec.get(parse(text), tenant)
const some = (text: string) => Option.getOrThrow(Either.getOrThrow(get(text)))

describe("Claude Code's file", () => {
  it("lies where Claude Code looks", () => {
    const locate = (variables: Readonly<Record<string, string>>) =>
      tool.locate({ userHome: "/home/a", variable: (name) => Option.fromNullable(variables[name]) })
    assert.strictEqual(locate({}), "/home/a/.claude/.credentials.json")
    assert.strictEqual(locate({ CLAUDE_CONFIG_DIR: "/c" }), "/c/.credentials.json")
    assert.strictEqual(locate({ CLAUDE_CONFIG_DIR: "" }), "/home/a/.claude/.credentials.json")
    assert.strictEqual(
      locate({ CLAUDE_CONFIG_DIR: "/c", CLAUDE_SECURESTORAGE_CONFIG_DIR: "/s/e\u0301" }),
      "/s/\u00e9/.credentials.json"
    )
    assert.strictEqual(
      locate({ CLAUDE_CONFIG_DIR: "/c", CLAUDE_SECURESTORAGE_CONFIG_DIR: "" }),
      "/home/a/.claude/.credentials.json"
    )
  })

  it("says tokens, scopes, expiry and the end of the login", () => {
    const login = some(FILE)
    assert.strictEqual(Redacted.value(Option.getOrThrow(login.accessToken)), "at")
    assert.strictEqual(Redacted.value(Option.getOrThrow(login.refreshToken)), "rt")
    deepStrictEqual(login.expiresAt, Option.some(1_790_000_000))
    deepStrictEqual(login.loginExpiresAt, Option.some(1_792_500_000))
    deepStrictEqual(login.scope, Option.some("user:inference user:profile"))
    deepStrictEqual(login.vendor, Option.some("anthropic-oauth"))
    deepStrictEqual(codec.list(parse(FILE)), [TENANT])
  })

  it("empty strings are no login, and no damage", () => {
    for (
      const login of [
        "{\"accessToken\":\"\",\"refreshToken\":\"\",\"expiresAt\":0,\"refreshTokenExpiresAt\":1792500000000}",
        "{\"accessToken\":null,\"refreshToken\":null,\"expiresAt\":null}",
        "{}",
        "null"
      ]
    ) {
      deepStrictEqual(get(file(login)), Either.right(Option.none()))
      deepStrictEqual(codec.findDamage(parse(file(login))), Option.none())
      deepStrictEqual(codec.list(parse(file(login))), [])
    }
    deepStrictEqual(get("{}"), Either.right(Option.none()))
    deepStrictEqual(some(file("{\"accessToken\":\"at\",\"refreshToken\":\"\"}")).refreshToken, Option.none())
    deepStrictEqual(some(file("{\"accessToken\":\"at\",\"expiresAt\":0}")).expiresAt, Option.some(1))
  })

  it.scopedLive("a decision finds no login there, and what was blanked stays until the next login", () =>
    Effect.gen(function*() {
      const blank = file("{\"accessToken\":\"\",\"refreshToken\":\"\",\"expiresAt\":0}")
      const { read, store } = yield* withText(tool, ".credentials.json", blank)
      const found = yield* store.modify(TENANT, (current) => Change.Remove({ value: current }))
      deepStrictEqual(found, Option.none())
      assert.strictEqual(read(), blank)
    }))

  it("has a place for one subscription", () => {
    deepStrictEqual(get(FILE, OTHER), Either.right(Option.none()))
    deepStrictEqual(get(FILE, TenantId.make("linear|0123456789abcdef")), Either.right(Option.none()))
    deepStrictEqual(
      codec.put(parse(FILE), OTHER, credential(1), 0),
      Either.left("it has a place for anthropic-oauth and for MCP servers, called mcp:NAME")
    )
    assert.strictEqual(codec.remove(parse(FILE), OTHER, 0), FILE)
  })

  it("damage is named by its place, never quoted", () => {
    for (
      const [text, damage] of [
        [file("[\"secret\"]"), "claudeAiOauth: not an object"],
        [file("\"secret\""), "claudeAiOauth: not an object"],
        [file(LOGIN.replace("\"at\"", "1")), "claudeAiOauth[\"accessToken\"]: not of the expected type"],
        [file(LOGIN.replace("\"rt\"", "{}")), "claudeAiOauth[\"refreshToken\"]: not of the expected type"],
        [file(LOGIN.replace("1790000000000", "\"s\"")), "claudeAiOauth[\"expiresAt\"]: not of the expected type"],
        [
          file(LOGIN.replace("1792500000000", "1e999")),
          "claudeAiOauth[\"refreshTokenExpiresAt\"]: not of the expected type"
        ],
        [file(LOGIN.replace("[\"user:inference\"", "[1")), "claudeAiOauth.scopes: not of the expected type"],
        [file(LOGIN.replace("later", "accessToken")), "claudeAiOauth[\"accessToken\"]: not of the expected type"],
        [file(LOGIN.replace("later", "expiresAt")), "claudeAiOauth[\"expiresAt\"]: not of the expected type"],
        [FILE.replace("mcpOAuth", "claudeAiOauth"), "claudeAiOauth: there twice"]
      ] as const
    ) {
      deepStrictEqual(codec.findDamage(parse(text)), Option.some(damage))
      deepStrictEqual(get(text), Either.left(damage))
    }
  })

  it("a write changes the members of the login and copies every other byte", () => {
    const next = Credential.Credential.make({
      ...some(FILE),
      accessToken: Option.some(Redacted.make("at-new")),
      refreshToken: Option.some(Redacted.make("rt-new")),
      expiresAt: Option.some(1_790_028_800.5)
    })
    assert.strictEqual(
      Either.getOrThrow(codec.put(parse(FILE), TENANT, next, 0)),
      FILE.replace("\"rt\"", "\"rt-new\"").replace("\"at\"", "\"at-new\"").replace("1790000000000", "1790028800500")
    )
    assert.strictEqual(Either.getOrThrow(codec.put(parse(FILE), TENANT, some(FILE), 0)), FILE)
    assert.strictEqual(
      codec.remove(parse(FILE), TENANT, 0),
      `{"mcpOAuth":${MCP},"organizationUuid":"0-0", "trustedDeviceToken" : "t"}`
    )
  })
})

describe("Claude Code's locks", () => {
  it("are the two of a refresh in their order, and another one of a write", () => {
    const locks = (target: LockTarget) =>
      tool.locks("/home/a/.claude/.credentials.json", target, () => Option.none()).map((one) =>
        one._tag === "Directory"
          ? [one.path, Duration.toSeconds(one.stale), Duration.toSeconds(one.heartbeat), one.owner?.path]
          : []
      )
    deepStrictEqual(locks(LockTarget.Tenant({ tenant: TENANT })), [
      ["/home/a/.claude/.oauth_refresh.lock", 60, 5, "/home/a/.claude/.oauth_refresh.lock.owner"],
      ["/home/a/.claude.lock", 60, 5, "/home/a/.claude/.oauth_refresh.lock.owner"]
    ])
    deepStrictEqual(locks(LockTarget.Aggregate()), [["/home/a/.claude/.storage-write.lock", 15, 5, undefined]])
    deepStrictEqual(locks(LockTarget.RotationGroup({ group: "g" })), [])
  })

  it.scopedLive("exclude Claude Code one by one, and nothing is made before all of them are free", () =>
    Effect.gen(function*() {
      const { home, lock, path } = yield* withText(tool, ".credentials.json", FILE)
      const directory = Path.dirname(path)
      const [primary, legacy, write] = [
        Path.join(directory, ".oauth_refresh.lock"),
        `${directory}.lock`,
        Path.join(directory, ".storage-write.lock")
      ] as const
      const claude = yield* DirectoryLocks.properLockfile
      const tenant = LockTarget.Tenant({ tenant: TENANT })
      const made = () => [primary, legacy, write].map((one) => Fs.existsSync(one))
      yield* home.open

      for (const [held, target] of [[primary, tenant], [legacy, tenant], [write, LockTarget.Aggregate()]] as const) {
        yield* claude.send({ do: "try", lock: held })
        yield* claude.message(({ event, lock }) => event === "acquired" && lock === held)
        deepStrictEqual(yield* lock.tryAcquire(target), Option.none())
        deepStrictEqual(made(), [held === primary, held === legacy, held === write])
        yield* claude.send({ do: "release", lock: held })
        yield* claude.message(({ event, lock }) => event === "released" && lock === held)
      }

      const refresh = Option.getOrThrow(yield* lock.tryAcquire(tenant))
      deepStrictEqual(made(), [true, true, false])
      const storage = Option.getOrThrow(yield* lock.tryAcquire(LockTarget.Aggregate()))
      deepStrictEqual(made(), [true, true, true])
      yield* storage.release({ changed: true })
      yield* refresh.release({ changed: true })
      deepStrictEqual(made(), [false, false, false])
    }))
})
