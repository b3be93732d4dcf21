import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { setTimeout } from "node:timers/promises"
import * as Stage from "./support/Stage.js"

const ESCAPE = "\u001b"

/** Waits until a process has written something; its end without it is the test's. */
const shows = (child: { readonly stdout: Effect.Effect<string> }, what: RegExp) =>
  Effect.repeat(Effect.zipRight(Effect.promise(() => setTimeout(5)), child.stdout), {
    until: (text) => what.test(text)
  })

describe("at a terminal", () => {
  it.scopedLive("there is colour, unless it is not wanted", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const coloured = yield* stage.onTerminal(["status"])
      yield* coloured.exit
      assert.include(yield* coloured.stdout, "\u001b[32mfresh\u001b[39m")
      const plain = yield* stage.onTerminal(["status"], { NO_COLOR: "1" })
      yield* plain.exit
      assert.notInclude(yield* plain.stdout, "\u001b[")
      const forced = yield* stage.run(["status"], { coloured: true, env: { FORCE_COLOR: "1" } })
      assert.include(forced.stdout, "\u001b[32mfresh")
    }))

  it.scopedLive("status --watch is drawn again in its place", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const child = yield* stage.onTerminal(["status", "--watch"], { NO_COLOR: "1" })
      yield* shows(child, /refreshes at next use[\s\S]*q ends this/)
      yield* stage.run(["refresh", "codex"])
      // Up by the two lines that were there.
      yield* shows(child, new RegExp(`${ESCAPE}\\[2A\r${ESCAPE}\\[JTENANT[^${ESCAPE}]*fresh`))
      yield* child.write("\u0003")
      assert.strictEqual((yield* child.exit).code, 130)
    }))

  it.scopedLive("status --watch ends with q, and leaves the terminal as it was", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const child = yield* stage.onTerminal(["status", "--watch"], { NO_COLOR: "1" })
      yield* shows(child, /q ends this/)
      yield* child.write("xq")
      assert.strictEqual((yield* child.exit).code, 0)
      assert.match(yield* child.stdout, /q ends this\r\n$/)
    }))

  it.scopedLive("Ctrl-C at a question ends the command as it does everywhere, and Ctrl-D is a no", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const asked = Effect.gen(function*() {
        const child = yield* stage.onTerminal(["login", "codex", "--no-browser"], { NO_COLOR: "1" })
        yield* shows(child, /Replace this login\? \[y\/N\]/)
        return child
      })
      const ended = yield* asked
      yield* ended.write("\u0003")
      assert.strictEqual((yield* ended.exit).code, 130)
      const refused = yield* asked
      yield* refused.write("\u0004")
      assert.strictEqual((yield* refused.exit).code, 2)
      assert.include(yield* refused.stdout, "is logged in already")
    }))

  it.scopedLive("Ctrl-C during a refresh says what is waited for, a second one changes nothing", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const child = yield* stage.onTerminal(["refresh", "codex"])
      yield* Queue.take(stage.server.arrivals)
      yield* child.write("\u0003")
      yield* shows(child, /finishing the refresh of codex: its new token is stored first/)
      yield* child.write("\u0003")
      yield* shows(child, /stored first[\s\S]*stored first/)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* child.exit).code, 130)
      assert.strictEqual((yield* stage.stored())!["generation"], 2)
      assert.lengthOf(stage.server.redemptions, 1)
    }))
})

describe("Ctrl-Z", () => {
  it.scopedLive("stops a process that holds no lock at once", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const child = yield* stage.start(["status", "--watch", "--json"])
      yield* child.message(() => true)
      yield* child.signal("SIGTSTP")
      yield* child.stopped
      yield* child.signal("SIGCONT")
      yield* child.signal("SIGTERM")
      assert.strictEqual((yield* stage.finish(child)).code, 143)
    }))

  it.scopedLive("waits for a refresh that holds the lock, so that no other process waits for `fg`", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const child = yield* stage.start(["token", "codex"])
      yield* Queue.take(stage.server.arrivals)
      yield* child.signal("SIGTSTP")
      // By the time that another process has started and ended, the signal has long arrived.
      assert.include((yield* stage.run(["status", "--json"])).stdout, "\"stopped\":false")
      const second = yield* stage.start(["token", "codex"])
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* stage.finish(second, { prints: true })).code, 0)
      yield* child.stopped
      assert.strictEqual((yield* stage.stored())!["generation"], 2)
      yield* child.signal("SIGCONT")
      assert.strictEqual((yield* stage.finish(child, { prints: true })).code, 0)
      assert.lengthOf(stage.server.redemptions, 1)
    }))
})

describe("a closed pipe", () => {
  it.scopedLive("is no error, on either path", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      // The reader is gone before the first byte is written.
      const into = (command: string) => `exec 3> >(exec 0<&-); wait $!; $LOCKSTEP ${command} >&3; echo "code $?"`
      for (const command of ["token codex", "token codex --json", "status", "--help", "doctor"]) {
        const ran = yield* stage.shell(into(command))
        assert.deepInclude(ran, { stdout: "code 0\n" }, command)
        assert.notMatch(ran.stderr, /EPIPE|at .*:\d+:\d+/, command)
      }
    }))

  it.scopedLive("does not end a refresh", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const ran = yield* stage.shell("exec 3> >(exec 0<&-); wait $!; $LOCKSTEP token codex >&3; echo \"code $?\"")
      assert.deepStrictEqual(ran, { code: 0, stdout: "code 0\n", stderr: "" })
      assert.strictEqual((yield* stage.stored())!["generation"], 2)
    }))
})

describe("a narrow terminal, and one without UTF-8", () => {
  it.scopedLive("gets tables that fit it, and ASCII", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 }, { tenant: "mcp:a-server-with-a-long-name" })
      yield* stage.run(["refresh", "codex"])
      const on = (line: string) =>
        stage.harness.spawn({
          program: "script",
          args: ["-qefc", `stty cols 40; ${process.execPath} ${stage.bin} ${line}`, "/dev/null"],
          env: { TERM: "xterm", SHELL: "/bin/sh", NO_COLOR: "1", LANG: "C" }
        })
      for (
        const line of ["status", "status --history", "--help", "login --help", "vendors 2>/dev/null", "token nothing"]
      ) {
        const child = yield* on(line)
        yield* child.exit
        const text = yield* child.stdout
        assert.match(text, /^[\r\n\x20-\x7e]+$/, line)
        // An error is two lines, which the terminal breaks; a word cannot be broken.
        if (line === "token nothing") continue
        for (const one of text.split("\r\n")) {
          assert.isTrue(one.length <= 40 || !one.trim().includes(" "), `${line}: ${one}`)
        }
      }
      const doctor = yield* stage.run(["doctor", "--offline"], { env: { LC_ALL: "C" } })
      assert.match(doctor.stdout, /^ok .*files$/m)
      assert.match(doctor.stdout + doctor.stderr, /^[\n\x20-\x7e]+$/)
    }))
})
