import { assert, describe, it } from "@effect/vitest"
import { assertEquals, assertNone, assertSome } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { arbitraryCredential } from "@lockstep/testkit/contract/arbitraryCredential"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import { tool } from "@lockstep/tools/adapters/Openab"
import * as Companion from "@lockstep/tools/Companion"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as ToolHomes from "./support/toolHomes.js"

const CODEX = TenantId.make("codex")
const OTHER = TenantId.make("__proto__")

const make = (fields: Partial<Credential.Credential>) => Credential.Credential.make(fields)

const at = Redacted.make(FakeToken.make("at"))
const rt = Redacted.make(FakeToken.make("rt"))
const tokens = { accessToken: Option.some(at), refreshToken: Option.some(rt) }

const bound = (said: Credential.Credential, meant: Credential.Credential) =>
  Option.getOrThrow(Companion.bind(said, meant))

describe("a binding", () => {
  it("gives back what was meant, whatever the tool's file can say of it", () => {
    FastCheck.assert(
      FastCheck.property(arbitraryCredential, arbitraryCredential, (meant, other) => {
        const said = make({ ...other, accessToken: meant.accessToken, refreshToken: meant.refreshToken })
        const binding = JSON.parse(JSON.stringify(bound(said, meant))) as Companion.Binding
        assert.isTrue(Equal.equals(Either.getOrThrow(Companion.complete([binding], said)), meant))
      }),
      { numRuns: 200 }
    )
  })

  it("holds no access token and no refresh token", () => {
    const meant = make({ ...tokens, idToken: Option.some(at), clientId: Option.some("client") })
    const text = JSON.stringify(bound(make(tokens), make({ ...meant, idToken: Option.none() })))
    assert.notInclude(text, Redacted.value(rt))
    assert.notInclude(text, Redacted.value(at))
  })

  it("counts as absent where the tool's file says other tokens than those that are meant", () => {
    assertNone(Companion.bind(make({ accessToken: Option.some(at) }), make(tokens)))
    assertNone(Companion.bind(make(tokens), make({ refreshToken: Option.some(rt) })))
  })

  it("lets the tool's members win where it changed them, and keeps the rest", () => {
    const said = make({ ...tokens, expiresAt: Option.some(100), scope: Option.some("a") })
    const meant = make({ ...said, expiresAt: Option.some(100.5), clientId: Option.some("client"), generation: 7 })
    const changed = make({ ...said, expiresAt: Option.some(200), scope: Option.some("b") })
    const now = Either.getOrThrow(Companion.complete([bound(said, meant)], changed))
    assertSome(now.expiresAt, 200)
    assertSome(now.scope, "b")
    assertSome(now.clientId, "client")
    assert.strictEqual(now.generation, 7)
  })

  it("counts for nothing but the generation where the tool changed the tokens", () => {
    const said = make(tokens)
    const meant = make({ ...tokens, clientId: Option.some("client"), lastRedeem: Option.some("a"), generation: 7 })
    const theirs = make({ ...tokens, refreshToken: Option.some(Redacted.make(FakeToken.make("rt"))) })
    const now = Either.getOrThrow(Companion.complete([bound(said, meant)], theirs))
    assert.isTrue(Equal.equals(now, make({ ...theirs, generation: 8 })))
    assertNone(now.lastRedeem)
  })

  it("belongs to the whole of what the tool's file says, before it belongs to its tokens", () => {
    const before = make({ ...tokens, expiresAt: Option.some(1) })
    const after = make({ ...tokens, expiresAt: Option.some(2) })
    const bindings = [
      bound(after, make({ ...after, scope: Option.some("new"), generation: 2 })),
      bound(before, make({ ...before, scope: Option.some("old"), generation: 1 }))
    ]
    assertSome(Either.getOrThrow(Companion.complete(bindings, before)).scope, "old")
    assertSome(Either.getOrThrow(Companion.complete(bindings, after)).scope, "new")
  })

  it("of a member of a wrong type is damage, and none of it is quoted", () => {
    const binding = bound(make(tokens), make({ ...tokens, generation: 1 }))
    const wrong = { ...binding, differences: [{ member: "expires_at", meant: "lockstep-at-secret" }] }
    const answer = Companion.complete([wrong], make(tokens))
    assert.isTrue(Either.isLeft(answer))
    assert.notInclude(JSON.stringify(answer), "secret")
  })
})

