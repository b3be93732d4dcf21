import { assert, describe, it } from "@effect/vitest"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import type { Secret } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const TELL = fileURLToPath(new URL("fixtures/tell.mjs", import.meta.url))
const STEPS = new URL("fixtures/steps.ts", import.meta.url)

const ACCESS = "lockstep-at-0123456789abcdefghijklmnop"
const REFRESH = "lockstep-rt-9876543210zyxwvutsrqponmlk"
const secrets: ReadonlyArray<Secret> = [
  { kind: "access_token", value: ACCESS },
  { kind: "refresh_token", value: REFRESH }
]
const harness = ProcessHarness.make({ secrets: () => secrets })

const tell = (place: string, text = "") => ({ args: [TELL, place, Buffer.from(text).toString("base64")] })

describe("ProcessHarness", () => {
  it.scopedLive("processes stand at the barrier until all of them are there", () =>
    Effect.gen(function*() {
      const { race } = yield* harness
      const children = yield* race(12, () => tell("times"))
      const went = yield* Effect.forEach(children, (child) => child.went)
      const ended = yield* Effect.forEach(children, (child) => child.exit)
      assert.deepStrictEqual(ended.map(({ code }) => code), children.map(() => 0))
      const stood = yield* Effect.forEach(children, (child) => child.ready)
      const began = yield* Effect.forEach(children, (child) => Effect.map(child.stdout, (text) => BigInt(text)))
      for (const { monotonic: last } of stood) {
        for (const { monotonic } of went) assert.isTrue(monotonic > last)
      }
      for (const [index, at] of began.entries()) assert.isTrue(at > went[index]!.monotonic)
    }))

  it.scopedLive("a process at the barrier has not begun", () =>
    Effect.gen(function*() {
      const { home, spawn } = yield* harness
      const child = yield* spawn({ ...tell("file", "begun"), barrier: true })
      yield* child.ready
      assert.isFalse(existsSync(home))
      yield* child.go
      yield* child.exit
      assert.isTrue(existsSync(`${home}/begun.json`))
    }))

  it.scopedLive("the barrier is for the process that was started, not for those that it starts", () =>
    Effect.gen(function*() {
      const { race } = yield* harness
      const [child] = yield* race(1, () => tell("child", "harmless"))
      assert.strictEqual((yield* child!.exit).code, 0)
      assert.strictEqual(yield* child!.stdout, "x")
    }))

  it.scopedLive("keeps stdout, stderr, exit code and signal apart", () =>
    Effect.gen(function*() {
      const { spawn } = yield* harness
      const out = yield* spawn(tell("stdout", "for programs"))
      const err = yield* spawn(tell("stderr", "for people"))
      assert.strictEqual((yield* out.exit).code, 0)
      assert.deepStrictEqual([yield* out.stdout, yield* out.stderr], ["the token is for programs.\n", ""])
      yield* err.exit
      assert.deepStrictEqual([yield* err.stdout, yield* err.stderr], ["", "cannot use for people\n"])
      const waiting = yield* spawn({ ...tell("stdout"), barrier: true })
      yield* waiting.ready
      yield* waiting.signal("SIGTERM")
      const exit = yield* waiting.exit
      assert.deepStrictEqual([exit.code, exit.signal], [null, "SIGTERM"])
    }))

  it.scopedLive("a process inherits nothing of the environment that runs the tests", () =>
    Effect.gen(function*() {
      const { home, spawn } = yield* harness
      const child = yield* spawn({ ...tell("environment"), barrier: true, env: { NO_COLOR: "1" } })
      yield* ChildProcess.startTogether([child])
      yield* child.exit
      const seen = JSON.parse(yield* child.stdout) as Record<string, string>
      assert.deepStrictEqual(Object.keys(seen).sort(), [
        "HOME",
        "LOCKSTEP_HOME",
        "NO_COLOR",
        "PATH",
        "TMPDIR",
        "USERPROFILE"
      ])
      assert.strictEqual(seen["LOCKSTEP_HOME"], home)
    }))

  it.live("nothing is left behind when the scope closes", () =>
    Effect.gen(function*() {
      const [home, pid] = yield* Effect.scoped(Effect.gen(function*() {
        const { home, spawn } = yield* harness
        const child = yield* spawn({ ...tell("file"), barrier: true })
        yield* child.ready
        return [home, child.pid] as const
      }))
      assert.throws(() => process.kill(pid, 0), /ESRCH/)
      assert.isFalse(existsSync(`${home}/..`))
    }))

  it.scopedLive("waiting for a message of a process that has ended says how it ended", () =>
    Effect.gen(function*() {
      const { spawn } = yield* harness
      const child = yield* spawn(tell("stderr", "trouble"))
      const error = yield* Effect.flip(child.message(() => true))
      assert.include(error.message, "ended with code 0")
      assert.include(error.message, "trouble")
    }))
})

