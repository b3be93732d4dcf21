import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import { tool } from "@lockstep/tools/adapters/PiMcp"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { twoViews } from "./support/toolHomes.js"

const views = twoViews(tool, "mcp-auth.json")

credentialStoreContract("pi, MCP servers", Effect.map(views, ([a, b]) => [a.store, b.store] as const), {
  tenants: [TenantId.make("mcp:linear"), TenantId.make("mcp:sentry")],
  names: ["linear", "Linear", "__proto__", "constructor", "a/../b", "é", "日本", "😀", " ", "mcp:x"].map((name) =>
    `mcp:${name}`
  ),
  // The file knows a server by its address, and no login without a token.
  fit: (one) =>
    Credential.Credential.make({
      ...one,
      resource: Option.some("https://mcp.example/mcp"),
      accessToken: Option.orElseSome(one.accessToken, () => Redacted.make("at"))
    })
})
refreshJournalContract("beside pi's mcp-auth.json", Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