describe("the file", () => {
  it("reads what it wrote, for tenants of any name", () => {
    const bindings = new Map([[OTHER, [bound(make(tokens), make({ ...tokens, generation: 3 }))]]])
    const again = Either.getOrThrow(Companion.format.parse(Companion.textOf(bindings)))
    assert.deepStrictEqual([...again.keys()], [OTHER])
    assert.strictEqual(
      Either.getOrThrow(Companion.complete(again.get(OTHER)!, make(tokens))).generation,
      3
    )
  })

  it("that is damaged is told by position, without its content", () => {
    for (
      const text of [
        "{\"secret\":",
        "[]",
        "{\"version\":2,\"tenants\":[]}",
        "{\"version\":1,\"tenants\":[{\"a\":\"secret\"}]}"
      ]
    ) {
      const parsed = Companion.format.parse(text)
      assert.isTrue(Either.isLeft(parsed))
      assert.notInclude(JSON.stringify(parsed), "secret")
    }
  })

  it.scopedLive("is readable for its owner alone, and forgets a login that is gone", () =>
    Effect.gen(function*() {
      const { companion, path, store } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      const secret = Option.some(Redacted.make("lockstep-cs-secret"))
      for (const tenant of [CODEX, OTHER]) {
        yield* store.modify(tenant, () =>
          Change.Put({ credential: credential(1, { clientSecret: secret }), value: () => undefined }))
      }
      assert.strictEqual(Fs.statSync(Companion.pathOf(path)).mode & 0o777, 0o600)
      assert.include(companion(), "lockstep-cs-secret")
      yield* store.modify(CODEX, () =>
        Change.Remove({ value: undefined }))
      yield* store.modify(OTHER, () => Change.Remove({ value: undefined }))
      assert.notInclude(companion(), "lockstep-cs-secret")
    }))

  it.scopedLive("forgets a login that the tool removed with the next write", () =>
    Effect.gen(function*() {
      const { companion, read, store, write } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      const secret = Option.some(Redacted.make("lockstep-cs-secret"))
      yield* store.modify(CODEX, () =>
        Change.Put({ credential: credential(1, { clientSecret: secret }), value: () => undefined }))
      write("{}")
      yield* store.modify(OTHER, () =>
        Change.Put({ credential: credential(1), value: () => undefined }))
      assert.notInclude(companion(), "lockstep-cs-secret")
      assert.include(read(), "__proto__")
    }))

  it.scopedLive("that is damaged stops reading and writing, and is left as it is", () =>
    Effect.gen(function*() {
      const { path, read, store } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      yield* store.modify(CODEX, () => Change.Put({ credential: credential(1), value: () => undefined }))
      const before = read()
      Fs.writeFileSync(Companion.pathOf(path), "{")
      for (
        const effect of [
          store.get(CODEX),
          store.modify(CODEX, () => Change.Put({ credential: credential(2), value: () => undefined }))
        ]
      ) {
        const error = yield* Effect.flip(effect)
        assertEquals("reason" in error ? error.reason : undefined, "Decode")
        assert.include(error.message, "auth.json.lockstep.json")
      }
      assert.strictEqual(read(), before)
      assert.strictEqual(Fs.readFileSync(Companion.pathOf(path), "utf8"), "{")
    }))
})

describe("a record that the tool changed", () => {
  it.scopedLive("has another version when its tokens changed, and the same one when they did not", () =>
    Effect.gen(function*() {
      const { read, store, write } = yield* ToolHomes.withText(tool, "auth.json", "{}")
      const first = yield* store.modify(
        CODEX,
        () => Change.Put({ credential: credential(4, { clientId: Option.some("client") }), value: (stored) => stored })
      )
      write(read().replace("18446744073709551615", "1790000000"))
      const timed = yield* Effect.flatten(store.get(CODEX))
      assert.strictEqual(timed.version, first.version)
      assertSome(timed.credential.expiresAt, 1_790_000_000)
      assertSome(timed.credential.clientId, "client")
      write(read().replace(/lockstep-rt-[\w-]+/, "theirs"))
      const theirs = yield* Effect.flatten(store.get(CODEX))
      assert.notStrictEqual(theirs.version, first.version)
      assert.strictEqual(theirs.credential.generation, 5)
      assertNone(theirs.credential.clientId)
      // What we write goes on counting from there, and an older count is refused.
      const error = yield* Effect.flip(
        store.modify(CODEX, () => Change.Put({ credential: credential(4), value: () => undefined }))
      )
      assertEquals("reason" in error ? error.reason : undefined, "Superseded")
    }))
})
