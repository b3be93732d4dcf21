import { assert, describe, it } from "@effect/vitest"
import {
  CredentialStoreError,
  LockTimeout,
  LockUnavailable,
  ProviderRejected,
  ProviderTimeout,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError,
  RotationNotPersisted
} from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as ProxyProblem from "@lockstep/proxy/ProxyProblem"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Http from "node:http"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

const KEEP = 1_000

const make = (options: Partial<Stage.Setup> & { readonly reads?: boolean } = {}) =>
  Effect.gen(function*() {
    const upstream = yield* Upstream.make(
      (request, response) => void response.end(`hello ${request.url}`),
      { reads: options.reads ?? true }
    )
    const stage = yield* Stage.make({ to: upstream.url, limits: { keep: KEEP }, ...options })
    return { ...stage, upstream, rejectStored: Effect.map(stage.accessToken, (one) => void upstream.rejected.add(one)) }
  })

describe("a token that the upstream refuses", () => {
  it.scopedLive("is renewed once, and the request is sent once more, with its body", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const before = yield* stage.accessToken
      yield* stage.rejectStored
      const body = "x".repeat(KEEP)
      const answer = yield* stage.ask("a?b", { method: "POST", body, headers: { "content-type": "text/plain" } })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.text, "hello /a?b")
      assert.deepStrictEqual(stage.upstream.tokens(), [before, yield* stage.accessToken])
      assert.deepStrictEqual(
        yield* Effect.promise(() => Promise.all(stage.upstream.seen.map((one) => one.body))),
        [body, body]
      )
      assert.isTrue(stage.upstream.seen.every(({ headers }) => headers["content-type"] === "text/plain"))
      assert.lengthOf(stage.machine.server.redemptions, 1)
    }))

  it.scopedLive("is renewed once for all requests that it was refused to, early ones and late ones", () =>
    Effect.gen(function*() {
      const late = yield* Deferred.make<void>()
      const arrived = yield* Queue.unbounded<string>()
      let rejected = ""
      const upstream = yield* Upstream.make((request, response) => {
        if (Upstream.bearer(request) !== rejected) return void response.end("ok")
        const refuse = () => void response.writeHead(401).end()
        Queue.unsafeOffer(arrived, request.url ?? "")
        if (request.url === "/late") void Effect.runPromise(Deferred.await(late)).then(refuse)
        else refuse()
      })
      const stage = yield* Stage.make({ to: upstream.url })
      rejected = yield* stage.accessToken
      const delayed = yield* Effect.fork(stage.ask("late"))
      assert.strictEqual(yield* Queue.take(arrived), "/late")
      const answers = yield* Effect.forEach(
        Array.from({ length: 32 }, (_, index) => index),
        (index) => stage.ask(`now-${index}`, { method: "POST", body: "{}" }),
        { concurrency: "unbounded" }
      )
      assert.isTrue(answers.every(({ status }) => status === 200))
      assert.lengthOf(stage.machine.server.redemptions, 1)
      yield* Deferred.succeed(late, undefined)
      assert.strictEqual((yield* Fiber.join(delayed)).status, 200)
      assert.lengthOf(stage.machine.server.redemptions, 1, "the late refusal adopts")
      assert.lengthOf(stage.machine.server.reuses, 0)
    }))

  it.scopedLive("is renewed all the same where the body is too long to be sent again, and the client is told", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      yield* stage.rejectStored
      const body = "x".repeat(KEEP + 1)
      const answer = yield* stage.ask("", { method: "POST", body })
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(Stage.kind(answer), "not-replayed")
      assert.strictEqual(Stage.problem(answer)["upstream_status"], 401)
      assert.strictEqual(answer.headers["retry-after"], "1")
      assert.lengthOf(stage.upstream.seen, 1)
      assert.lengthOf(stage.machine.server.redemptions, 1)
      const again = yield* stage.ask("", { method: "POST", body })
      assert.strictEqual(again.status, 200)
      assert.strictEqual(yield* Effect.promise(() => stage.upstream.seen[1]!.body), body)
    }))

  it.scopedLive("before the body was read: a short one is waited for, of a long one the client is relieved", () =>
    Effect.gen(function*() {
      const stage = yield* make({ reads: false })
      yield* stage.rejectStored
      /** Sends the second half once the upstream has refused the first. */
      const inHalves = (half: string) =>
        Effect.async<number>((resume) => {
          const request = Http.request(stage.url, { method: "POST", agent: false }, (response) => {
            response.resume()
            resume(Effect.succeed(response.statusCode ?? 0))
          })
          request.on("error", (error) => resume(Effect.die(error)))
          request.write(half)
          void Effect.runPromise(Queue.take(stage.machine.server.arrivals)).then(() => request.end(half))
        })
      assert.strictEqual(yield* inHalves("x".repeat(KEEP / 2)), 200)
      assert.strictEqual(stage.upstream.seen[1]!.headers["content-length"], String(KEEP))
      yield* stage.rejectStored
      assert.strictEqual(yield* inHalves("x".repeat(KEEP)), 503)
      assert.lengthOf(stage.machine.server.redemptions, 2)
    }))

  it.scopedLive("twice: the client gets no 401, which would be its own to deal with, and no third request is sent", () =>
    Effect.gen(function*() {
      const challenge = "Bearer resource_metadata=\"https://x.example/.well-known/y\""
      const upstream = yield* Upstream.make((_, response) => {
        response.writeHead(401, { "WWW-Authenticate": challenge }).end()
      })
      const stage = yield* Stage.make({ to: upstream.url })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.kind(answer), "token-rejected")
      assert.notProperty(answer.headers, "www-authenticate")
      assert.strictEqual(answer.headers["lockstep-www-authenticate"], challenge)
      assert.lengthOf(upstream.seen, 2)
      // And never more than a few redemptions, however long the upstream goes on like this.
      for (let count = 0; count < 6; count++) yield* stage.ask("")
      assert.lengthOf(stage.machine.server.redemptions, 3)
      assert.strictEqual(Stage.problem(yield* stage.ask(""))["reason"], "FreshTokenRejected")
    }))

  it.scopedLive("a 403 is the client's own, without the challenge that would begin a login", () =>
    Effect.gen(function*() {
      const upstream = yield* Upstream.make((_, response) => {
        response.writeHead(403, { "WWW-Authenticate": "Bearer error=\"insufficient_scope\", scope=\"files:write\"" })
          .end("not with this scope")
      })
      const stage = yield* Stage.make({ to: upstream.url })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.status, 403)
      assert.strictEqual(answer.text, "not with this scope")
      assert.notProperty(answer.headers, "www-authenticate")
      assert.include(answer.headers["lockstep-www-authenticate"], "files:write")
      assert.lengthOf(stage.machine.server.redemptions, 0)
    }))
})

