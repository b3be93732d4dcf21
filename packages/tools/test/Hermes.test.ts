import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import { codec, tool } from "@lockstep/tools/adapters/Hermes"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const CODEX = TenantId.make("openai-codex")
const XAI = TenantId.make("xai-oauth")
const NOW = Date.UTC(2026, 8, 2)

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant = CODEX) => Option.getOrThrow(Either.getOrThrow(codec.get(parse(text), tenant)))
const put = (text: string, next: Partial<Credential.Credential>, tenant = CODEX) =>
  codec.put(parse(text), tenant, Credential.Credential.make(next), NOW)
const secret = (text: string) => Option.some(Redacted.make(text))
const revealed = Option.map(Redacted.value)

const jwt = (payload: unknown) => `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.x`

const FILE =
  "{\n  \"version\": 1,\n  \"updated_at\": \"2026-09-01T00:00:00+00:00\",\n  \"active_provider\": \"openai-codex\",\n"
  + "  \"providers\": {\n    \"openai-codex\": {\n      \"tokens\": {\"access_token\": \"a\", \"refresh_token\": \"r\"},\n"
  + "      \"last_refresh\": \"2026-09-01T00:00:00.123456Z\", \"auth_mode\": \"chatgpt\", \"max\": 18446744073709551615\n    },\n"
  + "    \"xai-oauth\": {\"tokens\": {\"access_token\":\"xa\",\"refresh_token\":\"xr\",\"id_token\":\"xi\",\"expires_in\":21600,"
  + "\"token_type\":\"Bearer\"}, \"last_refresh\":\"2026-09-01T00:00:00Z\", \"discovery\":{\"token_endpoint\":\"https://e\"}},\n"
  + "    \"nous\": {\"access_token\":\"n\", \"agent_key\":\"k\"}\n  },\n"
  + "  \"credential_pool\": {\"openai-codex\": [{\"id\": \"x\", \"access_token\": \"p\"}]}\n}\n"

const REFRESHED = Date.UTC(2026, 8, 1) / 1_000

describe("a provider that logs in by OAuth", () => {
  it("is read with its own time, and a provider of another kind is not one of ours", () => {
    assert.deepStrictEqual(codec.list(parse(FILE)), [CODEX, XAI])
    const xai = get(FILE, XAI)
    assertSome(xai.vendor, "xai-oauth")
    assertSome(xai.tokenEndpoint, "https://e")
    assertSome(xai.obtainedAt, REFRESHED)
    assertSome(xai.expiresAt, REFRESHED + 21_600)
    assertSome(revealed(xai.idToken), "xi")
    assertSome(xai.tokenType, "Bearer")
    const codex = get(FILE)
    assertSome(codex.vendor, "codex")
    assertSome(codex.obtainedAt, REFRESHED + 0.123)
    assertNone(codex.expiresAt)
    assertNone(Either.getOrThrow(codec.get(parse(FILE), TenantId.make("nous"))))
  })

  it("ends when its token says so, where the file does not", () => {
    assertSome(get(FILE.replace("\"a\"", `"${jwt({ exp: 1_790_000_000 })}"`)).expiresAt, 1_790_000_000)
    for (const token of [jwt({}), jwt({ exp: "x" }), jwt(null), jwt({ exp: -1 }), "a.b.c", "a.e30"]) {
      assertNone(get(FILE.replace("\"a\"", `"${token}"`)).expiresAt)
    }
  })

  it("is rewritten with hermes' own times, and nothing else changes", () => {
    const text = Either.getOrThrow(put(FILE, {
      ...get(FILE, XAI),
      accessToken: secret("xa2"),
      refreshToken: secret("xr2"),
      idToken: secret("xi2"),
      scope: Option.some("s"),
      obtainedAt: Option.some(REFRESHED + 60),
      expiresAt: Option.some(REFRESHED + 360)
    }, XAI))
    assert.strictEqual(
      text,
      FILE.replace("2026-09-01T00:00:00+00:00", "2026-09-02T00:00:00.000+00:00")
        .replace("\"xa\"", "\"xa2\"").replace("\"xr\"", "\"xr2\"").replace("\"xi\"", "\"xi2\"")
        .replace("21600", "300").replace("2026-09-01T00:00:00Z", "2026-09-01T00:01:00.000Z")
    )
  })

  it("gets no member that its tokens do not have", () => {
    const text = Either.getOrThrow(put(FILE, {
      ...get(FILE),
      accessToken: secret("a2"),
      idToken: secret("i"),
      tokenType: Option.some("Bearer"),
      expiresAt: Option.some(REFRESHED + 360)
    }))
    assert.include(text, "{\"access_token\": \"a2\", \"refresh_token\": \"r\"}")
  })

  it("that is new is laid out as hermes lays it out", () => {
    const text = Either.getOrThrow(put("{}", {
      accessToken: secret("a"),
      refreshToken: secret("r"),
      obtainedAt: Option.some(REFRESHED),
      expiresAt: Option.some(REFRESHED + 10)
    }))
    assert.strictEqual(
      text,
      `${
        JSON.stringify(
          {
            version: 1,
            updated_at: "2026-09-02T00:00:00.000+00:00",
            providers: {
              "openai-codex": {
                tokens: { access_token: "a", refresh_token: "r", expires_in: 10 },
                last_refresh: "2026-09-01T00:00:00.000Z",
                auth_mode: "chatgpt"
              }
            }
          },
          null,
          2
        )
      }\n`
    )
  })

  it("that is removed goes as a whole, and no other with it", () => {
    const text = codec.remove(parse(FILE), XAI, NOW)
    const left = JSON.parse(text) as { readonly providers: object }
    assert.deepStrictEqual(Object.keys(left.providers), ["openai-codex", "nous"])
    assert.strictEqual(codec.remove(parse(FILE), TenantId.make("nous"), NOW), FILE)
  })

  it("of another kind is never overwritten", () => {
    assert.isTrue(Either.isLeft(put(FILE, credential(1), TenantId.make("nous"))))
    assert.isTrue(
      Either.isRight(
        put(FILE.replace("{\"access_token\":\"n\", \"agent_key\":\"k\"}", "{}"), credential(1), TenantId.make("nous"))
      )
    )
  })
})

describe("damage", () => {
  it.each([
    ["tokens of another type", FILE.replace("\"r\"", "7")],
    ["a provider there twice", FILE.replace("\"nous\"", "\"xai-oauth\"")],
    [
      "a token there twice",
      FILE.replace("\"access_token\": \"a\",", "\"access_token\": \"a\", \"access_token\": \"lockstep-at-x\",")
    ],
    ["a provider that is no object", FILE.replace("{\"access_token\":\"n\", \"agent_key\":\"k\"}", "\"lockstep-at-x\"")]
  ])("%s stops every write, and is named without its content", (_, text) => {
    assert.notInclude(Option.getOrThrow(codec.findDamage(parse(text))), "lockstep-")
  })

  it("of the frame is told at once", () => {
    for (const text of ["{\"providers\":[]}", "{\"providers\":{},\"providers\":{}}", "[]", "\uFEFF{}"]) {
      assert.isTrue(Either.isLeft(codec.parse(text)), text)
    }
  })
})

describe("the lock", () => {
  it("is one for both roles, and its name replaces the ending", () => {
    for (const target of [LockTarget.Tenant({ tenant: CODEX }), LockTarget.Aggregate()]) {
      assert.deepStrictEqual(tool.locks("/d/auth.json", target, Option.none).map(({ path }) => path), ["/d/auth.lock"])
    }
  })
})
