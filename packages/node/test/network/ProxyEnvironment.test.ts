import { assert, describe, it } from "@effect/vitest"
import * as ProxyEnvironment from "@lockstep/node/network/ProxyEnvironment"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { EnvHttpProxyAgent, request } from "undici"
import { environment } from "../support/environment.js"

const PROXIES = { HTTP_PROXY: "http://plain.example:3128", HTTPS_PROXY: "http://secure.example:3128" }

const environments: ReadonlyArray<Record<string, string>> = [
  {},
  PROXIES,
  { HTTP_PROXY: "http://plain.example" },
  { HTTPS_PROXY: "https://secure.example" },
  { HTTP_PROXY: "http://plain.example", http_proxy: "http://lower.example" },
  { HTTP_PROXY: "http://plain.example", http_proxy: "" },
  { HTTPS_PROXY: "http://secure.example", https_proxy: "", HTTP_PROXY: "http://plain.example" },
  ...[
    "*",
    "*, a.test",
    "a.test",
    "A.TEST",
    ".a.test",
    "*.a.test",
    "b.a.test",
    "a.test:8443",
    "a.test:443",
    "a.test:80",
    "other.test, a.test",
    "other.test\ta.test  x.test",
    "10.0.0.1",
    "10.0.0.1:8080",
    "[2001:db8::1]",
    "2001:db8::1",
    "[2001:db8::1]:8443",
    "test",
    "st",
    ",",
    ""
  ].map((none) => ({ ...PROXIES, NO_PROXY: none })),
  { ...PROXIES, NO_PROXY: "a.test", no_proxy: "" },
  { ...PROXIES, NO_PROXY: "", no_proxy: "a.test" }
]

const urls = [
  "https://a.test/",
  "http://a.test/",
  "https://a.test:8443/",
  "https://b.a.test/",
  "https://ba.test/",
  "https://A.Test./",
  "http://10.0.0.1:8080/",
  "https://[2001:db8::1]:8443/",
  "https://[2001:db8::1]/"
]

/** Whom undici would connect to: the host of a proxy, or the direct way. */
const ofUndici = (url: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    let way = "none"
    const stop = new Error("far enough")
    const agent = new EnvHttpProxyAgent(
      {
        clientFactory: ({ hostname }: URL) => ({
          connect: () => {
            way = hostname
            return Promise.reject(stop)
          },
          close: () => Promise.resolve(),
          destroy: () => Promise.resolve()
        }),
        connect: (_: unknown, callback: (error: Error, socket: null) => void) => {
          way = "direct"
          callback(stop, null)
        }
      } as unknown as ConstructorParameters<typeof EnvHttpProxyAgent>[0]
    )
    await request(url, { dispatcher: agent }).catch(() => undefined)
    await agent.close()
    return way
  })

describe("the way to an address", () => {
  it.live.each(environments)("is undici's with %j", (variables) =>
    Effect.scoped(Effect.gen(function*() {
      yield* environment(variables)
      const rules = Either.getOrThrow(ProxyEnvironment.read(process.env))
      for (const url of urls) {
        assert.strictEqual(rules(new URL(url))?.hostname ?? "direct", yield* ofUndici(url), url)
      }
    })))

  it("never leads to this machine", () => {
    const rules = Either.getOrThrow(ProxyEnvironment.read(PROXIES))
    for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) {
      assert.isUndefined(rules(new URL(`http://${host}:8080/`)))
    }
    assert.isDefined(rules(new URL("http://localhost.example/")))
    assert.isDefined(rules(new URL("http://127.0.0.1.example/")))
  })
})
