import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import * as LoginStage from "../support/LoginStage.js"
import * as Person from "../support/Person.js"
import * as Stage from "../support/Stage.js"

const isWaiting = (message: LoginStage.Json) => message["status"] === "waiting"

/** Starts a login and waits for its address. */
const begin = (stage: LoginStage.LoginStage, ...more: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const child = yield* stage.start([...stage.at("acme"), "--json", ...more])
    const told = yield* child.message(isWaiting)
    return { child, url: told["authorization_url"] as string }
  })

describe("a login in a browser of this machine", () => {
  it.scopedLive("stores what the browser brings back, and shows the person that it did", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const { child, url } = yield* begin(stage)
      const page = yield* Person.visit(yield* stage.authorize(url, "alice"))
      assert.strictEqual(page.status, 200)
      assert.notMatch(page.text, /[?&]code=/)
      const ran = yield* stage.finish(child)
      assert.strictEqual(ran.code, 0, ran.stderr)
      const lines = ran.stdout.trim().split("\n").map((line) => JSON.parse(line) as LoginStage.Json)
      assert.deepStrictEqual(lines.map(({ status }) => status), ["waiting", "stored"])
      assert.deepInclude(lines[1], { tenant: "acme", method: "browser", generation: 1 })
      assert.strictEqual((yield* stage.stored("acme"))!["client_id"], stage.server.clientId)
    }))

  it.scopedLive("keeps stdout for the result and tells a person the rest", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.start(stage.at("acme"), { env: { BROWSER: "true" } })
      const text = yield* LoginStage.shows({ stdout: child.stderr }, /Waiting, .* left/)
      const [url = ""] = /http:\S+/.exec(text) ?? []
      yield* Person.visit(yield* stage.authorize(url, "alice"))
      const ran = yield* stage.finish(child)
      assert.match(
        ran.stdout,
        /^acme logged in as alice: expires in (1h|59m \d+s), stored in .*auth\.json\n$/
      )
    }))

  it.scopedLive("is not ended by the answer to another login", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const { child, url } = yield* begin(stage)
      const answer = yield* stage.authorize(url, "alice")
      const forged = new URL(answer)
      forged.searchParams.set("state", "0".repeat(43))
      assert.isAtLeast((yield* Person.visit(forged)).status, 400)
      assert.strictEqual((yield* Person.visit(answer)).status, 200)
      assert.strictEqual((yield* stage.finish(child)).code, 0)
    }))

  it.scopedLive("reads no address from a pipe: no person looks at a page there", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.start([...stage.at("acme"), "--json"])
      yield* child.write("something for the next program\n")
      const told = yield* child.message(isWaiting)
      const answer = yield* stage.authorize(told["authorization_url"] as string, "alice")
      yield* child.closeStdin
      assert.strictEqual((yield* Person.visit(answer)).status, 200)
      assert.strictEqual((yield* stage.finish(child)).code, 0)
    }))

  it.scopedLive("leaves nothing behind after Ctrl-C", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const { child, url } = yield* begin(stage)
      yield* child.signal("SIGINT")
      assert.strictEqual((yield* stage.finish(child)).code, 130)
      assert.isFalse(existsSync(stage.file))
      const callback = new URL(url).searchParams.get("redirect_uri")!
      const refused = yield* Effect.exit(Effect.tryPromise(() => fetch(callback)))
      assert.strictEqual(refused._tag, "Failure")
    }))

  it.scopedLive("ends when its time is over", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const ran = yield* stage.run([...stage.at("acme"), "--timeout", "100ms"])
      assert.strictEqual(ran.code, 3, ran.stderr)
      assert.match(ran.stderr, /the login of acme was not finished in time/)
    }))

  it.scopedLive("waits for no person where no terminal, no program and no browser leads to one", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const home = ["--home", stage.harness.home]
      // Nothing to open it with; then something that fails.
      for (const BROWSER of ["none", "false"]) {
        const ran = yield* stage.run([...stage.at("acme"), ...home, "--user", "discord 42"], { env: { BROWSER } })
        Stage.assertTold(ran, 2, /no terminal shows the address of this login, and no browser can be opened/)
        const [, line = ""] = /`lockstep ([^`]*)`/.exec(ran.stderr) ?? []
        for (const word of ["--issuer", "--user 'discord 42'", "--no-browser", "--home"]) assert.include(line, word)
        const begun = yield* stage.shell(`$LOCKSTEP ${line}`)
        assert.strictEqual(begun.code, 0, begun.stderr)
        const [, second = ""] = /`lockstep ([^`]*)`/.exec(begun.stderr) ?? []
        const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
        const ended = yield* stage.shell(`$LOCKSTEP ${second}`, answer.href)
        assert.strictEqual(ended.code, 0, ended.stderr)
        yield* stage.run(["logout", "acme", ...home])
      }
    }))

  it.scopedLive("asks again for what was pasted wrong, and still takes what the browser brings", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const child = yield* stage.onTerminal(stage.at("acme"), { BROWSER: "none" })
      const text = yield* LoginStage.shows(child, /Paste the address here/)
      const url = text.split(/\s+/).find((word) => word.startsWith("http://127.0.0.1"))!
      const answer = yield* stage.authorize(url, "alice")
      const other = new URL(answer)
      other.searchParams.set("state", "0".repeat(43))
      const wrong = new URL(answer)
      wrong.searchParams.set("code", "mistyped")
      yield* child.write("https://elsewhere.example/page\r")
      yield* LoginStage.shows(child, /holds no code/)
      yield* child.write(`${other.href}\r`)
      yield* LoginStage.shows(child, /answered for another attempt/)
      yield* child.write("mistyped\r")
      yield* LoginStage.shows(child, /a code that the server refuses/)
      yield* child.write(`${wrong.href}\r`)
      yield* LoginStage.shows(child, /refuses[\s\S]*refuses/)
      assert.strictEqual((yield* Person.visit(answer)).status, 200)
      const ran = yield* stage.finish(child)
      assert.strictEqual(ran.code, 0, ran.stdout)
      assert.include(ran.stdout, "acme logged in as alice")
    }))

  it.scopedLive("says what it cannot do before a person is sent to a browser", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const usage = (args: ReadonlyArray<string>, what: RegExp) =>
        Effect.map(stage.run(["login", ...args]), (ran) => Stage.assertTold(ran, 2, what))
      yield* usage(["https://user:pass@mcp.example/mcp"], /must hold no password/)
      yield* usage([], /no login is named/)
      yield* usage(["cursor"], /cursor is not offered.*reverse engineering/)
      yield* usage(["hermes"], /an agent, not a vendor/)
      yield* usage(["codx"], /neither a vendor nor a login/)
      yield* usage(["codex", "--tenant", "a", "--profile", "b"], /exclude each other/)
      yield* usage(["codex", "--poll", "--cancel"], /exclude each other/)
      yield* usage(["codex", "--port", "70000"], /--port: a number from 0 to 65535/)
      yield* usage(["codex", "--user", "a\nb"], /--user: 1 to 256 characters/)
      yield* usage(["--tenant", "acme"], /nothing is known of the server of acme/)
      const gemini = yield* stage.run(["login", "gemini", "--accept-terms", "--json"])
      assert.include(gemini.stderr, "an API key in GEMINI_API_KEY")
      Stage.assertToldAsJson({ ...gemini, stderr: "" }, 2, "LoginUnavailable", "ClientSecretMissing")
      assert.deepStrictEqual(yield* stage.pending, {})
    }))
})
