import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as DeviceGrant from "@lockstep/oauth/DeviceGrant"
import { codexDevice } from "@lockstep/oauth/vendors/CodexDevice"
import { copilot } from "@lockstep/oauth/vendors/Copilot"
import { kiro } from "@lockstep/oauth/vendors/Kiro"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Stage from "./stage.js"

const { acme, key, no, ok, person, plain, refusal, request, tokens } = Stage

const started = {
  device_code: "the-device-code",
  user_code: "WDJB-MJHT",
  verification_uri: "https://acme.example/activate",
  verification_uri_complete: "https://acme.example/activate?user_code=WDJB-MJHT",
  expires_in: 1_800,
  interval: 5
}

type Answer = ReturnType<Stage.Server>

/** Answers the start as given, and each poll with the next of these; the last one stays. */
const serve = (stage: Stage.Stage, start: Stage.Reply, ...polls: ReadonlyArray<Answer>) => {
  let count = 0
  stage.network.server = (sent) =>
    sent.params["grant_type"] === undefined ? start : polls[Math.min(count++, polls.length - 1)]!
}

const waiting = (stage: Stage.Stage, wanted = request()) =>
  Effect.gen(function*() {
    const visitor = yield* person
    const fiber = yield* Effect.fork(stage.login.device(wanted, visitor.self))
    yield* Queue.take(stage.network.arrivals)
    return { fiber, invitation: yield* visitor.invitation }
  })

/** Lets time pass until the next poll; answers how many seconds that took. */
const untilPoll = (stage: Stage.Stage): Effect.Effect<number> =>
  Effect.gen(function*() {
    for (let seconds = 1; seconds <= 600; seconds++) {
      yield* TestClock.adjust("1 second")
      if (Option.isSome(yield* Queue.poll(stage.network.arrivals))) return seconds
    }
    return yield* Effect.dieMessage("no poll in ten minutes")
  })

const polls = (stage: Stage.Stage, count: number) => Effect.replicateEffect(untilPoll(stage), count)

