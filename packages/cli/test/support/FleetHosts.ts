/** An empty database, and two hosts that have its address and its key in files of their own. */
import { assert } from "@effect/vitest"
import type { Installation } from "@lockstep/testkit/servers/PostgresPrograms"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Stage from "./Stage.js"

/** What this machine can run; the tests of a machine that can run nothing are skipped. */
export const [installation] = PostgresServer.installations()

export const ok = (ran: Stage.Ran): string => {
  assert.strictEqual(ran.code, 0, ran.stderr + ran.stdout)
  return ran.stdout
}

export const makeOn = (one: Installation) =>
  Effect.gen(function*() {
    const postgres = yield* PostgresServer.start(one)
    const stage = yield* Stage.make()
    const directory = join(stage.harness.home, "..", "secrets")
    fs.mkdirSync(directory, { mode: 0o700 })
    const write = (name: string, text: string): string => {
      const path = join(directory, name)
      fs.writeFileSync(path, `${text}\n`, { mode: 0o600 })
      return path
    }
    const key = randomBytes(32).toString("base64")
    const env = {
      LOCKSTEP_POSTGRES_URL_FILE: write("url", postgres.url("postgres")),
      LOCKSTEP_SECRETS_KEY_FILE: write("key", key)
    }
    const otherHome = join(stage.harness.home, "..", "other")
    const other = { ...env, LOCKSTEP_HOME: otherHome, LOCKSTEP_STORE: "postgres" }
    return { postgres, stage, directory, write, key, env, other, otherHome }
  })

export const make = Effect.suspend(() => makeOn(installation!))
