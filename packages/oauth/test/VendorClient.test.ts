import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as ClientIds from "@lockstep/oauth/ClientIds"
import * as ClientSecrets from "@lockstep/oauth/ClientSecrets"
import { anthropic } from "@lockstep/oauth/vendors/Anthropic"
import { antigravity } from "@lockstep/oauth/vendors/Antigravity"
import { codex } from "@lockstep/oauth/vendors/Codex"
import { gemini } from "@lockstep/oauth/vendors/Gemini"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { verdict } from "./network.js"
import { driver, record, redeem, type Reply, revoke, type Setup } from "./vendors.js"

const GRANT: Reply = { status: 200, body: { access_token: "at-new" } }

const secret = (text: string) => Option.some(Redacted.make(text))

const settingsWith = (vendor: string, value: string) =>
  Layer.effect(
    VendorSettings.VendorSettings,
    Effect.tap(VendorSettings.VendorSettings, (settings) =>
      Effect.orDie(settings.setClientSecret(vendor, Redacted.make(value))))
  ).pipe(Layer.provide(VendorSettings.layerMemory))

const member = (credential: Credential, setup: Setup, name: string) =>
  Effect.gen(function*() {
    const { run, sent } = driver(GRANT, setup)
    yield* run(redeem(credential))
    return new URLSearchParams(sent[0]?.body).get(name)
  })

describe("a client id", () => {
  const ids: ReadonlyArray<[string, Record<string, string>, string | undefined, string]> = [
    ["the descriptor's, where nothing else is said", {}, undefined, "b1a00492-073a-47ea-816f-4c329264a828"],
    ["the vendor's own variable", { GROK_OAUTH2_CLIENT_ID: "grok" }, undefined, "grok"],
    [
      "ours before the vendor's",
      { GROK_OAUTH2_CLIENT_ID: "grok", LOCKSTEP_XAI_OAUTH_CLIENT_ID: "ours" },
      undefined,
      "ours"
    ],
    ["no empty one", { GROK_OAUTH2_CLIENT_ID: "grok", LOCKSTEP_XAI_OAUTH_CLIENT_ID: "" }, undefined, "grok"],
    ["the record's before all", { LOCKSTEP_XAI_OAUTH_CLIENT_ID: "ours" }, "record", "record"],
    ["not an empty one of the record", { LOCKSTEP_XAI_OAUTH_CLIENT_ID: "ours" }, "", "ours"]
  ]

  it.effect.each(ids)("is %s", ([, environment, own, expected]) =>
    Effect.gen(function*() {
      const credential = record("xai-oauth", { clientId: Option.fromNullable(own) })
      assert.strictEqual(yield* member(credential, { environment }, "client_id"), expected)
    }))

  it.effect("of codex is overridden by the variable of codex", () =>
    Effect.gen(function*() {
      const ids = yield* ClientIds.make
      deepStrictEqual(yield* ids.find(codex), Option.some("other"))
      deepStrictEqual(yield* ids.find(anthropic), Option.some("9d1c250a-e61b-44d9-88ed-5944d1962f5e"))
    }).pipe(Effect.withConfigProvider(
      ConfigProvider.fromMap(new Map([["CODEX_APP_SERVER_LOGIN_CLIENT_ID", "other"]]))
    )))

  it.effect("that was not registered is missed before anything is sent", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      const error = yield* Effect.flip(run(redeem(record("kiro"))))
      assert.strictEqual(
        `${error._tag} ${error.reason} ${error.detail}`,
        "ProviderRejected InvalidClient no client id is known"
      )
      deepStrictEqual(sent, [])
    }))
})

