import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, beforeEach, vi } from "vitest"
import * as LockProbe from "../../src/internal/lockProbe.js"

/** A lock that another process holds, the line before it, and the times at which each of its waiters asks. */
const makeScene = () => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-probe-"))
  const path = Path.join(directory, "a.lock")
  Fs.writeFileSync(path, "")
  let isHeld = true
  let leader: number | undefined
  const leaders: Array<number> = []
  const wait = (who: number) => {
    const asked: Array<number> = []
    let hints = 0
    const probe = LockProbe.start({
      paths: [path],
      foreign: [],
      kernel: () => ({
        name: "scene",
        tryLock: (fd) => {
          asked.push(performance.now())
          return isHeld ? { _tag: "Busy" } : { _tag: "Acquired", fd }
        }
      }),
      hasChanged: () => false,
      lead: () => {
        if (leader !== undefined) return undefined
        leader = who
        leaders.push(who)
        return Fs.openSync(path, "r")
      },
      hint: () => void hints++
    })
    return {
      asked,
      hints: () => hints,
      soon: probe.soon,
      end: () => {
        probe.end()
        if (leader === who) leader = undefined
      }
    }
  }
  return {
    wait,
    leaders,
    free: () => {
      isHeld = false
    },
    close: () => Fs.rmSync(directory, { recursive: true })
  }
}

describe("those that wait for one lock", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("form a line: its first asks often, the others seldom, and the next takes its place", () => {
    const scene = makeScene()
    const waiters = [0, 1, 2].map(scene.wait)
    vi.advanceTimersByTime(1_000)
    const [first, ...others] = waiters.map(({ asked }) => asked.length)
    // A second, in steps of 12.5 to 25 ms and of 75 to 150 ms.
    assert.isAtLeast(first!, 40)
    for (const count of others) assert.isAtMost(count, 18)
    const gaps = waiters[0]!.asked.slice(1).map((at, index) => at - waiters[0]!.asked[index]!)
    assert.isAtMost(Math.max(...gaps), 26)

    waiters[0]!.end()
    const before = waiters[0]!.asked.length
    vi.advanceTimersByTime(151)
    deepStrictEqual(scene.leaders.length, 2)
    const second = waiters[scene.leaders[1]!]!
    const count = second.asked.length
    vi.advanceTimersByTime(1_000)
    assert.isAtLeast(second.asked.length - count, 40)
    assert.strictEqual(waiters[0]!.asked.length, before)
    waiters.forEach(({ end }) => end())
    scene.close()
  })

  it("all hear of a lock that is free, whoever is the first", () => {
    const scene = makeScene()
    const waiters = [0, 1].map(scene.wait)
    vi.advanceTimersByTime(1_000)
    deepStrictEqual(waiters.map(({ hints }) => hints()), [0, 0])
    scene.free()
    vi.advanceTimersByTime(26)
    assert.isAtLeast(waiters[0]!.hints(), 1)
    vi.advanceTimersByTime(151)
    assert.isAtLeast(waiters[1]!.hints(), 1)
    waiters.forEach(({ end }) => end())
    scene.close()
  })

  it("ask in a burst after a trace, for the holder that writes just before it lets go", () => {
    const scene = makeScene()
    const [, other] = [scene.wait(0), scene.wait(1)]
    vi.advanceTimersByTime(1_000)
    const before = other!.asked.length
    other!.soon()
    assert.strictEqual(other!.asked.length, before + 1)
    vi.advanceTimersByTime(8)
    assert.isAtLeast(other!.asked.length, before + 4)
    other!.end()
    scene.close()
  })
})
