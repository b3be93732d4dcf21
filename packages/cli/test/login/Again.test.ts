import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as LoginStage from "../support/LoginStage.js"
import * as Person from "../support/Person.js"
import * as Stage from "../support/Stage.js"

const ESCAPE = "\u001b"

describe("a tenant that is logged in", () => {
  it.scopedLive("is not replaced unasked, and no person is sent to a browser for nothing", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      assert.strictEqual((yield* stage.login("acme", "alice")).code, 0)
      for (const more of [[], ["--no-browser"], ["--device"]]) {
        const refused = yield* stage.run(["login", "acme", ...more])
        Stage.assertTold(refused, 2, /acme is logged in already as alice/)
      }
    }))

  it.scopedLive("repeats its login at its own server, as its own client, and says who it was", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      yield* stage.login("acme", "alice")
      const begun = yield* stage.run(["login", "acme", "--no-browser", "--replace"])
      const url = new URL(begun.stdout.trim())
      assert.strictEqual(url.origin, stage.server.issuer)
      assert.strictEqual(url.searchParams.get("client_id"), stage.server.clientId)
      assert.include(url.searchParams.get("scope"), "offline_access")
      const answer = yield* stage.authorize(url.href, "bob")
      const ended = yield* stage.run(["login", "acme", "--code"], { input: answer.href })
      assert.match(ended.stdout, /^acme logged in as bob \(was alice\): /)
      assert.match(ended.stderr, /^lockstep: warning: acme was logged in as alice/)
    }))

  it.scopedLive("is replaced without a question once its login has ended", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      yield* stage.login("acme", "alice")
      const first = (yield* stage.stored("acme"))!
      // Another program redeems the refresh token: the next refresh looks like theft, and the login is over.
      yield* stage.server.refresh(first["refresh_token"] as string)
      const refused = yield* stage.run(["refresh", "acme"])
      assert.strictEqual(refused.code, 3, refused.stderr)
      assert.include(refused.stderr, "lockstep login acme")
      // The access token still works; a person who was told to log in again is not asked whether that is meant.
      const begun = yield* stage.run(["login", "acme", "--no-browser"])
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      assert.strictEqual((yield* stage.run(["login", "acme", "--code"], { input: answer.href })).code, 0)
      assert.strictEqual((yield* stage.run(["refresh", "acme"])).code, 0)
    }))

  it.scopedLive("is adopted by a process that runs", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([...stage.at("acme"), "--no-browser"])
      const watching = yield* stage.start(["status", "--watch", "--json"])
      yield* watching.message((message) => (message["tenants"] as ReadonlyArray<unknown>).length === 0)
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      yield* stage.run(["login", "acme", "--code"], { input: answer.href })
      yield* watching.message((message) => (message["tenants"] as ReadonlyArray<unknown>).length === 1)
      yield* watching.signal("SIGTERM")
      yield* stage.finish(watching)
    }))
})

describe("at a terminal", () => {
  it.scopedLive("an address can be pasted where no browser can be opened, as over SSH", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.onTerminal(stage.at("acme"), { SSH_CONNECTION: "192.0.2.1 22 192.0.2.2 22" })
      const text = yield* LoginStage.shows(child, /Paste the address here: /)
      const [url = ""] = /http:\/\/127\.0\.0\.1:\d+\/auth\?\S+/.exec(text) ?? []
      // The terminal shows what is pasted: that code is no secret of this test.
      const answer = yield* Person.authorize(url, "alice")
      yield* child.write(`${answer.href}\r`)
      assert.strictEqual((yield* child.exit).code, 0)
      assert.include(yield* child.stdout, "acme logged in as alice")
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("a person is asked whether a live login is replaced, and Ctrl-C ends the wait", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      yield* stage.login("acme", "alice")
      const no = yield* stage.onTerminal(["login", "acme"])
      yield* LoginStage.shows(no, /logged in already as alice[\s\S]*Replace this login\?/)
      yield* no.write("n\r")
      assert.strictEqual((yield* no.exit).code, 2)
      const yes = yield* stage.onTerminal(["login", "acme"])
      yield* LoginStage.shows(yes, /Replace this login\?/)
      yield* yes.write("y\r")
      yield* LoginStage.shows(yes, /Waiting, \d+m/)
      yield* yes.write("\u0003")
      assert.strictEqual((yield* yes.exit).code, 130)
      assert.strictEqual((yield* stage.stored("acme"))!["generation"], 1)
    }))

  it.scopedLive("the address can be shown as a QR code, and the time left keeps changing", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.onTerminal([...stage.at("acme"), "--device", "--qr"])
      yield* LoginStage.shows(child, new RegExp(`█[\\s\\S]*Waiting, [\\s\\S]*${ESCAPE}\\[KWaiting, `))
      yield* child.write("\u0003")
      assert.strictEqual((yield* child.exit).code, 130)
    }))
})