describe("LeakCheck", () => {
  const shown = (place: string, text: string, prints: ReadonlyArray<Secret["kind"]> = []) =>
    Effect.scoped(Effect.gen(function*() {
      const { assertNoLeak, leaks, race } = yield* harness
      const [child] = yield* race(1, () => ({ ...tell(place, text), prints }))
      yield* child!.exit
      const found = yield* leaks
      const verdict = yield* Effect.exit(assertNoLeak)
      assert.strictEqual(Exit.isFailure(verdict), found.length > 0)
      if (Exit.isFailure(verdict)) assert.notInclude(String(verdict.cause), text)
      return found.map(({ kind, where }) => [kind, where.replace(/ of \d+.*/, "")])
    }))

  it.live("finds a token in every place that others can see", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* shown("stdout", ACCESS), [["access_token", "stdout"]])
      assert.deepStrictEqual(yield* shown("stderr", REFRESH), [["refresh_token", "stderr"]])
      assert.deepStrictEqual(yield* shown("file", REFRESH), [["refresh_token", "a file name"]])
      assert.deepInclude(yield* shown("title", REFRESH), ["refresh_token", "process title"])
      assert.deepInclude(yield* shown("child", REFRESH), ["refresh_token", "command line"])
    }))

  it.live("finds a part of a token", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* shown("stderr", `${REFRESH.slice(14, 30)}…`), [["refresh_token", "stderr"]])
      assert.deepStrictEqual(yield* shown("stderr", `${REFRESH.slice(14, 29)}…`), [])
    }))

  it.live("lets stdout carry what it is for, and nothing else", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* shown("stdout", ACCESS, ["access_token"]), [])
      assert.deepStrictEqual(yield* shown("stdout", REFRESH, ["access_token"]), [["refresh_token", "stdout"]])
      assert.deepStrictEqual(yield* shown("stderr", ACCESS, ["access_token"]), [["access_token", "stderr"]])
    }))

  it.scopedLive("looks at arguments", () =>
    Effect.gen(function*() {
      const { leaks, spawn } = yield* harness
      const child = yield* spawn({ args: ["-e", "", ACCESS] })
      yield* child.exit
      assert.include((yield* leaks).map(({ where }) => where), `arguments of ${child.pid}`)
    }))
})

describe("StepTracer", () => {
  const run = (point: object) =>
    Effect.scoped(Effect.gen(function*() {
      const { spawn } = yield* harness
      const child = yield* spawn({ args: [yield* Bundle.make(STEPS), JSON.stringify({ signal: "SIGKILL", ...point })] })
      const exit = yield* child.exit
      const events = (yield* child.stdout).trim().split("\n").map((line) =>
        (JSON.parse(line) as { event: string }).event
      )
      return { signal: exit.signal, events }
    }))

  it.live("kills the process as a step starts, before it does anything", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run({ span: "write", at: "start" }), { signal: "SIGKILL", events: ["stopping"] })
    }))

  it.live("kills the process as a step ends, after what it did", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run({ span: "write", at: "end" }), {
        signal: "SIGKILL",
        events: ["did", "stopping"]
      })
    }))

  it.live("tells the same step in different places and times apart, across fibers", () =>
    Effect.gen(function*() {
      const second = { signal: "SIGKILL" as const, events: ["did", "stopping"] }
      const third = { signal: "SIGKILL" as const, events: ["did", "did", "did", "stopping"] }
      assert.deepStrictEqual(yield* run({ span: "write", at: "start", within: "persist" }), second)
      assert.deepStrictEqual(yield* run({ span: "write", at: "start", occurrence: 2 }), second)
      assert.deepStrictEqual(yield* run({ span: "write", at: "end", within: "settle" }), third)
    }))

  it.live("a point that never comes stops nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run({ span: "write", at: "end", occurrence: 4 }), {
        signal: null,
        events: ["did", "did", "did", "finished"]
      })
    }))

  it.scopedLive("stops the process at a step until it is continued", () =>
    Effect.gen(function*() {
      const { spawn } = yield* harness
      const point = { span: "persist", at: "start", signal: "SIGSTOP" }
      const child = yield* spawn({ args: [yield* Bundle.make(STEPS), JSON.stringify(point)] })
      yield* child.message(({ event }) => event === "stopping")
      yield* child.stopped
      yield* child.signal("SIGCONT")
      yield* child.message(({ event }) => event === "finished")
      assert.strictEqual((yield* child.exit).code, 0)
    }))
})
