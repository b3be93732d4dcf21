/**
 * Logins that a client in a sandbox begins at a keeper and brings to an end there, at a real authorization server: the client
 * gets an address to show and nothing else.
 */
import { assert, describe, it } from "@effect/vitest"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as KeeperStage from "../support/KeeperStage.js"
import * as LoginStage from "../support/LoginStage.js"
import * as McpStage from "../support/McpStage.js"
import * as Person from "../support/Person.js"

/** A keeper beside a home, and agents with keys. */
const beside = (stage: LoginStage.LoginStage) =>
  Effect.gen(function*() {
    const user = stage.harness.environment["HOME"]!
    const keeper = yield* KeeperStage.serve(stage, ["--agent-socket", join(user, "run", "agents.sock")])
    const asking = (place: KeeperStage.Place, headers: Readonly<Record<string, string>>) => ({
      begin: (body: unknown) => KeeperStage.ask(place, "/v1/logins", { method: "POST", headers, body }),
      end: (tenant: string, step: "code" | "poll", body?: unknown) =>
        KeeperStage.ask(place, `/v1/logins/${encodeURIComponent(tenant)}/${step}`, { method: "POST", headers, body }),
      token: (tenant: string) => KeeperStage.ask(place, `/v1/tenants/${encodeURIComponent(tenant)}/token`, { headers })
    })
    const agent = (name: string, ...more: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        const file = join(user, `${name}.key`)
        const ran = yield* stage.run(["agent", "add", name, "--out", file, ...more])
        assert.strictEqual(ran.code, 0, ran.stderr)
        return asking({ socketPath: keeper.where.agent_socket! }, {
          Authorization: `Bearer ${readFileSync(file, "utf8")}`
        })
      })
    return { keeper, agent, own: asking(keeper.own, {}) }
  })

/** What the client is told must lead a person somewhere, and the client nowhere else. */
const assertNoSecret = (stage: LoginStage.LoginStage, ...answers: ReadonlyArray<KeeperStage.Answer>) => {
  for (const { text } of answers) {
    for (const { kind, value } of stage.secrets()) {
      if (kind !== "access_token") assert.notInclude(text, value, kind)
    }
  }
}

/** Another program redeems the refresh token: the next refresh looks like theft, and the login is over. */
const endLogin = (stage: LoginStage.LoginStage, tenant: string) =>
  Effect.gen(function*() {
    yield* stage.server.refresh((yield* stage.stored(tenant))!["refresh_token"] as string)
    yield* stage.expire(tenant)
    assert.strictEqual((yield* stage.run(["refresh", tenant])).code, 3)
  })