describe("a device grant", () => {
  it.effect("asks as RFC 8628 says and shows what came back", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const granted = tokens()
      serve(stage, ok(started), no("authorization_pending"), ok(granted))
      const { fiber, invitation } = yield* waiting(
        stage,
        request(acme, { resource: Option.some("https://mcp.example/mcp") })
      )
      deepStrictEqual({ ...invitation, verificationUriComplete: null }, {
        _tag: "Device",
        verificationUri: started.verification_uri,
        verificationUriComplete: null,
        userCode: started.user_code,
        expiresAt: Stage.NOW + 1_800_000,
        interval: 5_000
      })
      deepStrictEqual(yield* polls(stage, 2), [5, 5])
      const result = yield* Fiber.join(fiber)
      assert.strictEqual(result.method, "device")
      assert.strictEqual(plain((yield* stage.stored)!.refreshToken), granted.refresh_token)
      deepStrictEqual(stage.network.requests.map(({ params, url }) => [url, params]), [
        ["https://acme.example/device", {
          client_id: "acme-client",
          scope: "openid offline_access",
          resource: "https://mcp.example/mcp"
        }],
        ...Array.from({ length: 2 }, () => [
          "https://acme.example/token",
          {
            client_id: "acme-client",
            grant_type: "urn:ietf:params:oauth:grant-type:device_code",
            device_code: "the-device-code",
            resource: "https://mcp.example/mcp"
          }
        ])
      ])
    }))

  it.effect("proves its client as at the token endpoint", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(stage, ok(started), ok(tokens()))
      const basic = { ...acme, clientAuth: "client_secret_basic", clientSecretSource: Option.some("a drawer") } as const
      yield* stage.settings.setClientSecret("acme", Redacted.make("s3cret"))
      const { fiber } = yield* waiting(stage, request(basic))
      yield* untilPoll(stage)
      yield* Fiber.join(fiber)
      for (const { headers, params } of stage.network.requests) {
        assert.strictEqual(headers["authorization"], `Basic ${btoa("acme-client:s3cret")}`)
        assert.isUndefined(params["client_secret"])
      }
      assert.isNull(plain((yield* stage.stored)!.clientSecret))
    }))

  it.effect("polls five seconds slower for every slow_down, or as slowly as the server says", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const named = { status: 200, body: { error: "slow_down", interval: 30 } }
      serve(stage, ok(started), no("slow_down"), no("authorization_pending"), named, no("slow_down"), ok(tokens()))
      const { fiber } = yield* waiting(stage)
      deepStrictEqual(yield* polls(stage, 5), [5, 10, 10, 30, 35])
      yield* Fiber.join(fiber)
    }))

  it.effect("polls at half the pace each time the server cannot be reached, and goes on", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(
        stage,
        ok(started),
        "Refused",
        "Reset",
        no("server_error", 503),
        no("authorization_pending"),
        ok(tokens())
      )
      const { fiber } = yield* waiting(stage)
      deepStrictEqual(yield* polls(stage, 5), [5, 10, 20, 40, 5])
      yield* Fiber.join(fiber)
    }))

  it.effect("goes on after a poll that was not answered", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(stage, ok(started), new Promise<Stage.Reply>(() => {}), ok(tokens()))
      const { fiber } = yield* waiting(stage)
      yield* untilPoll(stage)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* untilPoll(stage), 10)
      yield* Fiber.join(fiber)
    }))

  it.effect("ends where the person says no, and where the server says that it is over", () =>
    Effect.gen(function*() {
      for (
        const [answer, expected] of [
          [no("access_denied"), "LoginFailed Denied"],
          [no("authorization_denied"), "LoginFailed Denied"],
          [no("authorization_declined"), "LoginFailed Denied"],
          [no("expired_token"), "LoginFailed Expired"],
          [no("invalid_grant"), "LoginFailed Expired"],
          [no("unauthorized_client"), "ProviderRejected InvalidClient"]
        ] as const
      ) {
        const stage = yield* Stage.make()
        serve(stage, ok(started), answer)
        const { fiber } = yield* waiting(stage)
        yield* untilPoll(stage)
        assert.strictEqual(yield* refusal(Fiber.join(fiber)), expected)
      }
    }))

  it.effect("ends when the server said that it would, and when the person was given less time", () =>
    Effect.gen(function*() {
      for (
        const [wanted, seconds] of [[request(), 600], [
          request(acme, { timeout: Option.some(Stage.minute) }),
          60
        ]] as const
      ) {
        const stage = yield* Stage.make()
        serve(stage, ok({ ...started, expires_in: 600, interval: 50 }), no("authorization_pending"))
        const { fiber, invitation } = yield* waiting(stage, wanted)
        assert.strictEqual(invitation.expiresAt, Stage.NOW + seconds * 1_000)
        yield* TestClock.adjust(Duration.seconds(seconds))
        assert.strictEqual(yield* refusal(Fiber.join(fiber)), "LoginFailed Expired")
      }
    }))

  it.effect("holds the lock while a poll is answered, and releases it between two polls", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const held: Array<boolean> = []
      stage.network.server = (sent) => {
        held.push(stage.lock.isHeld(Stage.LOCK))
        return sent.params["grant_type"] === undefined ? ok(started) : no("authorization_pending")
      }
      const { fiber } = yield* waiting(stage)
      yield* polls(stage, 2)
      yield* TestClock.adjust(0)
      deepStrictEqual(held, [false, true, true])
      assert.isFalse(stage.lock.isHeld(Stage.LOCK))
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("does not poll without the lock, and goes on once it is free", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(stage, ok(started), ok(tokens()))
      const { fiber } = yield* waiting(stage)
      stage.lock.seize(Stage.LOCK)
      yield* TestClock.adjust("36 seconds")
      assert.strictEqual(stage.network.requests.length, 1)
      yield* stage.lock.kill(Stage.LOCK)
      yield* untilPoll(stage)
      yield* Fiber.join(fiber)
    }))

  it.effect("names the lock where that kept it from polling to the end", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(stage, ok({ ...started, expires_in: 60 }), ok(tokens()))
      const { fiber } = yield* waiting(stage)
      stage.lock.seize(Stage.LOCK)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* refusal(Fiber.join(fiber)), "LockTimeout")
    }))

  it.effect("is not cut while a poll is on its way", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const answer = yield* Deferred.make<Stage.Reply>()
      serve(stage, ok(started), Effect.runPromise(Deferred.await(answer)))
      const { fiber } = yield* waiting(stage)
      yield* untilPoll(stage)
      const interrupted = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust(0)
      const granted = tokens()
      yield* Deferred.succeed(answer, ok(granted))
      yield* Fiber.join(interrupted)
      assert.strictEqual(plain((yield* stage.stored)!.refreshToken), granted.refresh_token)
    }))

  it.effect("refuses a start that no person can act on", () =>
    Effect.gen(function*() {
      for (
        const [start, expected] of [
          [no("not_found", 404), "LoginUnavailable MethodNotOffered"],
          [ok({}), "ProviderRejected Protocol"],
          [ok({ ...started, verification_uri: "javascript:alert(1)" }), "ProviderRejected Protocol"],
          [ok({ ...started, user_code: "\u001b[2J" }), "ProviderRejected Protocol"],
          [no("invalid_client", 401), "ProviderRejected InvalidClient"],
          [no("server_error", 500), "ProviderUnavailable ServerError"]
        ] as const
      ) {
        const stage = yield* Stage.make()
        serve(stage, start)
        assert.strictEqual(yield* refusal(stage.login.beginDevice(request())), expected)
        assert.isTrue(Option.isNone(yield* stage.pending.get(key)))
      }
    }))
})

