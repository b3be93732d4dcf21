import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import { codec, tool } from "@lockstep/tools/adapters/Openab"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ToolHomes from "./support/toolHomes.js"

const CODEX = TenantId.make("codex")
const LINEAR = TenantId.make("linear")
const NOW = 1_790_000_000_000

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant = CODEX) => Option.getOrThrow(Either.getOrThrow(codec.get(parse(text), tenant)))
const put = (text: string, next: Partial<Credential.Credential>, tenant = CODEX) =>
  Either.getOrThrow(codec.put(parse(text), tenant, Credential.Credential.make(next), NOW))
const secret = (text: string) => Option.some(Redacted.make(text))
const revealed = Option.map(Redacted.value)

const token = (name: string, more = "") =>
  `"${name}": {"access_token":"at-${name}","refresh_token":"rt-${name}","expires_at":1790000000,`
  + `"token_endpoint":"https://auth.openai.com/oauth/token","provider":"${name}"${more}}`

const LEGACY =
  "{ \"access_token\": \"a\", \"refresh_token\":\"r\",\n \"expires_at\": 1790000000 , \"token_endpoint\":\"https://e\","
  + "\"provider\":\"codex\", \"extra\":[ 1 ] }"

const PENDING = (created: number | string) =>
  `"mcp-pending:x": {"verifier":"v","state":"s","token_url":"https://e","provider_name":"x","created_at":${created}}`

describe("a login of one of openab's vendors", () => {
  it("is read with what the file says and no more", () => {
    const found = get(`{${token("codex")}}`)
    assertSome(found.vendor, "codex")
    assertSome(found.tokenEndpoint, "https://auth.openai.com/oauth/token")
    assertSome(revealed(found.accessToken), "at-codex")
    assertSome(revealed(found.refreshToken), "rt-codex")
    assertSome(found.expiresAt, 1_790_000_000)
    assertNone(found.obtainedAt)
    assertNone(found.scope)
    assert.strictEqual(found.generation, 0)
    assertNone(get(`{${token("mine")}}`, TenantId.make("mine")).vendor)
  })

  it("never ends when openab says so, and the number survives a rewrite", () => {
    const text = `{${token("codex").replace("1790000000", "18446744073709551615")}}`
    const found = get(text)
    assertNone(found.expiresAt)
    const next = put(text, { ...found, accessToken: secret("new") })
    assert.strictEqual(next, text.replace("at-codex", "new"))
    assert.include(put(text, { ...found, expiresAt: Option.some(1_790_000_001.9) }), "\"expires_at\":1790000001,")
    // As a refresh without `expires_in` writes it.
    assert.include(
      put(put(text, { ...found, expiresAt: Option.some(5) }), found),
      "\"expires_at\":18446744073709551615,"
    )
  })

  it("is over when its time is 0", () => {
    assertSome(get(`{${token("codex").replace("1790000000", "0")}}`).expiresAt, 1)
  })

  it("that is new is written as openab writes it, with members of its own and none of ours", () => {
    const login = credential(3, {
      accessToken: secret("a"),
      refreshToken: secret("r"),
      scope: Option.some("s"),
      clientId: Option.some("c"),
      account: Option.some(Credential.Account.make({ id: Option.some("i") })),
      expiresAt: Option.some(1_790_000_100)
    })
    assert.strictEqual(
      put("{}", login),
      "{\n  \"codex\": {\n    \"access_token\": \"a\",\n    \"refresh_token\": \"r\",\n    \"expires_at\": 1790000100,\n"
        + "    \"token_endpoint\": \"https://auth.openai.com/oauth/token\",\n    \"provider\": \"codex\"\n  }\n}"
    )
    assert.include(put("{}", login, TenantId.make("anthropic-oauth")), "https://platform.claude.com/v1/oauth/token")
    assert.include(put("{}", login, TenantId.make("codex@work")), "\"provider\": \"codex\"")
  })

  it("keeps its other members, as odd as they are", () => {
    const odd = ", \"x\" : 1.0,\"x\":1e3, \"__proto__\" :{ } , \"max\": 18446744073709551615"
    const text = `{ ${token("codex", odd)} ,\n\n\t${token("xai-oauth", odd)}}\n`
    assert.strictEqual(
      put(text, { ...get(text), refreshToken: secret("new") }),
      text.replace("rt-codex", "new")
    )
  })
})

