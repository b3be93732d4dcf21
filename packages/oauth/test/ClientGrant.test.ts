/** Grants without a person, at servers in memory: what of their answers counts, and how long both requests may take. */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import * as Credential from "@lockstep/core/Credential"
import { type RedeemAnswer, TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as ClientGrant from "@lockstep/oauth/ClientGrant"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { limit, tenant } from "./network.js"

const PROVIDER = "https://idp.example/token"
const SERVER = "https://api.example/token"

/** What servers add to such an answer that nobody asked for. */
const GENEROUS = {
  access_token: "an-access-token",
  token_type: "Bearer",
  expires_in: 60,
  refresh_token: "one-too-many",
  id_token: "of-somebody-else"
}

const ASSERTION = {
  access_token: "the-assertion",
  token_type: "N_A",
  expires_in: 300,
  refresh_token: "r",
  id_token: "i"
}

const json = (body: unknown): Response =>
  new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } })

type Serve = (url: string) => Promise<Response>

/** A record of one of the grants, and servers that answer as `serve` says. */
const redeem = (grant: string, serve: Serve) =>
  Effect.gen(function*() {
    const endpoint = yield* TokenEndpoint
    const record = Credential.Credential.make({
      grant: Option.some(grant),
      issuer: Option.some("https://api.example"),
      tokenEndpoint: Option.some(SERVER),
      clientId: Option.some("bot"),
      clientSecret: Option.some(Redacted.make("its-secret")),
      idToken: Option.some(Redacted.make("the-id-token")),
      subjectTokenEndpoint: Option.some(PROVIDER),
      subjectClientId: Option.some("idp-client")
    })
    return yield* (yield* endpoint.prepare(tenant, record)).redeem(limit)
  }).pipe(
    Effect.provide(OAuthTokenEndpoint.layer.pipe(Layer.provide([
      // The server does not describe itself.
      Fetch.layer((url) =>
        url.includes("/.well-known/") ? Promise.resolve(new Response("", { status: 404 })) : serve(url)
      ),
      VendorRegistry.layer([OAuthVendor.generic]),
      VendorSettings.layerMemory,
      ClientRegistrations.layerMemory
    ])))
  )

const grants = [ClientGrant.CLIENT_CREDENTIALS, ClientGrant.JWT_BEARER]

describe("a grant without a person", () => {
  for (const grant of grants) {
    it.effect(`takes the access token alone: ${grant}`, () =>
      Effect.gen(function*() {
        const answer = yield* redeem(grant, async (url) => json(url === PROVIDER ? ASSERTION : GENEROUS))
        if (answer._tag !== "Granted") return assert.fail(answer._tag)
        assert.strictEqual(Redacted.value(answer.grant.accessToken), "an-access-token")
        // The record keeps what it asks with: an id token of the server is not the person's, and no token rotates.
        deepStrictEqual([answer.grant.refreshToken, answer.grant.idToken], [Option.none(), Option.none()])
      }))
  }

  it.effect("has one bound for both requests", () =>
    Effect.gen(function*() {
      const arrivals = yield* Queue.unbounded<string>()
      const asserted = yield* Deferred.make<Response>()
      const fiber = yield* Effect.fork(redeem(ClientGrant.JWT_BEARER, async (url) => {
        Queue.unsafeOffer(arrivals, url)
        return url === PROVIDER ? Effect.runPromise(Deferred.await(asserted)) : new Promise<Response>(() => {})
      }))
      assert.strictEqual(yield* Queue.take(arrivals), PROVIDER)
      yield* TestClock.adjust("10 seconds")
      yield* Deferred.succeed(asserted, json(ASSERTION))
      assert.strictEqual(yield* Queue.take(arrivals), SERVER)
      // What is left of the fifteen.
      yield* TestClock.adjust("5 seconds")
      const answer: RedeemAnswer = yield* Fiber.join(fiber)
      assert.strictEqual(answer._tag, "Unknown")
    }))

  it.effect("asks the server nothing with an assertion that it did not get", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const answer = yield* redeem(ClientGrant.JWT_BEARER, async (url) => {
        asked.push(url)
        return new Response(JSON.stringify({ error: "invalid_grant" }), { status: 400 })
      })
      assert.notStrictEqual(answer._tag, "Granted")
      deepStrictEqual(asked, [PROVIDER])
    }))
})