describe("polling step by step", () => {
  it.effect("asks once each time, and stores what is granted", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(stage, ok(started), no("authorization_pending"), no("slow_down"), ok(tokens()))
      const invitation = yield* stage.login.beginDevice(request())
      assert.strictEqual(invitation.expiresAt, Stage.NOW + 900_000)
      assert.strictEqual(yield* refusal(stage.login.poll(key)), "LoginFailed AuthorizationPending")
      const slower = yield* Effect.flip(stage.login.poll(key))
      assert.include(slower.message, "10 s between two polls")
      yield* stage.login.poll(key)
      assert.strictEqual(stage.network.requests.length, 4)
      assert.strictEqual(yield* refusal(stage.login.poll(key)), "LoginFailed NotPending")
    }))

  it.effect("drops an attempt that is over, and keeps one that only failed", () =>
    Effect.gen(function*() {
      for (
        const [answer, expected, stays] of [
          [no("access_denied"), "LoginFailed Denied", false],
          [no("expired_token"), "LoginFailed Expired", false],
          [no("server_error", 500), "ProviderUnavailable ServerError", true],
          ["Reset", "ProviderUnavailable Transport", true]
        ] as const
      ) {
        const stage = yield* Stage.make()
        serve(stage, ok(started), answer)
        yield* stage.login.beginDevice(request())
        assert.strictEqual(yield* refusal(stage.login.poll(key)), expected)
        assert.strictEqual(Option.isSome(yield* stage.pending.get(key)), stays)
      }
    }))

  it.effect("says so when the attempt has ended", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      serve(stage, ok({ ...started, expires_in: 60 }), ok(tokens()))
      yield* stage.login.beginDevice(request())
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* refusal(stage.login.poll(key)), "LoginFailed Expired")
      assert.strictEqual(stage.network.requests.length, 1)
    }))

  it.effect("asks once for two who poll at the same time, once it is granted", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const answer = yield* Deferred.make<Stage.Reply>()
      serve(stage, ok(started), Effect.runPromise(Deferred.await(answer)), no("invalid_grant"))
      yield* stage.login.beginDevice(request(acme, { replace: true }))
      yield* Queue.take(stage.network.arrivals)
      const first = yield* Effect.fork(stage.login.poll(key))
      yield* Queue.take(stage.network.arrivals)
      const second = yield* Effect.fork(refusal(stage.login.poll(key)))
      yield* Queue.take(stage.lock.busy)
      yield* Deferred.succeed(answer, ok(tokens()))
      yield* Fiber.join(first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(second), "LoginFailed NotPending")
      assert.strictEqual(stage.network.requests.length, 2)
    }))
})

