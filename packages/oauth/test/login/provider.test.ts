/**
 * Against a real, strict authorization server over real sockets: what is simulated here is the person alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import * as CredentialLock from "@lockstep/core/CredentialLock"
import * as CredentialStore from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as Host from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as WritableStore from "@lockstep/core/WritableStore"
import * as LoopbackCallback from "@lockstep/node/login/LoopbackCallback"
import { Callback, PortsTaken } from "@lockstep/oauth/Callback"
import { Login } from "@lockstep/oauth/Login"
import * as LoginDriver from "@lockstep/oauth/LoginDriver"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { layerNetwork } from "../network.js"
import * as Stage from "./stage.js"

const { key, refusal, request, tenant } = Stage

const machine = Layer.mergeAll(
  CredentialLock.layerMemory,
  WritableStore.layerMemory,
  RefreshJournal.layerMemory,
  RefreshPolicy.layerDefaults,
  Host.layerMemory,
  PendingLogins.layerMemory,
  ClientRegistrations.layerMemory,
  VendorSettings.layerMemory,
  VendorRegistry.layerBuiltIn,
  layerNetwork,
  Layer.effect(
    Callback,
    Effect.map(LoopbackCallback.make, ({ listen }) => ({
      listen: (options) => Effect.mapError(listen(options), ({ ports }) => new PortsTaken({ ports }))
    }))
  )
)

const layer = Layer.mergeAll(LoginDriver.layer, RefreshCoordinator.layer).pipe(
  Layer.provideMerge(CredentialWriter.layer),
  Layer.provideMerge(OAuthTokenEndpoint.layer),
  Layer.provideMerge(LockedCustody.layer),
  Layer.provideMerge(machine)
)

/** Opens an address as a browser does, logs in as an account and agrees; the address that the browser ends at. */
const agree = (url: URL, account: string, redirectUri: string) =>
  Effect.promise(async () => {
    url.searchParams.set("prompt", "consent")
    url.searchParams.set("login_hint", account)
    const cookies = new Map<string, string>()
    let location = url
    for (let hop = 0; hop < 12; hop++) {
      const response = await fetch(location, {
        redirect: "manual",
        headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") }
      })
      await response.arrayBuffer()
      for (const cookie of response.headers.getSetCookie()) {
        const [name = "", value = ""] = cookie.split(";", 1)[0]!.split(/=(.*)/s)
        cookies.set(name, value)
      }
      const next = response.headers.get("location")
      if (next === null) throw new Error(`the authorization request ended with HTTP ${response.status}`)
      location = new URL(next, location)
      if (location.href.startsWith(redirectUri)) return location
    }
    throw new Error("the authorization request was redirected for ever")
  })

describe("against oidc-provider", () => {
  it.scopedLive("a client registers itself, a person logs in, another process refreshes, without a replay", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* Login
      const wanted = request(OAuthVendor.generic, { issuer: Option.some(server.issuer) })
      const begin = Effect.map(login.begin(wanted), (invitation) => {
        const url = new URL("url" in invitation ? invitation.url : "")
        return { url, redirectUri: url.searchParams.get("redirect_uri")! }
      })

      const first = yield* begin
      assert.strictEqual(first.url.searchParams.get("scope"), "openid offline_access")
      const answer = yield* agree(first.url, "alice", first.redirectUri)
      // It promises to name itself, and does.
      assert.strictEqual(answer.searchParams.get("iss"), server.issuer)
      const unnamed = new URL(answer)
      unnamed.searchParams.delete("iss")
      const mixedUp = yield* refusal(login.complete(key, Redacted.make(unnamed.href)))
      assert.strictEqual(mixedUp, "LoginFailed IssuerMismatch")

      const { stored: { credential } } = yield* login.complete(key, Redacted.make(answer.href))
      assert.strictEqual(Option.getOrNull(Option.flatMap(credential.account, ({ id }) => id)), "alice")
      assert.isTrue(yield* server.isActive(Redacted.value(Option.getOrThrow(credential.accessToken))))

      const coordinator = yield* RefreshCoordinator.RefreshCoordinator
      const { token: refreshed } = yield* coordinator.refresh(tenant)
      assert.isTrue(yield* server.isActive(Redacted.value(refreshed.token)))

      const replayed = yield* refusal(login.complete(key, Redacted.make(answer.href)))
      assert.strictEqual(replayed, "LoginFailed NotPending")
      assert.isTrue(yield* server.isActive(Redacted.value(refreshed.token)))

      const again = yield* login.begin({ ...wanted, replace: true })
      const url = new URL("url" in again ? again.url : "")
      deepStrictEqual(url.searchParams.get("client_id"), Option.getOrNull(credential.clientId))
    }).pipe(Effect.provide(layer)))

  it.scopedLive("a person's browser comes back to a port of this machine, and is shown what is durable", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const login = yield* Login
      const store = yield* CredentialStore.CredentialStore
      const visitor = yield* Stage.person
      const wanted = request(OAuthVendor.generic, { issuer: Option.some(server.issuer) })
      const fiber = yield* Effect.fork(login.browser(wanted, visitor.self))
      const url = yield* visitor.url
      const redirectUri = url.searchParams.get("redirect_uri")!
      const answer = yield* agree(url, "alice", redirectUri)

      const stranger = new URL(answer)
      stranger.searchParams.set("state", "of-a-stranger")
      assert.strictEqual((yield* Effect.promise(() => fetch(stranger))).status, 400)
      const page = yield* Effect.promise(() => fetch(answer))
      assert.isTrue(Option.isSome(yield* store.get(tenant)))
      assert.include(yield* Effect.promise(() => page.text()), "You are logged in")
      const { stored } = yield* Fiber.join(fiber)
      assert.isTrue(yield* server.isActive(Redacted.value(Option.getOrThrow(stored.credential.accessToken))))
      const closed = yield* Effect.exit(Effect.tryPromise(() => fetch(redirectUri)))
      assert.strictEqual(closed._tag, "Failure")
    }).pipe(Effect.provide(layer)))
})
