import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import { credentialStoreContract, everything } from "@lockstep/testkit/contract/CredentialStoreContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import { codec, tool } from "@lockstep/tools/adapters/Pi"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { twoViews, withText } from "./support/toolHomes.js"

const ANTHROPIC = TenantId.make("anthropic")
const CODEX = TenantId.make("openai-codex")

const views = twoViews(tool, "auth.json")

credentialStoreContract("pi", Effect.map(views, ([a, b]) => [a.store, b.store] as const), {
  ...everything,
  // Without any token there is no login.
  fit: (one) =>
    Option.isSome(one.accessToken) || Option.isSome(one.refreshToken)
      ? one
      : Credential.Credential.make({ ...one, accessToken: Option.some(Redacted.make("at")) })
})
refreshJournalContract("beside pi's file", Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))

/** As pi writes it, with what is unknown here: numbers that are no floats, an escape, members of later versions. */
const FILE = `{
  "anthropic": {
    "type": "oauth",
    "refresh": "rt-a",
    "access": "at-a",
    "expires": 1790000000000
  },
  "openai-codex": {
    "type": "oauth",
    "refresh": "rt-c",
    "access": "at-c",
    "expires": 1790000000500,
    "accountId": "acct",
    "since": 18446744073709551615
  },
  "google": {
    "type": "api_key",
    "key": "k\\u0065y"
  },
  "later": [1.0, 1e3]
}
`

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant = ANTHROPIC) => codec.get(parse(text), tenant)
const some = (text: string, tenant = ANTHROPIC) => Option.getOrThrow(Either.getOrThrow(get(text, tenant)))
const entry = (members: string) => `{"anthropic":{"type":"oauth",${members}}}`

