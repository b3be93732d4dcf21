/**
 * Cuts the transaction at every single operation: a caller, the service, the whole process. Which operation is the run;
 * the seed decides the rest, such as the length of a cooldown, and `LOCKSTEP_SEED` repeats it.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as AccessToken from "@lockstep/core/AccessToken"
import { LockTarget } from "@lockstep/core/CredentialLock"
import type { RefreshError } from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import type { Behaviour } from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { announce, SEED } from "./seed.js"

announce("the sweep")

const { tenant, valueOf } = MemoryMachine

/** With a latency, every call of store and journal is something that can be cut in the middle. */
const makeMachine = (latency: Duration.DurationInput) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    machine.server.prepare = Effect.sleep("2 millis")
    yield* machine.write(
      tenant,
      machine.server.issue({ expiresAt: Option.some(1), obtainedAt: Option.some(0.5) })
    )
    const start = (pid: number, dies?: (moment: MortalProcess.Moment) => boolean) =>
      MortalProcess.make({
        store: machine.store,
        lock: machine.lock,
        journal: machine.journal,
        endpoint: machine.server.service
      }, { pid, latency, ...(dies === undefined ? {} : { dies }) })
    return { ...machine, start }
  })

type Machine = Effect.Effect.Success<ReturnType<typeof makeMachine>>

/** Rotates at once, and answers after half a second. */
const slowly = (machine: Machine) =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    machine.server.next({ _tag: "GrantLate", gate })
    yield* Effect.forkDaemon(Effect.delay(Deferred.succeed(gate, undefined), "500 millis"))
  })

/** Whether a new process would get the lock, without waiting. */
const isLockFree = (machine: Machine) =>
  Effect.gen(function*() {
    const lease = yield* Effect.orDie(machine.lock.tryAcquire(LockTarget.Tenant({ tenant })))
    if (Option.isSome(lease)) yield* lease.value.release({ changed: false })
    return Option.isSome(lease)
  })

/** Nothing is left over of a transaction that ended: lock, intent, kept answer. */
const assertSettled = (machine: Machine) =>
  Effect.gen(function*() {
    assert.isTrue(yield* isLockFree(machine), "the lock is free")
    const record = yield* Effect.orDie(machine.journal.read(tenant))
    assert.isTrue(Option.isNone(record.intent), "the intent is settled")
    assert.isTrue(Option.isNone(yield* Effect.orDie(machine.journal.keptAnswer(tenant))), "no answer is left")
  })

const ended = Effect.timeoutFail({
  duration: "2 minutes",
  onTimeout: () => new Error("a caller waits for ever")
})

/** Cuts at the operation of this run, unless it is disarmed before. */
type Cut = (
  action: () => void,
  of?: Fiber.RuntimeFiber<unknown, unknown>
) => { readonly disarm: () => void }

/** The test runner talks to its worker between two runs. */
const breathe = () => new Promise((resolve) => setImmediate(resolve))

/** Runs a scene once for every operation between its cut and its disarming. */
const sweep = async (scene: (cut: Cut) => Effect.Effect<void, unknown>): Promise<number> => {
  for (let after = 1;; after++) {
    if (after % 32 === 0) await breathe()
    let wasCut = false
    const exit = Simulation.run((world) =>
      scene((action, of) => ({
        disarm: world.preempt(after, () => {
          wasCut = true
          action()
        }, of)
      })), { seed: SEED, limit: 100_000 })
    if (Exit.isFailure(exit)) throw new Error(`cut after ${after} operations: ${String(exit.cause)}`)
    if (!wasCut) return after
  }
}

describe("a caller is interrupted at every operation", () => {
  it("alone: a later caller has the token, of one redemption", async () => {
    const cuts = await sweep((cut) =>
      Effect.gen(function*() {
        const machine = yield* makeMachine("1 milli")
        yield* slowly(machine)
        const process = yield* machine.start(1)
        const first = yield* Effect.fork(process.coordinator.accessToken(tenant))
        const { disarm } = cut(() => first.unsafeInterruptAsFork(FiberId.none), first)
        yield* Fiber.await(first)
        disarm()
        const token = yield* ended(process.coordinator.accessToken(tenant))
        assert.strictEqual(valueOf(token), "lockstep-at-1")
        assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
        assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
        yield* Effect.sleep("100 millis")
        yield* assertSettled(machine)
        yield* process.close
      })
    )
    assert.isAbove(cuts, 80)
  })

  it("in company: no other caller notices, in this process or another", async () => {
    const cuts = await sweep((cut) =>
      Effect.gen(function*() {
        const machine = yield* makeMachine("1 milli")
        yield* slowly(machine)
        const one = yield* machine.start(1)
        const two = yield* machine.start(2)
        const first = yield* Effect.fork(one.coordinator.accessToken(tenant))
        const others = yield* Effect.forEach(
          [one, two],
          (process) => Effect.fork(ended(process.coordinator.accessToken(tenant)))
        )
        const { disarm } = cut(() => first.unsafeInterruptAsFork(FiberId.none), first)
        yield* Fiber.await(first)
        disarm()
        assert.deepStrictEqual((yield* Effect.forEach(others, Fiber.join)).map(valueOf), [
          "lockstep-at-1",
          "lockstep-at-1"
        ])
        assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
        yield* Effect.sleep("100 millis")
        yield* assertSettled(machine)
        yield* Effect.all([one.close, two.close])
      })
    )
    assert.isAbove(cuts, 80)
  })
})

