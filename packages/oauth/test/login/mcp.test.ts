/**
 * Logins by the rules of MCP: what a server has to promise, what every request names, and which client speaks.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { RegisteredClient } from "@lockstep/core/ClientRegistrations"
import { Account, Credential } from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { JournalRecord, Mark } from "@lockstep/core/RefreshJournal"
import type { LoginRequest } from "@lockstep/oauth/Login"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Stage from "./stage.js"

const { answerTo, clientOf, key, no, ok, plain, refusal, request, tenant, tokens, verdict } = Stage

const ISSUER = "https://id.example/mcp"
const RESOURCE = "https://mcp.example/mcp"
const WELL_KNOWN = "https://id.example/.well-known/oauth-authorization-server/mcp"

const metadata = Stage.metadataOf(ISSUER)

const wanted = (rest: Partial<LoginRequest> = {}): LoginRequest =>
  request(mcp, { issuer: Option.some(ISSUER), resource: Option.some(RESOURCE), replace: true, ...rest })

/** A server that registers clients and counts them. */
const serving = (extra: Record<string, unknown> = {}, options: Stage.Options = {}) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make(options)
    const server = {
      registered: 0,
      page: ((): Stage.Reply => ok("<!doctype html>")) as (sent: Stage.Sent) => Stage.Reply,
      token: ((): Stage.Reply => ok(tokens())) as Stage.Server
    }
    stage.network.server = (sent) => {
      if (sent.url.includes("/.well-known/")) {
        return sent.url === WELL_KNOWN ? ok({ ...metadata, ...extra }) : no("not_found", 404)
      }
      if (sent.method === "GET") return server.page(sent)
      if (sent.url !== metadata.registration_endpoint) return server.token(sent)
      return { status: 201, body: { client_id: `dyn-${++server.registered}`, token_endpoint_auth_method: "none" } }
    }
    return { stage, server }
  })

const begun = (stage: Stage.Stage, login = wanted()) => Stage.begun(stage, login)

const complete = (stage: Stage.Stage, url: URL, rest: Readonly<Record<string, string>> = {}) =>
  stage.login.complete(
    key,
    Redacted.make(`${url.searchParams.get("redirect_uri")}?${answerTo(url, rest)}`)
  )

const loggedIn = (stage: Stage.Stage, login = wanted()) =>
  Effect.flatMap(begun(stage, login), (url) => Effect.as(complete(stage, url), url))

describe("a server of MCP", () => {
  const promises: ReadonlyArray<[string, Record<string, unknown>, string]> = [
    ["S256", {}, "not refused"],
    ["S256 among others", { code_challenge_methods_supported: ["plain", "S256"] }, "not refused"],
    ["nothing about PKCE", { code_challenge_methods_supported: undefined }, "LoginUnavailable PkceNotOffered"],
    ["no method", { code_challenge_methods_supported: [] }, "LoginUnavailable PkceNotOffered"],
    ["another method", { code_challenge_methods_supported: ["plain"] }, "LoginUnavailable PkceNotOffered"],
    ["no list", { code_challenge_methods_supported: "S256" }, "LoginUnavailable PkceNotOffered"],
    ["another issuer", { issuer: "https://id.example" }, "ProviderRejected Protocol"],
    ["its issuer with a slash", { issuer: `${ISSUER}/` }, "ProviderRejected Protocol"],
    ["its issuer in capitals", { issuer: "https://ID.example/mcp" }, "ProviderRejected Protocol"]
  ]
  it.effect.each(promises)("that promises %s", ([, extra, expected]) =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving(extra)
      assert.strictEqual(yield* refusal(stage.login.begin(wanted())), expected)
      assert.isTrue(expected === "not refused" || Option.isNone(yield* stage.pending.get(key)))
      assert.isTrue(expected === "not refused" || server.registered === 0)
    }))

  it.effect("is asked for the scopes that were named, and for offline access where it knows that", () =>
    Effect.gen(function*() {
      const scopeOf = (scopes: ReadonlyArray<string>, supported: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const { stage } = yield* serving({ scopes_supported: supported })
          const url = yield* begun(stage, wanted({ scopes }))
          return [url.searchParams.get("scope"), url.searchParams.get("prompt")]
        })
      deepStrictEqual(yield* scopeOf(["a"], ["openid", "offline_access"]), ["a offline_access", "consent"])
      deepStrictEqual(yield* scopeOf(["offline_access", "a"], ["offline_access"]), ["offline_access a", "consent"])
      deepStrictEqual(yield* scopeOf(["a"], ["openid", "a"]), ["a", null])
      deepStrictEqual(yield* scopeOf([], ["openid", "offline_access"]), [null, null])
    }))

  it.effect("hears of the resource in every request", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving({ device_authorization_endpoint: `${ISSUER}/device` })
      const url = yield* loggedIn(stage)
      assert.strictEqual(url.searchParams.get("resource"), RESOURCE)
      const record = (yield* stage.stored)!
      deepStrictEqual(
        [record.vendor, record.issuer, record.resource].map(Option.getOrNull),
        ["mcp", ISSUER, RESOURCE]
      )
      const { redeem } = yield* stage.endpoint.prepare(tenant, record)
      yield* redeem(Stage.minute)
      server.token = ({ url: at }) =>
        at.endsWith("/device")
          ? ok({
            device_code: "d",
            user_code: "u",
            verification_uri: "https://id.example/go",
            expires_in: 60,
            interval: 1
          })
          : ok(tokens())
      yield* stage.login.beginDevice(wanted())
      yield* stage.login.poll(key)
      const named = stage.network.requests.filter(({ url: at }) => /\/(?:token|device)$/.test(at))
      deepStrictEqual(
        named.map(({ params, url: at }) => [at.slice(ISSUER.length), params["grant_type"], params["resource"]]),
        [
          ["/token", "authorization_code", RESOURCE],
          ["/token", "refresh_token", RESOURCE],
          ["/device", undefined, RESOURCE],
          ["/token", "urn:ietf:params:oauth:grant-type:device_code", RESOURCE]
        ]
      )
    }))
})

