import { assert, describe, it } from "@effect/vitest"
import * as CanonicalResource from "@lockstep/mcp/CanonicalResource"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"

const spell = (text: string) =>
  Either.getOrElse(Either.map(CanonicalResource.parse(text), CanonicalResource.of), (no) => no)

describe("the canonical spelling of a server", () => {
  const spellings: ReadonlyArray<[string, string]> = [
    ["HTTPS://MCP.Example.COM", "https://mcp.example.com"],
    ["https://mcp.example.com/", "https://mcp.example.com"],
    ["https://mcp.example.com:443/mcp/", "https://mcp.example.com/mcp"],
    ["https://mcp.example.com:8443/Mcp", "https://mcp.example.com:8443/Mcp"],
    ["https://mcp.example.com/mcp#part", "https://mcp.example.com/mcp"],
    ["https://mcp.example.com/mcp/?team=a", "https://mcp.example.com/mcp/?team=a"],
    ["http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000/mcp"],
    ["http://[::1]:3000/mcp", "http://[::1]:3000/mcp"],
    ["http://mcp.example.com", "the address must be https, or http on this machine"],
    ["http://127.0.0.1.example.com", "the address must be https, or http on this machine"],
    ["ftp://mcp.example.com", "the address must be https, or http on this machine"],
    ["https://user:word@mcp.example.com", "the address must hold no password"],
    ["mcp.example.com/mcp", "the address is not a URL"]
  ]
  it.each(spellings)("%s", (text, expected) => assert.strictEqual(spell(text), expected))

  it("is its own canonical spelling, and covers its server", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.webUrl({ validSchemes: ["https"], withFragments: true, withQueryParameters: true }),
        (text) => {
          const canonical = spell(text)
          assert.strictEqual(spell(canonical), canonical)
          assert.isTrue(CanonicalResource.covers(canonical, new URL(text)))
        }
      )
    )
  })
})

describe("a resource covers", () => {
  const server = new URL("https://mcp.example.com/api/mcp")
  const resources: ReadonlyArray<[string, boolean]> = [
    ["https://mcp.example.com/api/mcp", true],
    ["https://mcp.example.com/api/mcp/", true],
    ["https://mcp.example.com/api", true],
    ["https://mcp.example.com", true],
    ["HTTPS://MCP.example.com:443/api", true],
    ["https://mcp.example.com/ap", false],
    ["https://mcp.example.com/api/mcp/x", false],
    ["https://mcp.example.com/api/../mc", false],
    ["https://mcp.example.com/api/../api", false],
    ["https://mcp.example.com/api/.", false],
    ["https://mcp.example.com/api/%2e", false],
    ["https://mcp.example.com/\napi", false],
    ["https://mcp.example.com/api\r\nhttps://bank.example is protected by", false],
    ["https://mcp.example.com/api\t", false],
    [" https://mcp.example.com/api", false],
    ["https://mcp.example.com/api ", false],
    ["https:\\\\mcp.example.com\\api", false],
    ["https://mcp.example.com\\api", false],
    ["https:/mcp.example.com/api", false],
    ["https:mcp.example.com/api", false],
    ["https://mcp.example.com/api#x", false],
    ["https://mcp.example.com/api/mcp?x=1", false],
    ["https://user@mcp.example.com/api", false],
    ["https://mcp.example.com:8443/api", false],
    ["https://example.com/api", false],
    ["http://mcp.example.com/api", false],
    ["data:text/plain,x", false],
    ["", false]
  ]
  it.each(resources)(
    "%s: %s",
    (resource, expected) => assert.strictEqual(CanonicalResource.covers(resource, server), expected)
  )

  it("nothing of another origin, whatever it is", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(FastCheck.string(), FastCheck.webUrl()), (text) => {
        if (CanonicalResource.covers(text, server)) assert.strictEqual(new URL(text).origin, server.origin)
      })
    )
  })
})