describe("a client secret that is not ours", () => {
  const variable = { LOCKSTEP_GEMINI_CLIENT_SECRET: "from-variable" }

  const secrets: ReadonlyArray<[string, Setup, Credential, string]> = [
    ["the environment", { environment: variable }, record("gemini"), "from-variable"],
    ["the settings", { settings: settingsWith("gemini", "from-settings") }, record("gemini"), "from-settings"],
    [
      "the environment before the settings",
      { environment: variable, settings: settingsWith("gemini", "from-settings") },
      record("gemini"),
      "from-variable"
    ],
    [
      "the settings, where the variable is empty",
      { environment: { LOCKSTEP_GEMINI_CLIENT_SECRET: " " }, settings: settingsWith("gemini", "from-settings") },
      record("gemini"),
      "from-settings"
    ],
    [
      "the record, where a person has a client of their own",
      { environment: variable },
      record("gemini", { clientId: Option.some("own"), clientSecret: secret("from-record") }),
      "from-record"
    ]
  ]

  it.effect.each(secrets)("comes from %s", ([, setup, credential, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* member(credential, setup, "client_secret"), expected)
    }))

  it.effect("is shown to the vendor alone", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT, { environment: variable })
      yield* run(redeem(record("gemini", {
        issuer: Option.some("https://as.example"),
        tokenEndpoint: Option.some("https://as.example/token")
      })))
      assert.strictEqual(sent.length, 1)
      assert.notInclude(sent[0]?.body, "from-variable")
    }))

  it.effect("is shown to the vendor's own endpoints alone", () =>
    Effect.gen(function*() {
      const foreign = [
        "https://evil.example/token",
        "https://oauth2.googleapis.com.evil.example/token",
        "https://oauth2.googleapis.com:8443/token",
        "http://127.0.0.1:9/token"
      ]
      for (const tokenEndpoint of foreign) {
        for (const issuer of tokenEndpoint.startsWith("http:") ? [Option.none()] : [Option.none(), gemini.issuer]) {
          const { run, sent } = driver(GRANT, { environment: variable })
          const credential = record("gemini", { issuer, tokenEndpoint: Option.some(tokenEndpoint) })
          const error = yield* Effect.flip(run(redeem(credential)))
          assert.strictEqual(`${error._tag} ${error.reason}`, "ProviderRejected InvalidClient", tokenEndpoint)
          assert.include(error.detail ?? "", "lockstep login tenant --replace")
          assert.notInclude(error.detail ?? "", "from-variable")
          deepStrictEqual(sent, [])
        }
      }
      const { run, sent } = driver(GRANT, { environment: variable })
      yield* run(redeem(record("gemini", { tokenEndpoint: Option.some("https://oauth2.googleapis.com/v2/token") })))
      assert.include(sent[0]?.body, "from-variable")
    }))

  it.effect("is the brought one, where the record's is empty", () =>
    Effect.gen(function*() {
      const credential = record("gemini", { clientSecret: secret("") })
      assert.strictEqual(yield* member(credential, { environment: variable }, "client_secret"), "from-variable")
    }))

  it.effect("is looked up at each use", () =>
    Effect.gen(function*() {
      const settings = yield* VendorSettings.VendorSettings
      const secrets = yield* ClientSecrets.make
      deepStrictEqual(yield* secrets.find(gemini), Option.none())
      yield* settings.setClientSecret("gemini", Redacted.make("later"))
      deepStrictEqual(Option.map(yield* secrets.find(gemini), Redacted.value), Option.some("later"))
      deepStrictEqual(yield* secrets.find(antigravity), Option.none())
    }).pipe(
      Effect.provide(VendorSettings.layerMemory),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))
    ))

  it.effect("and is missing is missed before anything is sent, with the place to get it and to put it", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      const error = yield* Effect.flip(run(redeem(record("antigravity"))))
      assert.strictEqual(`${error._tag} ${error.reason}`, "ProviderRejected InvalidClient")
      assert.match(error.detail ?? "", /opencode-antigravity-auth/)
      assert.match(error.detail ?? "", /LOCKSTEP_ANTIGRAVITY_CLIENT_SECRET/)
      assert.match(error.detail ?? "", /lockstep vendors secret antigravity --from FILE/)
      deepStrictEqual(sent, [])
    }))

  it.effect("and cannot be read says so", () =>
    Effect.gen(function*() {
      const settings = Layer.effect(
        VendorSettings.VendorSettings,
        Effect.map(VendorSettings.VendorSettings, (memory) => ({
          ...memory,
          clientSecret: () =>
            new CredentialStoreError({ reason: "Decode", location: "/home/p/vendors.json", detail: "at 1:2" })
        }))
      ).pipe(Layer.provide(VendorSettings.layerMemory))
      const { run, sent } = driver(GRANT, { settings })
      const error = yield* Effect.flip(run(redeem(record("gemini"))))
      assert.strictEqual(
        error.detail,
        "the stored client secret cannot be read: /home/p/vendors.json is damaged (at 1:2)"
      )
      deepStrictEqual(sent, [])
    }))

  it.effect("is not asked for by a vendor without one, nor by a client that was registered without", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT, {
        environment: { LOCKSTEP_CODEX_CLIENT_SECRET: "stray", LOCKSTEP_GEMINI_CLIENT_SECRET: "stray" }
      })
      yield* run(redeem(record("codex")))
      yield* run(redeem(record("gemini", { tokenEndpointAuthMethod: Option.some("none") })))
      assert.strictEqual(sent.length, 2)
      assert.isTrue(
        sent.every(({ body, headers }) => !body.includes("stray") && headers["authorization"] === undefined)
      )
    }))

  it.effect("is not missed by a client that was registered without", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      yield* run(redeem(record("gemini", { tokenEndpointAuthMethod: Option.some("none") })))
      assert.strictEqual(sent.length, 1)
    }))

  it.effect("is in no message, also where the server repeats it", () =>
    Effect.gen(function*() {
      const value = "a-client-secret-that-is-echoed"
      const setup = { environment: { LOCKSTEP_GEMINI_CLIENT_SECRET: value } }
      const body = { error: "invalid_client", error_description: `wrong secret ${value}` }
      const { run } = driver({ status: 401, body }, setup)
      const answer = yield* run(redeem(record("gemini")))
      assert.strictEqual(verdict(answer), "Rejected InvalidClient")
      assert.notInclude(JSON.stringify(answer), value)
    }))
})