describe("a login of an MCP server", () => {
  const STORED =
    "{\"linear\":{\"client_id\":\"c\",\"token_response\":{\"access_token\":\"a\",\"token_type\":\"bearer\","
    + "\"refresh_token\":\"r\",\"expires_in\":3600,\"vendor_field\" : 1.0},\"granted_scopes\":[\"read\", \"write\"],"
    + "\"token_received_at\":1790000000}}"

  it("is read from rmcp's form", () => {
    const found = get(STORED, LINEAR)
    assertSome(found.clientId, "c")
    assertSome(found.scope, "read write")
    assertSome(found.tokenType, "bearer")
    assertSome(found.obtainedAt, 1_790_000_000)
    assertSome(found.expiresAt, 1_790_003_600)
  })

  it("is changed in place, and only where it differs", () => {
    const found = get(STORED, LINEAR)
    assert.strictEqual(put(STORED, found, LINEAR), STORED)
    const next = put(STORED, {
      ...found,
      accessToken: secret("a2"),
      obtainedAt: Option.some(1_790_000_500),
      expiresAt: Option.some(1_790_000_800)
    }, LINEAR)
    assert.strictEqual(
      next,
      STORED.replace("\"a\"", "\"a2\"").replace("3600", "300").replace("1790000000", "1790000500")
    )
  })

  it("that is new has rmcp's form when it names a resource and a client", () => {
    const text = put("{}", {
      accessToken: secret("a"),
      clientId: Option.some("c"),
      resource: Option.some("https://mcp.example/mcp"),
      scope: Option.some("read write"),
      expiresAt: Option.some(1_790_003_600)
    }, LINEAR)
    assert.deepStrictEqual(JSON.parse(text), {
      linear: {
        client_id: "c",
        token_response: { access_token: "a", token_type: "bearer", expires_in: 3600, scope: "read write" },
        granted_scopes: ["read", "write"],
        token_received_at: 1_790_000_000
      }
    })
  })

  it("without tokens keeps its client, as openab leaves it", () => {
    const text = "{\"linear\":{\"client_id\":\"c\",\"token_response\":null}}"
    assertNone(get(text, LINEAR).accessToken)
    assert.include(put(text, { ...get(text, LINEAR), accessToken: secret("a") }, LINEAR), "\"access_token\":\"a\"")
  })
})

describe("the older form, one login alone", () => {
  it("is the tenant `codex`, read and rewritten in its own form", () => {
    assert.deepStrictEqual(codec.list(parse(LEGACY)), [CODEX])
    const found = get(LEGACY)
    assertSome(revealed(found.accessToken), "a")
    assert.strictEqual(put(LEGACY, { ...found, accessToken: secret("b") }), LEGACY.replace("\"a\"", "\"b\""))
  })

  it("becomes a map with a second login, as openab makes it", () => {
    const text = put(LEGACY, { accessToken: secret("x"), refreshToken: secret("y") }, TenantId.make("xai-oauth"))
    assert.include(text, LEGACY)
    assert.deepStrictEqual([...codec.list(parse(text))], [CODEX, TenantId.make("xai-oauth")])
    assertSome(revealed(get(text).accessToken), "a")
    assertNone(codec.findDamage(parse(text)))
  })

  it("is empty when its login is removed, and openab reads that", () => {
    assert.strictEqual(codec.remove(parse(LEGACY), CODEX, NOW), "{}")
  })

  it("is never made by the name of a tenant", () => {
    const refused = codec.put(parse("{}"), TenantId.make("access_token"), credential(1), NOW)
    assert.isTrue(Either.isLeft(refused))
  })
})

