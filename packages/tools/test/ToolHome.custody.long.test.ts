/** Custody over each tool's file: our sidecar, the tool's locks, its file, our companion and our journal. */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { everything, type Holds } from "@lockstep/testkit/contract/CredentialStoreContract"
import { custodyContract, type Stage } from "@lockstep/testkit/contract/CustodyContract"
import { custodyCrashContract } from "@lockstep/testkit/contract/CustodyCrashContract"
import * as Custodies from "@lockstep/testkit/homes/HomeCustodies"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import * as McpRemote from "@lockstep/tools/adapters/McpRemote"
import type { ToolFile } from "@lockstep/tools/ToolFile"
import * as ToolFiles from "@lockstep/tools/ToolFiles"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"

const HASH = Crypto.createHash("md5").update("https://mcp.example/mcp").digest("hex")

/** What each file has a place for. */
const HOLDS: Readonly<Record<string, Partial<Holds>>> = {
  "claude-code": { tenants: [TenantId.make("anthropic-oauth")] },
  "codex-mcp": {
    tenants: [TenantId.make("mcp:linear"), TenantId.make("mcp:sentry")],
    fit: (credential) => Credential.Credential.make({ ...credential, resource: Option.some("https://mcp.example/mcp") })
  },
  // One lock for all of its logins.
  hermes: { tenants: [TenantId.make("codex")] },
  pi: { tenants: [TenantId.make("codex")] },
  "pi-mcp": {
    tenants: [TenantId.make("mcp:linear"), TenantId.make("mcp:sentry")],
    fit: (credential) => Credential.Credential.make({ ...credential, resource: Option.some("https://mcp.example/mcp") })
  },
  // One file is one login, which is named by its address.
  "mcp-remote": {
    tenants: [TenantId.make(`mcp:${HASH}`)],
    fit: (credential) =>
      Credential.Credential.make({
        ...credential,
        accessToken: Option.orElseSome(credential.accessToken, () => Redacted.make("at"))
      })
  }
}

const nameOf = (tool: ToolFile): string => tool.name === "mcp-remote" ? `${HASH}_tokens.json` : "auth.json"

const open = (tool: ToolFile, path: string) =>
  ToolHomes.open(tool.name === "mcp-remote" ? McpRemote.at(path) : tool, path)

/** The tool's own directories, where it locks by them, are taken away as it takes them from a holder that seems dead. */
const overtaking = (tool: ToolFile, stage: Stage, path: string): Stage => {
  const directories = (tenant: TenantId.TenantId) =>
    tool.locks(path, { _tag: "Tenant", tenant }, Option.none).filter(LockFile.$is("Directory"))
  return directories(TenantId.make("codex")).length === 0 ? stage : {
    ...stage,
    overtake: (tenant) =>
      Effect.sync(() => {
        const [first] = directories(tenant)
        DirectoryLocks.steal(first!.path)
        // The thief has gone again.
        Fs.rmdirSync(first!.path)
      })
  }
}

for (const tool of ToolFiles.all) {
  const holds: Holds = { ...everything, grants: false, ...HOLDS[tool.name] }
  custodyContract(
    tool.title,
    Effect.gen(function*() {
      const path = yield* ToolHomes.place(nameOf(tool))
      const views = Effect.all([open(tool, path), open(tool, path)])
      return overtaking(tool, yield* Custodies.stageOf(views), path)
    }),
    holds
  )
  custodyCrashContract(
    tool.title,
    Custodies.machine((root) => {
      const home = Path.join(root, "tool")
      Fs.mkdirSync(home, { mode: 0o700 })
      return open(tool, Path.join(home, nameOf(tool)))
    }),
    holds
  )
}
