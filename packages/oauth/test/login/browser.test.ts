import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { JournalRecord, Mark } from "@lockstep/core/RefreshJournal"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import { jwt } from "../wire.js"
import * as Stage from "./stage.js"

const { acme, answerTo, no, ok, person, plain, refusal, request, tenant, tokens, visit } = Stage

/** Begins a login and waits until the person sees its address. */
const begun = (stage: Stage.Stage, wanted = request()) =>
  Effect.gen(function*() {
    const visitor = yield* person
    const fiber = yield* Effect.fork(stage.login.browser(wanted, visitor.self))
    return { ...visitor, fiber, url: yield* visitor.url }
  })

/** A login that is stored already. */
const present = (stage: Stage.Stage, rest: Partial<ConstructorParameters<typeof Credential>[0]> = {}) =>
  stage.writer.put(
    tenant,
    Credential.make({ refreshToken: Option.some(Redacted.make("rt-old")), ...rest }),
    { replace: true, note: "import" }
  )

describe("the address that a person opens", () => {
  it.effect("asks for a code as RFC 6749, RFC 7636, RFC 8707 and OpenID Connect say", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage, request(acme, { resource: Option.some("https://mcp.example/mcp") }))
      const { code_challenge, nonce, redirect_uri, state, ...rest } = Object.fromEntries(url.searchParams)
      deepStrictEqual(rest, {
        response_type: "code",
        client_id: "acme-client",
        scope: "openid offline_access",
        resource: "https://mcp.example/mcp",
        code_challenge_method: "S256"
      })
      assert.match(state ?? "", /^[\w-]{43}$/)
      assert.match(nonce ?? "", /^[\w-]{43}$/)
      assert.match(code_challenge ?? "", /^[\w-]{43}$/)
      assert.match(redirect_uri ?? "", /^http:\/\/127\.0\.0\.1:\d+\/callback$/)
      assert.include(url.href, "scope=openid%20offline_access")
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("has no nonce where no id token is asked for", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage, request(acme, { scopes: ["read"] }))
      assert.isFalse(url.searchParams.has("nonce"))
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("names the vendor's host, path, parameters and the first port that is free", () =>
    Effect.gen(function*() {
      const vendor = {
        ...acme,
        authorizeParameters: { audience: "api" },
        redirect: { host: "localhost", ports: [1455, 1457], path: "/auth/callback", page: Option.none() }
      } as const
      const stage = yield* Stage.make()
      stage.ports.taken.add(1455)
      const { fiber, url } = yield* begun(stage, request(vendor))
      assert.strictEqual(url.searchParams.get("redirect_uri"), "http://localhost:1457/auth/callback")
      assert.strictEqual(url.searchParams.get("audience"), "api")
      deepStrictEqual(stage.ports.paths, ["/auth/callback"])
      const other = yield* refusal(stage.login.browser(request(vendor), (yield* person).self))
      assert.strictEqual(other, "LoginUnavailable PortsTaken")
      yield* Fiber.interrupt(fiber)
    }))
})