describe("a login that gives no token", () => {
  it.scopedLive("is told with advice, and nothing is sent to the upstream", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: -60 })
      stage.machine.server.next({
        _tag: "Answer",
        answer: RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
      })
      const answer = yield* stage.ask("", { method: "POST", body: "x".repeat(100_000) })
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.kind(answer), "login-required")
      const { _tag, advice, reason } = Stage.problem(answer)
      assert.deepStrictEqual({ _tag, reason }, { _tag: "ReauthorizationRequired", reason: "InvalidGrant" })
      assert.strictEqual(advice, "log in again")
      assert.notProperty(answer.headers, "www-authenticate")
      assert.lengthOf(stage.upstream.seen, 0)
      assert.isTrue(stage.lines.some((line) => line.includes("login-required")))
    }))

  it.scopedLive("after a refusal, too", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      yield* stage.rejectStored
      stage.machine.server.next({
        _tag: "Answer",
        answer: RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
      })
      const answer = yield* stage.ask("")
      assert.strictEqual(answer.status, 502)
      assert.strictEqual(Stage.kind(answer), "login-required")
      assert.lengthOf(stage.upstream.seen, 1)
      assert.strictEqual(answer.headers["content-type"], "application/problem+json")
    }))

  it.scopedLive("is not waited for by a client that has gone", () =>
    Effect.gen(function*() {
      const stage = yield* make({ left: -60 })
      const gate = yield* Deferred.make<void>()
      stage.machine.server.next({ _tag: "GrantLate", gate })
      const asking = yield* Effect.fork(stage.ask(""))
      yield* Queue.take(stage.machine.server.arrivals)
      yield* Fiber.interrupt(asking)
      yield* Effect.repeat(Effect.yieldNow(), { until: () => stage.proxy.streams() === 0 })
      yield* Deferred.succeed(gate, undefined)
      // The redemption went on without its caller.
      assert.strictEqual((yield* stage.ask("")).status, 200)
      assert.lengthOf(stage.machine.server.redemptions, 1)
      assert.lengthOf(stage.upstream.seen, 1)
    }))

  it("is a problem of its own kind for everything that can happen, and never a 401", () => {
    const tenant = MemoryMachine.tenant
    const errors: ReadonlyArray<readonly [RefreshError, number, string, number | undefined]> = [
      [new ReauthorizationRequired({ tenant, reason: "NotFound" }), 502, "login-required", undefined],
      [new LockTimeout({ lock: tenant, waited: 1, holder: Option.none() }), 503, "lock-timeout", 1],
      [new LockUnavailable({ reason: "Remote", path: "/x" }), 500, "lock-unavailable", undefined],
      [new ProviderTimeout({ tenant, reason: "StillRunning", waited: 1 }), 504, "provider-timeout", 1],
      [
        new ProviderUnavailable({ tenant, reason: "RateLimited", retryAfter: 2_500 }),
        503,
        "provider-unavailable",
        3
      ],
      [new ProviderRejected({ tenant, reason: "Entitlement" }), 502, "provider-rejected", undefined],
      [new CredentialStoreError({ reason: "Decode", location: "/x" }), 500, "store", undefined],
      [new RotationNotPersisted({ tenant, location: "/x", kept: "AnswerFile" }), 500, "not-persisted", undefined]
    ]
    for (const [error, status, kind, retryAfter] of errors) {
      const problem = ProxyProblem.fromRefreshError(error)
      const { detail: _, title: __, ...json } = ProxyProblem.toJson(problem) as Record<string, unknown>
      assert.deepStrictEqual(json, {
        type: `urn:lockstep:problem:${kind}`,
        status,
        advice: error.advice,
        _tag: error._tag,
        ...("reason" in error ? { reason: error.reason } : {}),
        ...(retryAfter === undefined ? {} : { retry_after: retryAfter })
      })
      assert.strictEqual(
        ProxyProblem.headers(problem)["Retry-After"],
        retryAfter === undefined ? undefined : String(retryAfter)
      )
    }
  })
})
