/**
 * Eight processes that share a login, and one of them killed at a random moment of each refresh, round after round. The
 * server's ledger is the judge: one redemption per expiry, and beside it only the one serialized retry after a kill.
 */
import { assert, describe, it } from "@effect/vitest"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Fs from "node:fs"
import * as Stage from "./Stage.js"

const PROCESSES = 8
const KILLS = Number(process.env["LOCKSTEP_KILLS"] ?? 25)
const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Milliseconds within which the kill comes: a refresh of these processes takes less. */
const LONGEST = 120

const command = { _tag: "AccessToken", tenant: Stage.TENANT } as const
const env = { LOCKSTEP_QUIET_TIME: "1ms" }

/** Lets the stored access token be expired, as a program of its own would write it while no process is at work. */
const expire = (file: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const text = Fs.readFileSync(file, "utf8").replace(
      /("expires_at": )\d+(?:\.\d+)?/,
      `$1${Math.floor(Date.now() / 1_000) - 10}`
    )
    Fs.writeFileSync(`${file}.test`, text, { mode: 0o600 })
    Fs.renameSync(`${file}.test`, file)
  })

/**
 * What a server makes of the retry after a kill between its commit and the first durable byte: a strict one ends the
 * login, a forgiving one takes the token again.
 */
const SERVERS = [["strict", false], ["forgiving", true]] as const

describe("a storm of kills", () => {
  for (const [kind, forgiving] of SERVERS) {
    it.scopedLive(
      `${KILLS} of them, at a ${kind} server, damage no record, and cost no redemption but the one retry after a kill`,
      () =>
        Effect.gen(function*() {
          console.log(`kills: LOCKSTEP_SEED=${SEED} LOCKSTEP_KILLS=${KILLS} repeats this run's moments`)
          const stage = yield* Stage.make([Stage.TENANT], { forgiving })
          const spawn = RemoteWorker.spawn(stage.harness, { env })
          const workers = yield* Effect.all(Array.from({ length: PROCESSES }, () => spawn), { concurrency: 2 })
          let inWindow = 0
          for (let kill = 0; kill < KILLS; kill++) {
            yield* expire(stage.file)
            const before = yield* stage.counts
            const token = (yield* stage.stored()).refreshToken
            const victim = yield* Random.nextIntBetween(0, PROCESSES)
            const moment = yield* Random.nextIntBetween(0, LONGEST)
            const running = yield* Effect.forEach(workers, (worker) => worker.begin(command))
            yield* Effect.delay(workers[victim]!.child.signal("SIGKILL"), moment)
            assert.strictEqual((yield* workers[victim]!.child.exit).signal, "SIGKILL")
            const others = running.filter((_, index) => index !== victim)
            const outcomes = yield* Effect.forEach(others, ({ outcome }) => outcome, { concurrency: "unbounded" })
            workers[victim] = yield* spawn
            outcomes.push(yield* workers[victim].run(command))

            const after = yield* stage.counts
            const which = `kill ${kill} after ${moment} ms`
            const { refreshToken } = yield* stage.stored()
            const redeemed = after.redemptions - before.redemptions
            const reused = after.reuses - before.reuses
            assert.isAtMost(redeemed, forgiving ? 2 : 1, which)
            assert.isAtMost(reused, forgiving ? 0 : 1, which)
            // One that died after it had stored its answer leaves it to the next one that takes the lock.
            if (yield* stage.hasAnswerFile()) assert.isTrue(yield* stage.isAnswerStored(), which)
            if (redeemed + reused === 2) inWindow++
            if (reused === 0) {
              assert.deepStrictEqual(outcomes.map(({ event }) => event), outcomes.map(() => "done"), which)
              assert.notStrictEqual(refreshToken, token, which)
              assert.isTrue(yield* stage.lives(), which)
              continue
            }
            // The server committed, and its answer died with the process: the strict server ends the login at the retry.
            assert.strictEqual(refreshToken, token, which)
            const login = yield* SeededHome.issue(stage.server, Stage.TENANT)
            yield* SeededHome.write(stage.harness.home, [login])
            assert.strictEqual((yield* stage.stored()).refreshToken, fingerprint(login.refresh_token))
          }
          yield* expire(stage.file)
          yield* workers[0]!.run(command)
          assert.isFalse(yield* stage.hasAnswerFile(), "after a refresh that was let alone")
          console.log(`${KILLS} kills at a ${kind} server: ${inWindow} between its commit and the first durable byte`)
          yield* stage.harness.assertNoLeak
        }).pipe(Effect.withRandom(Random.make(SEED))),
      60_000 + KILLS * 20_000
    )
  }
})
