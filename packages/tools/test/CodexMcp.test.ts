import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Processes from "@lockstep/testkit/processes/LockProcesses"
import { codec, tool } from "@lockstep/tools/adapters/CodexMcp"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"

const LINEAR = TenantId.make("mcp:linear")
const URL_LINEAR = "https://mcp.linear.app/mcp"
/** As codex names this server, with either order of members. */
const ORDERED = "linear|638130d5ab3558f4"
const SORTED = "linear|9436f96375b1259b"

const parse = (text: string) => Either.getOrThrow(codec.parse(text))
const get = (text: string, tenant = LINEAR) => Option.getOrThrow(Either.getOrThrow(codec.get(parse(text), tenant)))
const put = (text: string, next: Partial<Credential.Credential>, tenant = LINEAR) =>
  codec.put(parse(text), tenant, Credential.Credential.make(next), 0)
const secret = (text: string) => Option.some(Redacted.make(text))
const revealed = Option.map(Redacted.value)

const entry = (key: string, options: { readonly url?: string; readonly at?: string; readonly more?: string } = {}) =>
  `"${key}":{"server_name":"${key.split("|")[0]}","server_url":"${options.url ?? URL_LINEAR}","client_id":"c",`
  + `"access_token":"${options.at ?? "a"}","expires_at":1790000000123,"refresh_token":"r","scopes":["read"]${
    options.more ?? ""
  }}`

const sha256 = (text: string) => Crypto.createHash("sha256").update(text).digest("hex")

describe("a login of an MCP server", () => {
  it.each([ORDERED, SORTED])("is read under the key %s, and written under it", (key) => {
    const text = `{${entry(key)}}`
    assert.deepStrictEqual(codec.list(parse(text)), [LINEAR])
    const found = get(text)
    assertSome(found.clientId, "c")
    assertSome(found.resource, URL_LINEAR)
    assertSome(found.scope, "read")
    assertSome(found.expiresAt, 1_790_000_000.123)
    assertNone(found.issuer)
    assert.strictEqual(Either.getOrThrow(put(text, found)), text)
    assert.strictEqual(
      Either.getOrThrow(put(text, { ...found, accessToken: secret("b"), expiresAt: Option.some(1_790_000_001) })),
      text.replace("\"a\"", "\"b\"").replace("1790000000123", "1790000001000")
    )
  })

  it("is the first in byte order, where both keys are there, and both go with it", () => {
    const text = `{${entry(SORTED, { at: "second" })},${entry(ORDERED, { at: "first" })}}`
    assert.deepStrictEqual(codec.list(parse(text)), [LINEAR])
    assertSome(revealed(get(text).accessToken), "first")
    assert.strictEqual(codec.remove(parse(text), LINEAR, 0), "{}")
  })

  it("that is new goes by the key of the codex that people have, in one line", () => {
    const text = Either.getOrThrow(put("{}", {
      accessToken: secret("a"),
      resource: Option.some(URL_LINEAR),
      issuer: Option.some("https://as"),
      scope: Option.some("read  write")
    }))
    assert.strictEqual(
      text,
      `{"${ORDERED}":{"server_name":"linear","server_url":"${URL_LINEAR}","issuer":"https://as","client_id":"",`
        + "\"access_token\":\"a\",\"expires_at\":null,\"refresh_token\":null,\"scopes\":[\"read\",\"write\"]}}"
    )
  })

  it("that is new needs the address of the server, and a name that says what it is", () => {
    for (
      const [tenant, resource] of [
        ["mcp:linear", Option.none<string>()],
        ["mcp:linear", Option.some("no address")],
        ["codex", Option.some(URL_LINEAR)],
        ["mcp:", Option.some(URL_LINEAR)]
      ] as const
    ) assert.isTrue(Either.isLeft(put("{}", { accessToken: secret("a"), resource }, TenantId.make(tenant))))
  })

  it("is never put in place of another server's", () => {
    const text = `{${entry(ORDERED)}}`
    const found = get(text)
    const refused = put(text, { ...found, resource: Option.some("https://evil.example/mcp") })
    assert.include(JSON.stringify(refused), "another server's login")
    // A server may call its resource by its origin alone.
    assert.isTrue(Either.isRight(put(text, { ...found, resource: Option.some("https://mcp.linear.app") })))
  })

  it("without an issuer stays without one, and keeps the one that it has", () => {
    const without = `{${entry(ORDERED)}}`
    const issuer = Option.some("https://as")
    assert.strictEqual(Either.getOrThrow(put(without, { ...get(without), issuer })), without)
    const text = `{${entry(ORDERED, { more: ",\"issuer\":\"https://as\",\"executor_owned\":true, \"x\": 1.0" })}}`
    assertSome(get(text).issuer, "https://as")
    assert.strictEqual(
      Either.getOrThrow(put(text, { ...get(text), accessToken: secret("b") })),
      text.replace("\"a\"", "\"b\"")
    )
  })

  it("that never ends is written so again", () => {
    const text = `{${entry(ORDERED).replace("1790000000123", "18446744073709551615")}}`
    assertNone(get(text).expiresAt)
    assert.strictEqual(
      Either.getOrThrow(put(text, { ...get(text), accessToken: secret("b") })),
      text.replace("\"a\"", "\"b\"")
    )
  })
})

