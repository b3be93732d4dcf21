import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type * as RoundTrip from "@lockstep/core/RoundTrip"
import type { McpError } from "@lockstep/mcp/McpError"
import * as McpServer from "@lockstep/mcp/McpServer"
import * as Retrieval from "@lockstep/mcp/Retrieval"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"

const SERVER = "https://mcp.example.com/mcp"
const WELL_KNOWN = "https://mcp.example.com/.well-known/oauth-protected-resource"
const ISSUER = "https://id.example.com"

interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

const document = (members: Readonly<Record<string, unknown>> = {}): Reply => ({
  status: 200,
  body: { resource: SERVER, authorization_servers: [ISSUER], scopes_supported: ["read", "write"], ...members }
})
const unauthorized = (challenge = "Bearer"): Reply => ({ status: 401, headers: { "www-authenticate": challenge } })
const absent: Reply = { status: 404 }

/** A network in which each address answers as it is told, and the others with 404. */
const network = (replies: Readonly<Record<string, Reply>>) => {
  const asked: Array<string> = []
  const sent: Array<RoundTrip.Request> = []
  const roundTripper: RoundTrip.RoundTripper = (request, bounds) => {
    const { method, url } = request
    asked.push(`${method} ${url}`)
    sent.push(request)
    const { body, headers = {}, status } = replies[`${method} ${url}`] ?? replies[url] ?? absent
    const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body)
    const end = text.length > bounds.body ? "TooLarge" : "Whole"
    return ended({ _tag: "Answered", head: { status, headers }, body: new TextEncoder().encode(text), end })
  }
  return { asked, sent, roundTripper }
}

/** A round trip of which everything is known. */
const ended = (progress: RoundTrip.Progress): RoundTrip.RoundTrip => ({
  progress: () => progress,
  answering: Promise.resolve(),
  ended: Promise.resolve(),
  look: () => Promise.resolve(),
  abort: () => undefined
})

const discover = (replies: Readonly<Record<string, Reply>>, url = SERVER) => {
  const { asked, roundTripper, sent } = network(replies)
  return Effect.map(
    Effect.either(McpServer.discover({ roundTripper, url })),
    (found) => ({ asked, sent, found })
  )
}

const verdict = (error: McpError): string => `${error._tag} ${error.reason}`

const refusal = (replies: Readonly<Record<string, Reply>>, url = SERVER) =>
  Effect.map(discover(replies, url), ({ found }) => found._tag === "Left" ? verdict(found.left) : "found")

describe("a server that asks for a token", () => {
  it.effect("is asked where its metadata is, and nowhere else", () =>
    Effect.gen(function*() {
      const address = "https://meta.example.com/of-mcp"
      const { asked, found, sent } = yield* discover({
        [SERVER]: unauthorized(`Bearer resource_metadata="${address}", scope="read"`),
        [address]: document()
      })
      deepStrictEqual(asked, [`POST ${SERVER}`, `GET ${address}`])
      assert.isTrue(sent.every(({ headers }) => !("authorization" in headers)))
      deepStrictEqual(found._tag === "Right" && found.right, {
        url: SERVER,
        resource: SERVER,
        issuers: [ISSUER],
        scopes: ["read"],
        metadata: Option.some(address)
      })
    }))

  it.effect("is looked up at the well-known addresses, the one with its path first", () =>
    Effect.gen(function*() {
      const first = yield* discover({ [SERVER]: unauthorized(), [`${WELL_KNOWN}/mcp`]: document() })
      deepStrictEqual(first.asked, [`POST ${SERVER}`, `GET ${WELL_KNOWN}/mcp`])
      const second = yield* discover({
        [SERVER]: unauthorized(),
        [`${WELL_KNOWN}/mcp`]: { status: 200, body: "<!doctype html>" },
        [WELL_KNOWN]: document({ resource: "https://mcp.example.com" })
      })
      deepStrictEqual(second.asked.slice(1), [`GET ${WELL_KNOWN}/mcp`, `GET ${WELL_KNOWN}`])
      assert.strictEqual(second.found._tag === "Right" && second.found.right.resource, "https://mcp.example.com")
    }))

  it.effect("may say it to a GET only, or not at all where its metadata is there", () =>
    Effect.gen(function*() {
      const late = yield* discover({
        [`POST ${SERVER}`]: { status: 405 },
        [`GET ${SERVER}`]: unauthorized("Bearer scope=\"read\""),
        [`${WELL_KNOWN}/mcp`]: document()
      })
      deepStrictEqual(late.found._tag === "Right" && late.found.right.scopes, ["read"])
      const open = yield* discover({ [SERVER]: { status: 200 }, [`${WELL_KNOWN}/mcp`]: document() })
      deepStrictEqual(open.found._tag === "Right" && open.found.right.scopes, ["read", "write"])
    }))

  it.effect("is its own authorization server where it has no metadata, as servers of 2025-03-26 are", () =>
    Effect.gen(function*() {
      const { found } = yield* discover({ [`${SERVER}/`]: unauthorized() }, `${SERVER}/#part`)
      deepStrictEqual(found._tag === "Right" && found.right, {
        url: `${SERVER}/`,
        resource: SERVER,
        issuers: ["https://mcp.example.com"],
        scopes: [],
        metadata: Option.none()
      })
    }))

  it.effect("is not asked in any other way: no session begins", () =>
    Effect.gen(function*() {
      const { sent } = yield* discover({ [SERVER]: unauthorized() })
      deepStrictEqual(JSON.parse(sent[0]?.body ?? ""), { jsonrpc: "2.0", id: 1, method: "ping" })
    }))
})

