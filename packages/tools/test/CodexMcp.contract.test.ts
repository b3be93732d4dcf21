import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import { tool } from "@lockstep/tools/adapters/CodexMcp"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { twoViews } from "./support/toolHomes.js"

const views = twoViews(tool, ".credentials.json")

credentialStoreContract("codex, MCP servers", Effect.map(views, ([a, b]) => [a.store, b.store] as const), {
  tenants: [TenantId.make("mcp:linear"), TenantId.make("mcp:sentry")],
  names: ["linear", "Linear", "a|b", "__proto__", "constructor", "a/../b", "é", "日本", "😀", " ", "mcp:x"].map((
    name
  ) => `mcp:${name}`),
  // The file knows a server by its address.
  fit: (credential) => Credential.Credential.make({ ...credential, resource: Option.some("https://mcp.example/mcp") })
})
refreshJournalContract("beside codex's file", Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
