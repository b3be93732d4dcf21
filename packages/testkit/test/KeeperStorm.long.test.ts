/**
 * A keeper, commands that ask it, commands that do not, libraries and bare clients, all over one login that expires again and
 * again, while the keeper is killed or stopped at a random moment of each round. The server's ledger is the judge: one
 * redemption an expiry, and beside it only the one serialized retry after a kill.
 *
 * `LOCKSTEP_KEEPER_PROCESSES=200` is the whole of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as KeeperAsk from "@lockstep/serve/KeeperAsk"
import * as KeeperWire from "@lockstep/serve/KeeperWire"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Fs from "node:fs"
import * as Command from "./Command.js"
import * as Stage from "./Stage.js"

const PROCESSES = Number(process.env["LOCKSTEP_KEEPER_PROCESSES"] ?? 9)
const ROUNDS = Number(process.env["LOCKSTEP_KEEPER_ROUNDS"] ?? 4)
const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const WORKERS = 2

/** Milliseconds within which the kill or the stop comes. */
const LONGEST = Number(process.env["LOCKSTEP_KEEPER_MOMENT"] ?? 600)

const command = { _tag: "AccessToken", tenant: Stage.TENANT } as const

// So many processes on two cores starve each other for longer than the bounds of a person's machine allow for.
const env = {
  LOCKSTEP_QUIET_TIME: "1ms",
  LOCKSTEP_PROVIDER_TIMEOUT: "100s",
  LOCKSTEP_REDEEM_LIMIT: "120s",
  LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "60s",
  LOCKSTEP_LOCK_TIMEOUT: "300s"
}

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

/** Milliseconds that a bare client waits without a word. */
const PATIENCE = 60_000

/** Without the token. */
const describeReply = (reply: KeeperAsk.Reply): string =>
  reply._tag === "Answered" ? `answered ${reply.status}` : reply._tag === "Gone" ? `gone, ${reply.code}` : reply._tag

const isServed = (reply: KeeperAsk.Reply): boolean => reply._tag === "Answered" && reply.status === 200

describe("a keeper in a storm", () => {
  it.scopedLive(
    "is killed and stopped among processes of every kind: one redemption an expiry, and none of them fails",
    () =>
      Effect.gen(function*() {
        console.log(`keeper: LOCKSTEP_SEED=${SEED} repeats this run's moments`)
        // A kill between the server's commit and the first durable byte costs the one retry, which a strict server punishes.
        const stage = yield* Stage.make([Stage.TENANT], { forgiving: true })
        const entry = yield* Command.entry
        const keep = Effect.gen(function*() {
          const child = yield* stage.harness.spawn({ args: [entry, "serve", "--json"], env })
          const { socket } = yield* child.message((message) => "socket" in message)
          return { child, socket: socket as string }
        })
        const ask = (socket: string) =>
          Effect.promise(() =>
            KeeperAsk.ask({
              address: { _tag: "Socket", path: socket },
              method: "GET",
              path: KeeperWire.tokenPath(Stage.TENANT),
              headers: { [KeeperWire.CLIENT]: "storm" },
              // How long a starved keeper is silent is the machine's affair; what is asked here is that it answers.
              silence: PATIENCE
            })
          )
        const workers = yield* Effect.all(
          Array.from({ length: WORKERS }, () => RemoteWorker.spawn(stage.harness, { env })),
          { concurrency: 2 }
        )
        let keeper = yield* keep
        let kills = 0
        let doubles = 0
        for (let round = 0; round < ROUNDS; round++) {
          yield* expire(stage.file)
          const before = yield* stage.counts
          const isKill = round % 2 === 0
          const moment = yield* Random.nextIntBetween(0, LONGEST)
          const pause = yield* Random.nextIntBetween(50, LONGEST)
          const which = `round ${round}: ${isKill ? "killed" : "stopped"} after ${moment} ms`

          const libraries = yield* Effect.forEach(workers, (worker) => worker.begin(command))
          const commands = yield* Effect.forEach(
            Array.from({ length: PROCESSES }, (_, index) => index),
            (index) =>
              stage.harness.spawn({
                args: [entry, "token", Stage.TENANT],
                // Every third has no keeper to ask.
                env: index % 3 === 0 ? { ...env, LOCKSTEP_SERVE: "unix:/nowhere" } : env,
                prints: ["access_token"]
              }),
            { concurrency: 8 }
          )
          const socket = keeper.socket
          const bare = yield* Effect.fork(Effect.all(Array.from({ length: 4 }, () => ask(socket)), { concurrency: 4 }))
          yield* Effect.sleep(moment)
          if (isKill) {
            kills++
            yield* keeper.child.signal("SIGKILL")
            yield* keeper.child.exit
            keeper = yield* keep
          } else {
            yield* keeper.child.signal("SIGSTOP")
            yield* keeper.child.stopped
            yield* Effect.sleep(pause)
            yield* keeper.child.signal("SIGCONT")
          }
          const outcomes = yield* Effect.forEach(libraries, ({ outcome }) => outcome, { concurrency: "unbounded" })
          const exits = yield* Effect.forEach(
            commands,
            (child) =>
              Effect.flatMap(child.exit, ({ code }) => Effect.map(child.stderr, (stderr) => `${code} ${stderr}`))
          )
          const replies = yield* Fiber.join(bare)

          assert.deepStrictEqual(exits, exits.map(() => "0 "), which)
          assert.deepStrictEqual(outcomes.map(({ event }) => event), outcomes.map(() => "done"), which)
          for (const reply of replies) {
            // A keeper that was stopped goes on and answers; of one that was killed the system tells.
            const isTold = isKill && reply._tag === "Gone" && reply.code !== "ETIMEDOUT"
            assert.isTrue(isServed(reply) || isTold, `${which}: ${describeReply(reply)}`)
          }
          // One retry is what a bare client needs at most: by now the keeper is there again.
          const again = yield* ask(keeper.socket)
          assert.isTrue(isServed(again), `${which}: ${describeReply(again)}`)

          const after = yield* stage.counts
          const redeemed = after.redemptions - before.redemptions
          assert.isAtLeast(redeemed, 1, which)
          assert.isAtMost(redeemed, isKill ? 2 : 1, which)
          assert.strictEqual(after.reuses, before.reuses, which)
          if (redeemed === 2) doubles++
          assert.isTrue(yield* stage.lives(), which)
        }
        console.log(`${ROUNDS} rounds of ${PROCESSES + WORKERS + 4}: ${kills} kills, ${doubles} within a redemption`)
        yield* stage.harness.assertNoLeak
      }).pipe(Effect.withRandom(Random.make(SEED))),
    60_000 + ROUNDS * PROCESSES * 3_000
  )
})