describe("a client proves itself", () => {
  const own = { clientId: Option.some("client"), clientSecret: secret("s3cret") }
  const at = { tokenEndpoint: Option.some("https://as.example/token") }
  const basic = `Basic ${btoa("client:s3cret")}`

  const proofs: ReadonlyArray<[string, Credential, string | null, string | undefined]> = [
    ["by Basic, where nothing is said", record("x", { ...at, ...own }), null, basic],
    [
      "in the body, where it was registered so",
      record("x", { ...at, ...own, tokenEndpointAuthMethod: Option.some("client_secret_post") }),
      "s3cret",
      undefined
    ],
    [
      "by Basic, where it was registered so, also at a vendor that wants another way",
      record("kiro", { ...own, tokenEndpointAuthMethod: Option.some("client_secret_basic") }),
      null,
      basic
    ],
    [
      "not at all, where it was registered so",
      record("x", { ...at, ...own, tokenEndpointAuthMethod: Option.some("none") }),
      null,
      undefined
    ],
    ["not at all, where the vendor's clients do not", record("codex", own), null, undefined]
  ]

  it.effect.each(proofs)("%s", ([, credential, posted, authorization]) =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      yield* run(redeem(credential))
      assert.strictEqual(sent.length, 1)
      assert.strictEqual(new URLSearchParams(sent[0]?.body).get("client_secret"), posted)
      assert.strictEqual(sent[0]?.headers["authorization"], authorization)
    }))

  it.effect("in no way that needs more than a secret", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      const error = yield* Effect.flip(run(redeem(record("x", {
        ...at,
        ...own,
        tokenEndpointAuthMethod: Option.some("private_key_jwt")
      }))))
      assert.strictEqual(`${error._tag} ${error.reason}`, "ProviderRejected InvalidClient")
      deepStrictEqual(sent, [])
    }))
})

describe("a revocation", () => {
  it.effect("at Google names no client and needs no secret", () =>
    Effect.gen(function*() {
      const { run, sent } = driver({ status: 200, body: {} })
      assert.strictEqual((yield* run(revoke(record("gemini"))))._tag, "Revoked")
      deepStrictEqual(sent.map(({ body, url }) => [url, Object.fromEntries(new URLSearchParams(body))]), [
        ["https://oauth2.googleapis.com/revoke", { token: "rt-old", token_type_hint: "refresh_token" }],
        ["https://oauth2.googleapis.com/revoke", { token: "at-old", token_type_hint: "access_token" }]
      ])
    }))

  it.effect("sends a client's secret to no server that it does not name itself to", () =>
    Effect.gen(function*() {
      const { run, sent } = driver({ status: 200, body: {} })
      yield* run(revoke(record("gemini", { clientId: Option.some("own"), clientSecret: secret("s3cret") })))
      assert.strictEqual(sent.length, 2)
      assert.isTrue(
        sent.every(({ body, headers }) => !body.includes("s3cret") && headers["authorization"] === undefined)
      )
    }))

  it.effect("of a token that is invalid already is done", () =>
    Effect.gen(function*() {
      const { run } = driver({ status: 400, body: { error: "invalid_token" } })
      assert.strictEqual((yield* run(revoke(record("gemini"))))._tag, "Revoked")
    }))

  it.effect.each(["anthropic-oauth", "copilot", "kiro", "mimocode"])(
    "is not offered by %s",
    (vendor) =>
      Effect.gen(function*() {
        const { run, sent } = driver({ status: 200, body: {} })
        assert.strictEqual((yield* run(revoke(record(vendor))))._tag, "Unsupported")
        deepStrictEqual(sent, [])
      })
  )
})
