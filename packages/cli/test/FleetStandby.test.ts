import { assert, describe, it } from "@effect/vitest"
import * as PostgresPrograms from "@lockstep/testkit/servers/PostgresPrograms"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/Stage.js"

const installation = PostgresPrograms.withBaseBackup()

describe.skipIf(Option.isNone(installation))("lockstep doctor, on a database with a standby", () => {
  it.scopedLive("says what is at risk while no commit waits for it, and nothing once they do", () =>
    Effect.gen(function*() {
      const primary = yield* PostgresServer.start(Option.getOrThrow(installation))
      yield* PostgresServer.follow(Option.getOrThrow(installation), primary.port)
      const until = (state: string) =>
        Effect.repeat(primary.ask("select sync_state from pg_stat_replication"), {
          until: ([row]) => row?.["sync_state"] === state,
          schedule: Schedule.spaced("10 millis")
        })
      const stage = yield* Stage.make()
      const directory = join(stage.harness.home, "..", "secrets")
      fs.mkdirSync(directory, { mode: 0o700 })
      const write = (name: string, text: string): string => {
        const path = join(directory, name)
        fs.writeFileSync(path, `${text}\n`, { mode: 0o600 })
        return path
      }
      const env = {
        LOCKSTEP_STORE: "postgres",
        LOCKSTEP_POSTGRES_URL_FILE: write("url", primary.url("postgres")),
        LOCKSTEP_SECRETS_KEY_FILE: write("key", randomBytes(32).toString("base64"))
      }
      assert.strictEqual((yield* stage.run(["migrate"], { env })).code, 0)
      const doctor = Effect.map(stage.run(["doctor", "--offline"], { env }), ({ stdout }) => stdout)

      yield* until("async")
      const warned = yield* doctor
      assert.include(warned, "no commit of")
      assert.include(warned, "synchronous_standby_names")
      assert.notInclude(warned, primary.password)

      yield* primary.ask("alter system set synchronous_standby_names = '*'")
      yield* primary.ask("select pg_reload_conf()")
      yield* until("sync")
      assert.notInclude(yield* doctor, "no commit of")
    }))
})
