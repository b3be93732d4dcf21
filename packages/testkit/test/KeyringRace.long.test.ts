import { assert, describe, it } from "@effect/vitest"
import * as LeakCheck from "@lockstep/testkit/LeakCheck"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import type { Setup } from "@lockstep/testkit/processes/WorkerCommand"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Stage from "./Stage.js"

GnomeKeyring.explain()

const HELPER = fileURLToPath(new URL("../../node/bin/keyring.cjs", import.meta.url))

// So many processes on two cores starve each other for longer than the bounds of a person's machine allow for.
const PATIENCE = {
  LOCKSTEP_PROVIDER_TIMEOUT: "100s",
  LOCKSTEP_REDEEM_LIMIT: "120s",
  LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "60s",
  LOCKSTEP_KEYRING_TIMEOUT: "60s",
  LOCKSTEP_LOCK_TIMEOUT: "600s"
}

const HOUR = 3_600

/** Many processes with a store that needs the keyring, and an expired login for each tenant in it. */
const stageOf = (store: "keyring" | "secrets", tenants: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const gnome = yield* GnomeKeyring.make
    const server = yield* AuthorizationServer.make({ latency: 100 })
    const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
    const spawn = (setup: Setup = {}) =>
      RemoteWorker.spawn(harness, {
        setup: { store, keyringHelper: HELPER, ...setup },
        env: { ...gnome.environment, ...PATIENCE }
      })
    const seeder = yield* spawn()
    const now = Math.floor(Date.now() / 1_000)
    for (const tenant of tenants) {
      const { access_token, refresh_token, scope } = yield* server.issue(tenant)
      const { event } = yield* seeder.run({
        _tag: "Put",
        tenant,
        credential: {
          access_token,
          refresh_token,
          scope,
          issuer: server.issuer,
          token_endpoint: server.tokenEndpoint,
          client_id: server.clientId,
          token_type: "Bearer",
          obtained_at: now - 2 * HOUR,
          expires_at: now - HOUR
        },
        replace: false
      })
      assert.strictEqual(event, "done")
    }
    yield* seeder.finish
    return {
      server,
      harness,
      spawn,
      counts: () => ({
        redemptions: server.ledger.redemptions.length,
        reuses: server.ledger.reuses.length,
        refusals: server.ledger.refusals.length,
        revocations: server.ledger.revocations.length
      }),
      /** What lies in the home, for the leak check. */
      files: () =>
        readdirSync(harness.home, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ name, parentPath }) => ({
            where: name,
            text: readFileSync(join(parentPath, name), "utf8"),
            permitted: []
          }))
    }
  })

describe.skipIf(!GnomeKeyring.isInstalled).each(["keyring", "secrets"] as const)(
  "one redemption, with the %s store",
  (store) => {
    it.scopedLive(
      "12 processes find one expired login: one redeems, all have its token, no file shows it",
      () =>
        Effect.gen(function*() {
          const stage = yield* stageOf(store, [Stage.TENANT])
          const workers = yield* Effect.forEach(Array.from({ length: 12 }), () => stage.spawn(), { concurrency: 4 })
          const outcomes = yield* Effect.forEach(
            workers,
            (worker) => worker.run({ _tag: "AccessToken", tenant: Stage.TENANT }),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            outcomes.map(({ error, event }) => [event, error?.["message"]]),
            workers.map(() => ["done", undefined])
          )
          assert.strictEqual(new Set(outcomes.map(({ result }) => result!["accessToken"])).size, 1)
          assert.deepStrictEqual(stage.counts(), Stage.ONCE)
          const { result } = yield* (yield* stage.spawn()).run({ _tag: "Read", tenant: Stage.TENANT })
          assert.strictEqual(result!["refreshToken"], stage.server.ledger.redemptions[0]!.successor)
          assert.deepStrictEqual(LeakCheck.find(stage.server.ledger.secrets, stage.files()), [])
          yield* stage.harness.assertNoLeak
        }),
      300_000
    )

    it.scopedLive(
      "4 logins with 3 processes each: one redemption each, and no login is lost",
      () =>
        Effect.gen(function*() {
          const tenants = ["a", "b", "c", "d"]
          const stage = yield* stageOf(store, tenants)
          const workers = yield* Effect.forEach(Array.from({ length: 12 }), () => stage.spawn(), { concurrency: 4 })
          const outcomes = yield* Effect.forEach(
            workers,
            (worker, i) => worker.run({ _tag: "AccessToken", tenant: tenants[i % tenants.length]! }),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            outcomes.map(({ error, event }) => [event, error?.["message"]]),
            workers.map(() => ["done", undefined])
          )
          assert.deepStrictEqual(stage.counts(), { ...Stage.ONCE, redemptions: 4 })
          const reader = yield* stage.spawn()
          const successors = stage.server.ledger.redemptions.map(({ successor }) => successor)
          for (const tenant of tenants) {
            const { result } = yield* reader.run({ _tag: "Read", tenant })
            assert.include(successors, result!["refreshToken"])
          }
          yield* stage.harness.assertNoLeak
        }),
      300_000
    )

    it.scopedLive(
      "a process killed between the answer and the store leaves the answer to the next one",
      () =>
        Effect.gen(function*() {
          const stage = yield* stageOf(store, [Stage.TENANT])
          const mortal = yield* stage.spawn({
            stop: { span: "lockstep.refresh.persist", at: "start", signal: "SIGKILL" }
          })
          yield* mortal.begin({ _tag: "AccessToken", tenant: Stage.TENANT })
          assert.strictEqual((yield* mortal.child.exit).signal, "SIGKILL")
          assert.include(readdirSync(stage.harness.home), `auth.json.refresh.${Stage.TENANT}.answer`)
          assert.deepStrictEqual(LeakCheck.find(stage.server.ledger.secrets, stage.files()), [])
          const heir = yield* stage.spawn()
          assert.strictEqual((yield* heir.run({ _tag: "AccessToken", tenant: Stage.TENANT })).event, "done")
          assert.deepStrictEqual(stage.counts(), Stage.ONCE)
          yield* stage.harness.assertNoLeak
        }),
      120_000
    )
  }
)
