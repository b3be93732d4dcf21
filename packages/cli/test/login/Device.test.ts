import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as LoginStage from "../support/LoginStage.js"
import * as Person from "../support/Person.js"
import * as Stage from "../support/Stage.js"

describe("a login on another device", () => {
  it.scopedLive("prints address and code, and waits until the person has agreed", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.start([...stage.at("acme"), "--device"])
      const shown = yield* LoginStage.shows(child, /\n.*\n/)
      const [address = "", code = ""] = shown.split("\n")
      assert.include(address, `user_code=${code}`)
      yield* Person.agree(address)
      const ran = yield* stage.finish(child)
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stdout.split("\n")[2]!, /^acme logged in as person/)
      assert.include(ran.stderr, "open this address and compare this code")
    }))

  it.scopedLive("lets a relay start it, ask once at a time, and end each time", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([...stage.at("acme"), "--device", "--no-browser", "--user", "bob"])
      assert.strictEqual(begun.code, 0, begun.stderr)
      const [address = "", code = "", ...rest] = begun.stdout.split("\n")
      assert.include(address, code)
      assert.deepStrictEqual(rest, [""])
      const poll = stage.run(["login", "acme", "--user", "bob", "--poll", "--json"])
      Stage.assertToldAsJson(yield* poll, 3, "LoginFailed", "AuthorizationPending")
      yield* Person.agree(address)
      const stored = yield* poll
      assert.strictEqual(stored.code, 0, stored.stdout)
      assert.deepInclude(JSON.parse(stored.stdout), { status: "stored", user: "bob", method: "device" })
      Stage.assertToldAsJson(yield* poll, 3, "LoginFailed", "NotPending")
    }))

  it.scopedLive("tells a program line by line", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.start([...stage.at("acme"), "--device", "--json"])
      const told = yield* child.message((message) => message["status"] === "waiting")
      assert.isString(told["user_code"])
      yield* Person.agree(told["verification_uri_complete"] as string)
      const ran = yield* stage.finish(child)
      assert.deepStrictEqual(
        ran.stdout.trim().split("\n").map((line) => (JSON.parse(line) as LoginStage.Json)["status"]),
        ["waiting", "stored"]
      )
      assert.strictEqual(ran.stderr, "")
    }))
})