describe("`iss` in the answer (RFC 9207)", () => {
  const NONE = undefined
  const rows: ReadonlyArray<[promised: boolean | undefined, iss: string | undefined, expected: string]> = [
    [true, ISSUER, "not refused"],
    [true, NONE, "LoginFailed IssuerMismatch"],
    [true, "https://evil.example", "LoginFailed IssuerMismatch"],
    [true, `${ISSUER}/`, "LoginFailed IssuerMismatch"],
    [false, ISSUER, "not refused"],
    [false, NONE, "not refused"],
    [false, "https://evil.example", "LoginFailed IssuerMismatch"],
    [undefined, ISSUER, "not refused"],
    [undefined, NONE, "not refused"],
    [undefined, ISSUER.toUpperCase(), "LoginFailed IssuerMismatch"]
  ]
  for (const error of [false, true]) {
    it.effect.each(rows)(
      `promised: %s, named: %s${error ? ", in an error" : ""}`,
      ([promised, iss, expected]) =>
        Effect.gen(function*() {
          const { stage } = yield* serving({ authorization_response_iss_parameter_supported: promised })
          const url = yield* begun(stage)
          const answer = new URLSearchParams(answerTo(url, iss === undefined ? {} : { iss }))
          if (error) {
            answer.delete("code")
            answer.set("error", "access_denied")
          }
          const before = stage.network.requests.length
          const ended = yield* refusal(
            stage.login.complete(key, Redacted.make(`${url.searchParams.get("redirect_uri")}?${answer}`))
          )
          const isRefused = expected !== "not refused"
          assert.strictEqual(ended, error && !isRefused ? "LoginFailed Denied" : expected)
          // Neither code nor verifier leaves for a server that is not the one that was asked.
          assert.strictEqual(stage.network.requests.length - before, isRefused || error ? 0 : 1)
        })
    )
  }
})

