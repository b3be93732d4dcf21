/**
 * What keeps the file of a store from being replaced is known before a token is spent, in whatever store the file is: with real
 * bind mounts.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as TenantId from "@lockstep/core/TenantId"
import { Change, type WritableStore } from "@lockstep/core/WritableStore"
import * as Replaceable from "@lockstep/node/Replaceable"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as MountedFile from "@lockstep/testkit/processes/MountedFile"
import * as ClaudeCode from "@lockstep/tools/adapters/ClaudeCode"
import * as CodexMcp from "@lockstep/tools/adapters/CodexMcp"
import * as Hermes from "@lockstep/tools/adapters/Hermes"
import * as Openab from "@lockstep/tools/adapters/Openab"
import * as Pi from "@lockstep/tools/adapters/Pi"
import * as Companion from "@lockstep/tools/Companion"
import type { ToolFile } from "@lockstep/tools/ToolFile"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"

const CODEX = TenantId.make("codex")

/** codex keeps a login for an MCP server alone. */
const RESOURCE = Option.some("https://mcp.example/mcp")

const put = (store: WritableStore["Type"], generation: number, tenant = CODEX) =>
  store.modify(
    tenant,
    () => Change.Put({ credential: credential(generation, { resource: RESOURCE }), value: () => undefined })
  )

const mounted = it.scopedLive.skipIf(!MountedFile.isPossible)

const told = ({ advice, detail, location, reason }: CredentialStoreError) => ({ reason, location, detail, advice })

describe("a store", () => {
  /** What a refresh proves before it announces anything. */
  const proven = ({ custody }: Homes.Opened | ToolHomes.Opened, tenant: TenantId.TenantId) =>
    Effect.scoped(Effect.gen(function*() {
      const hold = yield* custody.hold(tenant, { timeout: Duration.minutes(1) })
      assert.strictEqual(hold._tag, "Held")
      if (hold._tag === "Held") yield* hold.held.reserve(Option.some(1_000))
    }))

  const assertForetold = (
    opened: Homes.Opened | ToolHomes.Opened,
    tenant: TenantId.TenantId,
    path: string
  ) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(proven(opened, tenant))
      deepStrictEqual(told(error as CredentialStoreError), told(Replaceable.failure(path, "Mounted")))
      assert.match(error.advice, /^mount the directory that it is in/)
      // It is read as before.
      assert.isTrue(Option.isSome(yield* opened.store.get(tenant)))
    })

  mounted("of our own is known to be mounted by itself before anything is spent", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const opened = yield* Homes.open(directory)
      yield* put(opened.store, 1)
      yield* proven(opened, CODEX)
      yield* MountedFile.mount(Path.join(directory, "auth.json"))
      yield* assertForetold(opened, CODEX, Path.join(directory, "auth.json"))
    }))

  const tools: ReadonlyArray<readonly [ToolFile, string, string]> = [
    [ClaudeCode.tool, ".credentials.json", "anthropic-oauth"],
    [CodexMcp.tool, ".credentials.json", "mcp:linear"],
    [Hermes.tool, "auth.json", "agent"],
    [Openab.tool, "auth.json", "agent"],
    [Pi.tool, "auth.json", "anthropic-oauth"]
  ]
  for (const [tool, name, tenant] of tools) {
    mounted(`of ${tool.title} is, and so is its companion`, () =>
      Effect.gen(function*() {
        const path = yield* ToolHomes.place(name)
        const opened = yield* ToolHomes.open(tool, path)
        const id = TenantId.make(tenant)
        yield* put(opened.store, 1, id)
        yield* proven(opened, id)
        for (const one of [path, Companion.pathOf(path)]) {
          yield* Effect.scoped(Effect.zipRight(MountedFile.mount(one), assertForetold(opened, id, one)))
        }
        yield* proven(opened, id)
      }))
  }

  mounted("knows it of its journal, too", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const opened = yield* Homes.open(directory)
      yield* put(opened.store, 1)
      yield* opened.journal.write(CODEX, yield* opened.journal.read(CODEX))
      const path = Path.join(directory, SidecarNames.journal("auth.json", CODEX))
      yield* MountedFile.mount(path)
      yield* assertForetold(opened, CODEX, path)
    }))
})
