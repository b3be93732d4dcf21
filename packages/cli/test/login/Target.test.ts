import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as WritableStore from "@lockstep/core/WritableStore"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Target from "../../src/login/Target.js"

const nothing: Target.Wishes = {
  target: Option.none(),
  tenant: Option.none(),
  profile: Option.none(),
  issuer: Option.none(),
  clientId: Option.none(),
  clientSecret: Option.none(),
  scopes: [],
  resource: Option.none()
}

const record = (members: Partial<Credential>) =>
  Credential.make({ accessToken: Option.some(Redacted.make("lockstep-at-target")), ...members })

const ACME = record({
  issuer: Option.some("https://id.example"),
  clientId: Option.some("acme-client"),
  scope: Option.some("openid offline_access"),
  resource: Option.some("https://api.example")
})

const resolve = (wishes: Partial<Target.Wishes>, stored: Readonly<Record<string, Credential>> = {}) =>
  Effect.gen(function*() {
    const store = yield* WritableStore.WritableStore
    for (const [name, credential] of Object.entries(stored)) {
      yield* store.modify(TenantId.make(name), () => WritableStore.Change.Put({ credential, value: () => undefined }))
    }
    const { vendor, ...target } = yield* Target.resolve({ ...nothing, ...wishes })
    return { ...target, vendor: vendor.id }
  }).pipe(Effect.provide(Layer.merge(WritableStore.layerMemory, VendorRegistry.layerBuiltIn)))

const some = Option.some<string>

describe("the target of a login", () => {
  it.effect("is a vendor, its profile, or a tenant of its own", () =>
    Effect.gen(function*() {
      const of = (wishes: Partial<Target.Wishes>) =>
        Effect.map(resolve(wishes), ({ tenant, vendor }) => [tenant, vendor])
      deepStrictEqual(yield* of({ target: some("codex") }), ["codex", "codex"])
      deepStrictEqual(yield* of({ target: some("codex"), profile: some("work") }), ["codex@work", "codex"])
      deepStrictEqual(yield* of({ target: some("codex@work") }), ["codex@work", "codex"])
      deepStrictEqual(yield* of({ target: some("copilot"), tenant: some("ghe") }), ["ghe", "copilot"])
      const issuer = some("https://id.example")
      deepStrictEqual(yield* of({ issuer, tenant: some("acme") }), ["acme", "generic"])
      deepStrictEqual(yield* of({ issuer, target: some("acme") }), ["acme", "generic"])
    }))

  it.effect("a stored tenant repeats its server, client, scope and resource", () =>
    Effect.gen(function*() {
      const target = yield* resolve({ target: some("acme") }, { acme: ACME })
      deepStrictEqual(target, {
        tenant: TenantId.make("acme"),
        vendor: "generic",
        issuer: some("https://id.example"),
        clientId: some("acme-client"),
        clientSecret: Option.none(),
        scopes: ["openid", "offline_access"],
        resource: some("https://api.example")
      })
      const named = yield* resolve({ tenant: some("acme") }, { acme: ACME })
      deepStrictEqual(named, target)
    }))

  it.effect("what gave the refresh token is asked for again, although it is not granted in words", () =>
    Effect.gen(function*() {
      const scopes = (refreshToken: Option.Option<Redacted.Redacted>, scope: string) =>
        Effect.map(
          resolve({ target: some("acme") }, { acme: Credential.make({ ...ACME, refreshToken, scope: some(scope) }) }),
          (target) => target.scopes
        )
      const refreshToken = some("lockstep-rt-target").pipe(Option.map(Redacted.make))
      deepStrictEqual(yield* scopes(refreshToken, "openid email"), ["openid", "email", "offline_access"])
      deepStrictEqual(yield* scopes(refreshToken, "repo"), ["repo"])
      deepStrictEqual(yield* scopes(Option.none(), "openid email"), ["openid", "email"])
    }))

  it.effect("the command line wins over the record", () =>
    Effect.gen(function*() {
      const target = yield* resolve(
        { target: some("acme"), clientId: some("other"), scopes: ["a b", "c"], resource: some("https://r.example") },
        { acme: ACME }
      )
      deepStrictEqual(target.clientId, some("other"))
      deepStrictEqual(target.scopes, ["a", "b", "c"])
      deepStrictEqual(target.resource, some("https://r.example"))
      deepStrictEqual(target.issuer, some("https://id.example"))
    }))

  it.effect("what belongs to one server is not taken to another", () =>
    Effect.gen(function*() {
      const target = yield* resolve({ target: some("acme"), issuer: some("https://other.example") }, { acme: ACME })
      deepStrictEqual(target.clientId, Option.none())
      deepStrictEqual(target.scopes, [])
      deepStrictEqual(target.resource, Option.none())
      const vendor = yield* resolve({ target: some("codex"), tenant: some("acme") }, { acme: ACME })
      deepStrictEqual([vendor.vendor, vendor.issuer, vendor.clientId], ["codex", Option.none(), Option.none()])
    }))

  it.effect("a record says whose login it is, whatever its tenant is called", () =>
    Effect.gen(function*() {
      const xai = record({ vendor: some("xai-oauth"), clientId: some("x") })
      deepStrictEqual((yield* resolve({ target: some("mine") }, { mine: xai })).vendor, "xai-oauth")
      deepStrictEqual((yield* resolve({ target: some("codex") }, { codex: xai })).vendor, "xai-oauth")
      // A record of no vendor and no server leaves it to the name.
      deepStrictEqual((yield* resolve({ target: some("codex") }, { codex: record({}) })).vendor, "codex")
    }))

  it.effect("suggests what was probably meant", () =>
    Effect.gen(function*() {
      const advice = (target: string) =>
        Effect.map(Effect.flip(resolve({ target: some(target) }, { acme: ACME })), (error) =>
          "advice" in error ? error.advice : "")
      assert.include(yield* advice("codx"), "`codex`")
      assert.include(yield* advice("acm"), "`acme`")
      assert.include(yield* advice("generic"), "--issuer URL")
      assert.include(yield* advice("cursor"), "CURSOR_API_KEY")
      assert.include(yield* advice("mcp:linear"), "`lockstep login URL --tenant mcp:linear`")
    }))
})
