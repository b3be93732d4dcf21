/**
 * What a login that Lockstep takes over is held to, with the program that keeps it: the file is one that this version of
 * the program wrote, at a refresh of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Programs from "@lockstep/testkit/processes/Programs"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

export interface Imported {
  readonly program: Programs.Name
  /** What the table calls it. */
  readonly row: string
  /** What `--from-tool` says. */
  readonly tool: string
  readonly tenant: string
  /** Whether the file says where to refresh: else a login is begun at the server's address instead. */
  readonly refreshes: boolean
  readonly file: (stage: Stage.Stage) => string
  /** Further files that the program needs, by path. */
  readonly surroundings: (stage: Stage.Stage) => Readonly<Record<string, string>>
  /** The program's file with the login of the stage, whose token has ended. */
  readonly text: (stage: Stage.Stage) => string
  /** The access token that the text holds. */
  readonly token: (text: string) => string
  /** Has the program do one thing at the server, and waits for its end. */
  readonly use: (stage: Stage.Stage) => Effect.Effect<unknown>
}

export const importedTests = (imported: Imported): void => {
  const { program } = imported
  const seen = Table.observe(imported.row, program)

  describe.skipIf(!Stage.isInstalled(program))(`${imported.row}, the real program`, () => {
    it.scopedLive(
      "keeps a login that Lockstep takes over as it is, and changes nothing in its file",
      () =>
        Effect.gen(function*() {
          const stage = yield* Stage.make
          const file = imported.file(stage)
          for (
            const [path, text] of Object.entries({ ...imported.surroundings(stage), [file]: imported.text(stage) })
          ) {
            mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
            writeFileSync(path, text, { mode: 0o600 })
          }
          // Its end has passed, and the server says so as well: not every program looks at the clock.
          yield* stage.resource.rejectFromNow(stage.login.access_token)
          yield* imported.use(stage)
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
          const written = readFileSync(file, "utf8")
          const token = imported.token(written)
          assert.notStrictEqual(token, stage.login.access_token)
          assert.strictEqual(stage.resource.requests.at(-1)?.token, fingerprint(token))

          const take = ["import", imported.tenant, "--from-tool", imported.tool]
          if (imported.refreshes) {
            // Two that refresh one login log each other out: that is said, and has to be meant.
            assert.strictEqual((yield* stage.lockstep(...take)).code, 2)
            take.push("--share-login")
          }
          const taken = yield* stage.lockstep(...take)
          assert.strictEqual(taken.code, 0, taken.stderr)
          const told = yield* stage.lockstep("token", imported.tenant)
          assert.strictEqual(told.stdout.trim(), token, told.stderr)
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
          if (imported.refreshes) {
            const refreshed = yield* stage.lockstep("refresh", imported.tenant)
            assert.strictEqual(refreshed.code, 0, refreshed.stderr)
            assert.deepStrictEqual(yield* stage.counts, { redemptions: 2, reuses: 0, refusals: 0 })
          }
          assert.strictEqual(readFileSync(file, "utf8"), written)
          yield* stage.harness.assertNoLeak
          seen("reads")
        }),
      180_000
    )

    it("stands in the table of the documents as it was seen", () => Table.compare(imported.row, program))
  })
}