describe("metadata", () => {
  it.effect("is read at an address that the challenge does not quote", () =>
    Effect.gen(function*() {
      const META = "https://meta.example.com/x"
      const { found } = yield* discover({
        [SERVER]: unauthorized(`Bearer resource_metadata=${META}`),
        [META]: document()
      })
      deepStrictEqual(found._tag === "Right" && found.right.metadata, Option.some(META))
    }))

  it.effect("is looked for where a gateway fails at one guessed address, and missed only where none has it", () =>
    Effect.gen(function*() {
      const trouble: Reply = { status: 502 }
      const { found } = yield* discover({
        [SERVER]: unauthorized(),
        [`${WELL_KNOWN}/mcp`]: trouble,
        [WELL_KNOWN]: document({ resource: "https://mcp.example.com" })
      })
      deepStrictEqual(found._tag === "Right" && found.right.metadata, Option.some(WELL_KNOWN))
      for (const other of [absent, trouble]) {
        deepStrictEqual(
          yield* refusal({ [SERVER]: unauthorized(), [`${WELL_KNOWN}/mcp`]: trouble, [WELL_KNOWN]: other }),
          "McpServerUnavailable ServerError"
        )
      }
    }))
})

describe("is refused:", () => {
  const challenged = (address: string) => unauthorized(`Bearer resource_metadata="${address}"`)
  const META = "https://meta.example.com/x"
  const LOCAL = "http://127.0.0.1:9/x"
  const cases: ReadonlyArray<[string, Readonly<Record<string, Reply>>, string, string?]> = [
    ["plain http", {}, "McpAddressRefused BadAddress", "http://mcp.example.com/mcp"],
    ["a password in the address", {}, "McpAddressRefused BadAddress", "https://a:b@mcp.example.com/mcp"],
    ["what is no address", {}, "McpAddressRefused BadAddress", "https://"],
    [
      "a redirect",
      { [SERVER]: { status: 307, headers: { location: "https://evil.example/mcp" } } },
      "McpAddressRefused Redirected"
    ],
    ["a server that asks for nothing", { [SERVER]: { status: 200 } }, "McpAddressRefused NotProtected"],
    ["no server", {}, "McpAddressRefused NotProtected"],
    [
      "metadata over plain http",
      { [SERVER]: challenged("http://meta.example.com/x") },
      "McpServerRejected MetadataAddress"
    ],
    ["metadata on this machine", { [SERVER]: challenged(LOCAL) }, "McpServerRejected MetadataAddress"],
    ["metadata on this machine under another name", {
      [SERVER]: challenged("https://localhost.:9/x")
    }, "McpServerRejected MetadataAddress"],
    ["metadata at a link-local address", {
      [SERVER]: challenged("https://169.254.169.254/latest")
    }, "McpServerRejected MetadataAddress"],
    ["metadata at no address", { [SERVER]: challenged("x") }, "McpServerRejected MetadataAddress"],
    [
      "metadata that redirects",
      { [SERVER]: challenged(META), [META]: { status: 302, headers: { location: META } } },
      "McpServerRejected MetadataAddress"
    ],
    [
      "metadata that cannot be read",
      { [SERVER]: challenged(META), [META]: { status: 200, body: "[]" } },
      "McpServerRejected MetadataUnreadable"
    ],
    [
      "metadata that is too long",
      { [SERVER]: challenged(META), [META]: document({ x: "x".repeat(Retrieval.BODY_LIMIT) }) },
      "McpServerRejected MetadataUnreadable"
    ],
    [
      "metadata of another server",
      { [SERVER]: challenged(META), [META]: document({ resource: "https://other.example.com/mcp" }) },
      "McpServerRejected ResourceMismatch"
    ],
    [
      "metadata of another path",
      { [SERVER]: unauthorized(), [`${WELL_KNOWN}/mcp`]: document({ resource: `${SERVER}/x` }) },
      "McpServerRejected ResourceMismatch"
    ],
    [
      "metadata without a resource",
      { [SERVER]: unauthorized(), [`${WELL_KNOWN}/mcp`]: document({ resource: 1 }) },
      "McpServerRejected ResourceMismatch"
    ],
    [
      "no authorization server",
      { [SERVER]: challenged(META), [META]: document({ authorization_servers: [] }) },
      "McpServerRejected IssuerMissing"
    ],
    [
      "authorization servers that must not be asked",
      {
        [SERVER]: challenged(META),
        [META]: document({
          authorization_servers: [
            "http://id.example.com",
            "http://127.0.0.1:9",
            "https://a.localhost:9",
            "https://0.0.0.0:9",
            "https://[::ffff:127.0.0.1]:9",
            "https://169.254.169.254",
            "https://metadata.google.internal",
            "https://u:p@id.example.com",
            "https://id.example.com?x=1",
            "https://id.example.com#x",
            7,
            "id"
          ]
        })
      },
      "McpServerRejected IssuerMissing"
    ],
    ["a server in trouble", { [SERVER]: { status: 503 } }, "McpServerUnavailable ServerError"],
    ["a server that is too busy", { [SERVER]: { status: 429 } }, "McpServerUnavailable RateLimited"],
    [
      "metadata in trouble",
      { [SERVER]: challenged(META), [META]: { status: 500 } },
      "McpServerUnavailable ServerError"
    ]
  ]
  it.effect.each(cases)("%s", ([, replies, expected, url]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* refusal(replies, url), expected)
    }))

  it.effect("a server that stays silent", () =>
    Effect.gen(function*() {
      let aborted = 0
      const roundTripper: RoundTrip.RoundTripper = () => ({
        ...ended({ _tag: "Sent" }),
        answering: new Promise(() => undefined),
        ended: new Promise(() => undefined),
        abort: () => void aborted++
      })
      const asking = yield* Effect.fork(Effect.flip(McpServer.discover({ roundTripper, url: SERVER })))
      yield* TestClock.adjust(Retrieval.TIMEOUT)
      assert.strictEqual(verdict(yield* Fiber.join(asking)), "McpServerUnavailable Timeout")
      assert.strictEqual(aborted, 1)
    }))

  it.effect("in words that repeat no query, no password and nothing that the server said", () =>
    Effect.gen(function*() {
      const secret = "sk-1234567890-secret"
      const server = `${SERVER}?key=${secret}`
      for (
        const replies of [
          { [server]: { status: 307, headers: { location: `https://evil.example/?k=${secret}` } } },
          { [server]: challenged(`http://x.example/${secret}`) },
          {
            [server]: unauthorized(`Bearer error_description="${secret}"`),
            [`${WELL_KNOWN}/mcp?key=${secret}`]: document({ resource: secret })
          },
          {},
          { [server]: { status: 500, body: secret } }
        ]
      ) {
        const { found } = yield* discover(replies, server)
        assert.isTrue(found._tag === "Left")
        if (found._tag === "Left") {
          assert.notInclude(JSON.stringify([found.left, found.left.message, found.left.advice]), secret)
        }
      }
      const failing: RoundTrip.RoundTripper = () => ended({ _tag: "NeverSent", detail: "no connection (ECONNRESET)" })
      const error = yield* Effect.flip(McpServer.discover({ roundTripper: failing, url: server }))
      assert.notInclude(`${error.message} ${error.advice}`, secret)
      const shape = yield* Effect.flip(
        McpServer.discover({ roundTripper: failing, url: `https://u:${secret}@x.example` })
      )
      assert.notInclude(`${shape.message} ${shape.advice}`, secret)
    }))
})

