import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as DirectoryWatch from "@lockstep/node/DirectoryWatch"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import { isEvent, until } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Watcher from "../src/internal/directoryWatcher.js"
import { onCall } from "./support/instrument.js"

const isStore = (file: string) => file === "auth.json"

/** What another process does when it replaces the store. */
const replaceElsewhere = (directory: string): void => {
  Cp.execFileSync("sh", ["-c", "echo {} > auth.json.lockstep-1-1.tmp && mv auth.json.lockstep-1-1.tmp auth.json"], {
    cwd: directory
  })
}

/** The watches that this process has on a directory, as the kernel counts them. */
const kernelWatches = (directory: string): number => {
  const inode = `ino:${Fs.statSync(directory).ino.toString(16)} `
  return Fs.readdirSync("/proc/self/fdinfo").reduce((sum, fd) => {
    try {
      const lines = Fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").split("\n")
      return sum + lines.filter((line) => line.startsWith("inotify ") && line.includes(inode)).length
    } catch {
      return sum
    }
  }, 0)
}

interface Simulated {
  readonly machine: Watcher.Machine
  readonly pass: (millis: number) => void
  readonly emit: (file: string | null) => void
  readonly breakDown: () => void
  readonly started: () => number
  broken: boolean
}

/** Simulated events and time, for what a real kernel shows only when it is in trouble. */
const simulate = (options: { readonly isRemote?: boolean } = {}): Simulated => {
  let now = 0
  let started = 0
  let emit: (file: string | null) => void = () => {}
  let fail: () => void = () => {}
  const simulated: Simulated = {
    broken: false,
    pass: (millis) => void (now += millis),
    emit: (file) => emit(file),
    breakDown: () => fail(),
    started: () => started,
    machine: {
      now: () => now,
      isRemote: () => options.isRemote ?? false,
      watch: (_, onEvent, onError) => {
        if (simulated.broken) throw Object.assign(new Error(), { code: "EMFILE" })
        started++
        emit = onEvent
        fail = onError
        return { close: () => {} }
      }
    }
  }
  return simulated
}

const watcher = (directory: string, machine?: Watcher.Machine): Effect.Effect<
  Watcher.DirectoryWatcher,
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.sync(() => Watcher.make(directory, machine)),
    ({ close }) => Effect.sync(close)
  )

describe("DirectoryWatch", () => {
  it.scoped("another process's replacement is hinted at and counted, and proves the watch", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const watch = yield* DirectoryWatch.open(directory)
      const hints = yield* watch.hints(isStore)
      const before = watch.count("auth.json")
      assert.isFalse(watch.isProven())
      replaceElsewhere(directory)
      yield* Queue.take(hints)
      assert.isTrue(watch.isProven())
      assert.isAbove(watch.count("auth.json"), before)
    }))

  it.scoped("only the file that changed is counted, and only what is accepted is hinted at", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const watch = yield* DirectoryWatch.open(directory)
      const store = yield* watch.hints(isStore)
      const other = yield* watch.hints((file) => file === "other")
      const before = [watch.count("auth.json"), watch.count("other")]
      Fs.writeFileSync(Path.join(directory, "other"), "")
      yield* Queue.take(other)
      assert.strictEqual(watch.count("auth.json"), before[0])
      assert.isAbove(watch.count("other"), before[1]!)
      assert.isTrue(Option.isNone(yield* Queue.poll(store)))
    }))

  it.scoped("one process watches a directory once", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      let calls = 0
      yield* onCall("watch", () => calls++)
      const watch = yield* DirectoryWatch.open(directory)
      yield* Effect.scoped(DirectoryWatch.open(directory))
      const same = yield* DirectoryWatch.open(directory)
      const hints = yield* same.hints(isStore)
      assert.strictEqual(calls, 1)
      replaceElsewhere(directory)
      yield* Queue.take(hints)
      assert.isTrue(watch.isProven())
    }))

  it.scoped.skipIf(process.platform !== "linux")(
    "nothing is watched after the last subscription ended (the kernel's count, Linux)",
    () =>
      Effect.gen(function*() {
        const directory = yield* LockDirectory.make
        yield* Effect.scoped(Effect.gen(function*() {
          yield* DirectoryWatch.open(directory)
          yield* Effect.scoped(DirectoryWatch.open(directory))
          assert.strictEqual(kernelWatches(directory), 1)
        }))
        assert.strictEqual(kernelWatches(directory), 0)
      })
  )

  it.scoped("a watch keeps no process alive, nor does polling", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const bundle = yield* Bundle.make(new URL("fixtures/watchWorker.ts", import.meta.url))
      const child = yield* ChildProcess.spawn({ args: [bundle, directory], env: {} })
      yield* child.message(isEvent("watching"))
      assert.strictEqual((yield* child.exit).code, 0)
    }))

  it.scoped("a directory that does not exist yet is watched once it does", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* LockDirectory.make, "home")
      const watch = yield* DirectoryWatch.open(directory)
      const hints = yield* watch.hints(isStore)
      assert.isFalse(watch.isProven())
      Fs.mkdirSync(directory)
      replaceElsewhere(directory)
      yield* Queue.take(hints)
      replaceElsewhere(directory)
      yield* until(() => watch.isProven())
    }))

  it.scoped("a directory that is replaced is watched anew", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* LockDirectory.make, "home")
      Fs.mkdirSync(directory)
      const watch = yield* DirectoryWatch.open(directory)
      const hints = yield* watch.hints(isStore)
      Fs.renameSync(directory, `${directory}.old`)
      yield* Queue.take(hints)
      Fs.mkdirSync(directory)
      replaceElsewhere(directory)
      yield* Queue.take(hints)
      replaceElsewhere(directory)
      yield* until(() => watch.isProven())
    }))
})

