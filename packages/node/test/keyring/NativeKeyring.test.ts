import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import type { KeyringError } from "@lockstep/node/keyring/Keyring"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

GnomeKeyring.explain()

const session = Effect.gen(function*() {
  const gnome = yield* GnomeKeyring.make
  const open = (timeout: Duration.DurationInput = "30 seconds") =>
    NativeKeyring.make({ timeout: Duration.decode(timeout), env: gnome.environment })
  return { gnome, open, keyring: yield* open() }
})

const reason = <A>(effect: Effect.Effect<A, KeyringError>) => Effect.map(Effect.flip(effect), ({ reason }) => reason)

const read = (keyring: Effect.Effect.Success<typeof session>["keyring"], account: string) =>
  Effect.map(keyring.get(account), Option.map(Redacted.value))

describe.skipIf(!GnomeKeyring.isInstalled)("a real keyring", () => {
  it.scopedLive("keeps what it is given under its name, for every process of the session", () =>
    Effect.gen(function*() {
      const { keyring, open } = yield* session
      const other = yield* open()
      assertEquals(yield* read(keyring, "a"), Option.none())
      assert.isFalse(yield* keyring.remove("a"))
      const secrets = ["1", "zwei \u00e9 \u{1f600} \" \\ \n", "x".repeat(40_000)]
      for (const secret of secrets) {
        yield* keyring.set("a", Redacted.make(secret))
        assertEquals(yield* read(other, "a"), Option.some(secret))
      }
      yield* keyring.set("a|b", Redacted.make("2"))
      yield* keyring.set("b", Redacted.make("3"))
      deepStrictEqual([...yield* other.find("a")].sort(), ["a", "a|b"])
      assert.isTrue(yield* other.remove("a"))
      assertEquals(yield* read(keyring, "a"), Option.none())
      assertEquals(yield* read(keyring, "b"), Option.some("3"))
    }))

  it.scopedLive("is no other for what others remove from it meanwhile", () =>
    Effect.gen(function*() {
      const { keyring, open } = yield* session
      const other = yield* open()
      const accounts = Array.from({ length: 60 }, (_, at) => `gone|${at}`)
      yield* Effect.forEach(accounts, (account) => keyring.set(account, Redacted.make("x")), { discard: true })
      const removing = yield* Effect.fork(Effect.forEach(accounts, (account) => keyring.remove(account)))
      let found = yield* other.find("gone|")
      while (found.length > 0) found = yield* other.find("gone|")
      deepStrictEqual(new Set(yield* Fiber.join(removing)), new Set([true]))
    }))

  it.scopedLive("is proven by a probe that leaves nothing", () =>
    Effect.gen(function*() {
      const { keyring } = yield* session
      yield* keyring.probe
      deepStrictEqual(yield* keyring.find(""), [])
    }))

  it.scopedLive("that is locked says so, loses nothing, and is not waited for", () =>
    Effect.gen(function*() {
      const { gnome, keyring } = yield* session
      yield* keyring.set("a", Redacted.make("1"))
      yield* gnome.lock
      const calls: ReadonlyArray<Effect.Effect<unknown, KeyringError>> = [
        keyring.get("a"),
        keyring.set("a", Redacted.make("2")),
        keyring.set("b", Redacted.make("2")),
        keyring.remove("a"),
        keyring.probe
      ]
      for (const call of calls) assert.strictEqual(yield* reason(call), "Locked")
      yield* gnome.restart
      assertEquals(yield* read(keyring, "a"), Option.some("1"))
      deepStrictEqual(yield* keyring.find(""), ["a"])
    }))

  it.scopedLive("that answers late is waited for as long as a reader says, and no longer by a writer than its library says", () =>
    Effect.gen(function*() {
      const { gnome, keyring, open } = yield* session
      yield* keyring.set("a", Redacted.make("1"))
      const [reader, writer] = yield* Effect.all([open(), open()])
      // Their programs run, and have no connection yet for what they are asked then.
      for (const one of [reader, writer]) yield* one.get("z")
      yield* gnome.freeze
      const reading = yield* Effect.fork(read(reader, "a"))
      // Put after the question, and given up after it.
      for (const account of ["b", "c"]) {
        const error = yield* Effect.flip(writer.set(account, Redacted.make("2")))
        deepStrictEqual([error.reason, error.detail], ["Timeout", "it did not reply"])
      }
      yield* gnome.thaw
      assertEquals(yield* Fiber.join(reading), Option.some("1"))
    }))

  it.scopedLive("that hangs for ever is given up in time, and answers again when it goes on", () =>
    Effect.gen(function*() {
      const { gnome, open } = yield* session
      const keyring = yield* open("1 second")
      yield* Effect.retry(keyring.set("a", Redacted.make("1")), { times: 20 })
      yield* gnome.freeze
      for (const call of [Effect.asVoid(keyring.get("a")), keyring.set("b", Redacted.make("2"))]) {
        assert.strictEqual(yield* reason(call), "Timeout")
      }
      yield* gnome.thaw
      assertEquals(yield* Effect.retry(read(keyring, "a"), { times: 20 }), Option.some("1"))
    }))

  it.scopedLive("that hangs does not keep the helper of a process that has gone", () =>
    Effect.gen(function*() {
      const { gnome } = yield* session
      const helper = yield* ChildProcess.spawn({
        args: [fileURLToPath(new URL("../../bin/keyring.cjs", import.meta.url))],
        env: gnome.environment
      })
      const ask = (id: number) => helper.send({ id, operation: "get", service: "lockstep", account: "a" })
      yield* ask(1)
      yield* helper.message((message) => message["id"] === 1)
      yield* gnome.freeze
      yield* ask(2)
      yield* helper.closeStdin
      assert.strictEqual((yield* helper.exit).signal, "SIGKILL")
    }))

  it.scopedLive("that dies in the middle of a call fails it, and is used again when it is back", () =>
    Effect.gen(function*() {
      const { gnome, keyring, open } = yield* session
      yield* keyring.set("a", Redacted.make("1"))
      yield* gnome.freeze
      const other = yield* open()
      const calls = yield* Effect.fork(Effect.all(
        [reason(keyring.set("a", Redacted.make("2"))), reason(other.get("a"))],
        { concurrency: "unbounded" }
      ))
      // Nothing tells when a call has reached a keyring that does not run; both outcomes below count.
      yield* gnome.kill
      for (const found of yield* Fiber.join(calls)) assert.include(["Unavailable", "Absent", "Timeout"], found)
      assert.strictEqual(yield* reason(keyring.get("a")), "Absent")
      yield* gnome.restart
      // The connection of before is dead, which goes unnoticed.
      assert.include(["1", "2"], Option.getOrThrow(yield* read(keyring, "a")))
      yield* keyring.set("a", Redacted.make("3"))
      assertEquals(yield* read(other, "a"), Option.some("3"))
    }))

  it.scopedLive("that was started again is asked again, by a helper that has only connections of before", () =>
    Effect.gen(function*() {
      const { gnome, keyring } = yield* session
      yield* keyring.set("a", Redacted.make("1"))
      yield* gnome.restart
      assertEquals(yield* read(keyring, "a"), Option.some("1"))
    }))

  it.scopedLive("is asked by no argument, no variable and no file that others could read", () =>
    Effect.gen(function*() {
      const { gnome, keyring } = yield* session
      const token = FakeToken.make("rt")
      yield* keyring.set("a", Redacted.make(token))
      const processes = Cp.execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" })
      const helpers = processes.split("\n").filter((line) => line.includes("keyring.cjs"))
      assert.isAbove(helpers.length, 0)
      assert.isFalse(processes.includes(token))
      for (const helper of helpers) {
        const pid = helper.trim().split(" ", 1)[0]!
        assert.isFalse(Fs.readFileSync(`/proc/${pid}/environ`, "utf8").includes(token))
      }
      for (const name of Fs.readdirSync(gnome.directory, { recursive: true, encoding: "utf8" })) {
        const path = Path.join(gnome.directory, name)
        if (Fs.statSync(path).isFile()) assert.isFalse(Fs.readFileSync(path).includes(token), name)
      }
    }))
})