describe("a login through a keeper", () => {
  it.scopedLive("is begun over the socket, shown to the person, ended with the address that came back, and handed out", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      yield* stage.login("acme", "alice")
      const { agent, own } = yield* beside(stage)
      const box = yield* agent("box", "--tenant", "acme", "--allow-login")
      const living = yield* box.begin({ target: "acme" })
      assert.strictEqual(living.status, 409)
      assert.strictEqual(KeeperStage.problemOf(living)._tag, "CredentialExists")

      yield* endLogin(stage, "acme")
      const over = yield* box.token("acme")
      assert.strictEqual(over.status, 409, over.text)
      const begun = yield* box.begin({ target: "acme" })
      assert.strictEqual(begun.status, 201, begun.text)
      const { expires_at: expiresAt, url, ...rest } = KeeperStage.jsonOf<LoginStage.Json>(begun)
      assert.deepStrictEqual(rest, { tenant: "acme", kind: "browser" })
      assert.isAbove(expiresAt as number, Date.now() / 1000)
      assert.strictEqual(new URL(url as string).origin, stage.server.issuer)

      // Each caller has attempts of its own: what the user brings is none of the agent's.
      const answer = yield* stage.authorize(url as string, "alice")
      const foreign = yield* own.end("acme", "code", { code: answer.href })
      assert.deepInclude(KeeperStage.problemOf(foreign), { _tag: "LoginFailed", reason: "NotPending" })
      const wrong = yield* box.end("acme", "code", { code: `${answer.origin}/?code=x&state=other` })
      assert.deepInclude(KeeperStage.problemOf(wrong), { _tag: "LoginFailed" })
      const ended = yield* box.end("acme", "code", { code: answer.href })
      assert.strictEqual(ended.status, 200, ended.text)
      assert.deepInclude(KeeperStage.jsonOf<LoginStage.Json>(ended), { tenant: "acme", account: { id: "alice" } })
      const token = KeeperStage.tokenOf(yield* box.token("acme"))
      assert.strictEqual(token.access_token, (yield* stage.stored("acme"))!["access_token"])
      assert.deepStrictEqual(yield* stage.pending, {})
      assertNoSecret(stage, living, begun, foreign, wrong, ended)
      assert.include(
        KeeperStage.audit(stage).map(({ status, tenant, who }) => `${who} ${tenant} ${status}`).join("\n"),
        "agent:box acme 201\nuser acme 409\nagent:box acme 409\nagent:box acme 200\nagent:box acme 200"
      )
      assert.notInclude(readFileSync(KeeperStage.auditPath(stage), "utf8"), answer.searchParams.get("code")!)
    }))

  it.scopedLive("is begun on another device, and asked about once at a time", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      yield* stage.login("acme", "alice")
      yield* endLogin(stage, "acme")
      const { own } = yield* beside(stage)
      const begun = yield* own.begin({ target: "acme", device: true })
      const { kind, url, user_code: code } = KeeperStage.jsonOf<LoginStage.Json>(begun)
      assert.strictEqual(kind, "device")
      assert.include(url, code as string)
      const early = yield* own.end("acme", "poll")
      assert.deepInclude(KeeperStage.problemOf(early), { _tag: "LoginFailed", reason: "AuthorizationPending" })
      yield* Person.agree(url as string)
      const ended = yield* own.end("acme", "poll")
      assert.strictEqual(ended.status, 200, ended.text)
      assert.strictEqual((yield* own.token("acme")).status, 200)
      assertNoSecret(stage, begun, early, ended)
    }))

  it.scopedLive("is refused to a key that does not open it before any server is asked, whatever it is called", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const resource = yield* McpResource.make({ authorizationServer: stage.server })
      yield* stage.login("acme", "alice")
      yield* endLogin(stage, "acme")
      const { agent } = yield* beside(stage)
      const box = yield* agent("box", "--tenant", "mcp:elsewhere", "--allow-login")
      for (const body of [{ target: "acme" }, { target: resource.url, tenant: "acme" }]) {
        const refused = yield* box.begin(body)
        assert.strictEqual(refused.status, 400, refused.text)
        assert.include(KeeperStage.problemOf(refused).message, "does not open")
      }
      assert.strictEqual(resource.metadataReads(), 0)
      assert.strictEqual((yield* box.end("acme", "code", { code: "x" })).status, 404)
      const bare = yield* agent("bare", "--tenant", "acme")
      assert.strictEqual((yield* bare.begin({ target: "acme" })).status, 403)
      assert.strictEqual((yield* bare.end("acme", "code", { code: "x" })).status, 403)
      assert.deepStrictEqual(yield* stage.pending, {})
    }))

  it.scopedLive("is begun at an MCP server by its address, which no login was made at before", () =>
    Effect.gen(function*() {
      const { resource, stage, tenant } = yield* McpStage.setting()
      const { own } = yield* beside(stage)
      const begun = yield* own.begin({ target: resource.url })
      assert.strictEqual(begun.status, 201, begun.text)
      const { tenant: named, url } = KeeperStage.jsonOf<LoginStage.Json>(begun)
      assert.strictEqual(named, tenant)
      const answer = yield* stage.authorize(url as string, "alice")
      assert.strictEqual((yield* own.end(tenant, "code", { code: answer.href })).status, 200)
      const token = KeeperStage.tokenOf(yield* own.token(tenant)).access_token
      assert.deepStrictEqual(yield* McpStage.echo(resource, token), [{ type: "text", text: "hello" }])
    }))
})
