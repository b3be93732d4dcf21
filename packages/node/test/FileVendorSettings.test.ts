import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import * as Home from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"

const CODEX = TenantId.make("codex")
const SECRET = FakeToken.make("cs")

const settings = (directory: string, policy: Partial<RefreshPolicy.RefreshPolicy["Type"]> = {}) =>
  Effect.flatMap(Homes.open(directory), ({ home, lock }) =>
    Effect.provide(
      FileVendorSettings.make,
      Context.make(Home.Home, home).pipe(
        Context.add(FileLock, lock),
        Context.add(RefreshPolicy.RefreshPolicy, { ...RefreshPolicy.defaults, ...policy })
      )
    ))

/** The settings of one home that does not exist yet, as two processes see them. */
const twoViews = Effect.gen(function*() {
  const directory = Path.join(yield* Homes.temporary, "home")
  const file = Path.join(directory, "vendors.json")
  return { directory, file, one: yield* settings(directory), other: yield* settings(directory) }
})

const seeded = (text: string) =>
  Effect.gen(function*() {
    const directory = yield* Homes.temporary
    const file = Path.join(directory, "vendors.json")
    Fs.writeFileSync(file, text, { mode: 0o600 })
    return { directory, file, one: yield* settings(directory) }
  })

describe("settings about vendors", () => {
  it.scopedLive("are empty before a person settled anything, and asking creates nothing", () =>
    Effect.gen(function*() {
      const { directory, one } = yield* twoViews
      assertEquals(yield* one.clientSecret("gemini"), Option.none())
      assert.isFalse(yield* one.hasAcceptedTerms(CODEX, "codex"))
      assert.isFalse(Fs.existsSync(directory))
    }))

  it.scopedLive("keep a client secret for every process, obscured, and never in the clear", () =>
    Effect.gen(function*() {
      const { file, one, other } = yield* twoViews
      yield* one.setClientSecret("gemini", Redacted.make(SECRET))
      assertEquals(yield* other.clientSecret("gemini"), Option.some(Redacted.make(SECRET)))
      assertEquals(yield* other.clientSecret("antigravity"), Option.none())
      const first = Fs.readFileSync(file, "utf8")
      assert.isFalse(first.includes(SECRET) || first.includes(Buffer.from(SECRET).toString("base64url")))
      assert.include(first, "not encrypted")
      yield* other.setClientSecret("gemini", Redacted.make(SECRET))
      assert.notStrictEqual(Fs.readFileSync(file, "utf8"), first)
      yield* other.setClientSecret("gemini", Redacted.make("日本 \u0000 another"))
      assertEquals(yield* one.clientSecret("gemini"), Option.some(Redacted.make("日本 \u0000 another")))
    }))

  it.scopedLive("remember once whose terms were accepted for which tenant", () =>
    Effect.gen(function*() {
      const { one, other } = yield* twoViews
      const tenants = ["codex", "codex@work", "a:b", "a", "__proto__"].map(TenantId.make)
      for (const tenant of tenants) assert.isFalse(yield* other.hasAcceptedTerms(tenant, "b:c"))
      yield* one.acceptTerms(TenantId.make("a"), "b:c")
      deepStrictEqual(
        yield* Effect.forEach(tenants, (tenant) => other.hasAcceptedTerms(tenant, "b:c")),
        [false, false, false, true, false]
      )
      assert.isFalse(yield* other.hasAcceptedTerms(TenantId.make("a:b"), "c"))
      const long = yield* seeded("{\"version\":1,\"accepted_terms\":{\"a:b%3Ac\":1}}")
      yield* long.one.acceptTerms(TenantId.make("a"), "b:c")
      assert.include(Fs.readFileSync(long.file, "utf8"), "{\"a:b%3Ac\":1}")
    }))

  it.scopedLive("are private whatever the umask, and leave nothing else behind", () =>
    Effect.gen(function*() {
      const { directory, file, one } = yield* twoViews
      const before = process.umask(0)
      yield* Effect.ensuring(
        one.setClientSecret("gemini", Redacted.make(SECRET)),
        Effect.sync(() => process.umask(before))
      )
      assert.strictEqual(Fs.statSync(file).mode & 0o7777, 0o600)
      assert.strictEqual(Fs.statSync(directory).mode & 0o7777, 0o700)
      deepStrictEqual(Fs.readdirSync(directory).filter((name) => name.endsWith(".tmp")), [])
    }))

  it.scopedLive("lose nothing when many write at once", () =>
    Effect.gen(function*() {
      const { one, other } = yield* twoViews
      const vendors = Array.from({ length: 20 }, (_, i) => `vendor-${i}`)
      yield* Effect.forEach(
        vendors,
        (vendor, i) => (i % 2 === 0 ? one : other).setClientSecret(vendor, Redacted.make(vendor)),
        { concurrency: "unbounded" }
      )
      for (const vendor of vendors) {
        assertEquals(yield* one.clientSecret(vendor), Option.some(Redacted.make(vendor)))
      }
    }))

  it.scopedLive("are written under the lock of the home, and not without it", () =>
    Effect.gen(function*() {
      const { directory } = yield* seeded("{\"version\":1}")
      const one = yield* settings(directory, { aggregateLockTimeout: Duration.millis(20) })
      const { lock } = yield* Homes.open(directory)
      const lease = yield* Effect.flatten(lock.tryAcquire(LockTarget.Aggregate()))
      const error = yield* Effect.flip(one.setClientSecret("gemini", Redacted.make(SECRET)))
      assert.strictEqual(error._tag, "LockTimeout")
      assertEquals(yield* one.clientSecret("gemini"), Option.none())
      yield* lease.release({ changed: false })
      yield* one.setClientSecret("gemini", Redacted.make(SECRET))
    }))

  it.scopedLive("change nothing but what is theirs, to the byte", () =>
    Effect.gen(function*() {
      const rest = "\"x\" : 18446744073709551615 ,\r\n\t\"y\":{ \"a\":1.0e2 }"
      const { file, one } = yield* seeded(
        `{\r\n\t"version":1 ,\r\n\t${rest},\r\n\t"accepted_terms":{"a:b":1 , "c:d" :  2.50}\r\n}\r\n`
      )
      yield* one.acceptTerms(CODEX, "codex")
      const text = Fs.readFileSync(file, "utf8")
      assert.isTrue(
        text.startsWith(`{\r\n\t"version":1 ,\r\n\t${rest},\r\n\t"accepted_terms":{"a:b":1 , "c:d" :  2.50`)
      )
      yield* one.setClientSecret("gemini", Redacted.make(SECRET))
      assert.include(Fs.readFileSync(file, "utf8"), rest)
      assert.isTrue(yield* one.hasAcceptedTerms(CODEX, "codex"))
      assert.isTrue(yield* one.hasAcceptedTerms(TenantId.make("c"), "d"))
    }))

  it.scopedLive.each([
    ["torn", `{"version":1,"client_secrets":{"gemini":"${SECRET}`],
    ["empty", ""],
    ["of another version", `{"version":2,"x":"${SECRET}"}`],
    ["a list", `["${SECRET}"]`],
    ["secrets that are a list", `{"version":1,"client_secrets":["${SECRET}"]}`],
    ["a malformed secret", `{"version":1,"client_secrets":{"gemini":["${SECRET}"]}}`],
    ["one secret twice", `{"version":1,"client_secrets":{"gemini":"${SECRET}","gemini":"x"}}`],
    ["terms that are no time", `{"version":1,"accepted_terms":{"codex:codex":"${SECRET}"}}`]
  ])("are damaged and never empty, and not written: %s", ([, text]) =>
    Effect.gen(function*() {
      const { file, one } = yield* seeded(text!)
      const effects = [
        one.clientSecret("gemini"),
        one.hasAcceptedTerms(CODEX, "codex"),
        one.setClientSecret("gemini", Redacted.make("x")),
        one.acceptTerms(CODEX, "codex")
      ]
      for (const effect of effects) {
        const error = yield* Effect.flip<unknown, { readonly _tag: string; readonly message: string }, never>(effect)
        assert.strictEqual(error._tag, "CredentialStoreError")
        assert.include(error.message, "is damaged")
        assert.isFalse(JSON.stringify(error).includes(SECRET) || error.message.includes(SECRET))
      }
      assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
    }))

  it.scopedLive("say that a secret was put there by hand, and can be brought again", () =>
    Effect.gen(function*() {
      const { one } = yield* seeded(`{"version":1,"client_secrets":{"gemini":"by hand"}}`)
      const error = yield* Effect.flip(one.clientSecret("gemini"))
      deepStrictEqual([error.reason, error.detail], ["Decode", "client_secrets.gemini: not obscured"])
      yield* one.setClientSecret("gemini", Redacted.make(SECRET))
      assertEquals(yield* one.clientSecret("gemini"), Option.some(Redacted.make(SECRET)))
    }))
})
