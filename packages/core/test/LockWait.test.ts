import { assert, describe, it } from "@effect/vitest"
import { type CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import { LockUnavailable } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import * as TenantId from "@lockstep/core/TenantId"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

const target = LockTarget.Tenant({ tenant: TenantId.make("codex") })
const NEVER = { min: 3_600_000, max: 3_600_000 }

/** A lock that another process holds, and what is asked of it. */
const makeHeld = (backoff: CredentialLock["Type"]["backoff"], options: { readonly deaf?: boolean } = {}) =>
  Effect.gen(function*() {
    const controlled = yield* ControlledLock.make
    controlled.seize(target)
    const tries: Array<number> = []
    const lock: CredentialLock["Type"] = {
      ...controlled.service,
      backoff,
      listen: options.deaf === true ? () => () => {} : controlled.service.listen,
      tryAcquire: (one) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          tries.push(now)
          return controlled.service.tryAcquire(one)
        })
    }
    return { controlled, lock, tries, release: controlled.kill(target) }
  })

const nothing = Effect.succeedNone
const wait = <A = never>(lock: CredentialLock["Type"], look: Effect.Effect<Option.Option<A>> = nothing) =>
  LockWait.acquireOr(lock, target, { timeout: Duration.seconds(30), label: "codex", look })

/** A store that calls back, and how many it calls. */
const makeSignal = () => {
  const callbacks = new Set<() => void>()
  return {
    count: () => callbacks.size,
    hints: (callback: () => void) => {
      const one = () => callback()
      callbacks.add(one)
      return () => void callbacks.delete(one)
    },
    call: () => callbacks.forEach((callback) => callback())
  }
}

const at = (millis: number, effect: Effect.Effect<void>) => Effect.fork(Effect.delay(effect, millis))

/** A scene in virtual time, which begins at zero. */
const scene = (
  name: string,
  body: (elapsed: Effect.Effect<number>, world: Simulation.World) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it(name, () => {
    const exit = Simulation.run((world) =>
      Effect.flatMap(Clock.currentTimeMillis, (began) =>
        Effect.scoped(body(
          Effect.map(Clock.currentTimeMillis, (now) => now - began),
          world
        ))), { seed: 1 })
    if (Exit.isFailure(exit)) {
      throw Cause.squash(exit.cause)
    }
  })

describe("looking", () => {
  scene("comes before trying: what is found at once costs no lock", () =>
    Effect.gen(function*() {
      const { lock, tries } = yield* makeHeld(NEVER)
      const waited = yield* wait(lock, Effect.succeedSome("found"))
      assert.deepStrictEqual(waited, LockWait.Waited.Found({ value: "found" }))
      assert.deepStrictEqual(tries, [])
    }))

  scene("ends the wait at the hint, and the lock is tried no more", (elapsed) =>
    Effect.gen(function*() {
      const { controlled, lock, tries } = yield* makeHeld(NEVER)
      const written = makeSignal()
      let value = Option.none<string>()
      yield* at(
        5_000,
        Effect.sync(() => {
          value = Option.some("written")
          written.call()
        })
      )
      const waited = yield* LockWait.acquireOr(lock, target, {
        timeout: Duration.seconds(30),
        label: "codex",
        look: Effect.sync(() => value),
        hints: written.hints
      })
      assert.strictEqual(waited._tag, "Found")
      assert.strictEqual(yield* elapsed, 5_000)
      assert.strictEqual(tries.length, 1, "before the wait; a lock that is free by then says so itself")
      assert.strictEqual(controlled.taken(), 0)
      assert.strictEqual(written.count(), 0)
    }))

  scene("finds what was stored between the last look and the subscription", (elapsed) =>
    Effect.gen(function*() {
      const { lock } = yield* makeHeld(NEVER)
      let looks = 0
      const waited = yield* wait(lock, Effect.sync(() => ++looks === 2 ? Option.some("written") : Option.none()))
      assert.deepStrictEqual(waited, LockWait.Waited.Found({ value: "written" }))
      assert.strictEqual(yield* elapsed, 0)
    }))

  scene("again is kept for later while it looks, and ends with the wait", (elapsed) =>
    Effect.gen(function*() {
      const { lock, release, tries } = yield* makeHeld(NEVER)
      const written = makeSignal()
      const looks: Array<number> = []
      let interrupted = 0
      const slowly = Effect.flatMap(elapsed, (now) => {
        looks.push(now)
        return now < 5_000 ? Effect.succeedNone : Effect.delay(Effect.succeedNone, 2_000)
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted++)))
      yield* at(5_000, Effect.sync(written.call))
      yield* at(6_000, Effect.sync(written.call))
      yield* at(6_500, Effect.sync(written.call))
      yield* at(8_000, release)
      yield* at(9_500, Effect.sync(written.call))
      const waited = yield* LockWait.acquireOr(lock, target, {
        timeout: Duration.seconds(30),
        label: "codex",
        look: slowly,
        hints: written.hints
      })
      assert.strictEqual(waited._tag, "Acquired")
      // Two calls within one look are one look more; the release has the loop look before it tries.
      assert.deepStrictEqual(looks, [0, 0, 5_000, 7_000, 8_000, 9_500])
      assert.deepStrictEqual([yield* elapsed, tries.length], [10_000, 2])
      yield* Effect.sleep("1 milli")
      assert.strictEqual(interrupted, 1)
    }))

  scene(
    "serves a hundred waiters with one write, and hands the lock to none of them",
    (elapsed) =>
      Effect.gen(function*() {
        const { controlled, lock, release, tries } = yield* makeHeld(NEVER)
        const written = makeSignal()
        let value = Option.none<string>()
        const waiters = yield* Effect.replicateEffect(
          Effect.fork(Effect.scoped(LockWait.acquireOr(lock, target, {
            timeout: Duration.seconds(30),
            label: "codex",
            look: Effect.sync(() => value),
            hints: written.hints
          }))),
          100
        )
        // The holder writes, and lets go somewhat later.
        yield* at(
          5_000,
          Effect.sync(() => {
            value = Option.some("written")
            written.call()
          })
        )
        yield* at(5_020, release)
        const all = yield* Effect.forEach(waiters, Fiber.join)
        assert.isTrue(all.every((waited) => waited._tag === "Found"))
        assert.strictEqual(yield* elapsed, 5_000, "the release was not waited for")
        assert.deepStrictEqual([controlled.taken(), tries.length], [0, 100], "each tried once, before it waited")
      })
  )

  scene("that fails ends the wait with its failure", () =>
    Effect.gen(function*() {
      const { lock } = yield* makeHeld(NEVER)
      const failing = LockWait.acquireOr(lock, target, {
        timeout: Duration.seconds(30),
        label: "codex",
        look: Effect.fail("superseded" as const)
      })
      assert.strictEqual(yield* Effect.flip(failing), "superseded")
    }))
})

