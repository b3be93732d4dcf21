import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { codec, tool } from "@lockstep/tools/adapters/PiMcp"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const LINEAR = TenantId.make("mcp:linear_app")

/** As pi 1.6.0 writes it, with a state of an older version, a sign-in that is under way, and unknown members. */
const FILE = `{
  "mcp__linear_app|https://mcp.linear.app/mcp": {
    "serverUrl": "https://mcp.linear.app/mcp",
    "clientInformation": {
      "client_id": "client",
      "redirect_uris": ["http://127.0.0.1:33418/callback"],
      "token_endpoint_auth_method": "none",
      "client_id_issued_at": 18446744073709551615
    },
    "discovery": {
      "authorizationServerUrl": "https://as.example/",
      "authorizationServerMetadata": {
        "issuer": "https://as.example",
        "token_endpoint": "https://as.example/token"
      },
      "resourceMetadata": {
        "resource": "https://mcp.linear.app/"
      }
    },
    "codeVerifier": "verifier",
    "tokens": {
      "access_token": "at",
      "token_type": "bearer",
      "expires_in": 3600,
      "scope": "read write",
      "refresh_token": "rt"
    },
    "tokensExpireAt": 1790000000500
  },
  "https://old.example/mcp": {
    "serverUrl": "https://old.example/mcp",
    "tokens": {
      "access_token": "old",
      "token_type": "bearer",
      "refresh_token": "old-rt"
    }
  },
  "mcp__pending|https://pending.example/": {
    "serverUrl": "https://pending.example/",
    "oauthState": "state"
  },
  "mcp__stray|https://stray.example/": {
    "serverUrl": "https://elsewhere.example/",
    "tokens": {
      "access_token": "stray"
    }
  }
}
`

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant: string) => codec.get(parse(text), TenantId.make(tenant))
const some = (text: string) => Option.getOrThrow(Either.getOrThrow(codec.get(parse(text), LINEAR)))
const put = (text: string, credential: Credential.Credential, now = 0) =>
  Either.getOrThrow(codec.put(parse(text), LINEAR, credential, now))

