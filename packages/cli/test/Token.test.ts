import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stage from "./support/Stage.js"

const prints = { prints: true }

describe("lockstep token", () => {
  it.scopedLive("prints a fresh token and asks no server", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const ran = (args: ReadonlyArray<string>) => stage.run(["token", "codex", ...args], prints)
      assert.deepStrictEqual(yield* ran([]), { code: 0, stdout: `${accessToken}\n`, stderr: "" })
      assert.strictEqual((yield* ran(["--min-ttl", "5m"])).stdout, `${accessToken}\n`)
      assert.strictEqual((yield* ran(["--format=header"])).stdout, `Authorization: Bearer ${accessToken}\n`)
      assert.strictEqual((yield* ran(["--format", "env"])).stdout, `LOCKSTEP_TOKEN=${accessToken}\n`)
      assert.deepInclude(JSON.parse((yield* ran(["--json"])).stdout), {
        access_token: accessToken,
        tenant: "codex",
        source: "stored",
        store: stage.file
      })
      assert.lengthOf(stage.server.requests, 0)
    }))

  it.scopedLive("answers --no-refresh with no token that was rejected", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const line = ["token", "codex", "--no-refresh", "--rejected-stdin"]
      Stage.assertTold(yield* stage.run(line, { input: accessToken }), 5, /a refresh was not allowed/)
      const other = yield* stage.run(line, { input: "lockstep-at-another-one", prints: true })
      assert.strictEqual(other.stdout.trim(), accessToken)
      assert.lengthOf(stage.server.requests, 0)
    }))

  it.scopedLive("refreshes an expired token once and prints the new one", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const ran = yield* stage.run(["token", "codex"], prints)
      assert.strictEqual(ran.stderr, "")
      assert.strictEqual(ran.stdout, `${(yield* stage.stored())!["access_token"] as string}\n`)
      assert.isTrue(stage.server.isLive(ran.stdout.trim()))
      assert.strictEqual((yield* stage.run(["token", "codex"], prints)).stdout, ran.stdout)
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("takes options and global options in any order", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const elsewhere = { prints: true, env: { LOCKSTEP_HOME: "/nowhere" } }
      for (
        const args of [
          ["--home", stage.harness.home, "token", "--no-refresh", "codex"],
          ["token", "--home", stage.harness.home, "codex", "--min-ttl=300"],
          ["token", "codex", "--store", "file", "--log-level", "error", `--home=${stage.harness.home}`]
        ]
      ) assert.strictEqual((yield* stage.run(args, elsewhere)).stdout, `${accessToken}\n`)
    }))

  it.scopedLive("waits for a late answer and prints it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.delayed("1 second"))
      const ran = yield* stage.run(["token", "codex"], { ...prints, env: { LOCKSTEP_PROVIDER_TIMEOUT: "100ms" } })
      assert.strictEqual(ran.stderr, "")
      assert.strictEqual(ran.code, 0)
      assert.isTrue(stage.server.isLive(ran.stdout.trim()))
    }))

  it.scopedLive("--no-refresh asks no server", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      Stage.assertTold(yield* stage.run(["token", "codex", "--no-refresh"]), 5, /codex/)
      Stage.assertToldAsJson(yield* stage.run(["token", "codex", "--no-refresh", "--json"]), 5, "ProviderUnavailable")
      assert.lengthOf(stage.server.requests, 0)
    }))

  it.scopedLive("--min-ttl refreshes a token that has less left", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 1800 })
      const ran = yield* stage.run(["token", "codex", "--min-ttl", "40 minutes"], prints)
      assert.notStrictEqual(ran.stdout, `${accessToken}\n`)
      assert.lengthOf(stage.server.redemptions, 1)
    }))
})

describe("lockstep token --rejected-stdin", () => {
  const rejected = ["token", "codex", "--rejected-stdin"]

  it.scopedLive("answers with another token than the one that got a 401", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const ran = yield* stage.run(rejected, { ...prints, input: `${accessToken}\r\n` })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.notInclude(ran.stdout, accessToken)
      assert.lengthOf(stage.server.redemptions, 1)
      // By now it is an outdated one, which is only compared.
      const again = yield* stage.run(rejected, { ...prints, input: accessToken })
      assert.strictEqual(again.stdout, ran.stdout)
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("refuses nothing, too much, and a terminal", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      Stage.assertTold(yield* stage.run(rejected, { input: "\n" }), 2, /the rejected token is empty/)
      Stage.assertTold(yield* stage.run(rejected, { input: "x".repeat(65_537) }), 2, /longer than 64 KiB/)
      const child = yield* stage.onTerminal(rejected)
      assert.strictEqual((yield* child.exit).code, 2)
      assert.include(yield* child.stdout, "is not read from a terminal")
      assert.lengthOf(stage.server.requests, 0)
    }))
})

describe("lockstep token --max-wait", () => {
  it.scopedLive("answers by the deadline while a detached process finishes the refresh", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const ran = yield* stage.run(["token", "codex", "--max-wait", "1s", "--json"])
      Stage.assertToldAsJson(ran, 5, "ProviderTimeout", "StillRunning")
      // It starts slowly on a busy machine; its request is what says that it runs.
      yield* Queue.take(stage.server.arrivals)
      const second = yield* stage.start(["token", "codex"])
      yield* Deferred.succeed(gate, undefined)
      const { stderr, stdout } = yield* stage.finish(second, prints)
      assert.isTrue(stage.server.isLive(stdout.trim()), stderr)
      assert.lengthOf(stage.server.redemptions, 1)
      assert.lengthOf(stage.server.reuses, 0)
    }))

  it.scopedLive("answers with an unexpired token, and says that the refresh goes on", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 60 })
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const ran = yield* stage.run(["token", "codex", "--max-wait", "500ms"], prints)
      assert.deepInclude(ran, { code: 0, stdout: `${accessToken}\n` })
      assert.match(ran.stderr, /^lockstep: warning: .*goes on in the background.*\n$/)
      yield* Queue.take(stage.server.arrivals)
      yield* Deferred.succeed(gate, undefined)
    }))

  it.scopedLive("prints the new token of a refresh that is quick enough", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const ran = yield* stage.run(["token", "codex", "--max-wait", "1 minute"], prints)
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.isTrue(stage.server.isLive(ran.stdout.trim()))
      assert.lengthOf(stage.server.redemptions, 1)
    }))

  it.scopedLive("tells a refusal as it would be told without a deadline", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* stage.server.script(ServerBehaviour.refused("invalid_grant"))
      const ran = yield* stage.run(["token", "codex", "--max-wait", "1 minute", "--json"])
      Stage.assertToldAsJson(ran, 3, "ReauthorizationRequired", "InvalidGrant")
    }))

  it.scopedLive("names the process that holds the lock", () =>
    Effect.gen(function*() {
      const { child: holder, letGo, stage } = yield* Stage.refreshing
      const ran = yield* stage.run(["token", "codex", "--max-wait", "500ms", "--json"])
      const error = Stage.assertToldAsJson(ran, 4, "LockTimeout")
      assert.deepInclude(error["holder"], { pid: holder.pid, stopped: false })
      yield* letGo
      assert.strictEqual((yield* stage.finish(holder, prints)).code, 0)
    }))

  it.scopedLive("gives a rejected token to the detached process on its standard input alone", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const ran = yield* stage.run(["token", "codex", "--rejected-stdin", "--max-wait", "1 minute"], {
        ...prints,
        input: accessToken
      })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.notInclude(ran.stdout, accessToken)
      assert.lengthOf(stage.server.redemptions, 1)
    }))
})
