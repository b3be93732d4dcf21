/** Kills the process that logs in or out before and after every call of a port. */
import { assert, describe, it } from "@effect/vitest"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { Intent, JournalRecord } from "@lockstep/core/RefreshJournal"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const { tenant, valueOf } = MemoryMachine
const OLD = "lockstep-rt-0"

/** A machine with one expired login, on which every generation that is written is noted. */
const makeMachine = Effect.gen(function*() {
  const machine = yield* MemoryMachine.make()
  yield* machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
  const generations = [1]
  const modify: WritableStore["Type"]["modify"] = (one, decide) =>
    machine.store.modify(one, (current) => {
      const change = decide(current)
      if (change._tag === "Put") generations.push(change.credential.generation)
      return change
    })
  const start = (pid: number, dies?: (moment: MortalProcess.Moment) => boolean) =>
    MortalProcess.make({
      store: { ...machine.store, modify },
      lock: machine.lock,
      journal: machine.journal,
      endpoint: machine.server.service
    }, { pid, latency: "1 milli", ...(dies === undefined ? {} : { dies }) })
  return { ...machine, generations, start }
})

type Machine = Effect.Effect.Success<typeof makeMachine>

/** Ends what is stored by then: its process dies or it comes to its end. */
const untilDead = <A, E>(
  machine: Machine,
  dies: (moment: MortalProcess.Moment) => boolean,
  act: (process: MortalProcess.MortalProcess) => Effect.Effect<A, E>
) =>
  Effect.gen(function*() {
    const dead = yield* Deferred.make<void>()
    const process = yield* machine.start(1, (moment) => {
      const isDying = dies(moment)
      if (isDying) Deferred.unsafeDone(dead, Exit.void)
      return isDying
    })
    const fiber = yield* Effect.forkDaemon(act(process))
    yield* Effect.raceFirst(Deferred.await(dead), Fiber.await(fiber))
    const lease = yield* machine.lock.tryAcquire(LockTarget.Tenant({ tenant }))
    assert.isTrue(Option.isSome(lease), "the lock is free")
    yield* Option.getOrThrow(lease).release({ changed: false })
  })

const isAscending = (numbers: ReadonlyArray<number>): boolean =>
  numbers.every((one, index) => index === 0 || one > numbers[index - 1]!)

/** Access and refresh token of one login carry the same number. */
const assertWhole = (machine: Machine) =>
  Effect.map(machine.store.get(tenant), (found) => {
    if (Option.isNone(found)) return "none"
    const { accessToken, refreshToken } = found.value.credential
    const [access, refresh] = [accessToken, refreshToken].map((secret) =>
      Redacted.value(Option.getOrThrow(secret)).replace(/^lockstep-[ar]t-/, "")
    )
    assert.strictEqual(access, refresh, "a mixed record")
    return refresh!
  })

/** Another process logs in, whatever was left, and everything of the past is settled. */
const logInAgain = (machine: Machine) =>
  Effect.gen(function*() {
    const process = yield* machine.start(9)
    const { stored } = yield* process.writer.login(
      tenant,
      Effect.sync(() => machine.server.issue(Scenario.EXPIRED)),
      { replace: true }
    )
    assert.isTrue(isAscending(machine.generations), `generations ${machine.generations.join()}`)
    assert.strictEqual(stored.credential.generation, machine.generations.at(-1))
    const record = yield* machine.journal.read(tenant)
    assert.deepStrictEqual([record.intent._tag, record.mark._tag, record.cooldown._tag], ["None", "None", "None"])
    assert.strictEqual(record.generation, stored.credential.generation)
    assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)), "no answer is left")
    const token = Redacted.value(Option.getOrThrow(stored.credential.refreshToken))
    yield* process.coordinator.accessToken(tenant)
    assert.strictEqual(machine.server.requests.at(-1), token)
    yield* process.close
  })

/** The test runner talks to its worker between two runs. */
const breathe = () => new Promise((resolve) => setImmediate(resolve))

/** Runs a scene once for every moment at which its first process can die, and once in which it does not. */
const sweep = async (
  scene: (dies: (moment: MortalProcess.Moment) => boolean) => Effect.Effect<void, unknown>
): Promise<number> => {
  for (let k = 1;; k++) {
    await breathe()
    let moments = 0
    let at = ""
    const exit = Simulation.run(() =>
      scene(({ call, when }) => {
        if (++moments !== k) return false
        at = `${when} ${call}`
        return true
      }), { seed: k, limit: 200_000 })
    if (Exit.isFailure(exit)) throw new Error(`killed ${at} (call ${k}): ${String(exit.cause)}`)
    if (at === "") return k
  }
}