describe("pi's file of MCP servers", () => {
  it("lies beside its other one", () => {
    assert.strictEqual(
      tool.locate({ userHome: "/home/a", variable: () => Option.none() }),
      "/home/a/.pi/agent/mcp-auth.json"
    )
  })

  it("says tokens, client, server and resource as pi sends them, and an expiry without a margin", () => {
    const login = some(FILE)
    assert.strictEqual(Redacted.value(Option.getOrThrow(login.accessToken)), "at")
    assert.strictEqual(Redacted.value(Option.getOrThrow(login.refreshToken)), "rt")
    deepStrictEqual(
      [login.issuer, login.tokenEndpoint, login.clientId, login.tokenEndpointAuthMethod, login.resource, login.scope]
        .map(
          Option.getOrNull
        ),
      ["https://as.example", "https://as.example/token", "client", "none", "https://mcp.linear.app/", "read write"]
    )
    deepStrictEqual(login.expiresAt, Option.some(1_790_000_000.5))
    const undiscovered = FILE.replace("\"authorizationServerMetadata\"", "\"a\"").replace(
      "\"resourceMetadata\"",
      "\"b\""
    )
    deepStrictEqual(some(undiscovered).issuer, Option.some("https://as.example/"))
    deepStrictEqual(some(undiscovered).resource, Option.some("https://mcp.linear.app/mcp"))
  })

  it("a state of an older version, one without tokens and one of another address are no logins", () => {
    deepStrictEqual(codec.list(parse(FILE)), [LINEAR])
    for (const name of ["mcp:https://old.example/mcp", "mcp:pending", "mcp:stray", "mcp:linear-app", "linear_app"]) {
      deepStrictEqual(get(FILE, name), Either.right(Option.none()), name)
    }
  })

  it("two servers of one name are told apart by their keys", () => {
    const two = FILE.replaceAll("stray.example", "other.example").replace("mcp__stray", "mcp__linear_app")
      .replace("elsewhere.example", "other.example")
    const keys = ["mcp:mcp__linear_app|https://mcp.linear.app/mcp", "mcp:mcp__linear_app|https://other.example/"]
    deepStrictEqual(codec.list(parse(two)), keys.map((key) => TenantId.make(key)))
    assert.isTrue(Either.isLeft(get(two, "mcp:linear_app")))
    assert.isTrue(Option.isSome(Either.getOrThrow(get(two, keys[1]!))))
  })

  it("a write changes the members of one login and copies every other byte", () => {
    assert.strictEqual(put(FILE, some(FILE)), FILE)
    const next = Credential.Credential.make({
      ...some(FILE),
      accessToken: Option.some(Redacted.make("at-new")),
      refreshToken: Option.some(Redacted.make("rt-new")),
      expiresAt: Option.some(1_790_003_600)
    })
    assert.strictEqual(
      put(FILE, next, 1_790_001_800_000),
      FILE.replace("\"at\"", "\"at-new\"").replace("\"rt\"", "\"rt-new\"").replace("1790000000500", "1790003600000")
        .replace("3600,", "1800,")
    )
  })

  it("another server's login is not written here, nor one whose address is unknown", () => {
    const other = Credential.Credential.make({ ...some(FILE), resource: Option.some("https://evil.example/mcp") })
    assert.isTrue(Either.isLeft(codec.put(parse(FILE), LINEAR, other, 0)))
    const nowhere = Credential.Credential.make({ ...some(FILE), resource: Option.none() })
    assert.isTrue(Either.isLeft(codec.put(codec.empty, LINEAR, nowhere, 0)))
    assert.isTrue(Either.isLeft(codec.put(codec.empty, TenantId.make("mcp:linear-app"), some(FILE), 0)))
  })

  it("a new login is a state that pi believes", () => {
    const written = JSON.parse(
      Either.getOrThrow(codec.put(codec.empty, LINEAR, some(FILE), 1_790_000_000_000))
    ) as object
    deepStrictEqual(written, {
      "mcp__linear_app|https://mcp.linear.app/": {
        serverUrl: "https://mcp.linear.app/",
        clientInformation: { client_id: "client", token_endpoint_auth_method: "none" },
        tokens: {
          access_token: "at",
          expires_in: 1,
          refresh_token: "rt",
          token_type: "bearer",
          scope: "read write"
        },
        tokensExpireAt: 1_790_000_000_500
      }
    })
  })

  it("a logout takes out the tokens and leaves the client", () => {
    const rest = codec.remove(parse(FILE), LINEAR, 0)
    deepStrictEqual(get(rest, LINEAR), Either.right(Option.none()))
    assert.include(rest, "18446744073709551615")
    assert.notInclude(rest, "\"at\"")
    assert.include(rest, "old-rt")
  })

  it("damage is named by its place, never quoted", () => {
    const damaged = FILE.replace("\"access_token\": \"at\"", "\"access_token\": [\"secret\"]")
    const place = "mcp__linear_app|https://mcp.linear.app/mcp.tokens.access_token"
    deepStrictEqual(
      codec.findDamage(parse(damaged)),
      Option.some(`${place}: not of the expected type, or there twice`)
    )
    assert.isTrue(Either.isLeft(get(damaged, LINEAR)))
  })
})

describe("pi's locks of MCP servers", () => {
  it("a refresh has a directory per server, called after its key; the file has pi's usual one", () => {
    const locks = (target: LockTarget) => tool.locks("/none/mcp-auth.json", target, () => Option.some(parse(FILE)))
    deepStrictEqual(
      locks(LockTarget.Tenant({ tenant: LINEAR })).map(({ path }) => path),
      // printf %s 'mcp__linear_app|https://mcp.linear.app/mcp' | sha256sum | cut -c1-16
      ["/none/mcp-auth-refresh-89fba563f355c470.lock"]
    )
    deepStrictEqual(locks(LockTarget.Aggregate()).map(({ path }) => path), ["/none/mcp-auth.json.lock"])
    deepStrictEqual(locks(LockTarget.Tenant({ tenant: TenantId.make("mcp:absent") })), [])
  })
})
