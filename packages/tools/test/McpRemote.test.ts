import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as McpRemote from "@lockstep/tools/adapters/McpRemote"
import * as ToolFiles from "@lockstep/tools/ToolFiles"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"

const URL_ = "https://mcp.linear.app/mcp"
const HASH = Crypto.createHash("md5").update(URL_).digest("hex")
const TENANT = TenantId.make(`mcp:${HASH}`)

const views = Effect.flatMap(ToolHomes.place(`${HASH}_tokens.json`), (path) => {
  const tool = McpRemote.at(path)
  return Effect.all([ToolHomes.open(tool, path), ToolHomes.open(tool, path)])
})

credentialStoreContract("mcp-remote", Effect.map(views, ([a, b]) => [a.store, b.store] as const), {
  tenants: [TENANT],
  names: [TENANT],
  fit: (one) =>
    Credential.Credential.make({ ...one, accessToken: Option.orElseSome(one.accessToken, () => Redacted.make("at")) })
})
refreshJournalContract("beside mcp-remote's file", Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))

/** As mcp-remote 0.15.1 writes it after a refresh, with an unknown member. */
const FILE = `{
  "refresh_token": "rt",
  "access_token": "at",
  "token_type": "Bearer",
  "expires_in": 3600,
  "scope": "mcp:use",
  "expires_at": 1790000000500,
  "requested_scope": "mcp:use",
  "later": 18446744073709551615
}`

/** A login as two files, in a directory of its own. */
const place = (client?: object) =>
  Effect.map(ToolHomes.place(`${HASH}_tokens.json`), (path) => {
    Fs.writeFileSync(path, FILE, { mode: 0o600 })
    if (client !== undefined) {
      Fs.writeFileSync(path.replace("_tokens.json", "_client_info.json"), JSON.stringify(client))
    }
    return path
  })

const parse = (path: string, text = FILE) => Either.getOrThrow(McpRemote.at(path).codec.parse(text))

const some = (path: string, url?: string, text = FILE) =>
  Option.getOrThrow(
    Either.getOrThrow(McpRemote.at(path, Option.fromNullable(url)).codec.get(parse(path, text), TENANT))
  )

describe("mcp-remote's file", () => {
  it.scoped("says tokens and expiry, its other file says whose client and which server", () =>
    Effect.gen(function*() {
      const path = yield* place({
        client_id: "client",
        client_secret: "cs",
        client_secret_expires_at: 0,
        token_endpoint_auth_method: "client_secret_post",
        issuer: "https://as.example"
      })
      const login = some(path, URL_)
      deepStrictEqual(login.expiresAt, Option.some(1_790_000_000.5))
      deepStrictEqual(
        [login.issuer, login.clientId, login.tokenEndpointAuthMethod, login.resource, login.scope].map(
          Option.getOrNull
        ),
        ["https://as.example", "client", "client_secret_post", URL_, "mcp:use"]
      )
      deepStrictEqual(Option.map(login.clientSecret, Redacted.value), Option.some("cs"))
      deepStrictEqual(login.clientSecretExpiresAt, Option.none())
      const issuer = FILE.replace("\"later\"", "\"issuer\": \"https://other.example\",\n  \"later\"")
      deepStrictEqual(some(path, undefined, issuer).issuer, Option.some("https://other.example"))
      deepStrictEqual(some(path).resource, Option.none())
    }))

  it.scoped("goes without the other file, or with a damaged one", () =>
    Effect.gen(function*() {
      const path = yield* place()
      deepStrictEqual(some(path).clientId, Option.none())
      Fs.writeFileSync(path.replace("_tokens.json", "_client_info.json"), "{")
      deepStrictEqual(some(path).clientId, Option.none())
    }))

  it.scoped("a write changes the members of the login and copies every other byte", () =>
    Effect.gen(function*() {
      const path = yield* place()
      const { codec } = McpRemote.at(path)
      assert.strictEqual(Either.getOrThrow(codec.put(parse(path), TENANT, some(path), 0)), FILE)
      const next = Credential.Credential.make({
        ...some(path),
        accessToken: Option.some(Redacted.make("at-new")),
        refreshToken: Option.some(Redacted.make("rt-new")),
        expiresAt: Option.some(1_790_003_600)
      })
      assert.strictEqual(
        Either.getOrThrow(codec.put(parse(path), TENANT, next, 1_790_001_800_000)),
        FILE.replace("\"at\"", "\"at-new\"").replace("\"rt\"", "\"rt-new\"").replace("1790000000500", "1790003600000")
          .replace("3600,\n  \"scope", "1800,\n  \"scope")
      )
      const rest = JSON.parse(codec.remove(parse(path), TENANT, 0)) as object
      deepStrictEqual(Object.keys(rest), ["token_type", "scope", "requested_scope", "later"])
      assert.isTrue(Either.isLeft(codec.put(parse(path), TenantId.make("mcp:other"), next, 0)))
    }))

  it.scoped("damage is named by its place, never quoted", () =>
    Effect.gen(function*() {
      const path = yield* place()
      const damaged = parse(path, FILE.replace("\"at\"", "[\"secret\"]"))
      deepStrictEqual(
        McpRemote.at(path).codec.findDamage(damaged),
        Option.some("access_token: not of the expected type, or there twice")
      )
    }))

  it("its lock is mcp-remote's lease of that server", () => {
    const locks = (target: LockTarget) =>
      McpRemote.at("/a/h_tokens.json").locks("/a/h_tokens.json", target, Option.none)
    const [lease, ...others] = locks(LockTarget.Tenant({ tenant: TENANT }))
    deepStrictEqual(others, [])
    assert.isTrue(lease?._tag === "Lease" && lease.path === "/a/h_refresh_in_progress.json")
    assert.isTrue(lease?._tag === "Lease" && Duration.equals(lease.stale, Duration.seconds(30)))
    deepStrictEqual(locks(LockTarget.Aggregate()), [])
  })
})

describe("mcp-remote[:URL|:PATH]", () => {
  const find = (home: string, text: string) =>
    Effect.withConfigProvider(
      Effect.map(ToolFiles.find(text), ({ path, tool }) => [path, tool.codec.list(parse(path))] as const),
      ConfigProvider.fromMap(new Map(Object.entries({ HOME: home, USERPROFILE: home })))
    )

  it.scoped("is the file of an address, the only one, or the one that is named, and no guess among several", () =>
    Effect.gen(function*() {
      const home = yield* Homes.temporary
      const root = Path.join(home, ".mcp-auth", "mcp-remote-v1")
      const file = Path.join(root, `${HASH}_tokens.json`)
      deepStrictEqual(yield* find(home, `mcp-remote:${URL_}`), [file, [TENANT]])
      deepStrictEqual((yield* find(home, "mcp-remote:~/x_tokens.json"))[1], [TenantId.make("mcp:x")])
      assert.strictEqual((yield* find(home, "mcp-remote"))[0], Path.join(root, "HASH_tokens.json"))
      Fs.mkdirSync(root, { recursive: true })
      Fs.writeFileSync(file, FILE)
      deepStrictEqual(yield* find(home, "mcp-remote"), [file, [TENANT]])
      Fs.writeFileSync(Path.join(root, "other_tokens.json"), FILE)
      const error = yield* Effect.flip(find(home, "mcp-remote"))
      assert.include(error.message, "mcp-remote:URL")
      assert.include(error.message, file)
    }))
})