describe("unfinished logins of openab", () => {
  it("are no logins of ours, and go when they are older than 15 minutes, like at every write of openab", () => {
    const seconds = NOW / 1_000
    for (
      const [created, stays] of [
        [seconds - 900, true],
        [seconds - 901, false],
        [0, false],
        [seconds + 9_999, true]
      ] as const
    ) {
      const text = `{${PENDING(created)}, ${token("codex")}}`
      assert.deepStrictEqual(codec.list(parse(text)), [CODEX])
      assertNone(Either.getOrThrow(codec.get(parse(text), TenantId.make("mcp-pending:x"))))
      const written = [put(text, { ...get(text), accessToken: secret("b") }), codec.remove(parse(text), CODEX, NOW)]
      for (const next of written) assert.strictEqual(next.includes("mcp-pending:x"), stays)
    }
    assert.isTrue(
      Either.isLeft(codec.put(parse(`{${PENDING(seconds)}}`), TenantId.make("mcp-pending:x"), credential(1), NOW))
    )
  })
})

describe("damage", () => {
  const strange = [
    ["an entry of no kind", "{\"codex\":{\"access_token\":\"lockstep-at-x\"}}"],
    ["a time that is no whole number", `{${token("codex").replace("1790000000", "1790000000.5")}}`],
    ["a time that no u64 holds", `{${token("codex").replace("1790000000", "18446744073709551616")}}`],
    ["a member there twice", `{${token("codex", ",\"access_token\":\"lockstep-at-x\"")}}`],
    ["a token that is null", `{${token("codex").replace("\"at-codex\"", "null")}}`],
    ["an entry there twice", `{${token("codex")},${token("codex")}}`],
    ["a value that is no entry", "{\"codex\":\"lockstep-at-x\"}"],
    ["an older form that is not whole", "{\"access_token\":\"lockstep-at-x\"}"]
  ] as const

  it.each(strange)("%s stops every write, and is named without its content", (_, text) => {
    const damage = Option.getOrThrow(codec.findDamage(parse(text)))
    assert.notInclude(damage, "lockstep-")
    assert.notInclude(damage, "at-codex")
    assert.isTrue(Either.isLeft(codec.get(parse(text), CODEX)))
  })

  it.scopedLive("of another entry leaves a sound one readable, and the file as it is", () =>
    Effect.gen(function*() {
      const text = `{${token("codex")}, "odd": {"a": 1}}`
      const { read, store } = yield* ToolHomes.withText(tool, "auth.json", text)
      assert.isTrue(Option.isSome(yield* store.get(CODEX)))
      const error = yield* Effect.flip(
        store.modify(CODEX, () => Change.Put({ credential: credential(1), value: () => undefined }))
      )
      assert.include(error.message, "odd: of no kind that openab knows: it would set the whole file aside")
      assert.strictEqual(read(), text)
    }))
})

describe("locks", () => {
  it("are openab's own, from the tenant's name as it is, and none that no file can be called", () => {
    const plan = (tenant: string) =>
      tool.locks("/d/auth.json", LockTarget.Tenant({ tenant: TenantId.make(tenant) }), Option.none).map(({ path }) =>
        path
      )
    assert.deepStrictEqual(plan("codex"), ["/d/auth.json.refresh.codex.lock"])
    assert.deepStrictEqual(plan("mcp:Linear"), ["/d/auth.json.refresh.mcp:Linear.lock"])
    assert.deepStrictEqual(plan("a/../b"), [])
    assert.deepStrictEqual(plan("x".repeat(300)), [])
    assert.deepStrictEqual(
      tool.locks("/d/auth.json", LockTarget.Aggregate(), Option.none).map(({ path }) => path),
      ["/d/auth.json.global.lock"]
    )
  })

  it.scopedLive("of a tenant whose name we encode are both taken", () =>
    Effect.gen(function*() {
      const { lock, path } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      assert.deepStrictEqual(lock.plan(LockTarget.Tenant({ tenant: TenantId.make("mcp:Linear") })), [
        `${path}.refresh.mcp%3A%4Cinear.lock`,
        `${path}.refresh.mcp:Linear.lock`
      ])
      assert.deepStrictEqual(lock.plan(LockTarget.Tenant({ tenant: CODEX })), [`${path}.refresh.codex.lock`])
      assert.deepStrictEqual(lock.plan(LockTarget.Aggregate()), [`${path}.global.lock`])
    }))
})
