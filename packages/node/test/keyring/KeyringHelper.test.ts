import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import type { KeyringError } from "@lockstep/node/keyring/Keyring"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import { until } from "@lockstep/testkit/processes/LockProcesses"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { classify } from "../../src/internal/keyringFailure.js"

const HELPER = fileURLToPath(new URL("../fixtures/keyringHelper.mjs", import.meta.url))
const REAL = fileURLToPath(new URL("../../bin/keyring.cjs", import.meta.url))
const PATH = { PATH: process.env["PATH"] ?? "" }

/** A keyring whose helper does as it is told, and what that one notes. */
const scripted = (behaviour: string, timeout: Duration.DurationInput = "30 seconds") =>
  Effect.gen(function*() {
    const log = Path.join(yield* Homes.temporary, "log")
    Fs.writeFileSync(log, "")
    const keyring = yield* NativeKeyring.make({
      timeout: Duration.decode(timeout),
      command: [process.execPath, HELPER, behaviour, log],
      env: PATH
    })
    const noted = (what: string): ReadonlyArray<number> =>
      Fs.readFileSync(log, "utf8").split("\n").flatMap((line) =>
        line.startsWith(`${what} `) ? [Number(line.slice(what.length + 1))] : []
      )
    return { keyring, starts: () => noted("start"), asked: () => noted("asked").length }
  })

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const failure = <A>(effect: Effect.Effect<A, KeyringError>) =>
  Effect.map(Effect.flip(effect), ({ detail, reason }) => ({ reason, detail }))

describe("what a message means", () => {
  const platform = (text: string) => `Couldn't access platform storage: Secret Service: ${text}`
  const dbus = (text: string) => `Platform failure: DBus error: ${text}`

  it.each([
    [platform("unlock prompt was dismissed"), "Locked"],
    ["Couldn't access platform storage: Secret Service: SS error: result not returned from SS API: IsLocked", "Locked"],
    ["User interaction is not allowed.", "Locked"],
    ["The user name or passphrase you entered is not correct.", "Locked"],
    [
      dbus(
        "Using X11 for dbus-daemon autolaunch was disabled at compile time, set your DBUS_SESSION_BUS_ADDRESS instead"
      ),
      "Absent"
    ],
    [dbus("Failed to connect to socket /run/user/0/bus: No such file or directory"), "Absent"],
    [
      "zbus error: Failed to connect to address `unix:path=/nope`: No such file or directory (os error 2)",
      "Absent"
    ],
    [dbus("The name org.freedesktop.secrets was not provided by any .service files"), "Absent"],
    // There is one, and it may hold logins as soon as it is set up: no reason to choose a file.
    [platform("no result found"), "Unavailable"],
    // A keyring is there, and refuses: this must never look like an absent one.
    [dbus("Failed to connect to socket /run/user/0/bus: Connection refused"), "Unavailable"],
    [dbus("Failed to connect to socket /run/user/0/bus: Permission denied"), "Unavailable"],
    [dbus("Process org.freedesktop.secrets exited with status 1"), "Unavailable"],
    [dbus("Message recipient disconnected from message bus without replying"), "Unavailable"],
    [
      dbus(
        "Did not receive a reply. Possible causes include: the remote application did not send a reply, the message bus security policy blocked the reply, the reply timeout expired, or the network connection was broken."
      ),
      "Timeout"
    ],
    ["Attribute 'password' is longer than platform limit of 2560 chars", "TooLarge"],
    ["Password data is not valid UTF-8", "Unavailable"],
    ["Entry is matched by multiple credentials: Ambiguous", "Unavailable"],
    ["", "Unavailable"]
  ])("%s", (message, reason) => {
    assert.strictEqual(classify(message).reason, reason)
  })

  it("is told in our own words, because another program's may quote a secret", () => {
    const { detail } = classify("assertion failed: secret == \"s3cret\" (org.freedesktop.DBus.Error.Failed)")
    assert.strictEqual(detail, "org.freedesktop.DBus.Error.Failed")
    assert.strictEqual(classify("s3cret").detail, "it failed")
  })
})

