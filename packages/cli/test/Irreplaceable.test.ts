/** A store whose file no rename can replace, in a real mount: what is known before the refresh token is spent. */
import { assert, describe, it } from "@effect/vitest"
import * as MountedFile from "@lockstep/testkit/processes/MountedFile"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assertOne, examine, seeded } from "./support/Doctor.js"
import * as Stage from "./support/Stage.js"

const mounted = it.scopedLive.skipIf(!MountedFile.isPossible)

const MOUNTED = /auth\.json\S* cannot be written \(it is mounted by itself, so it cannot be replaced\)/

/** A home in each kind of store that is a file. */
const kinds = {
  file: (stage: Stage.Stage) => Effect.succeed({ file: stage.file, env: {} }),
  secrets: (stage: Stage.Stage) =>
    Effect.gen(function*() {
      const key = join(stage.harness.home, "..", "key")
      writeFileSync(key, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 })
      const env = { LOCKSTEP_SECRETS_KEY_FILE: key }
      const moved = yield* stage.run(["store", "move", "--to", "secrets"], { env })
      assert.strictEqual(moved.code, 0, moved.stderr)
      return { file: `${stage.file}.sealed`, env }
    })
}

describe("a store that is mounted by itself", () => {
  for (const [name, make] of Object.entries(kinds)) {
    mounted(
      `spends no refresh token, and is refreshed when its directory is mounted: ${name}`,
      () =>
        Effect.gen(function*() {
          const stage = yield* Stage.make()
          yield* stage.seed({})
          const { env, file } = yield* make(stage)
          const before = readFileSync(file)
          yield* Effect.scoped(Effect.gen(function*() {
            yield* MountedFile.mount(file)
            for (const command of ["token", "refresh"]) {
              const ran = yield* stage.run([command, "codex"], { env })
              Stage.assertTold(ran, 6, MOUNTED)
              assert.include(ran.stderr, "mount the directory that it is in")
            }
            assert.deepStrictEqual(readFileSync(file), before)
            assert.lengthOf(stage.server.requests, 0)
          }))
          assert.strictEqual((yield* stage.run(["token", "codex"], { env, prints: true })).code, 0)
          assert.lengthOf(stage.server.redemptions, 1)
          assert.lengthOf(stage.server.reuses, 0)
        })
    )
  }

  mounted("still gives out an access token that has not ended", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      // Within the margin: a refresh is due and not needed.
      const { accessToken } = yield* stage.seed({ left: 60 })
      yield* MountedFile.mount(stage.file)
      const ran = yield* stage.run(["token", "codex"], { prints: true })
      assert.strictEqual(ran.stdout, `${accessToken}\n`)
      assert.lengthOf(stage.server.requests, 0)
    }))

  mounted("is what the doctor names, and so is a journal that is", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      for (const file of [stage.file, `${stage.file}.refresh.codex.json`]) {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* MountedFile.mount(file)
          const { findings, problems } = yield* examine(stage)
          assertOne(problems, /files: .* cannot be written \(it is mounted by itself/)
          assert.include(findings.find(({ code }) => code === "irreplaceable")!.advice, "mount the directory")
        }))
      }
      // Locks and answers are written where they are.
      yield* MountedFile.mount(`${stage.file}.refresh.codex.lock`)
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
    }))

  mounted("announces nothing in a journal that is mounted by itself", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      assert.strictEqual((yield* stage.run(["refresh", "codex"])).code, 0)
      yield* stage.change("codex", { expires_at: 1 })
      yield* MountedFile.mount(`${stage.file}.refresh.codex.json`)
      Stage.assertTold(
        yield* stage.run(["token", "codex"]),
        6,
        /refresh\.codex\.json cannot be written \(it is mounted/
      )
      assert.lengthOf(stage.server.redemptions, 1)
    }))
})
