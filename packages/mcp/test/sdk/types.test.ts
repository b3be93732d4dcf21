/** The interfaces of both lines of the SDK: the compiler is what tests them. */
import { assert, describe, it } from "@effect/vitest"
import type * as Lockstep from "@lockstep/mcp/Lockstep"
import type { Services } from "@lockstep/mcp/OAuthClientProvider"
import type { SdkTransport } from "@lockstep/mcp/SdkTransport"
import type { OAuthClientProvider } from "@lockstep/mcp/SdkTypes"
import type * as V2 from "@modelcontextprotocol/client"
import type * as V1Auth from "@modelcontextprotocol/sdk/client/auth.js"
import type * as V1Sse from "@modelcontextprotocol/sdk/client/sse.js"
import type * as V1Http from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { ManagedRuntime } from "effect/ManagedRuntime"
import { readdirSync, readFileSync } from "node:fs"

export const providers = {
  v1: (provider: OAuthClientProvider): V1Auth.OAuthClientProvider => provider,
  v2: (provider: OAuthClientProvider): V2.OAuthClientProvider => provider
}

export const transports = {
  v1: (transport: SdkTransport): V1Http.StreamableHTTPClientTransportOptions => transport,
  v1Sse: (transport: SdkTransport): V1Sse.SSEClientTransportOptions => transport,
  v2: (transport: SdkTransport): V2.StreamableHTTPClientTransportOptions => transport,
  v2Sse: (transport: SdkTransport): V2.SSEClientTransportOptions => transport
}

export const runtimes = {
  exact: (runtime: ManagedRuntime<Services, never>): Lockstep.Runtime => runtime,
  larger: (runtime: ManagedRuntime<Services | "more", Error>): Lockstep.Runtime => runtime
}

describe("the package", () => {
  it("imports neither line of the SDK, not even its types", () => {
    const directory = new URL("../../src/", import.meta.url)
    const sources = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    assert.include(sources, "OAuthClientProvider.ts")
    for (const name of sources) {
      assert.notMatch(readFileSync(new URL(name, directory), "utf8"), /from "@modelcontextprotocol\//, name)
    }
  })
})
