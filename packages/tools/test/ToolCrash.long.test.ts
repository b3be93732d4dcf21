import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { credential } from "@lockstep/testkit/contract/credentials"
import { tool } from "@lockstep/tools/adapters/Openab"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"
import * as Processes from "./support/toolProcesses.js"

const CODEX = TenantId.make("codex")

/** Most of it has no place in openab's file. */
const full = (generation: number) =>
  credential(generation, {
    issuer: Option.some("https://as.example"),
    clientId: Option.some("client"),
    clientSecret: Option.some(Redacted.make("lockstep-cs-secret")),
    scope: Option.some("a b"),
    obtainedAt: Option.some(1_790_000_000 + generation),
    expiresAt: Option.some(1_790_003_600),
    lastRedeem: Option.some("attempt")
  })

const temporaries = (path: string) => Fs.readdirSync(Path.dirname(path)).filter((name) => name.endsWith(".tmp"))

describe("a writer that is killed", () => {
  it.scopedLive.each(
    [
      ["before the companion is written", "lockstep.store.companion", "start", 1, 1],
      ["before the companion's text is synced", "lockstep.file.sync", "start", 1, 1],
      ["before the companion is renamed into place", "lockstep.file.rename", "start", 1, 1],
      ["between companion and tool's file", "lockstep.store.companion", "end", 1, 1],
      ["before the tool's text is synced", "lockstep.file.sync", "start", 3, 1],
      ["before the tool's file is renamed into place", "lockstep.file.rename", "start", 2, 1],
      ["when the tool's file is renamed into place", "lockstep.file.rename", "end", 2, 2],
      ["when all is done", "lockstep.store.modify", "end", 1, 2]
    ] as const
  )(
    "%s leaves the whole record from before or the whole new one",
    ([, span, at, occurrence, expected]) =>
      Effect.gen(function*() {
        const { path, store } = yield* ToolHomes.withText(tool, "auth.json", "{}")
        const before = full(1)
        yield* store.modify(CODEX, () => Change.Put({ credential: before, value: () => undefined }))
        const child = yield* Processes.spawn({ tool: "openab", path, die: { span, at, occurrence } })
        yield* Effect.forkScoped(Effect.either(child.ask({ do: "write", tenant: CODEX })))
        assert.strictEqual((yield* child.exit).signal, "SIGKILL")

        const { credential: after } = yield* Effect.flatten(store.get(CODEX))
        if (expected === 1) assert.isTrue(Equal.equals(after, before))
        // The tokens are new, and everything that has no place in openab's file is that of this record.
        const { accessToken, refreshToken } = after
        assert.isTrue(
          Equal.equals(
            after,
            Credential.Credential.make({ ...before, accessToken, refreshToken, generation: expected })
          )
        )
        assert.strictEqual(Equal.equals(accessToken, before.accessToken), expected === 1)

        // The kernel gave the locks back, and the next writer cleans up.
        yield* store.modify(CODEX, () => Change.Put({ credential: full(9), value: () => undefined }))
        assert.strictEqual((yield* Effect.flatten(store.get(CODEX))).credential.generation, 9)
        assert.deepStrictEqual(temporaries(path), [])
      })
  )
})
