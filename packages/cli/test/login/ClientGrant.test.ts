/** Logins without a person: the real command at a real server, and many processes that want the token of one. */
import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto"
import { writeFileSync } from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import * as Stage from "../support/Stage.js"

interface Asked {
  readonly path: string
  readonly authorization: string | undefined
  readonly params: Readonly<Record<string, string>>
}

/** Answers each request at its token endpoints as the test says. */
const makeServer = Effect.acquireRelease(
  Effect.async<{
    readonly url: string
    readonly asked: Array<Asked>
    answer: (asked: Asked) => readonly [status: number, body: unknown]
    readonly server: http.Server
  }>((resume) => {
    const asked: Array<Asked> = []
    const server = http.createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (chunk: string) => void (body += chunk)).on("end", () => {
        const url = request.url ?? ""
        if (url.startsWith("/.well-known/oauth-authorization-server")) {
          const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
          return void response.writeHead(200, { "content-type": "application/json" }).end(
            JSON.stringify({ issuer, token_endpoint: `${issuer}/token` })
          )
        }
        const one: Asked = {
          path: url,
          authorization: request.headers.authorization,
          params: Object.fromEntries(new URLSearchParams(body))
        }
        asked.push(one)
        const [status, answer] = self.answer(one)
        const patience = status >= 500 ? { "retry-after": "60" } : {}
        response.writeHead(status, { "content-type": "application/json", ...patience }).end(JSON.stringify(answer))
      })
    })
    const self = {
      url: "",
      asked,
      answer: (() => [200, { access_token: FakeToken.make("at"), token_type: "bearer", expires_in: 3600 }]) as (
        asked: Asked
      ) => readonly [number, unknown],
      server
    }
    server.listen(0, "127.0.0.1", () => {
      self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      resume(Effect.succeed(self))
    })
  }),
  ({ server }) =>
    Effect.async<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
)

const setting = Effect.gen(function*() {
  const stage = yield* Stage.make()
  const server = yield* makeServer
  const secret = join(stage.harness.home, "..", "secret")
  const write = (text: string) => Effect.sync(() => writeFileSync(secret, text, { mode: 0o600 }))
  const at = (tenant: string) => ["login", "--issuer", server.url, "--client-id", "bot", "--tenant", tenant]
  const expire = (tenant: string) =>
    Effect.sync(() => {
      const now = Math.floor(Date.now() / 1_000)
      const record = { ...Effect.runSync(stage.stored(tenant)), expires_at: now - 10, obtained_at: now - 3_600 }
      writeFileSync(stage.file, JSON.stringify({ version: 1, tenants: { [tenant]: record } }), { mode: 0o600 })
    })
  return { stage, server, secret, write, at, expire }
})

const decode = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, "base64url").toString())