describe("a login on this machine", () => {
  it.effect("stores what the code was good for, and only then says so to the browser", () =>
    Effect.gen(function*() {
      const writing = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const stage = yield* Stage.make({
        wrapStore: (store) => ({
          ...store,
          modify: (at, decide) =>
            Deferred.succeed(writing, undefined).pipe(
              Effect.zipRight(Deferred.await(go)),
              Effect.zipRight(store.modify(at, decide))
            )
        })
      })
      const { fiber, url } = yield* begun(stage)
      const granted = tokens({
        id_token: jwt({ sub: "u1", email: "a@b.example", nonce: url.searchParams.get("nonce") })
      })
      stage.network.server = () => ok(granted)
      const page = yield* Effect.fork(visit(stage, answerTo(url)))
      yield* Deferred.await(writing)
      yield* TestClock.adjust(0)
      assert.isTrue(Option.isNone(yield* Fiber.poll(page)))
      yield* Deferred.succeed(go, undefined)

      const result = yield* Fiber.join(fiber)
      const shown = yield* Fiber.join(page)
      assert.strictEqual(shown === "refused" ? shown : shown.outcome, "Done")
      assert.strictEqual(result.method, "browser")
      const record = (yield* stage.stored)!
      deepStrictEqual([plain(record.accessToken), plain(record.refreshToken)], [
        granted.access_token,
        granted.refresh_token
      ])
      deepStrictEqual(
        [record.vendor, record.clientId, record.tokenEndpoint, record.scope].map(Option.getOrNull),
        ["acme", "acme-client", "https://acme.example/token", "openid offline_access"]
      )
      assert.strictEqual(Option.getOrNull(record.expiresAt), Stage.NOW / 1_000 + 3_600)
      assert.strictEqual(Option.getOrNull(record.account)?.label.pipe(Option.getOrNull), "a@b.example")
      assert.strictEqual(stage.ports.open.size, 0)
    }))

  it.effect("proves with the verifier that it is the one that asked", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage, request(acme, { resource: Option.some("https://mcp.example/mcp") }))
      stage.network.server = () => ok(tokens())
      yield* visit(stage, answerTo(url))
      yield* Fiber.join(fiber)
      const { code_verifier, ...rest } = stage.network.requests[0]!.params
      deepStrictEqual(rest, {
        grant_type: "authorization_code",
        code: "the-code-of-this-login",
        client_id: "acme-client",
        redirect_uri: url.searchParams.get("redirect_uri") ?? "",
        resource: "https://mcp.example/mcp"
      })
      assert.strictEqual(
        createHash("sha256").update(code_verifier!).digest("base64url"),
        url.searchParams.get("code_challenge")
      )
    }))

  it.effect("repeats the state in JSON where the vendor wants it so", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const vendor = { ...acme, exchangeEncoding: "json", stateInExchange: true } as const
      const { fiber, url } = yield* begun(stage, request(vendor))
      stage.network.server = () => ok(tokens())
      yield* visit(stage, answerTo(url))
      yield* Fiber.join(fiber)
      const sent = stage.network.requests[0]!
      assert.strictEqual(sent.headers["content-type"], "application/json")
      assert.strictEqual(sent.params["state"], url.searchParams.get("state"))
    }))

  it.effect("is not ended by strangers: another state, no code, no state at all", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage)
      stage.network.server = () => ok(tokens())
      const state = url.searchParams.get("state")!
      for (
        const query of [
          "code=stolen&state=guess",
          "code=stolen",
          `state=${state}`,
          `code=stolen&state=${state}&state=${state}`,
          `code=stolen&state=${state.slice(0, -1)}`
        ]
      ) assert.strictEqual(yield* visit(stage, query), "refused")
      assert.strictEqual(stage.network.requests.length, 0)
      yield* visit(stage, answerTo(url))
      yield* Fiber.join(fiber)
    }))

  it.effect("takes what the person pastes, if that comes first", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, paste, url } = yield* begun(stage)
      stage.network.server = () => ok(tokens())
      yield* paste(`  ${url.searchParams.get("redirect_uri")}?${answerTo(url)}\n`)
      assert.strictEqual((yield* Fiber.join(fiber)).method, "browser")
      assert.strictEqual(stage.ports.open.size, 0)
    }))

  it.effect("tells what is wrong with a pasted line, sends nothing, and goes on", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const told = yield* Queue.unbounded<string>()
      const logger = Logger.make(({ message }) => void told.unsafeOffer(String(message)))
      const { fiber, paste, url } = yield* Effect.provide(
        begun(stage),
        Logger.replace(Logger.defaultLogger, logger)
      )
      yield* paste("https://127.0.0.1/callback?code=stolen&state=of-somebody-else")
      assert.include(yield* Queue.take(told), "another attempt")
      yield* paste("https://127.0.0.1/callback?state=")
      assert.notInclude(yield* Queue.take(told), "stolen")
      assert.strictEqual(stage.network.requests.length, 0)
      stage.network.server = () => ok(tokens())
      yield* paste(answerTo(url))
      assert.strictEqual((yield* Fiber.join(fiber)).method, "browser")
      assert.strictEqual(stage.network.requests.length, 1)
    }))

  it.effect("shows the person why it failed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage)
      const { state } = Object.fromEntries(url.searchParams)
      const page = yield* visit(stage, `error=access_denied&error_description=not+today&state=${state}`)
      const error = yield* refusal(Fiber.join(fiber))
      assert.strictEqual(error, "LoginFailed Denied")
      assert.include(page === "refused" ? "" : page.detail, "not today")
      assert.strictEqual(page === "refused" ? page : page.outcome, "Failed")
      assert.isNull(yield* stage.stored)
    }))

  it.effect("is denied under every name that a denial has", () =>
    Effect.gen(function*() {
      for (const name of ["access_denied", "authorization_declined", "user_denied", "user_cancelled_login"]) {
        const stage = yield* Stage.make()
        const { fiber, url } = yield* begun(stage)
        yield* visit(stage, `error=${name}&state=${url.searchParams.get("state")}`)
        assert.strictEqual(yield* refusal(Fiber.join(fiber)), "LoginFailed Denied")
      }
    }))

  it.effect("ends after ten minutes, or when it is told to, and closes its port", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      for (
        const [wanted, minutes] of [[request(), 10], [
          request(acme, { timeout: Option.some(Stage.minute) }),
          1
        ]] as const
      ) {
        const { fiber, invitation } = yield* begun(stage, wanted)
        const { expiresAt } = yield* invitation
        const now = yield* TestClock.currentTimeMillis
        assert.strictEqual(expiresAt - now, minutes * 60_000)
        yield* TestClock.adjust(expiresAt - now - 1)
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* refusal(Fiber.join(fiber)), "LoginFailed Expired")
        assert.strictEqual(stage.ports.open.size, 0)
      }
    }))

  it.effect("closes its port when it is given up", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber } = yield* begun(stage)
      assert.strictEqual(stage.ports.open.size, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(stage.ports.open.size, 0)
    }))

  it.effect("holds no lock while the person is at the browser", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber } = yield* begun(stage)
      assert.strictEqual(stage.lock.taken(), 0)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("is not cut by an interruption once the code is sent", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage)
      const answer = yield* Deferred.make<Stage.Reply>()
      stage.network.server = () => Effect.runPromise(Deferred.await(answer))
      yield* Effect.fork(visit(stage, answerTo(url)))
      yield* Queue.take(stage.network.arrivals)
      const interrupted = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust(0)
      const granted = tokens()
      yield* Deferred.succeed(answer, ok(granted))
      yield* Fiber.join(interrupted)
      assert.strictEqual(plain((yield* stage.stored)!.refreshToken), granted.refresh_token)
    }))
})