describe("variants", () => {
  it.effect("codex: no client in the poll, 403 and 404 wait, and what is granted is a code", () =>
    Effect.gen(function*() {
      const vendor = {
        ...acme,
        id: "codex-like",
        issuer: Option.some("https://acme.example"),
        deviceAuthorizationEndpoint: Option.some("https://acme.example/api/accounts/deviceauth/usercode"),
        device: Option.some(codexDevice)
      }
      const stage = yield* Stage.make({ vendors: [vendor] })
      const answers = [
        no("x", 403),
        no("x", 404),
        ok({ authorization_code: "ac", code_challenge: "c", code_verifier: "v" })
      ]
      stage.network.server = ({ url }) => {
        switch (new URL(url).pathname) {
          case "/api/accounts/deviceauth/usercode":
            return ok({ device_auth_id: "d1", usercode: "ABCD", interval: "7" })
          case "/api/accounts/deviceauth/token":
            return answers.shift()!
          default:
            return ok(tokens())
        }
      }
      const { fiber, invitation } = yield* waiting(stage, request(vendor))
      assert.strictEqual(invitation.expiresAt, Stage.NOW + 900_000)
      assert.strictEqual(
        "verificationUri" in invitation && invitation.verificationUri,
        "https://acme.example/codex/device"
      )
      deepStrictEqual(yield* polls(stage, 3), [7, 7, 7])
      yield* Fiber.join(fiber)
      const sent = stage.network.requests.map(({ params }) => params)
      deepStrictEqual(sent[0], { client_id: "acme-client" })
      deepStrictEqual(sent[3], { device_auth_id: "d1", user_code: "ABCD" })
      deepStrictEqual(sent[4], {
        grant_type: "authorization_code",
        client_id: "acme-client",
        code: "ac",
        code_verifier: "v",
        redirect_uri: "https://acme.example/deviceauth/callback"
      })
    }))

  const github = (exchange: Answer) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ vendors: [copilot] })
      yield* stage.settings.acceptTerms(key.tenant, copilot.id)
      stage.network.server = ({ url }) => {
        if (url === "https://github.com/login/device/code") return ok({ ...started, interval: 1 })
        if (url === "https://github.com/login/oauth/access_token") {
          return ok({ access_token: "gho_1", token_type: "bearer" })
        }
        return url.endsWith("/user") ? ok({ login: "octocat", id: 1 }) : exchange
      }
      const { fiber } = yield* waiting(stage, request(copilot))
      yield* untilPoll(stage)
      return { stage, fiber }
    })

  it.effect("copilot: the login's own token renews, and the plan is asked for at once", () =>
    Effect.gen(function*() {
      const { fiber, stage } = yield* github(ok({ token: "tid=1", expires_at: Stage.NOW / 1_000 + 1_500 }))
      const { stored: { credential } } = yield* Fiber.join(fiber)
      deepStrictEqual([plain(credential.accessToken), plain(credential.refreshToken)], ["tid=1", "gho_1"])
      assert.strictEqual(Option.getOrNull(credential.expiresAt), Stage.NOW / 1_000 + 1_500)
      assert.strictEqual(Option.getOrNull(Option.flatMap(credential.account, ({ label }) => label)), "octocat")
      assert.strictEqual(stage.network.requests.at(-1)!.headers["authorization"], "Bearer gho_1")
    }))

  it.effect("copilot: who has no plan learns it now, and a bad moment costs no login", () =>
    Effect.gen(function*() {
      const without = yield* github(no("no_plan", 403))
      assert.strictEqual(yield* refusal(Fiber.join(without.fiber)), "ProviderRejected Entitlement")
      assert.isNull(yield* without.stage.stored)
      const unlucky = yield* github(no("oops", 502))
      const { stored: { credential } } = yield* Fiber.join(unlucky.fiber)
      deepStrictEqual([plain(credential.accessToken), plain(credential.refreshToken)], [null, "gho_1"])
    }))

  it.effect("kiro: a client of its own first, and JSON in AWS's spelling", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ vendors: [kiro] })
      const expiresAt = Stage.NOW / 1_000 + 86_400
      const replies = [
        { status: 400, body: { __type: "AuthorizationPendingException" } },
        ok({ accessToken: "at", refreshToken: "rt", expiresIn: 3_600 })
      ]
      stage.network.server = ({ url }) => {
        switch (new URL(url).pathname) {
          case "/client/register":
            return ok({ clientId: "dyn", clientSecret: "dyn-secret", clientSecretExpiresAt: expiresAt })
          case "/device_authorization":
            return ok({
              deviceCode: "dc",
              userCode: "UC",
              verificationUri: "https://acme.example/v",
              expiresIn: 600,
              interval: 2
            })
          default:
            return replies.shift()!
        }
      }
      const { fiber } = yield* waiting(stage, request(kiro))
      yield* Queue.take(stage.network.arrivals)
      yield* polls(stage, 2)
      const { stored: { credential } } = yield* Fiber.join(fiber)
      deepStrictEqual([plain(credential.accessToken), plain(credential.clientSecret)], ["at", "dyn-secret"])
      assert.strictEqual(Option.getOrNull(credential.clientSecretExpiresAt), expiresAt)
      deepStrictEqual(stage.network.requests.map(({ body }) => JSON.parse(body)).slice(0, 3), [
        { clientName: "Lockstep", clientType: "public", scopes: [...kiro.scopes] },
        { clientId: "dyn", clientSecret: "dyn-secret", startUrl: "https://view.awsapps.com/start" },
        {
          clientId: "dyn",
          clientSecret: "dyn-secret",
          deviceCode: "dc",
          grantType: "urn:ietf:params:oauth:grant-type:device_code"
        }
      ])
    }))

  it("reads a pending answer by its code, under any status", () => {
    const context = {
      deviceAuthorizationEndpoint: "",
      tokenEndpoint: "",
      scope: Option.none(),
      resource: Option.none()
    }
    const tags = [
      [200, { error: "authorization_pending" }],
      [400, { __type: "com.amazonaws#SlowDownException" }],
      [400, { __type: "SlowDownException" }],
      [400, { error: { code: "expired_token" } }],
      [200, { access_token: "a" }],
      [200, {}]
    ] as const
    deepStrictEqual(
      tags.map(([status, answer]) => DeviceGrant.rfc8628.polled(status, answer, context)._tag),
      ["Pending", "SlowDown", "SlowDown", "Expired", "Granted", "Other"]
    )
  })
})
