import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type { FastHome } from "../src/start/FastHome.js"
import * as FastWait from "../src/start/FastWait.js"

const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.fail("not yet" as const)).pipe(
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.timeout("20 seconds"),
    Effect.orDie
  )

/** A wait for a lock that is never free, and how often it asked for it at once. */
const makeScene = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "lockstep-wait-"))),
    (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true }))
  )
  const store = Path.join(directory, "auth.json")
  const lock = Path.join(directory, "auth.json.refresh.acme.lock")
  const replace = (path: string) => {
    Fs.writeFileSync(`${path}.new`, "")
    Fs.renameSync(`${path}.new`, path)
  }
  replace(store)
  replace(lock)
  let heard = 0
  let isServed = false
  const home: FastHome = {
    store,
    lockDirectory: () => undefined,
    hasChanged: () => true,
    judge: () =>
      isServed
        ? { _tag: "OtherAccount", account: "served" }
        : { _tag: "Refresh", settle: undefined, account: undefined }
  }
  const stopped: Array<string> = []
  let hint = () => {}
  const ending = FastWait.wait({
    home,
    demand: { tenant: "acme", minTtl: 0, rejected: undefined, margin: 0, account: undefined },
    lock: {
      path: lock,
      tryLock: () => "busy",
      listen: (options) => {
        hint = options.hint
        return { soon: () => void heard++, end: () => void stopped.push("probe") }
      },
      holder: () => undefined,
      unlock: () => {}
    },
    staleWait: undefined,
    timeout: 60_000,
    leaveAfter: undefined
  })
  /** What is done next is heard of, whatever was heard before. */
  const isHeard = (change: () => void) =>
    Effect.suspend(() => {
      const before = heard
      change()
      return until(() => heard > before)
    })
  return {
    ending,
    isHeard,
    replace,
    store,
    lock,
    stopped,
    serve: () => {
      isServed = true
      hint()
    }
  }
})

describe("the wait of the start", () => {
  it.scopedLive("hears of each file that takes the place of one, and of a sidecar that is touched, and ends once", () =>
    Effect.gen(function*() {
      const scene = yield* makeScene
      for (let time = 0; time < 3; time++) {
        yield* scene.isHeard(() => scene.replace(scene.store))
        yield* scene.isHeard(() => Fs.lutimesSync(scene.lock, time, time))
        yield* scene.isHeard(() => scene.replace(scene.lock))
      }
      scene.serve()
      scene.serve()
      assert.deepStrictEqual(yield* Effect.promise(() => scene.ending), { _tag: "OtherAccount", account: "served" })
      assert.deepStrictEqual(scene.stopped, ["probe"])
    }))
})