describe("the client", () => {
  const DOCUMENT = "https://agents.example/lockstep.json"
  const reading = { client_id_metadata_document_supported: true }
  const environment = { LOCKSTEP_CLIENT_METADATA_URL: DOCUMENT }

  it.effect("is the named one, then the one with metadata at an address of ours, then one that registers itself", () =>
    Effect.gen(function*() {
      const both = yield* serving(reading, { environment })
      assert.strictEqual(clientOf(yield* begun(both.stage, wanted({ clientId: Option.some("mine") }))), "mine")
      assert.strictEqual(clientOf(yield* loggedIn(both.stage)), DOCUMENT)
      assert.strictEqual(both.server.registered, 0)
      assert.strictEqual(both.stage.network.requests.at(-1)!.params["client_id"], DOCUMENT)
      assert.isUndefined(both.stage.network.requests.at(-1)!.headers["authorization"])
      const unread = yield* serving({}, { environment })
      assert.strictEqual(clientOf(yield* begun(unread.stage)), "dyn-1")
      const none = yield* serving({ registration_endpoint: undefined })
      const error = yield* Effect.flip(none.stage.login.begin(wanted()))
      assert.strictEqual(verdict(error), "LoginUnavailable ClientIdMissing")
      assert.include(error.advice, "--client-id")
    }))

  it.effect("is not taken from the environment of a vendor", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving({}, { environment: { LOCKSTEP_MCP_CLIENT_ID: "of-all-servers" } })
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-1")
    }))

  it.effect("has no metadata at an address that could be read in two ways", () =>
    Effect.gen(function*() {
      for (
        const address of [
          "http://agents.example/lockstep.json",
          "https://agents.example",
          "https://agents.example/a#b",
          "https://u:p@agents.example/a",
          "https://agents.example/a/../b",
          "agents.example/a"
        ]
      ) {
        const { stage } = yield* serving(reading, { environment: { LOCKSTEP_CLIENT_METADATA_URL: address } })
        assert.strictEqual(yield* refusal(stage.login.begin(wanted())), "LoginUnavailable BadAddress", address)
      }
    }))

  it.effect("that registered itself is shared by all logins at its issuer, and by no other issuer's", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      const first = yield* loggedIn(stage)
      const other = { ...key, tenant: "mcp:other" as typeof tenant }
      const invitation = yield* stage.login.begin(wanted({ ...other, resource: Option.some("https://other.example") }))
      const second = new URL("url" in invitation ? invitation.url : "")
      assert.strictEqual(clientOf(second), clientOf(first))
      assert.strictEqual(second.searchParams.get("redirect_uri"), first.searchParams.get("redirect_uri"))
      assert.strictEqual(server.registered, 1)
      assert.isTrue(Option.isNone(yield* stage.registrations.get("https://id.example")))
    }))

  it.effect("comes back to its registered port, and is registered anew where that is taken", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      const browse = Effect.gen(function*() {
        const visitor = yield* Stage.person
        const fiber = yield* Effect.fork(stage.login.browser(wanted(), visitor.self))
        const url = yield* visitor.url
        yield* Stage.visit(stage, answerTo(url))
        yield* Fiber.join(fiber)
        return url
      })
      const portOf = (url: URL) => Number(new URL(url.searchParams.get("redirect_uri")!).port)
      const first = yield* browse
      const second = yield* browse
      deepStrictEqual([portOf(second), clientOf(second), server.registered], [portOf(first), "dyn-1", 1])
      stage.ports.taken.add(portOf(first))
      const third = yield* browse
      assert.notStrictEqual(portOf(third), portOf(first))
      deepStrictEqual([clientOf(third), server.registered], ["dyn-2", 2])
      const fourth = yield* browse
      deepStrictEqual([portOf(fourth), clientOf(fourth)], [portOf(third), "dyn-2"])
    }))

  it.effect("that could not be kept logs in all the same", () =>
    Effect.gen(function*() {
      const failure = new CredentialStoreError({ reason: "Write", location: "auth.json", detail: "ENOSPC" })
      const { server, stage } = yield* serving({}, {
        registrations: { get: () => Effect.fail(failure), put: () => Effect.fail(failure) }
      })
      yield* loggedIn(stage)
      deepStrictEqual([server.registered, Option.getOrNull((yield* stage.stored)!.clientId)], [1, "dyn-1"])
    }))

  it.effect("whose registration has expired is registered anew", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* stage.registrations.put(
        ISSUER,
        RegisteredClient.make({ clientId: "old", clientSecretExpiresAt: Option.some(Stage.NOW / 1_000 + 60) })
      )
      // Registered without a redirect address, it is of no use to a browser; to another device it is.
      const { stage: device } = yield* serving({ device_authorization_endpoint: `${ISSUER}/device` })
      yield* device.registrations.put(ISSUER, RegisteredClient.make({ clientId: "old" }))
      yield* Effect.exit(device.login.beginDevice(wanted()))
      assert.strictEqual(device.network.requests.at(-1)!.params["client_id"], "old")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-1")
      assert.strictEqual(server.registered, 1)
    }))

  it.effect("that the server forgot is told as such, and never tried again", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage)
      server.token = () => no("invalid_client", 401)
      const again = yield* begun(stage, wanted({ clientId: Option.some("dyn-1") }))
      const error = yield* Effect.flip(complete(stage, again))
      assert.strictEqual(verdict(error), "LoginFailed ClientForgotten")
      server.token = () => ok(tokens())
      // Also where the record still names it.
      assert.strictEqual(clientOf(yield* loggedIn(stage, wanted({ clientId: Option.some("dyn-1") }))), "dyn-2")
      deepStrictEqual(Option.getOrNull((yield* stage.stored)!.clientId), "dyn-2")
    }))

  it.effect("that a person brought is not forgotten, and neither is one that another process registered meanwhile", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      const url = yield* begun(stage, wanted({ clientId: Option.some("mine") }))
      server.token = () => no("invalid_client", 401)
      assert.strictEqual(yield* refusal(complete(stage, url)), "ProviderRejected InvalidClient")
      const own = yield* begun(stage)
      yield* stage.registrations.put(ISSUER, RegisteredClient.make({ clientId: "of-another-process" }))
      assert.strictEqual(yield* refusal(complete(stage, own)), "ProviderRejected InvalidClient")
      assert.isFalse(Option.getOrThrow(yield* stage.registrations.get(ISSUER)).ended)
    }))

  it.effect("that a refresh finds forgotten ends the login, and the next one registers another", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage)
      const record = (yield* stage.stored)!
      server.token = () => no("invalid_client", 401)
      const { redeem } = yield* stage.endpoint.prepare(tenant, record)
      const answer = yield* redeem(Stage.minute)
      deepStrictEqual("reason" in answer && answer.reason, "RegistrationExpired")
      // Brought by a person, it would be for the person to correct.
      const brought = Credential.make({ ...record, clientId: Option.some("mine") })
      const other = yield* Effect.flatMap(
        stage.endpoint.prepare(tenant, brought),
        ({ redeem: send }) => send(Stage.minute)
      )
      deepStrictEqual("reason" in other && other.reason, "InvalidClient")
      // What the transaction makes of it.
      const journal = yield* stage.journal.read(tenant)
      const fingerprint = Fingerprint.of(stage.host, Option.getOrThrow(record.refreshToken))
      yield* stage.journal.write(
        tenant,
        JournalRecord.make({
          ...journal,
          mark: Option.some(Mark.make({ fingerprint, reason: "RegistrationExpired", detail: Option.none(), at: 1 }))
        })
      )
      const again = yield* begun(stage, wanted({ clientId: record.clientId }))
      assert.strictEqual(clientOf(again), "dyn-2")
    }))

  it.effect("and the tokens of one issuer are never shown to another", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      const old = tokens()
      yield* stage.writer.put(
        tenant,
        Credential.make({
          issuer: Option.some("https://old.example"),
          tokenEndpoint: Option.some("https://old.example/token"),
          clientId: Option.some("old-client"),
          clientSecret: Option.some(Redacted.make("lockstep-old-secret")),
          accessToken: Option.some(Redacted.make(old.access_token)),
          refreshToken: Option.some(Redacted.make(old.refresh_token)),
          resource: Option.some(RESOURCE)
        }),
        { replace: true, note: "import" }
      )
      const url = yield* loggedIn(stage)
      assert.strictEqual(clientOf(url), "dyn-1")
      const all = JSON.stringify([url.href, stage.network.requests])
      for (const secret of [old.access_token, old.refresh_token, "old-client", "lockstep-old-secret"]) {
        assert.notInclude(all, secret)
      }
      const record = (yield* stage.stored)!
      deepStrictEqual([plain(record.clientSecret), Option.getOrNull(record.clientId)], [null, "dyn-1"])
    }))
})

