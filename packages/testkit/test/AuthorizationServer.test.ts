import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as TokenLedger from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"

describe("AuthorizationServer", () => {
  it.scopedLive("rotates: each refresh token is exchanged for another one, and the newest lives", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice", { accessTokenTtl: 60 })
      const first = yield* server.refresh(login.refresh_token)
      const second = yield* server.refresh(first.body.refresh_token!)
      assert.strictEqual(second.status, 200)
      assert.strictEqual(second.body.expires_in, 60)
      assert.notStrictEqual(second.body.refresh_token, first.body.refresh_token)
      assert.isTrue(yield* server.isActive(second.body.access_token!))
      assert.deepStrictEqual(
        server.ledger.redemptions.map(({ accountId, fingerprint, successor }) => ({
          accountId,
          fingerprint,
          successor
        })),
        [
          {
            accountId: "alice",
            fingerprint: TokenLedger.fingerprint(login.refresh_token),
            successor: TokenLedger.fingerprint(first.body.refresh_token!)
          },
          {
            accountId: "alice",
            fingerprint: TokenLedger.fingerprint(first.body.refresh_token!),
            successor: TokenLedger.fingerprint(second.body.refresh_token!)
          }
        ]
      )
      assert.deepStrictEqual([server.ledger.reuses, server.ledger.refusals, server.ledger.revocations], [[], [], []])
    }))

  it.scopedLive("a refresh token that comes again ends the whole login, and no other one", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice")
      const bystander = yield* server.issue("bob")
      const winner = yield* server.refresh(login.refresh_token)
      const replay = yield* server.refresh(login.refresh_token)
      assert.deepStrictEqual([replay.status, replay.body.error], [400, "invalid_grant"])
      assert.isFalse(yield* server.isActive(winner.body.access_token!))
      assert.strictEqual((yield* server.refresh(winner.body.refresh_token!)).body.error, "invalid_grant")
      assert.strictEqual(server.ledger.reuses.length, 1)
      assert.deepStrictEqual(server.ledger.revocations.map(({ accountId, by }) => [accountId, by]), [[
        "alice",
        "reuse"
      ]])
      assert.isTrue(yield* server.isActive(bystander.access_token))
    }))

  it.scopedLive("of two refreshes at once one is granted, and what it was granted is dead", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice")
      const hold = yield* server.requests.hold
      const both = yield* Effect.fork(
        Effect.all([server.refresh(login.refresh_token), server.refresh(login.refresh_token)], { concurrency: 2 })
      )
      yield* Queue.takeN(hold.arrivals, 2)
      yield* hold.release
      const answers = yield* Fiber.join(both)
      assert.deepStrictEqual(answers.map(({ status }) => status).sort(), [200, 400])
      const winner = answers.find(({ status }) => status === 200)!
      assert.isFalse(yield* server.isActive(winner.body.access_token!))
      assert.deepStrictEqual(
        [server.ledger.redemptions.length, server.ledger.reuses.length, server.ledger.revocations.length],
        [1, 1, 1]
      )
    }))

  it.scopedLive("an issued login leaves the same records as a person's", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const issued = yield* server.issue("alice")
      const person = yield* server.login("bob")
      assert.deepStrictEqual(Object.keys(issued).sort(), Object.keys(person).sort())
      assert.strictEqual(issued.scope, person.scope)
      for (const login of [issued, person]) {
        const next = yield* server.refresh(login.refresh_token)
        assert.strictEqual(next.status, 200)
        assert.deepStrictEqual(Object.keys(next.body).sort(), Object.keys(login).sort())
        assert.strictEqual((yield* server.refresh(login.refresh_token)).status, 400)
        assert.isFalse(yield* server.isActive(next.body.access_token!))
      }
    }))

  it.scopedLive("understands a JSON body like a form", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice")
      const response = yield* Effect.promise(() =>
        fetch(server.tokenEndpoint, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            grant_type: "refresh_token",
            client_id: server.clientId,
            refresh_token: login.refresh_token
          })
        })
      )
      assert.strictEqual(response.status, 200)
      assert.strictEqual(server.ledger.redemptions.length, 1)
    }))

  it.scopedLive("a held answer has consumed the token; a held request has not", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice")
      const before = yield* server.requests.hold
      const after = yield* server.answers.hold
      const pending = yield* Effect.fork(server.refresh(login.refresh_token))
      assert.strictEqual((yield* Queue.take(before.arrivals)).who, TokenLedger.fingerprint(login.refresh_token))
      assert.strictEqual(server.ledger.redemptions.length, 0)
      yield* before.release
      const answered = yield* Queue.take(after.arrivals)
      assert.strictEqual(server.ledger.redemptions.length, 1)
      assert.isNull(pending.unsafePoll())
      yield* answered.pass
      assert.strictEqual((yield* Fiber.join(pending)).status, 200)
    }))

  // The storage that the provider brings forgets what is older than its last 1,000 to 2,000 records, and a login has several.
  it.scopedLive("forgets no login: 600 are all alive", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const logins = yield* Effect.forEach(
        Array.from({ length: 600 }, (_, index) => `account-${index}`),
        (accountId) => server.issue(accountId),
        { concurrency: 8 }
      )
      for (const login of logins) assert.isTrue(yield* server.isActive(login.access_token))
      const first = yield* server.refresh(logins[0]!.refresh_token)
      assert.strictEqual(first.status, 200)
    }))

  it.scopedLive("knows every secret that it issued", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice")
      const next = yield* server.refresh(login.refresh_token)
      const known = new Map(server.ledger.secrets.map(({ kind, value }) => [value, kind]))
      for (const answer of [login, next.body]) {
        assert.strictEqual(known.get(answer.access_token!), "access_token")
        assert.strictEqual(known.get(answer.refresh_token!), "refresh_token")
        assert.strictEqual(known.get(answer.id_token!), "id_token")
      }
    }))

  it.scopedLive("a revocation that a client asks for is told from one after a reuse", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* server.issue("alice")
      const response = yield* Effect.promise(() =>
        fetch(server.revocationEndpoint, {
          method: "POST",
          body: new URLSearchParams({ client_id: server.clientId, token: login.refresh_token })
        })
      )
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(server.ledger.revocations.map(({ by }) => by), ["request"])
      assert.isFalse(yield* server.isActive(login.access_token))
    }))
})