describe("pi's file", () => {
  it("lies where pi looks", () => {
    assert.strictEqual(
      tool.locate({ userHome: "/home/a", variable: () => Option.none() }),
      Path.join("/home/a", ".pi", "agent", "auth.json")
    )
  })

  it("lies where its variable says", () => {
    const locate = (named: string) =>
      tool.locate({
        userHome: "/home/a",
        variable: (name) => name === "PI_CODING_AGENT_DIR" ? Option.some(named) : Option.none()
      })
    assert.strictEqual(locate("/elsewhere"), "/elsewhere/auth.json")
    assert.strictEqual(locate("~/agent"), "/home/a/agent/auth.json")
    assert.strictEqual(locate(""), "/home/a/.pi/agent/auth.json")
  })

  it("says when a token ends by the margin of its provider, and believes in none for one that is not known", () => {
    for (
      const [provider, margin] of [
        ["anthropic", 300],
        ["github-copilot", 300],
        ["xai", 300],
        ["openai-chatgpt", 180],
        ["radius", 60],
        ["openai-codex", 0],
        ["kimi-coding", 0],
        ["someone-new", 0]
      ] as const
    ) {
      const tenant = TenantId.make(provider)
      const text = entry("\"access\":\"at\",\"refresh\":\"rt\",\"expires\":1790000000000").replace(
        "anthropic",
        provider
      )
      deepStrictEqual(some(text, tenant).expiresAt, Option.some(1_790_000_000 + margin), provider)
      // And back: what we write is what pi would have written.
      assert.strictEqual(Either.getOrThrow(codec.put(parse(text), tenant, some(text, tenant), 0)), text)
      const written = Either.getOrThrow(codec.put(codec.empty, tenant, some(text, tenant), 0))
      deepStrictEqual(some(written, tenant).expiresAt, Option.some(1_790_000_000 + margin), provider)
    }
  })

  it("a token that says when it ends is believed before its entry, one without an end has no end", () => {
    const jwt = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`
    const of = (access: string, expires: number | string) =>
      some(entry(`"access":"${access}","refresh":"rt","expires":${expires}`)).expiresAt
    deepStrictEqual(of(jwt({ exp: 1_790_000_100 }), 1_790_000_000_000), Option.some(1_790_000_100))
    deepStrictEqual(of(jwt({ exp: 1_790_000_100 }), 0), Option.some(1))
    for (const claims of [{}, { exp: "soon" }, { exp: -1 }, { exp: null }]) {
      deepStrictEqual(of(jwt(claims), 1_790_000_000_000), Option.some(1_790_000_300))
    }
    deepStrictEqual(of("a.b.c", 1_790_000_000_000), Option.some(1_790_000_300))
    deepStrictEqual(of("at", Number.MAX_SAFE_INTEGER), Option.none())
  })

  it("knows our vendors by pi's names, and GitHub's domains", () => {
    const vendor = (provider: string, members = "") => {
      const text = entry(`"access":"at","refresh":"rt","expires":1${members}`).replace("anthropic", provider)
      const { issuer, vendor } = some(text, TenantId.make(provider))
      return [Option.getOrNull(vendor), Option.getOrNull(issuer)]
    }
    deepStrictEqual(vendor("xai"), ["xai-oauth", null])
    deepStrictEqual(vendor("github-copilot"), ["copilot", null])
    deepStrictEqual(vendor("github-copilot", ",\"enterpriseUrl\":\"ghe.example\""), ["copilot", "https://ghe.example"])
    deepStrictEqual(
      vendor("github-copilot", ",\"enterpriseUrl\":\"https://ghe.example/\""),
      ["copilot", "https://ghe.example"]
    )
    deepStrictEqual(vendor("openai-chatgpt"), [null, null])
    const copilot = TenantId.make("github-copilot")
    const put = (issuer: string) =>
      Either.getOrThrow(codec.put(
        codec.empty,
        copilot,
        Credential.Credential.make({
          ...some(FILE),
          issuer: Option.some(issuer)
        }),
        0
      ))
    assert.include(put("https://ghe.example"), "\"enterpriseUrl\": \"ghe.example\"")
    assert.notInclude(put("https://github.com"), "enterpriseUrl")
  })

  it("says tokens, account and our name of the vendor", () => {
    const codex = some(FILE, CODEX)
    assert.strictEqual(Redacted.value(Option.getOrThrow(codex.accessToken)), "at-c")
    assert.strictEqual(Redacted.value(Option.getOrThrow(codex.refreshToken)), "rt-c")
    deepStrictEqual(codex.expiresAt, Option.some(1_790_000_000.5))
    deepStrictEqual(codex.vendor, Option.some("codex"))
    deepStrictEqual(Credential.accountId(codex), Option.some("acct"))
    deepStrictEqual(some(FILE).vendor, Option.some("anthropic-oauth"))
    deepStrictEqual(some(FILE.replace("anthropic", "someone"), TenantId.make("someone")).vendor, Option.none())
    deepStrictEqual(codec.list(parse(FILE)), [ANTHROPIC, CODEX])
  })

  it("API keys and what else is no login are not ours", () => {
    for (const name of ["google", "later", "absent", "__proto__", "toString"]) {
      deepStrictEqual(get(FILE, TenantId.make(name)), Either.right(Option.none()))
    }
    deepStrictEqual(
      Either.getLeft(codec.put(parse(FILE), TenantId.make("google"), credential(1), 0)),
      Option.some("google: not a login")
    )
    assert.strictEqual(codec.remove(parse(FILE), TenantId.make("google"), 0), FILE)
  })

  it("empty tokens are no login, and no damage", () => {
    const out = entry("\"access\":\"\",\"refresh\":\"\",\"expires\":0")
    deepStrictEqual(get(out), Either.right(Option.none()))
    deepStrictEqual(codec.list(parse(out)), [])
    deepStrictEqual(codec.findDamage(parse(out)), Option.none())
    deepStrictEqual(some(entry("\"access\":\"\",\"refresh\":\"rt\",\"expires\":0")).accessToken, Option.none())
    deepStrictEqual(some(entry("\"access\":\"at\",\"refresh\":\"rt\",\"expires\":-9e9")).expiresAt, Option.some(1))
  })

  it("damage is named by its place, never quoted, and stops writers alone", () => {
    for (
      const [members, place] of [
        ["\"access\":1,\"refresh\":\"secret\",\"expires\":1", "anthropic.access"],
        ["\"access\":\"secret\",\"expires\":1", "anthropic.refresh"],
        ["\"access\":\"secret\",\"refresh\":\"secret\"", "anthropic.expires"],
        ["\"access\":\"secret\",\"refresh\":\"secret\",\"expires\":\"1\"", "anthropic.expires"],
        ["\"access\":\"secret\",\"refresh\":\"secret\",\"expires\":1e999", "anthropic.expires"],
        ["\"access\":\"secret\",\"refresh\":\"secret\",\"expires\":1,\"accountId\":{}", "anthropic[\"accountId\"]"],
        ["\"access\":\"secret\",\"access\":\"secret\",\"refresh\":\"secret\",\"expires\":1", "anthropic.access"]
      ] as const
    ) {
      const damage = Option.getOrThrow(codec.findDamage(parse(entry(members))))
      assert.strictEqual(damage, `${place}: not of the expected type`)
      assert.isTrue(Either.isLeft(get(entry(members))))
    }
    const twice = FILE.replace("\"google\"", "\"anthropic\"")
    deepStrictEqual(get(twice), Either.left("anthropic: there twice"))
    assert.isTrue(Either.isRight(get(twice, CODEX)))
  })

  it("a write changes the members of one login and copies every other byte", () => {
    const next = Credential.Credential.make({
      ...some(FILE, CODEX),
      accessToken: Option.some(Redacted.make("at-new")),
      refreshToken: Option.some(Redacted.make("rt-new")),
      expiresAt: Option.some(1_790_003_600)
    })
    assert.strictEqual(
      Either.getOrThrow(codec.put(parse(FILE), CODEX, next, 0)),
      FILE.replace("rt-c", "rt-new").replace("at-c", "at-new").replace("1790000000500", "1790003600000")
    )
    assert.strictEqual(Either.getOrThrow(codec.put(parse(FILE), CODEX, some(FILE, CODEX), 0)), FILE)
  })

  it("a new login is an entry as pi makes it", () => {
    const next = Credential.Credential.make({
      accessToken: Option.some(Redacted.make("at")),
      refreshToken: Option.some(Redacted.make("rt")),
      expiresAt: Option.some(1_790_000_300),
      account: Option.some(Credential.Account.make({ id: Option.some("acct") }))
    })
    const written = (tenant: TenantId.TenantId) =>
      JSON.parse(Either.getOrThrow(codec.put(codec.empty, tenant, next, 0))) as unknown
    const login = { type: "oauth", refresh: "rt", access: "at", expires: 1_790_000_000_000 }
    deepStrictEqual(written(ANTHROPIC), { anthropic: login })
    deepStrictEqual(written(CODEX), {
      "openai-codex": { ...login, expires: 1_790_000_300_000, accountId: "acct" }
    })
    const endless = Credential.Credential.make({ ...next, expiresAt: Option.none() })
    assert.include(Either.getOrThrow(codec.put(codec.empty, ANTHROPIC, endless, 0)), String(Number.MAX_SAFE_INTEGER))
  })

  it("a logout takes out the login and nothing else", () => {
    const rest = JSON.parse(codec.remove(parse(FILE), ANTHROPIC, 0)) as Record<string, unknown>
    deepStrictEqual(Object.keys(rest), ["openai-codex", "google", "later"])
    assert.isTrue(FILE.endsWith(codec.remove(parse(FILE), ANTHROPIC, 0).slice(1)))
  })

  it.scopedLive("what pi has no place for is kept beside its file, and pi's file shows no trace of us", () =>
    Effect.gen(function*() {
      const { companion, read, store } = yield* withText(tool, "auth.json", FILE)
      const meant = Credential.Credential.make({
        ...some(FILE, CODEX),
        generation: 7,
        lastRedeem: Option.some("attempt"),
        obtainedAt: Option.some(1_789_999_000),
        scope: Option.some("openid")
      })
      yield* store.modify(CODEX, () => Change.Put({ credential: meant, value: () => undefined }))
      assert.strictEqual(read(), FILE)
      assert.notMatch(companion(), /at-c|rt-c/)
      const found = Option.getOrThrow(yield* store.get(CODEX)).credential
      deepStrictEqual([found.generation, found.lastRedeem, found.scope], [7, meant.lastRedeem, meant.scope])
    }))
})

describe("pi's lock", () => {
  it.scoped("is one directory for both roles, by both of its names, which lives by pi's shortest rule", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const file = Path.join(directory, "auth.json")
      const none = () => Option.none()
      const locks = (target: LockTarget) => tool.locks(file, target, none)
      const [tenant, ...others] = locks(LockTarget.Tenant({ tenant: CODEX }))
      deepStrictEqual(others, [])
      deepStrictEqual(locks(LockTarget.Aggregate()), locks(LockTarget.Tenant({ tenant: CODEX })))
      deepStrictEqual(locks(LockTarget.RotationGroup({ group: "g" })), [])
      assert.isTrue(tenant?._tag === "Directory")
      if (tenant?._tag !== "Directory") return
      assert.strictEqual(tenant.path, `${file}.lock`)
      assert.isTrue(Duration.equals(tenant.stale, Duration.seconds(30)))
      assert.isTrue(Duration.lessThanOrEqualTo(Duration.times(tenant.heartbeat, 3), Duration.seconds(10)))

      const target = Path.join(directory, "linked.json")
      Fs.writeFileSync(target, "{}")
      Fs.symlinkSync(target, file)
      deepStrictEqual(locks(LockTarget.Aggregate()).map(({ path }) => path), [`${file}.lock`, `${target}.lock`])
    }))
})
