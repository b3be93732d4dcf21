import { assert, describe, it } from "@effect/vitest"
import * as McpTenant from "@lockstep/mcp/McpTenant"
import * as FastCheck from "effect/FastCheck"

describe("the name of a server's login", () => {
  const names: ReadonlyArray<[string, string, string]> = [
    ["https://mcp.linear.app/mcp", "mcp:linear", "mcp:mcp.linear.app-mcp"],
    ["https://mcp.linear.app/sse", "mcp:linear", "mcp:mcp.linear.app-sse"],
    ["https://api.githubcopilot.com/mcp/", "mcp:githubcopilot", "mcp:api.githubcopilot.com-mcp"],
    ["https://mcp.eu.example.co.uk/v1/mcp", "mcp:eu.example", "mcp:mcp.eu.example.co.uk-v1-mcp"],
    ["https://gitmcp.io/Owner/repo", "mcp:gitmcp-owner-repo", "mcp:gitmcp.io-owner-repo"],
    ["https://codex/mcp", "mcp:codex", "mcp:codex-mcp"],
    ["https://mcp.app/mcp", "mcp:mcp.app", "mcp:mcp.app-mcp"],
    ["https://example.com:8443", "mcp:example-8443", "mcp:example.com-8443"],
    ["http://127.0.0.1:3000/mcp", "mcp:127.0.0.1-3000", "mcp:127.0.0.1-3000-mcp"],
    ["http://[::1]:3000/mcp", "mcp:1-3000", "mcp:1-3000-mcp"],
    ["http://localhost/mcp", "mcp:localhost", "mcp:localhost-mcp"],
    ["https://mcp.example.com/a%20b/ü", "mcp:example-a-b", "mcp:mcp.example.com-a-b"],
    ["https://mcp.example.com/k/sk1234567890abcdefghij/mcp", "mcp:example-k", "mcp:mcp.example.com-k-mcp"]
  ]
  it.each(names)("%s", (address, short, long) => {
    assert.strictEqual(McpTenant.short(new URL(address)), short)
    assert.strictEqual(McpTenant.long(new URL(address)), long)
  })

  it("is a tenant of its own kind, made of a few plain characters, for every address", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.webUrl({ withQueryParameters: true }), (address) => {
        for (const name of [McpTenant.short(new URL(address)), McpTenant.long(new URL(address))]) {
          assert.isTrue(McpTenant.isOne(name), name)
          assert.match(name, /^mcp:[a-z0-9._-]{1,120}$/)
        }
      })
    )
  })
})
