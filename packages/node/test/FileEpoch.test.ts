import { assert, describe, it } from "@effect/vitest"
import * as FileEpoch from "@lockstep/node/FileEpoch"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** An epoch over a real file, with a clock and a watch that the test moves. */
const make = Effect.map(Homes.temporary, (directory) => {
  const path = Path.join(directory, "auth.json")
  const state = { now: 0, proven: false, count: 0, opened: 0 }
  const epoch = FileEpoch.make({
    path,
    file: "auth.json",
    now: () => state.now,
    openWatch: () => {
      state.opened++
      return { isProven: () => state.proven, count: () => state.count }
    }
  })
  let length = 0
  return { state, epoch, write: () => Fs.writeFileSync(path, "x".repeat(++length)) }
})

describe("FileEpoch", () => {
  it.scoped("watches nothing for one who asks once and ends", () =>
    Effect.map(make, ({ epoch, state }) => {
      epoch()
      state.now = 249
      epoch()
      assert.strictEqual(state.opened, 0)
      state.now = 250
      epoch()
      epoch()
      assert.strictEqual(state.opened, 1)
    }))

  it.scoped("without a proven watch it looks every 250 ms, and not more often", () =>
    Effect.map(make, ({ epoch, state, write }) => {
      const first = epoch()
      write()
      state.now = 249
      assert.strictEqual(epoch(), first)
      state.now = 250
      epoch()
      const second = epoch()
      assert.notStrictEqual(second, first)
      write()
      state.now = 499
      assert.strictEqual(epoch(), second)
      state.now = 500
      assert.notStrictEqual(epoch(), second)
    }))

  it.scoped("with a proven watch it moves at an event, and looks every 5 s in case one was lost", () =>
    Effect.map(make, ({ epoch, state, write }) => {
      epoch()
      state.now = 250
      state.proven = true
      epoch()
      state.now = 5_000
      const first = epoch()
      write()
      state.now = 5_249
      assert.strictEqual(epoch(), first)
      state.count++
      const second = epoch()
      assert.notStrictEqual(second, first)
      assert.strictEqual(epoch(), second)
      // The change behind that event was not looked at yet.
      state.now = 9_999
      assert.strictEqual(epoch(), second)
      state.now = 10_000
      assert.notStrictEqual(epoch(), second)
    }))

  it.scoped("a watch that is proven no longer brings the looks back", () =>
    Effect.map(make, ({ epoch, state, write }) => {
      epoch()
      state.now = 250
      state.proven = true
      const first = epoch()
      write()
      state.now = 500
      assert.strictEqual(epoch(), first)
      state.proven = false
      assert.notStrictEqual(epoch(), first)
    }))
})