describe("the proof of a watch", () => {
  it.scoped("a quiet watch proves itself, and with it everybody's", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const clock = { now: 0 }
      const real = { ...Watcher.machine, now: () => clock.now }
      const quiet = yield* watcher(directory, real)
      const other = yield* watcher(directory, real)
      const untouched = Fs.statSync(directory, { bigint: true }).mtimeNs
      clock.now = 999
      assert.isFalse(quiet.isProven())
      // A process that lives for an instant leaves no trace.
      assert.strictEqual(Fs.statSync(directory, { bigint: true }).mtimeNs, untouched)
      clock.now = 2_500
      quiet.isProven()
      clock.now = 2_501
      yield* until(() => quiet.isProven() && other.isProven())
      deepStrictEqual(Fs.readdirSync(directory), [])
    }))

  it.scoped("the file that proves a watch is no change", () =>
    Effect.gen(function*() {
      const world = simulate()
      const watch = yield* watcher(yield* LockDirectory.make, world.machine)
      let hints = 0
      watch.subscribe(() => true, () => hints++)
      const before = watch.count("auth.json")
      world.emit(`${Watcher.SCRATCH}4711`)
      assert.isTrue(watch.isProven())
      deepStrictEqual([hints, watch.count("auth.json")], [0, before])
    }))

  it.scoped("a proven watch asks the system nothing for 5 s, and then for the directory", () =>
    Effect.gen(function*() {
      const parent = yield* LockDirectory.make
      const directory = Path.join(parent, "home")
      Fs.mkdirSync(directory)
      const world = simulate()
      const watch = yield* watcher(directory, world.machine)
      world.emit("auth.json")
      assert.isTrue(watch.isProven())
      const before = watch.count("auth.json")
      // Replaced, and the kernel said nothing.
      Fs.renameSync(directory, `${directory}.old`)
      Fs.mkdirSync(directory)
      let stats = 0
      yield* onCall("statSync", () => stats++)
      world.pass(4_999)
      for (let call = 0; call < 1_000; call++) assert.isTrue(watch.isProven())
      assert.strictEqual(stats, 0)
      world.pass(1)
      assert.isFalse(watch.isProven())
      assert.isAbove(watch.count("auth.json"), before)
      assert.strictEqual(world.started(), 2)
    }))

  it.scoped("a watch that reports an error is unproven at once, and proven again later", () =>
    Effect.gen(function*() {
      const world = simulate()
      const watch = yield* watcher(yield* LockDirectory.make, world.machine)
      world.emit("auth.json")
      assert.isTrue(watch.isProven())
      const before = watch.count("auth.json")
      world.breakDown()
      assert.isAbove(watch.count("auth.json"), before)
      world.pass(250)
      assert.isFalse(watch.isProven())
      assert.strictEqual(world.started(), 2)
      world.emit("auth.json")
      assert.isTrue(watch.isProven())
    }))

  it.scoped("where watching is impossible the directory is polled, and watching is tried again", () =>
    Effect.gen(function*() {
      const directory = yield* LockDirectory.make
      const world = simulate()
      world.broken = true
      const watch = yield* watcher(directory, world.machine)
      const before = watch.count("auth.json")
      yield* Effect.async<void>((resume) => {
        watch.subscribe(isStore, () => resume(Effect.void))
        replaceElsewhere(directory)
      })
      assert.isAbove(watch.count("auth.json"), before)
      assert.isFalse(watch.isProven())
      world.broken = false
      world.pass(250)
      watch.isProven()
      world.emit("auth.json")
      assert.isTrue(watch.isProven())
    }))

  it.scoped("a remote directory is never proven: its events are only those of this machine", () =>
    Effect.gen(function*() {
      const world = simulate({ isRemote: true })
      const watch = yield* watcher(yield* LockDirectory.make, world.machine)
      world.emit("auth.json")
      assert.isFalse(watch.isProven())
    }))

  it.scoped("an event without a name may be that of any file", () =>
    Effect.gen(function*() {
      const world = simulate()
      const watch = yield* watcher(yield* LockDirectory.make, world.machine)
      let hints = 0
      watch.subscribe(isStore, () => hints++)
      const before = watch.count("auth.json")
      world.emit(null)
      assert.isAbove(watch.count("auth.json"), before)
      assert.strictEqual(hints, 1)
    }))
})