describe("waking", () => {
  scene("a release wakes the waiter long before its backoff", (elapsed) =>
    Effect.gen(function*() {
      const { lock, release } = yield* makeHeld(NEVER)
      yield* at(5_000, release)
      assert.strictEqual((yield* wait(lock))._tag, "Acquired")
      assert.strictEqual(yield* elapsed, 5_000)
    }))

  scene("a lock that was freed before the subscription is had at once", (elapsed) =>
    Effect.gen(function*() {
      const { controlled, lock, release } = yield* makeHeld(NEVER)
      const freed = {
        ...lock,
        tryAcquire: (one: LockTarget) => Effect.zipLeft(lock.tryAcquire(one), release)
      }
      assert.strictEqual((yield* wait(freed))._tag, "Acquired")
      assert.deepStrictEqual([yield* elapsed, controlled.taken()], [0, 1])
    }))

  scene("what changed and will not do leaves the lock alone", (elapsed) =>
    Effect.gen(function*() {
      const { lock, release, tries } = yield* makeHeld(NEVER)
      const written = makeSignal()
      yield* at(5_000, Effect.sync(written.call))
      yield* at(9_000, release)
      const waited = yield* LockWait.acquireOr(lock, target, {
        timeout: Duration.seconds(30),
        label: "codex",
        look: nothing,
        hints: written.hints
      })
      assert.strictEqual(waited._tag, "Acquired")
      assert.deepStrictEqual([yield* elapsed, tries.length], [9_000, 2])
    }))

  scene(
    "without a single hint the backoff finds the lock free within its maximum",
    (elapsed) =>
      Effect.gen(function*() {
        const { lock, release, tries } = yield* makeHeld({ min: 2, max: 25 }, { deaf: true })
        yield* at(10_000, release)
        assert.strictEqual((yield* wait(lock))._tag, "Acquired")
        assert.isAtLeast(yield* elapsed, 10_000)
        assert.isAtMost(yield* elapsed, 10_025)
        // Doubling from 2 to 25 ms, each with a jitter of a half: it neither spins nor sleeps.
        assert.isAbove(tries.length, 10_000 / 25)
        assert.isBelow(tries.length, 10_000 / 12.5 + 10)
        const gaps = tries.slice(1).map((one, index) => one - tries[index]!)
        assert.isAtMost(Math.max(...gaps), 25)
        assert.isAbove(new Set(gaps.slice(10)).size, 5, "many waiters do not march in step")
      })
  )
})