describe("whatever a server answers", () => {
  const json = FastCheck.jsonValue({ maxDepth: 3 })
  const text = FastCheck.oneof(json.map((value) => JSON.stringify(value)), FastCheck.string())

  it.effect.prop("ends in a server that covers its resource, or in a refusal", {
    status: FastCheck.constantFrom(200, 302, 400, 401, 403, 404, 500),
    challenge: FastCheck.oneof(
      FastCheck.string(),
      FastCheck.string().map((value) => `Bearer resource_metadata="${value}", scope="${value}"`),
      FastCheck.constant(`Bearer resource_metadata="${WELL_KNOWN}"`)
    ).map((value) => value.replace(/[^\x20-\x7e]/g, "")),
    resource: FastCheck.oneof(json, FastCheck.constant(SERVER), FastCheck.webUrl()),
    servers: FastCheck.oneof(
      json,
      FastCheck.array(FastCheck.oneof(json, FastCheck.webUrl(), FastCheck.constant(ISSUER)))
    ),
    scopes: json,
    other: text
  }, ({ challenge, other, resource, scopes, servers, status }) =>
    Effect.gen(function*() {
      const { asked, found } = yield* discover({
        [SERVER]: { status, headers: { "www-authenticate": challenge } },
        [WELL_KNOWN]: document({ resource, authorization_servers: servers, scopes_supported: scopes }),
        [`${WELL_KNOWN}/mcp`]: { status, body: status === 200 ? other : "" }
      })
      assert.isTrue(asked.every((line) => / https:/.test(line)), asked.join())
      if (found._tag === "Left") return
      assert.isTrue(SERVER.startsWith(found.right.resource.toLowerCase().replace(/\/$/, "")))
      assert.isTrue(found.right.issuers.every((issuer) => URL.canParse(issuer)))
      assert.isTrue(found.right.scopes.every((scope) => /^[\x21-\x7e]+$/.test(scope)))
    }), { fastCheck: { numRuns: 400 } })
})