describe("the answer of the token endpoint", () => {
  const failing = (reply: Stage.Reply | "Refused" | "Reset") =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage)
      stage.network.server = () => reply
      yield* visit(stage, answerTo(url))
      const error = yield* refusal(Fiber.join(fiber))
      assert.isNull(yield* stage.stored)
      return error
    })

  it.effect("is told by what a person does next", () =>
    Effect.gen(function*() {
      const replies: ReadonlyArray<Stage.Reply | "Refused" | "Reset"> = [
        no("invalid_grant"),
        no("invalid_client", 401),
        no("access_denied", 403),
        no("slow_down", 429),
        no("server_error", 500),
        ok({ token_type: "Bearer" }),
        "Refused",
        "Reset"
      ]
      deepStrictEqual(
        yield* Effect.forEach(replies, failing),
        [
          "LoginFailed CodeRefused",
          "ProviderRejected InvalidClient",
          "ProviderRejected Entitlement",
          "ProviderUnavailable RateLimited",
          "ProviderUnavailable ServerError",
          "ProviderRejected Protocol",
          "ProviderUnavailable Transport",
          "ProviderUnavailable Transport"
        ]
      )
    }))

  it.effect("is waited for as long as the policy says", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { fiber, url } = yield* begun(stage)
      stage.network.server = () => new Promise(() => {})
      yield* Effect.fork(visit(stage, answerTo(url)))
      yield* Queue.take(stage.network.arrivals)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* refusal(Fiber.join(fiber)), "ProviderTimeout NoAnswer")
      assert.isFalse(stage.lock.isHeld(Stage.LOCK))
    }))

  it.effect("is refused where its id token names another nonce, and taken where it names none", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const first = yield* begun(stage)
      stage.network.server = () => ok(tokens({ id_token: jwt({ sub: "u", nonce: "of-another-attempt" }) }))
      yield* visit(stage, answerTo(first.url))
      assert.strictEqual(yield* refusal(Fiber.join(first.fiber)), "ProviderRejected Protocol")
      assert.isNull(yield* stage.stored)
      const second = yield* begun(stage)
      stage.network.server = () => ok(tokens({ id_token: jwt({ sub: "u" }) }))
      yield* visit(stage, answerTo(second.url))
      yield* Fiber.join(second.fiber)
    }))

  it.effect("that names no account is followed by a question for it, whose failure is no failure", () =>
    Effect.gen(function*() {
      const vendor = {
        ...acme,
        id: "named",
        accountEndpoint: Option.some("https://acme.example/me"),
        account: (answer: { readonly [member: string]: unknown }) =>
          typeof answer["id"] === "string"
            ? OAuthVendor.account(Option.some(answer["id"]), Option.none())
            : Option.none()
      }
      const stage = yield* Stage.make({ vendors: [vendor] })
      for (const [reply, id] of [[ok({ id: "u7" }), "u7"], [no("nope", 500), null]] as const) {
        const { fiber, url } = yield* begun(stage, request(vendor, { replace: true }))
        const granted = tokens()
        stage.network.server = (sent) => sent.url.endsWith("/me") ? reply : ok(granted)
        yield* visit(stage, answerTo(url))
        const { stored } = yield* Fiber.join(fiber)
        assert.strictEqual(Option.getOrNull(Option.flatMap(stored.credential.account, (one) => one.id)), id)
        assert.strictEqual(stage.network.requests.at(-1)!.headers["authorization"], `Bearer ${granted.access_token}`)
      }
    }))
})