describe("giving up", () => {
  scene("comes with a last try at the very end of the time", (elapsed) =>
    Effect.gen(function*() {
      const { lock, release } = yield* makeHeld(NEVER, { deaf: true })
      yield* at(29_999, release)
      assert.strictEqual((yield* wait(lock))._tag, "Acquired")
      assert.strictEqual(yield* elapsed, 30_000)
    }))

  scene("names the lock, the time and the holder", (elapsed) =>
    Effect.gen(function*() {
      const { lock } = yield* makeHeld(NEVER)
      const error = yield* Effect.flip(wait(lock))
      assert.strictEqual(error._tag, "LockTimeout")
      if (error._tag === "LockTimeout") assert.deepStrictEqual([error.lock, error.waited], ["codex", 30_000])
      assert.strictEqual(yield* elapsed, 30_000)
    }))

  scene("happens at once where the lock cannot work, before and while waiting", (elapsed) =>
    Effect.gen(function*() {
      const remote = new LockUnavailable({ reason: "Remote", path: "/mnt/nfs" })
      const { controlled, lock } = yield* makeHeld({ min: 1_000, max: 1_000 })
      yield* at(
        5_000,
        Effect.sync(() => {
          controlled.fault = remote
        })
      )
      assert.strictEqual(yield* Effect.flip(wait(lock)), remote)
      assert.isAtMost(yield* elapsed, 6_000)
      assert.strictEqual(yield* Effect.flip(wait(lock)), remote)
      assert.isAtMost(yield* elapsed, 6_000)
    }))

  scene("`acquire` waits and gives up alike", (elapsed) =>
    Effect.gen(function*() {
      const { lock, release } = yield* makeHeld(NEVER)
      const acquire = LockWait.acquire(lock, target, { timeout: Duration.seconds(30), label: "codex" })
      assert.strictEqual((yield* Effect.flip(acquire))._tag, "LockTimeout")
      yield* at(1_000, release)
      yield* acquire
      assert.strictEqual(yield* elapsed, 31_000)
    }))
})

describe("interruption", () => {
  scene("ends a wait at once", (elapsed) =>
    Effect.gen(function*() {
      const { lock } = yield* makeHeld(NEVER)
      const waiter = yield* Effect.fork(Effect.scoped(wait(lock)))
      yield* Effect.sleep("1 second")
      yield* Fiber.interrupt(waiter)
      assert.strictEqual(yield* elapsed, 1_000)
    }))

  scene("waits for a try that is under way, and gives back what it took", (elapsed) =>
    Effect.gen(function*() {
      const { controlled, lock, release } = yield* makeHeld(NEVER)
      yield* release
      const slow = {
        ...lock,
        tryAcquire: (one: LockTarget) => Effect.zipLeft(lock.tryAcquire(one), Effect.sleep("3 seconds"))
      }
      const waiter = yield* Effect.fork(Effect.scoped(wait(slow)))
      yield* Effect.sleep("1 second")
      yield* Fiber.interrupt(waiter)
      assert.strictEqual(yield* elapsed, 3_000)
      assert.isFalse(controlled.isHeld(target))
    }))

  it("at any operation, waiting or taking, leaves no lock held and no waiter behind", () => {
    let taken = 0
    for (let after = 1;; after++) {
      let wasCut = false
      const exit = Simulation.run((world) =>
        Effect.gen(function*() {
          const { controlled, lock, release } = yield* makeHeld({ min: 1_000, max: 1_000 })
          const waiter = yield* Effect.fork(Effect.scoped(Effect.zipRight(wait(lock), Effect.yieldNow())))
          const cancel = world.preempt(after, () => {
            wasCut = true
            waiter.unsafeInterruptAsFork(FiberId.none)
          }, waiter)
          yield* at(3_500, release)
          yield* Effect.timeoutFailCause(Fiber.await(waiter), {
            duration: "1 minute",
            onTimeout: () => Cause.die("the waiter does not end")
          })
          cancel()
          yield* Effect.sleep("10 seconds")
          assert.isFalse(controlled.isHeld(target))
          taken = Math.max(taken, controlled.taken())
        }), { seed: 1 })
      if (Exit.isFailure(exit)) throw new Error(`cut after ${after} operations: ${String(Cause.squash(exit.cause))}`)
      if (!wasCut) {
        assert.isAbove(after, 100)
        assert.strictEqual(taken, 1)
        return
      }
    }
  })
})