describe("a login that only widens another", () => {
  const account = (id: string) => ({ account: Option.some(Account.make({ id: Option.some(id) })) })
  const idToken = (sub: string) => `x.${btoa(JSON.stringify({ sub })).replace(/=+$/, "")}.x`

  it.effect("replaces that of the same account, and no other's", () =>
    Effect.gen(function*() {
      for (const [sub, expected] of [["alice", "not refused"], ["bob", "CredentialExists"]] as const) {
        const { server, stage } = yield* serving({ revocation_endpoint: `${ISSUER}/revoke` })
        const alices = tokens()
        yield* stage.writer.put(
          tenant,
          Credential.make({
            refreshToken: Option.some(Redacted.make(alices.refresh_token)),
            accessToken: Option.some(Redacted.make(alices.access_token)),
            ...account("alice")
          }),
          { replace: true, note: "import" }
        )
        const obtained = tokens({ id_token: idToken(sub) })
        server.token = ({ url }) => url.endsWith("/revoke") ? ok({}) : ok(obtained)
        const url = yield* begun(stage, wanted({ sameAccount: true }))
        assert.strictEqual(yield* refusal(complete(stage, url)), expected)
        const isOther = expected !== "not refused"
        assert.strictEqual(
          plain((yield* stage.stored)!.refreshToken),
          isOther ? alices.refresh_token : obtained.refresh_token
        )
        // No process knows of what was obtained and not stored.
        const revoked = stage.network.requests.filter(({ url: at }) => at.endsWith("/revoke")).map(({ params }) =>
          params["token"]
        )
        deepStrictEqual(revoked, isOther ? [obtained.refresh_token, obtained.access_token] : [])
      }
    }))
})