interface Past {
  /** How often the refresh token that was there may still be sent. */
  readonly sends: number
  /** Which login is left, and what the next process is served of it. */
  readonly outcomes: ReadonlyArray<string>
  readonly prepare: (machine: Machine) => Effect.Effect<unknown, unknown>
}

const unknownOutcome = (machine: Machine) =>
  Effect.flatMap(machine.journal.read(tenant), (record) =>
    machine.journal.write(
      tenant,
      JournalRecord.make({
        ...record,
        intent: Option.some(Intent.make({
          attempt: "died",
          version: "1",
          fingerprint: Scenario.fingerprintOf(machine, OLD),
          state: "sending",
          sends: 2,
          ambiguous: false,
          at: 0,
          endedAt: Option.none(),
          by: machine.host.self
        }))
      })
    ))

/** What is known of the refresh token that a login replaces. */
const PASTS: Record<string, Past> = {
  "with nothing against it": {
    sends: 1,
    outcomes: ["0: lockstep-at-1", "0: lockstep-at-2", "1: lockstep-at-2"],
    prepare: () => Effect.void
  },
  "of unknown outcome": {
    sends: 0,
    outcomes: ["0: ReauthorizationRequired(OutcomeUnknown)", "1: lockstep-at-2"],
    prepare: unknownOutcome
  },
  "with an answer that was never stored, a mark and a cooldown": {
    sends: 0,
    outcomes: ["0: lockstep-at-kept", "1: lockstep-at-2"],
    prepare: Scenario.burden
  }
}

describe("a process that logs in is killed before and after each call of a port", () => {
  for (const [what, { outcomes, prepare, sends }] of Object.entries(PASTS)) {
    it(`over a refresh token ${what}`, async () => {
      const seen = new Set<string>()
      const moments = await sweep((dies) =>
        Effect.gen(function*() {
          const machine = yield* makeMachine
          yield* prepare(machine)
          let obtained = 0
          yield* untilDead(machine, dies, ({ writer }) =>
            writer.login(
              tenant,
              Effect.sync(() => {
                obtained++
                return machine.server.issue(Scenario.EXPIRED)
              }),
              { replace: true }
            ))
          const left = yield* assertWhole(machine)
          assert.include(["0", "1"], left)
          assert.isAtMost(obtained, 1)

          const second = yield* machine.start(2)
          const served = yield* Effect.either(second.coordinator.accessToken(tenant))
          seen.add(`${left}: ${Either.match(served, { onLeft: Scenario.told, onRight: valueOf })}`)
          assert.isAtMost(machine.server.requests.filter((token) => token === OLD).length, left === "0" ? sends : 0)
          assert.deepStrictEqual(machine.server.reuses, [])
          yield* second.close
          yield* logInAgain(machine)
        })
      )
      assert.isAbove(moments, 10)
      assert.deepStrictEqual([...seen].sort(), outcomes)
    })
  }
})

describe("a process that logs out is killed before and after each call of a port", () => {
  it("after a refresh that died before the journal knew its generation", async () => {
    const moments = await sweep((dies) =>
      Effect.gen(function*() {
        const machine = yield* makeMachine
        yield* untilDead(
          machine,
          ({ call, when }) => call === "store.modify" && when === "after",
          ({ coordinator }) => coordinator.accessToken(tenant)
        )
        assert.deepStrictEqual(machine.generations, [1, 2])
        yield* untilDead(machine, dies, ({ writer }) => writer.remove(tenant, { revoke: true }))
        const left = yield* assertWhole(machine)
        assert.include(["1", "none"], left)

        const second = yield* machine.start(2)
        const served = yield* Effect.either(second.coordinator.accessToken(tenant))
        assert.strictEqual(
          Either.match(served, { onLeft: Scenario.told, onRight: valueOf }),
          left === "none"
            ? "ReauthorizationRequired(NotFound)"
            : "lockstep-at-1"
        )
        assert.deepStrictEqual(machine.server.requests, [OLD])
        yield* second.close
        yield* logInAgain(machine)
      })
    )
    assert.isAbove(moments, 10)
  })
})
