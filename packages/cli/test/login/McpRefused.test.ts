/**
 * What is said about servers that must not be believed, and that nothing is stored then: each over real sockets.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type * as LoginStage from "../support/LoginStage.js"
import { nameOf, setting } from "../support/McpStage.js"
import * as Stage from "../support/Stage.js"

interface FakeIssuer {
  readonly issuer: string
  readonly asked: ReadonlyArray<string>
}

/** A server that says of itself what the test wants, and nothing else. */
const fakeIssuer = (
  describe: (issuer: string) => Readonly<Record<string, unknown>>
): Effect.Effect<FakeIssuer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<FakeIssuer & { readonly close: () => void }>((resume) => {
      const asked: Array<string> = []
      const http = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`)
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify(describe(`http://${request.headers.host}`)))
      })
      http.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          issuer: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
          asked,
          close: () => {
            http.close()
            http.closeAllConnections()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  )

const documentOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  registration_endpoint: `${issuer}/register`,
  code_challenge_methods_supported: ["S256"]
})

const assertNothingStored = ({ file }: LoginStage.LoginStage) => {
  if (!existsSync(file)) return
  const { pending = {}, tenants } = JSON.parse(readFileSync(file, "utf8")) as Record<string, object>
  assert.deepStrictEqual([tenants, pending], [{}, {}])
}

/** Begins a login and expects it to be refused before a person is sent anywhere. */
const refused = (options: Partial<McpResource.Options>, code: number, what: RegExp, path = "") =>
  Effect.gen(function*() {
    const { resource, stage } = yield* setting(options)
    const ran = yield* stage.run(["login", `${resource.url}${path}`, "--no-browser"])
    Stage.assertTold(ran, code, what)
    assertNothingStored(stage)
    assert.deepStrictEqual([stage.server.tokenRequests, stage.server.registrations], [[], []])
    return { resource, stage }
  })

describe("the login of an MCP server is refused, and nothing stored,", () => {
  it.scopedLive("over plain http beyond this machine, and without a connection", () =>
    Effect.gen(function*() {
      const { stage } = yield* setting()
      const plain = yield* stage.run(["login", "http://mcp.example.com/mcp", "--no-browser", "--json"])
      Stage.assertToldAsJson(plain, 2, "McpAddressRefused", "BadAddress")
      const closed = yield* stage.run(["login", "http://127.0.0.1:1/mcp", "--no-browser", "--json"])
      Stage.assertToldAsJson(closed, 5, "McpServerUnavailable", "Transport")
      assertNothingStored(stage)
    }))

  it.scopedLive("where its metadata is that of another resource", () =>
    refused(
      { metadata: (document) => ({ ...document, resource: "https://other.example/mcp" }) },
      5,
      /metadata of http:\/\/127\.0\.0\.1:\d+\/mcp is that of another resource/
    ))

  it.scopedLive("where its metadata redirects, or it does itself", () =>
    Effect.gen(function*() {
      yield* refused(
        {
          intercept: ({ url }, response) => {
            if (url?.startsWith("/.well-known/") !== true) return false
            response.writeHead(302, { location: "http://127.0.0.1:1/elsewhere" }).end()
            return true
          }
        },
        5,
        /metadata of \S+ redirects elsewhere/
      )
      yield* refused(
        {
          intercept: (_, response) => {
            response.writeHead(307, { location: "https://evil.example/mcp?code=x" }).end()
            return true
          }
        },
        2,
        /redirects elsewhere, and no token follows/
      )
    }))

  it.scopedLive("where its metadata is named by an address that is not https", () =>
    refused(
      { challenge: () => "Bearer resource_metadata=\"http://meta.example/x\"" },
      5,
      /names an address for its metadata that is not https/
    ))

  it.scopedLive("where it asks for no login", () =>
    refused(
      {
        intercept: (_, response) => {
          response.writeHead(404).end()
          return true
        }
      },
      2,
      /asks for no login \(HTTP 404\)/
    ))

  it.scopedLive("where its authorization server promises no S256, or is another than it says", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<[number, RegExp, (issuer: string) => Readonly<Record<string, unknown>>]> = [
        [2, /does not say that it supports PKCE with S256/, (issuer) => ({
          ...documentOf(issuer),
          code_challenge_methods_supported: undefined
        })],
        [2, /does not support PKCE with S256/, (issuer) => ({
          ...documentOf(issuer),
          code_challenge_methods_supported: ["plain"]
        })],
        [5, /names another issuer/, () => documentOf("https://evil.example")]
      ]
      for (const [code, what, describeIt] of cases) {
        const fake = yield* fakeIssuer(describeIt)
        yield* refused(
          { metadata: (document) => ({ ...document, authorization_servers: [fake.issuer] }) },
          code,
          what
        )
        assert.isTrue(fake.asked.every((line) => line.startsWith("GET /.well-known/")), fake.asked.join())
      }
    }))

  it.scopedLive("where another authorization server is named than the server's own", () =>
    Effect.gen(function*() {
      const { resource, stage } = yield* setting()
      const other = yield* stage.run(["login", resource.url, "--no-browser", "--issuer", "https://evil.example"])
      Stage.assertTold(other, 2, /is not protected by that authorization server/)
      const own = yield* stage.run(["login", resource.url, "--no-browser", "--issuer", stage.server.issuer])
      assert.strictEqual(own.code, 0, own.stderr)
      const named = yield* stage.run(["login", resource.url, "--no-browser", "--resource", "https://x.example"])
      Stage.assertTold(named, 2, /--resource/)
    }))

  it.scopedLive("where the answer names another issuer, or none although one was promised", () =>
    Effect.gen(function*() {
      const { resource, stage } = yield* setting()
      const begun = yield* stage.run(["login", resource.url, "--no-browser"])
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      assert.strictEqual(answer.searchParams.get("iss"), stage.server.issuer)
      const mixedUp = new URL(answer)
      mixedUp.searchParams.set("iss", "https://evil.example")
      const unnamed = new URL(answer)
      unnamed.searchParams.delete("iss")
      for (const { href } of [mixedUp, unnamed]) {
        const ended = yield* stage.run(["login", resource.url, "--code", "-"], { input: href })
        Stage.assertTold(ended, 3, /answered by another server than the one that was asked/)
      }
      assert.isUndefined(yield* stage.stored(nameOf(resource)))
      assert.deepStrictEqual(stage.server.tokenRequests, [])
      // The attempt is still the person's own.
      const ended = yield* stage.run(["login", resource.url, "--code", "-"], { input: answer.href })
      assert.strictEqual(ended.code, 0, ended.stderr)
    }))

  it.scopedLive("with what belongs to an issuer that the server does not name any more", () =>
    Effect.gen(function*() {
      let issuer: string | undefined
      const { resource, stage } = yield* setting({
        metadata: (document) => issuer === undefined ? document : { ...document, authorization_servers: [issuer] }
      })
      const begun = yield* stage.run(["login", resource.url, "--no-browser"])
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      yield* stage.run(["login", resource.url, "--code", "-"], { input: answer.href })
      const old = (yield* stage.stored(nameOf(resource)))!
      const evil = yield* fakeIssuer(documentOf)
      issuer = evil.issuer
      const again = yield* stage.run(["login", nameOf(resource), "--no-browser", "--replace"])
      const seen = [...evil.asked, again.stdout, again.stderr].join("\n")
      assert.include(seen, "POST /register")
      for (const member of ["access_token", "refresh_token", "client_id"]) {
        assert.notInclude(seen, old[member] as string)
      }
      assert.deepStrictEqual(yield* stage.stored(nameOf(resource)), old)
    }))
})