describe("a login that is there already", () => {
  it.effect("is found before a browser opens or anything is sent, and again under the lock", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const late = yield* begun(stage)
      yield* present(stage)
      const early = yield* refusal(stage.login.browser(request(), (yield* person).self))
      assert.strictEqual(early, "CredentialExists")
      const taken = stage.lock.taken()
      yield* visit(stage, answerTo(late.url))
      assert.strictEqual(yield* refusal(Fiber.join(late.fiber)), "CredentialExists")
      assert.strictEqual(stage.lock.taken(), taken + 1)
      assert.strictEqual(stage.network.requests.length, 0)
    }))

  it.effect("is replaced when that was asked for, or when it has ended", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      stage.network.server = () => ok(tokens())
      yield* present(stage)
      const asked = yield* begun(stage, request(acme, { replace: true }))
      yield* visit(stage, answerTo(asked.url))
      const { replaced, stored } = yield* Fiber.join(asked.fiber)
      assert.strictEqual(plain(Option.getOrThrow(replaced).refreshToken), "rt-old")

      const fingerprint = Fingerprint.of(stage.host, Option.getOrThrow(stored.credential.refreshToken))
      yield* stage.journal.write(
        tenant,
        JournalRecord.make({
          ...(yield* stage.journal.read(tenant)),
          mark: Option.some(Mark.make({ fingerprint, reason: "InvalidGrant", detail: Option.none(), at: 0 }))
        })
      )
      yield* TestClock.adjust("2 hours")
      const ended = yield* begun(stage)
      yield* visit(stage, answerTo(ended.url))
      yield* Fiber.join(ended.fiber)
    }))

  it.effect("costs no code where the store cannot be written", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({
        wrapStore: (store) => ({
          ...store,
          prepare: () => new CredentialStoreError({ reason: "Write", location: "memory" })
        })
      })
      const { fiber, url } = yield* begun(stage)
      yield* visit(stage, answerTo(url))
      assert.strictEqual(yield* refusal(Fiber.join(fiber)), "CredentialStoreError Write")
      assert.strictEqual(stage.network.requests.length, 0)
    }))
})