describe("the service is closed at every operation", () => {
  it("what was spent is stored before the close ends, and the next process asks at most once", async () => {
    let drained = 0
    let abandoned = 0
    const cuts = await sweep((cut) =>
      Effect.gen(function*() {
        const machine = yield* makeMachine(0)
        yield* slowly(machine)
        const process = yield* machine.start(1)
        const close = yield* Deferred.make<void>()
        const closing = yield* Effect.fork(Effect.zipRight(Deferred.await(close), process.close))
        yield* Effect.yieldNow()
        const caller = yield* Effect.fork(process.coordinator.accessToken(tenant))
        const { disarm } = cut(() => Deferred.unsafeDone(close, Exit.void))
        yield* ended(Fiber.await(caller))
        yield* Effect.sleep("100 millis")
        disarm()
        yield* Deferred.succeed(close, undefined)
        yield* ended(Fiber.join(closing))

        yield* assertSettled(machine)
        const spent = machine.server.requests.length
        assert.strictEqual(yield* machine.refreshToken(tenant), `lockstep-rt-${spent}`)
        if (spent === 0) abandoned++
        else drained++

        const late = yield* Effect.exit(ended(process.coordinator.accessToken(tenant)))
        if (spent === 0) assert.isTrue(Exit.isInterrupted(late), "nothing is begun after the close")

        const next = yield* machine.start(2)
        assert.strictEqual(valueOf(yield* ended(next.coordinator.accessToken(tenant))), "lockstep-at-1")
        assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
        yield* next.close
      })
    )
    assert.isAbove(cuts, 300)
    assert.isAbove(drained, 0)
    assert.isAbove(abandoned, 0)
  }, 180_000)
})

/** A cooldown, or a request without an answer: the next call may have more luck. */
const isForNow = (result: Either.Either<unknown, RefreshError | Error>): boolean =>
  Either.isLeft(result) && "_tag" in result.left &&
  (result.left._tag === "ProviderUnavailable" || result.left._tag === "ProviderTimeout")

/** How the first process's first request ends, and whether the server has consumed the token by then. */
const FIRST_ANSWERS: ReadonlyArray<readonly [string, ReadonlyArray<Behaviour>]> = [
  ["is granted", []],
  ["is lost before it was consumed", [{
    _tag: "Answer",
    answer: RedeemAnswer.Unknown({ detail: "reset", answered: false })
  }]],
  ["is lost after it was consumed", [{ _tag: "ConsumeAndLose" }]],
  ["never ends", [{ _tag: "Hang", consume: true }]],
  ["is answered 503", [{
    _tag: "Answer",
    answer: RedeemAnswer.ServerError({ retryAfter: Option.none(), detail: "" })
  }]],
  ["is answered 429", [{
    _tag: "Answer",
    answer: RedeemAnswer.RateLimited({ retryAfter: Option.none(), detail: "" })
  }]],
  ["is never sent", [{ _tag: "Answer", answer: RedeemAnswer.NeverSent({ detail: "refused" }) }]],
  ["is refused for good", [{
    _tag: "Answer",
    answer: RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
  }]]
]

const outcomeOf = (result: Either.Either<AccessToken.AccessToken, RefreshError | Error>): string =>
  Either.match(result, {
    onLeft: (error) => "reason" in error ? String(error.reason) : error.message,
    onRight: valueOf
  })

/**
 * What must hold after the first process died at some moment and a second one went on until it had an answer that no
 * waiting changes.
 */
const succeedDead = (machine: Machine, captured: boolean) =>
  Effect.gen(function*() {
    const died = yield* Clock.currentTimeMillis
    const spent = machine.server.requests.length
    const before = yield* machine.refreshToken(tenant)
    assert.isTrue(yield* isLockFree(machine), "the lock died with its holder")

    const second = yield* machine.start(2)
    let result = yield* Effect.either(ended(second.coordinator.accessToken(tenant)))
    for (let tries = 0; tries < 8 && isForNow(result); tries++) {
      yield* Effect.sleep("70 seconds")
      result = yield* Effect.either(ended(second.coordinator.accessToken(tenant)))
    }
    const outcome = outcomeOf(result)
    const requests = machine.server.requests
    assert.isAtMost(machine.server.reuses.length, 1, `blind replay: ${outcome}`)
    assert.isAtMost(machine.server.redemptions.length, 1, "one redemption")
    const afterwards = requests.length

    if (captured) {
      assert.strictEqual(outcome, "lockstep-at-1", "what was captured is not lost")
      assert.strictEqual(requests.length, spent, "what was captured is not redeemed again")
    }
    if (Either.isRight(result)) {
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      // What the dead one left behind is history to the next flight, which also clears it away.
      assert.strictEqual(valueOf((yield* ended(second.coordinator.refresh(tenant))).token), "lockstep-at-2")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
      yield* Effect.sleep("100 millis")
      yield* assertSettled(machine)
    } else {
      assert.include(["OutcomeUnknown", "InvalidGrant"], outcome)
      assert.strictEqual(yield* machine.refreshToken(tenant), before, "no failure changes a record (I4)")
      // A third process does not begin all over again.
      const third = yield* machine.start(3)
      yield* Effect.sleep("10 minutes")
      const again = requests.length
      assert.strictEqual(outcomeOf(yield* Effect.either(third.coordinator.accessToken(tenant))), outcome)
      assert.strictEqual(requests.length, again, "a stop is shared")
      yield* third.close
    }
    yield* second.close
    return { died, outcome, spent, sent: afterwards }
  })

