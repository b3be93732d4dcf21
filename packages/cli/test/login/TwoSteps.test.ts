import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as LoginStage from "../support/LoginStage.js"
import * as Person from "../support/Person.js"
import * as Stage from "../support/Stage.js"

const ACCOUNT = { alice: { id: "alice", label: null }, bob: { id: "bob", label: null } }

describe("a login in two steps", () => {
  it.scopedLive("prints the address and nothing else, and stores what the person brings", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([...stage.at("acme"), "--no-browser"])
      assert.strictEqual(begun.code, 0, begun.stderr)
      assert.match(begun.stdout, /^http:\/\/127\.0\.0\.1:\d+\/auth\?\S+\n$/)
      assert.include(begun.stderr, "lockstep login acme --code -")
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      const ended = yield* stage.run(["login", "acme", "--code", "-", "--json"], { input: `${answer.href}\n` })
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.deepInclude(JSON.parse(ended.stdout), {
        status: "stored",
        tenant: "acme",
        user: "local",
        account: ACCOUNT.alice,
        refreshable: true,
        store: stage.file,
        generation: 1,
        replaced: null
      })
      assert.deepStrictEqual(yield* stage.pending, {})
      const token = yield* stage.run(["token", "acme"], { prints: ["access_token"] })
      assert.strictEqual(token.stdout.trim(), (yield* stage.stored("acme"))!["access_token"])
      const refreshed = yield* stage.run(["refresh", "acme"])
      assert.match(refreshed.stdout, /^acme refreshed: generation 1 → 2,/)
    }))

  it.scopedLive("may end in another tool's file, while what waits for the person is in a home of ours", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const file = path.join(path.dirname(path.dirname(stage.file)), "agent", "auth.json")
      const entry = { access_token: "a", refresh_token: "r", expires_at: 1, token_endpoint: "https://x", provider: "x" }
      fs.mkdirSync(path.dirname(file), { mode: 0o700 })
      fs.writeFileSync(file, JSON.stringify({ other: entry }), { mode: 0o600 })
      const there = ["--store", `openab:${file}`]
      const begun = yield* stage.run([...stage.at("acme"), ...there, "--no-browser"])
      assert.strictEqual(begun.code, 0, begun.stderr)
      assert.lengthOf(Object.keys(yield* stage.pending), 1)
      assert.deepStrictEqual(JSON.parse(fs.readFileSync(file, "utf8")), { other: entry })
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      const ended = yield* stage.run(["login", "acme", ...there, "--code", "-", "--json"], { input: answer.href })
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.deepInclude(JSON.parse(ended.stdout), { status: "stored", store: file, refreshable: true })
      assert.deepStrictEqual(yield* stage.pending, {})
      assert.isUndefined(yield* stage.stored("acme"))
      const refreshed = yield* stage.run(["refresh", "acme", ...there])
      assert.match(refreshed.stdout, /^acme refreshed: generation 1 → 2,/)
      const { acme, other } = JSON.parse(fs.readFileSync(file, "utf8")) as Record<string, typeof entry>
      assert.deepStrictEqual(other, entry)
      const token = yield* stage.run(["token", "acme", ...there], { prints: ["access_token"] })
      assert.strictEqual(token.stdout.trim(), acme!.access_token)
    }))

  it.scopedLive("gives a relay everything in one object", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([
        ...stage.at("acme"),
        "--no-browser",
        "--user",
        "discord 42",
        "--json",
        "--resource",
        "https://api.example"
      ])
      const told = JSON.parse(begun.stdout) as LoginStage.Json
      assert.deepInclude(told, { status: "waiting", tenant: "acme", user: "discord 42", method: "paste" })
      assert.strictEqual(told["next"], "lockstep login acme --user 'discord 42' --code -")
      assert.isAbove(told["expires_at"] as number, Date.now() / 1000)
      assert.strictEqual(begun.stderr, "")
      const url = new URL(told["authorization_url"] as string)
      assert.strictEqual(url.searchParams.get("code_challenge_method"), "S256")
      assert.strictEqual(url.searchParams.get("resource"), "https://api.example")
    }))

  it.scopedLive("shows no secret to a log that hears everything", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const loud = ["--log-level", "all"]
      const begun = yield* stage.run([...loud, ...stage.at("acme"), "--no-browser"])
      const { code_verifier: verifier } = Object.values(yield* stage.pending)[0]!
      assert.isString(verifier)
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      // Every run is searched for tokens, code and verifier: outputs, arguments, titles and file names.
      for (const input of ["no code at all", `${answer.href.replace(/code=[^&]+/, "code=wrong")}`, answer.href]) {
        const ran = yield* stage.run([...loud, "login", "acme", "--code", "-"], { input })
        assert.strictEqual(ran.code, input === answer.href ? 0 : 3, ran.stderr)
      }
    }))

  it.scopedLive("may be given every option again at the second step", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const more = ["--no-browser", "--qr", "--timeout", "5m", "--port", "0", "--user", "bob"]
      const begun = yield* stage.run([...stage.at("acme"), ...more])
      assert.strictEqual(begun.code, 0, begun.stderr)
      // Not read: the second step needs no client secret.
      const line = [...stage.at("acme"), ...more, "--client-secret-from", "/nowhere"]
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      const ended = yield* stage.run([...line, "--code", "-", "--json"], { input: answer.href })
      assert.include(ended.stdout, "\"status\":\"stored\"", ended.stderr)
    }))

  it.scopedLive("keeps two people apart who log in at the same time", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begin = (user: string, profile: string) => stage.run([...stage.at(profile), "--no-browser", "--user", user])
      const [alice, bob] = [yield* begin("alice", "acme"), yield* begin("bob", "acme")]
      const answers = {
        bob: yield* stage.authorize(bob.stdout.trim(), "bob"),
        alice: yield* stage.authorize(alice.stdout.trim(), "alice")
      }
      // One person brings the other's answer: nothing is sent, and both attempts stay.
      const stolen = yield* stage.run(["login", "acme", "--user", "bob", "--code"], { input: answers.alice.href })
      Stage.assertTold(stolen, 3, /answered for another attempt/)
      assert.lengthOf(Object.keys(yield* stage.pending), 2)

      const complete = (user: "alice" | "bob", more: ReadonlyArray<string> = []) =>
        stage.run(["login", "acme", "--user", user, "--json", "--code", "-", ...more], { input: answers[user].href })
      assert.deepInclude(JSON.parse((yield* complete("alice")).stdout), { user: "alice", account: ACCOUNT.alice })
      const refused = yield* complete("bob")
      Stage.assertToldAsJson(refused, 2, "CredentialExists")
      assert.deepInclude(yield* stage.stored("acme"), { account: { id: "alice" } })
      const second = yield* complete("bob", ["--replace"])
      assert.deepInclude(JSON.parse(second.stdout), {
        user: "bob",
        account: ACCOUNT.bob,
        replaced: { account: ACCOUNT.alice, other_account: true }
      })
      assert.match(second.stderr, /logged in as alice and is now logged in as bob/)
      assert.deepStrictEqual(yield* stage.pending, {})
    }))

  it.scopedLive("completes each attempt once", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([...stage.at("acme"), "--no-browser"])
      // In an argument, too: a code is good for one use by the process that knows the verifier.
      const answer = yield* Person.authorize(begun.stdout.trim(), "alice")
      assert.strictEqual((yield* stage.run(["login", "acme", "--code", answer.href])).code, 0)
      const replayed = yield* stage.run(["login", "acme", "--code", answer.href])
      Stage.assertTold(replayed, 3, /no unfinished login/)
      assert.lengthOf(stage.server.ledger.events, 0)
    }))

  it.scopedLive("asks at a terminal until what is pasted is the answer", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([...stage.at("acme"), "--no-browser"])
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      const child = yield* stage.onTerminal(["login", "acme", "--code", "-"])
      yield* LoginStage.shows(child, /Paste the code/)
      yield* child.write("\r")
      yield* LoginStage.shows(child, /Paste the code[\s\S]*Paste the code/)
      yield* child.write("?nothing=here\r")
      yield* LoginStage.shows(child, /waits on, and Ctrl-C leaves it for later[\s\S]*Paste the code/)
      yield* child.write(`${answer.href}\r`)
      const ran = yield* stage.finish(child)
      assert.strictEqual(ran.code, 0, ran.stdout)
      assert.include(ran.stdout, "acme logged in as alice")

      const again = yield* stage.run([...stage.at("acme"), "--no-browser", "--replace"])
      assert.strictEqual(again.code, 0, again.stderr)
      const left = yield* stage.onTerminal(["login", "acme", "--code", "-"])
      yield* LoginStage.shows(left, /Paste the code/)
      yield* left.write("\u0003")
      assert.strictEqual((yield* stage.finish(left)).code, 130)
      assert.property(yield* stage.pending, "acme:local")
    }))

  it.scopedLive("says that an attempt has expired", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const begun = yield* stage.run([...stage.at("acme"), "--no-browser"])
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      yield* stage.age(16 * 60)
      const late = yield* stage.run(["login", "acme", "--code", "-", "--json"], { input: answer.href })
      const error = Stage.assertToldAsJson(late, 3, "LoginFailed", "Expired")
      const begin = `login --issuer ${stage.server.issuer} --client-id ${stage.server.clientId} `
      assert.include(error["advice"], `start again with \`lockstep ${begin}`)
      assert.isUndefined(yield* stage.stored("acme"))
    }))

  it.scopedLive("is listed until it is finished or dropped", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      yield* stage.run([...stage.at("acme"), "--no-browser", "--user", "bob"])
      const status = yield* stage.run(["status"])
      assert.match(status.stdout, /^UNFINISHED LOGIN +USER +METHOD +BEGUN +ENDS\nacme +bob +code +\S.* in 1\dm/)
      const { pending } = JSON.parse((yield* stage.run(["status", "acme", "--json"])).stdout) as LoginStage.Json
      const [one] = pending as ReadonlyArray<LoginStage.Json>
      assert.deepInclude(one, { tenant: "acme", user: "bob", method: "code" })
      assert.isAtMost(one!["age"] as number, 60)
      const doctor = yield* stage.run(["doctor"])
      assert.include(doctor.stdout, "a login of acme by bob waits for its second step")
      const cancel = (user: string) => stage.run(["login", "acme", "--user", user, "--cancel"])
      assert.strictEqual((yield* cancel("alice")).stdout, "acme has no unfinished login of alice\n")
      assert.strictEqual((yield* cancel("bob")).stdout, "acme unfinished login of bob dropped\n")
      assert.deepStrictEqual(yield* stage.pending, {})
    }))
})