describe("client credentials", () => {
  it.scopedLive("are shown as the method says, and asked with once for many processes", () =>
    Effect.gen(function*() {
      const { at, expire, secret, server, stage, write } = yield* setting
      yield* write("its-secret")
      const grant = ["--grant", "client_credentials", "--client-secret-from", secret, "--scope", "a b"]
      const ran = yield* stage.run([...at("bot"), ...grant, "--json"])
      assert.strictEqual(ran.code, 0, ran.stdout + ran.stderr)
      assert.deepInclude(JSON.parse(ran.stdout), { method: "client", refreshable: true, scope: "a b" })
      const [first] = server.asked
      assert.deepStrictEqual(first!.params, { grant_type: "client_credentials", scope: "a b" })
      assert.strictEqual(first!.authorization, `Basic ${btoa("bot:its-secret")}`)

      yield* expire("bot")
      const many = yield* Effect.all(
        Array.from({ length: 5 }, () => stage.run(["token", "bot"], { prints: true })),
        { concurrency: "unbounded" }
      )
      for (const { code, stderr } of many) assert.strictEqual(code, 0, stderr)
      assert.lengthOf(new Set(many.map(({ stdout }) => stdout)), 1)
      assert.lengthOf(server.asked, 2)

      const post = yield* stage.run([...at("bot"), ...grant, "--auth-method", "client_secret_post", "--replace"])
      assert.strictEqual(post.code, 0, post.stderr)
      assert.deepInclude(server.asked.at(-1)!.params, { client_id: "bot", client_secret: "its-secret" })

      // Once more by its name, as it was made.
      assert.strictEqual((yield* stage.run(["login", "bot", "--replace"])).code, 0)
      assert.deepInclude(server.asked.at(-1)!.params, { client_secret: "its-secret", scope: "a b" })
    }))

  it.scopedLive("that are refused cool down for all processes, and never ask for a person", () =>
    Effect.gen(function*() {
      const { at, expire, secret, server, stage, write } = yield* setting
      yield* write("its-secret")
      yield* stage.run([...at("bot"), "--grant", "client_credentials", "--client-secret-from", secret])
      yield* expire("bot")
      server.answer = () => [503, {}]
      Stage.assertTold(yield* stage.run(["token", "bot"]), 5, /error of its own|trouble|HTTP 503/)
      const asked = server.asked.length
      Stage.assertTold(yield* stage.run(["token", "bot"]), 5, /bot/)
      assert.lengthOf(server.asked, asked)
    }))

  it.scopedLive("can be a key of any kind, which is kept and never shown", () =>
    Effect.gen(function*() {
      const { at, secret, server, stage, write } = yield* setting
      const pairs = [
        generateKeyPairSync("ec", { namedCurve: "P-256" }),
        generateKeyPairSync("rsa", { modulusLength: 2048 }),
        generateKeyPairSync("ed25519")
      ]
      const texts = [
        pairs[0]!.privateKey.export({ type: "sec1", format: "pem" }) as string,
        pairs[1]!.privateKey.export({ type: "pkcs1", format: "pem" }) as string,
        JSON.stringify({ ...pairs[2]!.privateKey.export({ format: "jwk" }), kid: "k1" })
      ]
      for (const [index, text] of texts.entries()) {
        yield* write(text)
        const more = ["--grant", "client_credentials", "--client-key-from", secret, "--replace"]
        const ran = yield* stage.run([...at("bot"), ...more])
        assert.strictEqual(ran.code, 0, ran.stderr)
        const { client_assertion: assertion = "", client_assertion_type } = server.asked.at(-1)!.params
        assert.strictEqual(client_assertion_type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        const [header = "", payload = "", signature = ""] = assertion.split(".")
        const key = createPublicKey(pairs[index]!.publicKey.export({ type: "spki", format: "pem" }))
        const algorithm = index === 2 ? null : "sha256"
        assert.isTrue(verify(
          algorithm,
          Buffer.from(`${header}.${payload}`),
          index === 0 ? { key, dsaEncoding: "ieee-p1363" } : key,
          Buffer.from(signature, "base64url")
        ))
        assert.deepInclude(decode(payload), { iss: "bot", sub: "bot", aud: server.url })
        assert.strictEqual(decode(header)["kid"], index === 2 ? "k1" : undefined)
      }
      yield* write("-----BEGIN PRIVATE KEY-----\nno key\n-----END PRIVATE KEY-----")
      const bad = yield* stage.run([...at("bot"), "--grant", "client_credentials", "--client-key-from", secret])
      Stage.assertTold(bad, 2, /--client-key-from/)
      assert.notInclude(bad.stderr, "no key\n")
    }))
})

describe("an identity provider's assertion", () => {
  it.scopedLive("is asked for with the id token, and shown to the server for each new token", () =>
    Effect.gen(function*() {
      const { at, expire, secret, server, stage, write } = yield* setting
      yield* write(FakeToken.make("cs"))
      const provider = yield* makeServer
      provider.answer = () => [200, { access_token: "the-assertion", token_type: "N_A", expires_in: 300 }]
      const ran = yield* stage.run([
        ...at("bot"),
        "--grant",
        "jwt-bearer",
        "--subject-token-from",
        secret,
        "--subject-client-id",
        "idp-client",
        "--subject-token-endpoint",
        `${provider.url}/token`,
        "--resource",
        "https://mcp.example/mcp"
      ])
      assert.strictEqual(ran.code, 0, ran.stderr)
      const { subject_token, ...exchange } = provider.asked[0]!.params
      assert.match(subject_token ?? "", FakeToken.PATTERN)
      assert.deepStrictEqual(exchange, {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        client_id: "idp-client",
        subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
        requested_token_type: "urn:ietf:params:oauth:token-type:id-jag",
        audience: server.url,
        resource: "https://mcp.example/mcp"
      })
      assert.deepInclude(server.asked[0]!.params, {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: "the-assertion"
      })
      yield* expire("bot")
      assert.strictEqual((yield* stage.run(["token", "bot"], { prints: true })).code, 0)
      assert.lengthOf(server.asked, 2)

      // The id token has ended: a person has to bring another, and no server is asked before.
      yield* expire("bot")
      provider.answer = () => [400, { error: "invalid_grant" }]
      Stage.assertTold(yield* stage.run(["token", "bot"]), 3, /no longer valid/)
      assert.strictEqual((yield* stage.run(["status", "--check"])).code, 3)
      const asked = provider.asked.length
      Stage.assertTold(yield* stage.run(["token", "bot"]), 3, /no longer valid/)
      assert.lengthOf(provider.asked, asked)
    }))
})