/** Until the caller has its answer and the flight has cleared up behind it. */
const untilLanded = (caller: Fiber.Fiber<unknown, unknown>) =>
  Effect.zipRight(Fiber.await(caller), Effect.sleep("20 seconds"))

/**
 * How many requests were sent before the death, and what the next process made of it in the end. An intent that was
 * written and not followed by its request counts as sent: no other process can know better.
 */
const OUTCOMES: Record<string, ReadonlyArray<string>> = {
  "is granted": ["0 sent, lockstep-at-1", "1 sent, OutcomeUnknown", "1 sent, lockstep-at-1"],
  "is lost before it was consumed": [
    "0 sent, OutcomeUnknown",
    "0 sent, lockstep-at-1",
    "1 sent, OutcomeUnknown",
    "1 sent, lockstep-at-1",
    "2 sent, OutcomeUnknown",
    "2 sent, lockstep-at-1"
  ],
  "is lost after it was consumed": ["0 sent, OutcomeUnknown", "1 sent, OutcomeUnknown", "2 sent, OutcomeUnknown"],
  "never ends": ["0 sent, OutcomeUnknown", "1 sent, OutcomeUnknown"],
  "is answered 503": ["0 sent, lockstep-at-1", "1 sent, lockstep-at-1"],
  "is answered 429": ["0 sent, lockstep-at-1", "1 sent, lockstep-at-1"],
  "is never sent": ["0 sent, lockstep-at-1", "1 sent, lockstep-at-1"],
  "is refused for good": [
    "0 sent, InvalidGrant",
    "0 sent, OutcomeUnknown",
    "1 sent, InvalidGrant",
    "1 sent, lockstep-at-1"
  ]
}

describe("the process is killed before and after each call of a port", () => {
  for (const [what, script] of FIRST_ANSWERS) {
    it(`where the first request ${what}`, async () => {
      const seen = new Set<string>()
      for (let k = 1;; k++) {
        await breathe()
        let moments = 0
        let at = ""
        const exit = Simulation.run(() =>
          Effect.gen(function*() {
            const machine = yield* makeMachine("1 milli")
            script.forEach(machine.server.next)
            let captured = false
            const dead = yield* Deferred.make<void>()
            const first = yield* machine.start(1, ({ call, when }) => {
              if (call === "journal.keepAnswer" && when === "after") captured = true
              if (++moments !== k) return false
              at = `${when} ${call}`
              Deferred.unsafeDone(dead, Exit.void)
              return true
            })
            const caller = yield* Effect.fork(first.coordinator.accessToken(tenant))
            yield* Effect.raceFirst(Deferred.await(dead), untilLanded(caller))
            if (!first.isDead()) return
            const { outcome, spent } = yield* succeedDead(machine, captured)
            seen.add(`${spent} sent, ${outcome}`)
          }), { seed: SEED, limit: 200_000 })
        if (Exit.isFailure(exit)) throw new Error(`killed ${at} (call ${k}): ${String(exit.cause)}`)
        if (at === "") break
      }
      assert.deepStrictEqual([...seen].sort(), OUTCOMES[what])
    })
  }
})

describe("the process is killed while the provider holds its request", () => {
  for (const consume of [false, true]) {
    it(`${consume ? "after" : "before"} the token was consumed: the retry waits until the request must have arrived`, () => {
      const exit = Simulation.run(() =>
        Effect.gen(function*() {
          const machine = yield* makeMachine("1 milli")
          machine.server.next({ _tag: "Hang", consume })
          const first = yield* machine.start(1)
          yield* Effect.fork(first.coordinator.accessToken(tenant))
          yield* Queue.take(machine.server.arrivals)
          yield* Effect.sleep("1 second")
          first.kill()
          const { died, outcome, sent } = yield* succeedDead(machine, false)
          assert.strictEqual(outcome, consume ? "OutcomeUnknown" : "lockstep-at-1")
          assert.strictEqual(sent, 2)
          assert.isAtLeast(machine.server.arrivedAt[1]! - died, 2_000, "not before quietTime")
          assert.isAtMost(machine.server.arrivedAt[1]! - died, 2_100, "and promptly, while a provider's grace may last")
        }), { seed: SEED })
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    })
  }
})