describe("a helper", () => {
  it.scopedLive("is started by the first call and used again by the next", () =>
    Effect.gen(function*() {
      const { asked, keyring, starts } = yield* scripted("hangs")
      deepStrictEqual(starts(), [])
      for (let n = 1; n <= 3; n++) {
        assertEquals(Option.map(yield* keyring.get("good"), Redacted.value), Option.some("fine"))
        assert.strictEqual(asked(), n)
      }
      assert.strictEqual(starts().length, 1)
    }))

  it.scopedLive.each([
    ["dies", "its helper ended in the middle of a call"],
    ["halves", "its helper ended in the middle of a call"],
    ["prints", "its helper said something that is no answer"],
    ["answers another", "its helper said something that is no answer"],
    ["gives a number", "it gave back something that Lockstep did not write"],
    ["gives no text", "it gave back something that Lockstep did not write"],
    ["gives nothing", "it gave back something that Lockstep did not write"]
  ])("that %s fails the call, and the next call works", ([behaviour, detail]) =>
    Effect.gen(function*() {
      const { keyring } = yield* scripted(behaviour!)
      deepStrictEqual(yield* failure(keyring.get("bad")), { reason: "Unavailable", detail })
      assertEquals(Option.map(yield* keyring.get("good"), Redacted.value), Option.some("fine"))
    }))

  it.scopedLive("that hangs has ended when the call fails, and the next call has another one", () =>
    Effect.gen(function*() {
      // Long enough for the helper to start on a busy machine, since the same bound holds for the call that works.
      const { keyring, starts } = yield* scripted("hangs", "3 seconds")
      deepStrictEqual(yield* failure(keyring.set("bad", Redacted.make("x"))), {
        reason: "Timeout",
        detail: "it did not answer within 3s"
      })
      assert.isFalse(isRunning(starts()[0]!))
      assert.isTrue(Option.isSome(yield* keyring.get("good")))
      assert.strictEqual(starts().length, 2)
    }))

  it.scopedLive("that takes long to start is given the time that a reader has for that", () =>
    Effect.gen(function*() {
      const { keyring, starts } = yield* scripted("starts late", "3 seconds")
      const { keyring: other } = yield* scripted("hangs", "3 seconds")
      const reading = yield* Effect.fork(keyring.get("good", { starting: Duration.minutes(5) }))
      yield* until(() => starts().length === 1)
      // By then it has taken longer than an answer may.
      assert.strictEqual((yield* failure(other.get("bad"))).reason, "Timeout")
      process.kill(starts()[0]!, "SIGUSR2")
      assertEquals(Option.map(yield* Fiber.join(reading), Redacted.value), Option.some("fine"))
      assert.strictEqual(starts().length, 1)
    }))

  it.scopedLive("that has started and does not answer is given no more time for having been given some to start", () =>
    Effect.gen(function*() {
      const { keyring } = yield* scripted("starts and hangs", "1 second")
      const error = yield* failure(keyring.get("bad", { starting: Duration.minutes(5) }))
      assert.strictEqual(error.reason, "Timeout")
    }))

  it.scopedLive("has ended when the caller of a write has been interrupted", () =>
    Effect.gen(function*() {
      const { asked, keyring, starts } = yield* scripted("hangs")
      const writing = yield* Effect.fork(keyring.set("bad", Redacted.make("x")))
      yield* until(() => asked() === 1)
      yield* Fiber.interrupt(writing)
      assert.isFalse(isRunning(starts()[0]!))
      assert.isTrue(Option.isSome(yield* keyring.get("good")))
    }))

  it.scopedLive("is asked one thing at a time, and no caller waits longer than one call may take", () =>
    Effect.gen(function*() {
      const { asked, keyring } = yield* scripted("hangs", "2 seconds")
      const outcomes = yield* Effect.forEach(
        [1, 2, 3, 4],
        () => failure(keyring.get("bad")),
        { concurrency: "unbounded" }
      )
      deepStrictEqual(outcomes.map(({ reason }) => reason), ["Timeout", "Timeout", "Timeout", "Timeout"])
      // Those behind the first had waited for as long as a call may take: they never reached a helper.
      assert.strictEqual(asked(), 1)
    }))

  it.scopedLive("that cannot be started fails the call", () =>
    Effect.gen(function*() {
      const keyring = yield* NativeKeyring.make({
        timeout: Duration.seconds(30),
        command: ["/nonexistent/program"],
        env: PATH
      })
      assert.strictEqual((yield* failure(keyring.get("x"))).reason, "Unavailable")
    }))

  it.scopedLive("ends with the keyring's scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { keyring, starts } = yield* Scope.extend(scripted("hangs"), scope)
      yield* keyring.get("good")
      const [pid] = starts()
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(isRunning(pid!))
    }))

  it.scopedLive("keeps no process alive, and ends with the process that started it", () =>
    Effect.gen(function*() {
      const log = Path.join(yield* Homes.temporary, "log")
      Fs.writeFileSync(log, "")
      const entry = yield* Bundle.make(new URL("../fixtures/keyringUser.ts", import.meta.url))
      const child = yield* ChildProcess.spawn({ args: [entry, HELPER, log], env: PATH })
      deepStrictEqual((yield* child.exit).code, 0)
      assert.include(yield* child.stdout, "fine")
      const pid = Number(/start (\d+)/.exec(Fs.readFileSync(log, "utf8"))![1])
      yield* until(() => !isRunning(pid))
    }))

  it.scopedLive("outlives the signals that end its parent in order", () =>
    Effect.gen(function*() {
      const child = yield* ChildProcess.spawn({ args: [REAL], env: PATH })
      const answered = (id: number) => child.message((message) => message["id"] === id)
      yield* child.message((message) => message["ready"] === true)
      yield* child.send({ id: 1, operation: "get", service: "lockstep", account: "x" })
      yield* answered(1)
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGTSTP"] as const) yield* child.signal(signal)
      yield* child.send({ id: 2, operation: "get", service: "lockstep", account: "x" })
      yield* answered(2)
    }))
})

describe("a machine without a keyring", () => {
  it.scopedLive("says that it has no keyring, and never falls back to another store", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const keyring = yield* NativeKeyring.make({
        timeout: Duration.seconds(30),
        env: { ...PATH, XDG_RUNTIME_DIR: directory }
      })
      const calls: ReadonlyArray<Effect.Effect<unknown, KeyringError>> = [
        keyring.get("x"),
        keyring.set("x", Redacted.make("secret")),
        keyring.remove("x"),
        keyring.find("x"),
        keyring.probe
      ]
      for (const call of calls) assert.strictEqual((yield* failure(call)).reason, "Absent")
    }))

  it.scopedLive("says so where the native module is not installed", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      // Copied to where nothing is installed.
      const helper = Path.join(directory, "keyring.cjs")
      Fs.copyFileSync(REAL, helper)
      const keyring = yield* NativeKeyring.make({
        timeout: Duration.seconds(30),
        command: [process.execPath, helper],
        env: PATH
      })
      deepStrictEqual(yield* failure(keyring.get("x")), {
        reason: "Absent",
        detail: "its native module is not installed for this platform"
      })
    }))
})
