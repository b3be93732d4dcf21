import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Command from "./Command.js"
import * as FrontDoor from "./FrontDoor.js"
import * as Stage from "./Stage.js"

const { TENANT } = Stage

/** The commands that an advice names. */
const commandsOf = (advice: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...advice.matchAll(/`lockstep ([^`]*)`/g)].map(([, line]) => line!.split(" "))

describe("the front door", () => {
  it.scopedLive("two programs and one command find one expired login: one redeems, all have its token", () =>
    Effect.gen(function*() {
      const entry = yield* Command.entry
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const programs = [yield* FrontDoor.spawn(stage), yield* FrontDoor.spawn(stage)] as const
      const first = yield* programs[0].begin("accessToken", TENANT)
      const held = yield* Queue.take(hold.arrivals)
      // While the first one's request is on its way the others ask as well.
      const second = yield* programs[1].begin("accessToken", TENANT)
      const command = yield* stage.harness.spawn({
        args: [entry, "token", TENANT, "--format", "json"],
        env: FrontDoor.PATIENCE,
        prints: ["access_token"]
      })
      yield* held.pass
      const outcomes = yield* Effect.all([first.outcome, second.outcome])
      assert.strictEqual((yield* command.exit).code, 0, yield* command.stderr)
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      const generations = outcomes.map(({ result }) => (result as { readonly generation: number }).generation)
      assert.deepStrictEqual(generations, [2, 2])
      assert.isTrue(yield* stage.lives())
      // What a program prints of a token shows no secret, and no error does.
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("an abort ends the wait of its caller and nothing else", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const program = yield* FrontDoor.spawn(stage)
      const impatient = yield* program.begin("accessToken", TENANT)
      const held = yield* Queue.take(hold.arrivals)
      const patient = yield* program.begin("accessToken", TENANT)
      yield* impatient.abort
      assert.deepInclude(yield* impatient.outcome, { event: "failed", name: "AbortError" })
      yield* held.pass
      assert.deepInclude(yield* patient.outcome, { event: "done" })
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.strictEqual((yield* stage.stored()).generation, 2)
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("closing while a refresh is under way loses nothing of it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const program = yield* FrontDoor.spawn(stage)
      const asked = yield* program.begin("accessToken", TENANT)
      const held = yield* Queue.take(hold.arrivals)
      const closing = yield* program.begin("close", TENANT)
      yield* asked.abort
      yield* asked.outcome
      // Whatever is asked of it meanwhile is refused, so that the closing has begun.
      assert.deepInclude(yield* program.run("accessToken", TENANT), { event: "failed", tag: "Closed" })
      assert.notInclude(yield* program.child.stdout, "\"done\"")
      yield* held.pass
      assert.deepInclude(yield* closing.outcome, { event: "done" })
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.strictEqual((yield* stage.stored()).generation, 2)
      assert.isTrue(yield* stage.lives())
      assert.isFalse(yield* stage.hasAnswerFile())
      yield* program.child.closeStdin
      assert.strictEqual((yield* program.child.exit).code, 0, yield* program.child.stderr)
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("refreshes for a person, recovers from a rejected token, and tells how a login stands", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const program = yield* FrontDoor.spawn(stage)
      assert.deepInclude((yield* program.run("status", TENANT))["result"], { tenant: TENANT, state: "expired" })
      assert.deepInclude((yield* program.run("refresh", TENANT))["result"], {
        by: "redeemed",
        rotated: true,
        previousGeneration: 1
      })
      assert.deepInclude((yield* program.run("status", TENANT))["result"], { state: "fresh", generation: 2 })
      assert.deepInclude((yield* program.run("recover", TENANT))["result"], { generation: 3 })
      assert.strictEqual((yield* stage.counts).redemptions, 2)
      assert.strictEqual((yield* stage.counts).reuses, 0)
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("errors say what to do, in commands that run as they are printed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const program = yield* FrontDoor.spawn(stage)
      const missing = yield* program.run("accessToken", "codex")
      assert.deepInclude(missing, { event: "failed", tag: "ReauthorizationRequired", reason: "NotFound" })
      assert.deepInclude(yield* program.run("accessToken", ""), { tag: "UsageError", reason: "Arguments" })
      // The server refuses the stored refresh token.
      yield* stage.server.refresh(stage.logins[0]!.refresh_token)
      yield* stage.server.refresh(stage.logins[0]!.refresh_token)
      const ended = yield* program.run("accessToken", TENANT)
      assert.deepInclude(ended, { event: "failed", tag: "ReauthorizationRequired", reason: "InvalidGrant" })
      for (const [error, name] of [[missing, "codex"], [ended, TENANT]] as const) {
        const commands = commandsOf(String(error["advice"]))
        assert.strictEqual(commands.length, 1, String(error["advice"]))
        // It is understood and begins the login: with `--no-browser` it ends as soon as it has said where to go.
        const child = yield* stage.harness.spawn({
          args: [yield* Command.entry, ...commands[0]!, "--no-browser"]
        })
        assert.strictEqual((yield* child.exit).code, 0, `${name}: ${yield* child.stderr}`)
        assert.match(yield* child.stdout, /^http/)
      }
      yield* stage.harness.assertNoLeak
    }))
})
