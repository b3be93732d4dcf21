/** Clients of MCP that start `lockstep mcp`, as `lockstep setup mcp` has told them to. */
import { assert, describe, it } from "@effect/vitest"
import * as Programs from "@lockstep/testkit/processes/Programs"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { symlinkSync } from "node:fs"
import * as McpClients from "./mcpClients.js"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const TENANT = "mcp:files"

interface Client {
  readonly program: Programs.Name
  /** What the table calls it. */
  readonly row: string
  readonly client: string
  /** Files that are there before: the setting goes between what they hold. */
  readonly files: Readonly<Record<string, string>>
  readonly use: (stage: Stage.Stage, env: Readonly<Record<string, string>>) => Effect.Effect<void>
}

const CLIENTS: ReadonlyArray<Client> = [
  {
    program: "claude",
    row: "Claude Code, `lockstep mcp`",
    client: "claude-code",
    files: { ".claude.json": JSON.stringify({ hasCompletedOnboarding: true }) },
    use: McpClients.claude
  },
  {
    program: "codex",
    row: "codex, `lockstep mcp`",
    client: "codex",
    files: { ".codex/config.toml": "model = \"gpt-5\" # of late\n" },
    use: McpClients.codex
  },
  {
    program: "gemini",
    row: "Gemini CLI, `lockstep mcp`",
    client: "gemini",
    files: { ".gemini/settings.json": JSON.stringify({ security: { folderTrust: { enabled: false } } }) },
    use: McpClients.gemini
  }
]

for (const { client, files, program, row, use } of CLIENTS) {
  const seen = Table.observe(row, program)

  describe.skipIf(!Stage.isInstalled(program))(`${row}, the real program`, () => {
    it.scopedLive(
      "is told where the server is, and gets through after an expiry, and after a token that is refused while the clock calls it good",
      () =>
        Effect.gen(function*() {
          const recipe = yield* Recipe.make(TENANT, ({ resource }) => ({
            resource: resource.url,
            scope: "openid offline_access mcp:use"
          }))
          const { stage } = recipe
          const [binary] = Option.getOrThrow(Programs.find(program)).command
          symlinkSync(binary, stage.path("bin", program))
          for (const [name, text] of Object.entries(files)) yield* recipe.write(name, text)
          yield* recipe.setup(["mcp", TENANT, "--client", client], Programs.ENVIRONMENT)
          const again = yield* recipe.setup(["mcp", TENANT, "--client", client], Programs.ENVIRONMENT)
          assert.match(again, /^unchanged: /)

          yield* use(stage, recipe.path)
          yield* recipe.assertCounts(1)
          assert.strictEqual(stage.resource.requests.at(-1)?.token, fingerprint(recipe.token()))
          yield* stage.resource.rejectFromNow(recipe.token())
          yield* use(stage, recipe.path)
          yield* recipe.assertCounts(2)
          assert.strictEqual(stage.resource.requests.at(-1)?.token, fingerprint(recipe.token()))
          yield* stage.harness.assertNoLeak
          seen("recipe")
        }),
      240_000
    )

    it("stands in the table of the documents as it was seen", () => Table.compare(row, program))
  })
}
