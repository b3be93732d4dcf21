/** The published types are written by hand: the compiler holds them to what they stand for. */
import { assert, describe, it } from "@effect/vitest"
import type { CredentialExists, RefreshError } from "@lockstep/core/Errors"
import type { BearerError } from "@lockstep/http/BearerError"
import type { AnswerRefused } from "@lockstep/mcp/AnswerRefused"
import type { LoginRequired } from "@lockstep/mcp/LoginRequired"
import type { McpError } from "@lockstep/mcp/McpError"
import type { OAuthClientProvider } from "@lockstep/mcp/SdkTypes"
import type { UnknownFlow } from "@lockstep/mcp/UnknownFlow"
import type { LoginError } from "@lockstep/oauth/LoginError"
import type * as V2 from "@modelcontextprotocol/client"
import type * as V1Http from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { readdirSync, readFileSync } from "node:fs"
import { LockstepError, type McpAuthProvider, type McpTransport, type Reasons, type State } from "../../src/index.js"
import type { UsageError } from "../../src/line/UsageError.js"
import type * as Internal from "../../src/views/State.js"

type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : never : never

/** What may reach a program that awaits. */
type Typed =
  | RefreshError
  | BearerError
  | CredentialExists
  | LoginError
  | McpError
  | LoginRequired
  | AnswerRefused
  | UnknownFlow
  | UsageError

type ReasonsOf<T> = T extends { readonly _tag: string; readonly reason: infer Reason } ? Reason : null

type Expected = { readonly [T in Typed as T["_tag"]]: ReasonsOf<T> }

export const reasons: Same<Omit<Reasons, "Closed" | "Unexpected">, Expected> = true
export const states: Same<State, Internal.State> = true
export const providers: Same<McpAuthProvider, OAuthClientProvider> = true

export const transports = {
  v1: (transport: McpTransport): V1Http.StreamableHTTPClientTransportOptions => transport,
  v2: (transport: McpTransport): V2.StreamableHTTPClientTransportOptions => transport
}

/** `instanceof` leads to a union that `_tag` tells apart. */
export const narrowed = (error: unknown): "Denied" | "other" =>
  error instanceof LockstepError && error._tag === "LoginFailed" && error.reason === "Denied" ? error.reason : "other"

describe("the published types", () => {
  it("are made of files that import no other package", () => {
    const files = ["Lockstep.ts", "LockstepError.ts"]
    const folder = new URL("../../src/promise/", import.meta.url)
    assert.includeMembers(readdirSync(folder), files)
    for (const name of files) {
      const code = readFileSync(new URL(name, folder), "utf8").replace(/\/\*[\s\S]*?\*\//g, "")
      assert.notMatch(code, /from "(?!\.\/LockstepError\.js")/, name)
    }
  })
})
