import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { type Invitation, LockstepError, type LoginOptions, open } from "../../src/index.js"
import * as Person from "../support/Person.js"

const stage = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-promise-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const lockstep = yield* Effect.acquireRelease(
    Effect.promise(() => open({ home })),
    (one) => Effect.promise(() => one.close())
  )
  const login = (options: LoginOptions = {}) =>
    lockstep.login("acme", {
      issuer: server.issuer,
      clientId: server.clientId,
      scopes: ["openid", "offline_access"],
      ...options
    })
  return { server, home, lockstep, login }
})

/** Logs in as alice, as a person in a browser does. */
const agree = async (invitation: Invitation) => {
  assert.strictEqual(invitation.kind, "browser")
  await Effect.runPromise(Effect.flatMap(Person.authorize(invitation.url, "alice"), Person.visit))
}

const rejection = <A>(promise: Promise<A>): Effect.Effect<unknown> =>
  Effect.promise(() =>
    promise.then(() => {
      throw new Error("it was fulfilled")
    }, (error: unknown) => error)
  )

describe("login of the front door", () => {
  it.scopedLive("stores what the person's browser brings back, and serves its token", () =>
    Effect.gen(function*() {
      const { home, lockstep, login, server } = yield* stage
      const logged = yield* Effect.promise(() => login({ onInvitation: agree }))
      assert.deepInclude(logged, { tenant: "acme", replaced: false, generation: 1 })
      assert.strictEqual(logged.account?.id, "alice")
      const token = yield* Effect.promise(() => lockstep.accessToken("acme"))
      assert.include(readFileSync(join(home, "auth.json"), "utf8"), token.token)
      assert.strictEqual(token.authorization, `Bearer ${token.token}`)
      for (const shown of [inspect(token, { depth: 9, showHidden: true }), JSON.stringify(token)]) {
        assert.notInclude(shown, token.token)
      }
      assert.isTrue(yield* server.isActive(token.token))
      const all = yield* Effect.promise(() => lockstep.status())
      assert.deepEqual(all.map(({ state, tenant }) => [tenant, state]), [["acme", "fresh"]])
    }))

  it.scopedLive("does not replace a live login unasked, and says how to", () =>
    Effect.gen(function*() {
      const { login } = yield* stage
      yield* Effect.promise(() => login({ onInvitation: agree }))
      const error = yield* rejection(login({ onInvitation: agree }))
      assert.instanceOf(error, LockstepError)
      assert.strictEqual((error as LockstepError)._tag, "CredentialExists")
      const again = yield* Effect.promise(() => login({ onInvitation: agree, replace: true }))
      assert.deepInclude(again, { replaced: true, generation: 2 })
    }))

  it.scopedLive("ends with its signal, and with what the program's own function throws", () =>
    Effect.gen(function*() {
      const { home, login } = yield* stage
      const abort = new AbortController()
      const reason = new Error("enough")
      assert.strictEqual(
        yield* rejection(login({ onInvitation: () => abort.abort(reason), signal: abort.signal })),
        reason
      )
      const own = new Error("no window")
      const thrown = rejection(login({
        onInvitation: () => {
          throw own
        }
      }))
      assert.strictEqual(yield* thrown, own)
      assert.throws(() => readFileSync(join(home, "auth.json")))
    }))

  it.scopedLive("takes what a person pastes from a browser elsewhere", () =>
    Effect.gen(function*() {
      const { login } = yield* stage
      let bring = (_answer: string): void => {}
      const brought = new Promise<string>((resolve) => {
        bring = resolve
      })
      const logged = yield* Effect.promise(() =>
        login({
          onInvitation: async ({ url }) => bring(String(await Effect.runPromise(Person.authorize(url, "alice")))),
          paste: () => brought
        })
      )
      assert.deepInclude(logged, { tenant: "acme", generation: 1 })
    }))

  it.scopedLive("names the option that is wrong, before anything is asked", () =>
    Effect.gen(function*() {
      const { lockstep, login } = yield* stage
      const error = yield* rejection(login({ timeout: -1 }))
      assert.deepInclude(error, { _tag: "UsageError", message: "timeout is no span of time" })
      const unknown = yield* rejection(lockstep.login("codx"))
      assert.deepInclude(unknown, { _tag: "UsageError", reason: "Arguments" })
      assert.match((unknown as LockstepError).advice, /codex/)
    }))
})
