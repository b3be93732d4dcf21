import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { codec, tool } from "@lockstep/tools/adapters/ClaudeCode"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import { twoViews } from "./support/toolHomes.js"

const LINEAR = TenantId.make("mcp:linear")
const SUBSCRIPTION = TenantId.make("anthropic-oauth")

const views = twoViews(tool, ".credentials.json")

credentialStoreContract("Claude Code, MCP servers", Effect.map(views, ([a, b]) => [a.store, b.store] as const), {
  tenants: [LINEAR, TenantId.make("mcp:sentry")],
  names: ["linear", "Linear", "a|b", "__proto__", "constructor", "a/../b", "é", "日本", "😀", " ", "mcp:x"].map((
    name
  ) => `mcp:${name}`),
  fit: (one) =>
    Credential.Credential.make({
      ...one,
      resource: Option.some("https://mcp.example/mcp"),
      accessToken: Option.orElseSome(one.accessToken, () => Redacted.make("at"))
    })
})

const URL_ = "https://mcp.linear.app/mcp"
const HASH = Crypto.createHash("sha256").update(`{"type":"http","url":"${URL_}","headers":{}}`).digest("hex").slice(
  0,
  16
)
const KEY = `linear|${HASH}`

/** As Claude Code 2.1.332 writes it, with siblings and unknown members. */
const ENTRY = `{"serverName":"linear","serverUrl":"${URL_}","accessToken":"at","refreshToken":"rt",`
  + "\"expiresAt\":1790000000500,\"scope\":\"read\",\"clientId\":\"client\",\"issuer\":\"https://as.example\","
  + "\"redirectUri\":\"http://localhost:1/callback\",\"later\":18446744073709551615,"
  + "\"discoveryState\":{\"authorizationServerUrl\":\"https://as.example/\",\"oauthMetadataFound\":true}}"
const OTHER = "{\"serverName\":\"oth\\u0065r\",\"serverUrl\":\"https://other.example\",\"accessToken\":\"\"}"
const LOGIN = "{\"accessToken\":\"sub\",\"refreshToken\":\"sub-rt\",\"expiresAt\":1790000000000}"
const FILE = `{"claudeAiOauth":${LOGIN},"mcpOAuth":{"${KEY}":${ENTRY}, "other|0":${OTHER}},`
  + `"mcpOAuthClientConfig":{"${KEY}":{"clientSecret":"cs"}},"organizationUuid":"0-0"}`

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant = LINEAR) => codec.get(parse(text), tenant)
const some = (text: string) => Option.getOrThrow(Either.getOrThrow(get(text)))
const put = (text: string, tenant: TenantId.TenantId, credential: Credential.Credential) =>
  Either.getOrThrow(codec.put(parse(text), tenant, credential, 0))

describe("Claude Code's logins at MCP servers", () => {
  it("say tokens, expiry without a margin, client, server and resource", () => {
    const login = some(FILE)
    deepStrictEqual(
      [login.accessToken, login.refreshToken, login.clientSecret].map((one) => Redacted.value(Option.getOrThrow(one))),
      ["at", "rt", "cs"]
    )
    deepStrictEqual(
      [login.vendor, login.issuer, login.clientId, login.resource, login.scope].map(Option.getOrNull),
      [null, "https://as.example", "client", URL_, "read"]
    )
    deepStrictEqual(login.expiresAt, Option.some(1_790_000_000.5))
    deepStrictEqual(some(FILE.replace("\"issuer\"", "\"i\"")).issuer, Option.some("https://as.example/"))
    deepStrictEqual(some(FILE.replace("\"expiresAt\":1790000000500,", "")).expiresAt, Option.none())
    deepStrictEqual(codec.list(parse(FILE)), [SUBSCRIPTION, LINEAR])
  })

  it("without tokens are no logins, and damage of one does not touch the others", () => {
    deepStrictEqual(get(FILE, TenantId.make("mcp:other")), Either.right(Option.none()))
    const damaged = FILE.replace("\"accessToken\":\"at\"", "\"accessToken\":[\"secret\"]")
    deepStrictEqual(
      get(damaged),
      Either.left(`mcpOAuth["${KEY}"]["accessToken"]: not of the expected type, or there twice`)
    )
    deepStrictEqual(codec.findDamage(parse(damaged)), Option.none())
    assert.isTrue(Option.isSome(Either.getOrThrow(get(damaged, SUBSCRIPTION))))
    for (const expiresAt of ["\"soon\"", "1e999"]) {
      assert.isTrue(Either.isLeft(get(FILE.replace("1790000000500", expiresAt))))
    }
  })

  it("a write changes the members of one login and copies every other byte", () => {
    assert.strictEqual(put(FILE, LINEAR, some(FILE)), FILE)
    const next = Credential.Credential.make({
      ...some(FILE),
      accessToken: Option.some(Redacted.make("at-new")),
      refreshToken: Option.some(Redacted.make("rt-new")),
      expiresAt: Option.some(1_790_003_600)
    })
    assert.strictEqual(
      put(FILE, LINEAR, next),
      FILE.replace("\"at\"", "\"at-new\"").replace("\"rt\"", "\"rt-new\"").replace("1790000000500", "1790003600000")
    )
    const elsewhere = Credential.Credential.make({ ...next, resource: Option.some("https://evil.example/mcp") })
    assert.isTrue(Either.isLeft(codec.put(parse(FILE), LINEAR, elsewhere, 0)))
  })

  it("a new one is an entry under the key that Claude Code looks for", () => {
    deepStrictEqual(JSON.parse(put("{}", LINEAR, some(FILE))), {
      mcpOAuth: {
        [KEY]: {
          serverName: "linear",
          serverUrl: URL_,
          accessToken: "at",
          refreshToken: "rt",
          expiresAt: 1_790_000_000_500,
          scope: "read",
          clientId: "client",
          clientSecret: "cs",
          issuer: "https://as.example"
        }
      }
    })
    const nowhere = Credential.Credential.make({ ...some(FILE), resource: Option.none() })
    assert.isTrue(Either.isLeft(codec.put(codec.empty, LINEAR, nowhere, 0)))
  })

  it("a logout takes out the tokens and leaves the client", () => {
    assert.strictEqual(
      codec.remove(parse(FILE), LINEAR, 0),
      FILE.replace(
        "\"accessToken\":\"at\",\"refreshToken\":\"rt\",\"expiresAt\":1790000000500,",
        "\"accessToken\":\"\","
      )
    )
  })

  it("a refresh has a directory per server, called after its key", () => {
    const locks = (target: LockTarget) =>
      tool.locks("/home/a/.claude/.credentials.json", target, () => Option.some(parse(FILE))).map(({ path }) => path)
    deepStrictEqual(locks(LockTarget.Tenant({ tenant: LINEAR })), [
      `/home/a/.claude/mcp-refresh-linear_${HASH}.lock.lock`
    ])
    deepStrictEqual(locks(LockTarget.Tenant({ tenant: TenantId.make("mcp:absent") })), [])
    deepStrictEqual(locks(LockTarget.Aggregate()), ["/home/a/.claude/.storage-write.lock"])
  })
})