describe("two servers of one name", () => {
  const other = "linear|0000000000000000"
  const text = `{${entry(ORDERED, { at: "one" })},${entry(other, { at: "two", url: "https://other.example/mcp" })}}`

  it("are told apart by their keys", () => {
    assert.deepStrictEqual([...codec.list(parse(text))].sort(), [`mcp:${other}`, `mcp:${ORDERED}`].map(TenantId.make))
    assertSome(revealed(get(text, TenantId.make(`mcp:${ORDERED}`)).accessToken), "one")
    assertSome(revealed(get(text, TenantId.make(`mcp:${other}`)).accessToken), "two")
  })

  it("are not confused: the name alone asks for one of them", () => {
    const answer = codec.get(parse(text), LINEAR)
    assert.include(JSON.stringify(answer), `mcp:${ORDERED}`)
    assert.isTrue(Either.isLeft(put(text, credential(1))))
    assert.strictEqual(codec.remove(parse(text), LINEAR, 0), text)
    assertNone(codec.findDamage(parse(text)))
  })

  it("are known by their keys also when there is one left", () => {
    const left = codec.remove(parse(text), TenantId.make(`mcp:${other}`), 0)
    assert.deepStrictEqual(codec.list(parse(left)), [LINEAR])
    assertSome(revealed(get(left, TenantId.make(`mcp:${ORDERED}`)).accessToken), "one")
  })
})

describe("damage", () => {
  it.each([
    ["a member of another type", `{${entry(ORDERED).replace("\"r\"", "1")}}`],
    ["a time that is no whole number", `{${entry(ORDERED).replace("1790000000123", "1.5")}}`],
    ["a member there twice", `{${entry(ORDERED, { more: ",\"refresh_token\":\"lockstep-rt-x\"" })}}`],
    ["an entry there twice", `{${entry(ORDERED)},${entry(ORDERED)}}`],
    ["a value that is no entry", "{\"x\":\"lockstep-at-x\"}"],
    ["an entry without a token", `{${entry(ORDERED).replace("\"access_token\":\"a\",", "")}}`]
  ])("%s stops every write, and is named without its content", (_, text) => {
    assert.notInclude(Option.getOrThrow(codec.findDamage(parse(text))), "lockstep-")
  })
})

describe("the file", () => {
  it.scopedLive("is read again while codex is writing it in place", () =>
    Effect.gen(function*() {
      const whole = `{${entry(ORDERED)}}`
      let parsed = 0
      const counting: typeof codec.parse = (text) => {
        parsed++
        return codec.parse(text)
      }
      const watched = { ...tool, codec: { ...codec, parse: counting } }
      const { path, store } = yield* ToolHomes.withText(watched, ".credentials.json", whole.slice(0, 20))
      const before = parsed
      const reader = yield* Effect.fork(store.get(LINEAR))
      yield* Processes.until(() => parsed > before)
      Fs.writeFileSync(path, whole)
      assert.isTrue(Option.isSome(yield* Fiber.join(reader)))
    }))
})

describe("locks", () => {
  it.scopedLive("are those of every key by which codex may call the server, in byte order", () =>
    Effect.gen(function*() {
      const odd = "linear|aaaaaaaaaaaaaaaa"
      const { lock, path, write } = yield* ToolHomes.withText(tool, ".credentials.json", `{${entry(odd)}}`)
      const directory = Path.join(Path.dirname(path), "mcp-oauth-locks")
      const theirs = [ORDERED, SORTED, odd].map((key) => `${sha256(key)}.lock`).sort()
      const plan = () => lock.plan(LockTarget.Tenant({ tenant: LINEAR }))
      assert.deepStrictEqual(plan(), [
        `${path}.refresh.mcp%3Alinear.lock`,
        ...theirs.map((name) => Path.join(directory, name))
      ])
      assert.deepStrictEqual(lock.plan(LockTarget.Aggregate()), [
        `${path}.global.lock`,
        Path.join(directory, "file-store.lock")
      ])
      // Codex cannot refresh a login that is not there.
      write("{}")
      assert.deepStrictEqual(plan(), [`${path}.refresh.mcp%3Alinear.lock`])
    }))
})
