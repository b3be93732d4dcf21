import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import * as FleetHosts from "./support/FleetHosts.js"
import * as Stage from "./support/Stage.js"

const { installation, make: hosts, ok } = FleetHosts

describe.skipIf(installation === undefined)("lockstep with PostgreSQL", () => {
  it.scopedLive(
    "two hosts share a login that one of them brought, and its tokens come back to a file",
    () =>
      Effect.gen(function*() {
        const { env, other, postgres, stage } = yield* hosts
        const run = (args: ReadonlyArray<string>, where: Readonly<Record<string, string>>, prints = false) =>
          Effect.tap(
            stage.run(args, { env: where, prints }),
            ({ stderr, stdout }) => Effect.sync(() => assert.notInclude(stderr + stdout, postgres.password))
          )
        const unset = yield* run(["migrate", "--check"], env)
        assert.strictEqual(unset.code, 1)
        assert.include(unset.stdout, "nothing is set up")
        assert.deepStrictEqual(yield* postgres.ask("select from pg_namespace where nspname = 'lockstep'"), [])
        assert.include(ok(yield* run(["migrate"], env)), "version 2")
        assert.include(ok(yield* run(["migrate", "--check"], env)), "is set up")
        yield* stage.seed({})
        const moved = JSON.parse(ok(yield* run(["store", "move", "--to", "postgres", "--json"], env)))
        assert.deepInclude(moved, { from: "file", to: "postgres", tenants: ["codex"] })
        assert.notMatch(fs.readFileSync(stage.file, "utf8"), FakeToken.PATTERN)

        const token = ok(yield* run(["token", "codex"], env, true))
        assert.strictEqual(ok(yield* run(["token", "codex"], other, true)), token)
        assert.lengthOf(stage.server.redemptions, 1)
        // The home of the first host is pinned by now, and the other one's by its first write.
        assert.notStrictEqual(ok(yield* run(["refresh", "codex"], other)), "")
        const next = ok(yield* run(["token", "codex"], env, true))
        assert.notStrictEqual(next, token)
        assert.lengthOf(stage.server.redemptions, 2)

        const shown = JSON.parse(ok(yield* run(["status", "--json"], other)))
        assert.include(JSON.stringify(shown), "codex")
        const healthy = yield* run(["doctor", "--offline", "--json"], other)
        assert.include(healthy.stdout, "\"check\":\"fleet\"")
        const child = ok(yield* run(["exec", "codex", "--", "env"], other, true))
        assert.include(child, "LOCKSTEP_TOKEN=")
        assert.notInclude(child, "LOCKSTEP_POSTGRES_URL")

        const back = JSON.parse(ok(yield* run(["store", "move", "--to", "file", "--json"], env)))
        assert.deepInclude(back, { from: "postgres", to: "file", tenants: ["codex"] })
        assert.strictEqual(ok(yield* run(["token", "codex"], env, true)), next)
        const record = yield* stage.stored()
        assert.isAtLeast(Number(record?.["generation"]), 3)
        const journal = JSON.parse(
          fs.readFileSync(join(stage.harness.home, "auth.json.refresh.codex.json"), "utf8")
        )
        assert.isAtLeast(journal.retired.length, 2)
        Stage.assertTold(yield* run(["token", "codex"], other), 3, /codex/)
      }),
    180_000
  )

  it.scopedLive(
    "an address or a key that is missing or wrong is told before anything is sent",
    () =>
      Effect.gen(function*() {
        const { env, other, stage, write } = yield* hosts
        const bare = { LOCKSTEP_STORE: "postgres" }
        Stage.assertTold(yield* stage.run(["token", "codex"], { env: bare }), 6, /LOCKSTEP_POSTGRES_URL_FILE/)
        Stage.assertTold(yield* stage.run(["token", "codex"], { env: other }), 6, /never set up/)
        ok(yield* stage.run(["migrate"], { env }))
        yield* stage.seed({})
        ok(yield* stage.run(["store", "move", "--to", "postgres"], { env }))
        const wrongKey = { ...other, LOCKSTEP_SECRETS_KEY_FILE: write("other-key", randomBytes(32).toString("base64")) }
        Stage.assertTold(yield* stage.run(["token", "codex"], { env: wrongKey }), 6, /key/)
        const open = write("open", "postgres://x:y@127.0.0.1/z")
        fs.chmodSync(open, 0o644)
        Stage.assertTold(
          yield* stage.run(["token", "codex"], { env: { ...other, LOCKSTEP_POSTGRES_URL_FILE: open } }),
          6,
          /other users/
        )
        assert.lengthOf(stage.server.redemptions, 0)
      }),
    180_000
  )
})
