/**
 * Random schedules of processes, callers, answers, failures and foreign writes, in virtual time and with the fibers cut
 * off and resumed in random order. The run is a function of its seed, which is another one each time: `LOCKSTEP_SEED`
 * repeats a run, `LOCKSTEP_RUNS` makes it longer.
 */
import { describe, it } from "@effect/vitest"
import type * as AccessToken from "@lockstep/core/AccessToken"
import * as Credential from "@lockstep/core/Credential"
import type { RefreshError } from "@lockstep/core/Errors"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import type { Behaviour } from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { forgetful } from "./forgetful.js"
import { announce, SEED } from "./seed.js"
import * as Witness from "./Witness.js"

const TENANTS = [MemoryMachine.tenant, MemoryMachine.otherTenant] as const
const PROCESSES = 3

type Act =
  | {
    readonly act: "call"
    readonly process: number
    readonly tenant: number
    readonly demand: Demand
    readonly cutAfter: number | null
  }
  | { readonly act: "wait"; readonly millis: number }
  | { readonly act: "answer"; readonly behaviour: Behaviour }
  | { readonly act: "fault"; readonly fault: Witness.Fault; readonly times: number }
  | { readonly act: "close" | "kill"; readonly process: number }
  | {
    readonly act: "foreign"
    readonly tenant: number
    readonly what: "replace" | "remove" | "account" | "metadata" | "restore"
  }
  | { readonly act: "login"; readonly process: number; readonly tenant: number; readonly takes: number }
  | { readonly act: "import" | "logout"; readonly process: number; readonly tenant: number }
  | { readonly act: "clock"; readonly millis: number }

type Demand = "plain" | "minTtl" | "recover" | "forced"

interface Schedule {
  readonly acts: ReadonlyArray<Act>
  /** Whether the logins revoke each other's tokens. */
  readonly areSiblings: boolean
  /** Whether the store has no place for generations and attempts, like another tool's file. */
  readonly isForgetful: boolean
  readonly latencies: ReadonlyArray<number>
  readonly quantum: number
  readonly seed: number
}

const process = FastCheck.nat(PROCESSES - 1)
const tenant = FastCheck.nat(TENANTS.length - 1)

const call: FastCheck.Arbitrary<Act> = FastCheck.record({
  act: FastCheck.constant("call"),
  process,
  tenant,
  demand: FastCheck.constantFrom<Array<Demand>>("plain", "plain", "minTtl", "recover", "forced"),
  cutAfter: FastCheck.option(FastCheck.nat(3_000), { freq: 4, nil: null })
})
const wait: FastCheck.Arbitrary<Act> = FastCheck.record({
  act: FastCheck.constant("wait"),
  millis: FastCheck.oneof(FastCheck.nat(20), FastCheck.nat(3_000), FastCheck.nat(3_000), FastCheck.nat(3_600_000))
})

const answered = (answer: RedeemAnswer): Behaviour => ({ _tag: "Answer", answer })
const HARMLESS: ReadonlyArray<Behaviour> = [
  { _tag: "Grant" },
  { _tag: "KeepRefreshToken" },
  answered(RedeemAnswer.RateLimited({ retryAfter: Option.none(), detail: "" })),
  answered(RedeemAnswer.RateLimited({ retryAfter: Option.some(30_000), detail: "" })),
  answered(RedeemAnswer.ServerError({ retryAfter: Option.none(), detail: "" })),
  answered(RedeemAnswer.NeverSent({ detail: "" }))
]
const HARMFUL: ReadonlyArray<Behaviour> = [
  ...HARMLESS,
  { _tag: "ConsumeAndLose" },
  { _tag: "Hang", consume: true },
  { _tag: "Hang", consume: false },
  answered(RedeemAnswer.Unknown({ detail: "", answered: false })),
  answered(RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "" })),
  answered(RedeemAnswer.Rejected({ reason: "Entitlement", detail: "" }))
]
const answer = (behaviours: ReadonlyArray<Behaviour>): FastCheck.Arbitrary<Act> =>
  FastCheck.record({ act: FastCheck.constant("answer"), behaviour: FastCheck.constantFrom(...behaviours) })
const fault = (...faults: ReadonlyArray<Witness.Fault>): FastCheck.Arbitrary<Act> =>
  FastCheck.record({
    act: FastCheck.constant("fault"),
    fault: FastCheck.constantFrom(...faults),
    times: FastCheck.integer({ min: 1, max: 12 })
  })
const end = (...acts: ReadonlyArray<"close" | "kill">): FastCheck.Arbitrary<Act> =>
  FastCheck.record({ act: FastCheck.constantFrom(...acts), process })
const foreign: FastCheck.Arbitrary<Act> = FastCheck.record({
  act: FastCheck.constant("foreign"),
  tenant,
  what: FastCheck.constantFrom<["replace", "remove", "account", "metadata", "restore"]>(
    "replace",
    "remove",
    "account",
    "metadata",
    "restore"
  )
})
const loggingIn: FastCheck.Arbitrary<Act> = FastCheck.record({
  act: FastCheck.constant("login"),
  process,
  tenant,
  takes: FastCheck.nat(3_000)
})
const writing: FastCheck.Arbitrary<Act> = FastCheck.record({
  act: FastCheck.constantFrom("import", "logout"),
  process,
  tenant
})
const person: FastCheck.Arbitrary<Act> = FastCheck.oneof(loggingIn, writing)
const clock: FastCheck.Arbitrary<Act> = FastCheck.record({
  act: FastCheck.constant("clock"),
  millis: FastCheck.integer({ min: -7_200_000, max: 600_000 })
})

const schedule = (
  longest: number,
  ...acts: ReadonlyArray<{ readonly weight: number; readonly arbitrary: FastCheck.Arbitrary<Act> }>
): FastCheck.Arbitrary<Schedule> =>
  FastCheck.record({
    acts: FastCheck.array(FastCheck.oneof(...acts), { minLength: 4, maxLength: 40, size: "max" }),
    areSiblings: FastCheck.boolean(),
    isForgetful: FastCheck.boolean(),
    latencies: FastCheck.array(FastCheck.nat(longest), { minLength: 1, maxLength: 5 }),
    quantum: FastCheck.integer({ min: 20, max: 400 }),
    seed: FastCheck.integer({ min: 1, max: 2 ** 31 - 1 })
  })

const ended = <A, E>(what: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.timeoutFailCause(effect, { duration: "10 minutes", onTimeout: () => Cause.die(`${what} does not end`) })

/** Runs a schedule and answers the breaches of the invariants that it met. */
const run = (
  { acts, areSiblings, isForgetful, latencies, quantum, seed }: Schedule,
  options: { readonly harmless: boolean }
) =>
  Simulation.run((world) =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make(isForgetful ? { wrapStore: forgetful } : {})
      let shifts = 0
      /** How far the wall clock is from where it was. Milliseconds. */
      let shifted = 0
      const monotonic = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))
      const witness = Witness.make(machine, {
        now: monotonic,
        shifts: () => shifts,
        quietTime: Duration.toMillis(RefreshPolicy.defaults.quietTime)
      })
      witness.setLatencies(latencies)
      machine.server.expiresIn = 900
      if (areSiblings) {
        machine.server.traits = { ...machine.server.traits, rotationGroup: Option.some("https://as.example client") }
      }

      let logins = 0
      /** What a restored backup holds. */
      const history = new Map<number, Credential.Credential>()
      const login = (at: number, account: string) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const credential = machine.server.issue({
            expiresAt: Option.some(now / 1_000 + 600),
            obtainedAt: Option.some(now / 1_000),
            scope: Option.some(`login-${logins++}`),
            account: Option.some(Credential.Account.make({ id: Option.some(account), label: Option.none() }))
          })
          witness.issued(TENANTS[at]!, credential)
          return credential
        })
      const write = (at: number, credential: Credential.Credential) =>
        Effect.suspend(() => {
          witness.stored(TENANTS[at]!, credential)
          return machine.write(TENANTS[at]!, credential)
        })
      const present = (at: number) =>
        Effect.map(Effect.orDie(machine.store.get(TENANTS[at]!)), Option.map((one) => one.credential))

      for (const at of TENANTS.keys()) {
        const first = yield* login(at, "a")
        history.set(at, first)
        yield* write(at, first)
      }

      let pids = 0
      const start = Effect.suspend(() => {
        const pid = ++pids
        return Effect.map(
          MortalProcess.make(witness.ports(pid), { pid, latency: "1 milli" }),
          (one) => ({ ...one, pid })
        )
      })
      const processes = yield* Effect.replicateEffect(start, PROCESSES)
      const callers: Array<{ readonly pid: number; readonly fiber: Fiber.RuntimeFiber<void, unknown> }> = []
      const dead = new Set<number>()

      const judgeToken = (at: number, token: AccessToken.AccessToken, rejected: string | undefined) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const value = Redacted.value(token.token)
          witness.served(TENANTS[at]!, value)
          witness.expect(value !== rejected, () => `${value} was served to whom it was rejected`)
          witness.expect(
            shifts > 0 ||
              Option.match(token.expiresAt, { onNone: () => true, onSome: (expiresAt) => now < expiresAt * 1_000 }),
            () => `${value} was served after it had expired`
          )
        })

      const demand = ({ coordinator }: MortalProcess.MortalProcess, at: number, what: Demand) =>
        Effect.gen(function*() {
          const id = TENANTS[at]!
          switch (what) {
            case "plain":
              return yield* judgeToken(at, yield* coordinator.accessToken(id), undefined)
            case "minTtl":
              return yield* judgeToken(at, yield* coordinator.accessToken(id, { minTtl: "12 minutes" }), undefined)
            case "forced":
              return yield* judgeToken(at, (yield* coordinator.refresh(id)).token, undefined)
            case "recover": {
              const rejected = Option.flatMap(yield* present(at), (one) => one.accessToken)
              if (Option.isNone(rejected)) return
              yield* judgeToken(at, yield* coordinator.recover(id, rejected.value), Redacted.value(rejected.value))
            }
          }
        })

      for (const act of acts) {
        switch (act.act) {
          case "wait":
            yield* Effect.sleep(act.millis)
            break
          case "call": {
            const one = processes[act.process]!
            const fiber = yield* Effect.forkDaemon(demand(one, act.tenant, act.demand))
            callers.push({ pid: one.pid, fiber })
            if (act.cutAfter !== null) yield* Effect.forkDaemon(Effect.delay(Fiber.interruptFork(fiber), act.cutAfter))
            break
          }
          case "answer":
            machine.server.next(act.behaviour)
            break
          case "fault":
            witness.fail(act.fault, act.times)
            break
          case "close": {
            const one = processes[act.process]!
            processes[act.process] = yield* start
            callers.push({ pid: one.pid, fiber: yield* Effect.forkDaemon(one.close) })
            break
          }
          case "kill": {
            const one = processes[act.process]!
            one.kill()
            dead.add(one.pid)
            witness.died(one.pid, yield* monotonic)
            processes[act.process] = yield* start
            break
          }
          case "foreign": {
            const found = yield* present(act.tenant)
            switch (act.what) {
              case "replace":
              case "account":
                witness.replaced(TENANTS[act.tenant]!)
                yield* write(act.tenant, yield* login(act.tenant, act.what === "account" ? `other-${logins}` : "a"))
                break
              case "remove":
                witness.replaced(TENANTS[act.tenant]!)
                yield* machine.erase(TENANTS[act.tenant]!)
                break
              case "metadata":
                if (Option.isSome(found)) {
                  yield* write(act.tenant, { ...found.value, scope: Option.some(`touched-${logins++}`) })
                }
                break
              case "restore":
                witness.replaced(TENANTS[act.tenant]!)
                yield* write(act.tenant, history.get(act.tenant)!)
            }
            break
          }
          case "login": {
            const one = processes[act.process]!
            const obtain = Effect.delay(login(act.tenant, "a"), act.takes)
            callers.push({
              pid: one.pid,
              fiber: yield* Effect.forkDaemon(
                Effect.asVoid(one.writer.login(TENANTS[act.tenant]!, obtain, { replace: true }))
              )
            })
            break
          }
          case "import": {
            const one = processes[act.process]!
            const credential = yield* login(act.tenant, "a")
            callers.push({
              pid: one.pid,
              fiber: yield* Effect.forkDaemon(
                Effect.asVoid(one.writer.put(TENANTS[act.tenant]!, credential, { replace: true, note: "import" }))
              )
            })
            break
          }
          case "logout": {
            const one = processes[act.process]!
            witness.removing.add(one.pid)
            callers.push({
              pid: one.pid,
              fiber: yield* Effect.forkDaemon(Effect.asVoid(one.writer.remove(TENANTS[act.tenant]!, { revoke: false })))
            })
            break
          }
          case "clock":
            world.shiftWallClock(act.millis)
            shifted += act.millis
            shifts++
        }
      }

      // Everybody comes to an end, and the world becomes friendly again.
      for (const { fiber, pid } of callers) {
        if (!dead.has(pid)) {
          yield* ended(`a caller of process ${pid}`, Fiber.await(fiber))
        }
      }
      machine.server.forget()
      witness.repair()
      witness.setLatencies([0])
      for (const one of processes) yield* ended(`closing process ${one.pid}`, one.close)

      const last = yield* start
      for (const [at, id] of TENANTS.entries()) {
        // By a clock that was set back a token ends so much later, and a kept answer comes home no sooner.
        yield* Effect.sleep(7_200_000 + Math.max(0, -shifted))
        const found = yield* present(at)
        const exit = yield* Effect.exit(ended("the last caller", demand(last, at, "plain")))
        if (Exit.isFailure(exit) && Option.isSome(found) && options.harmless) {
          const error = Cause.squash(exit.cause) as RefreshError
          witness.breach(`nothing harmful happened to ${id}, and still: ${error.message}`)
        }
      }
      yield* ended("closing the last process", last.close)
      witness.conclude()
      if (options.harmless && machine.server.reuses.length > 0) {
        witness.breach(`reuse of ${machine.server.reuses.join()}`)
      }
      return witness.breaches()
    }), { seed, quantum, shuffle: true })

const RUNS = Number(globalThis.process.env["LOCKSTEP_RUNS"] ?? 150)
announce(`${RUNS} schedules of a kind`, ` LOCKSTEP_RUNS=${RUNS}`)

/** Only to end what hangs. Milliseconds; long runs are made by hand. */
const LIMIT = Math.max(240_000, RUNS * 10_000)

/** The test runner talks to its worker between two runs. */
const breathe = () => new Promise((resolve) => setImmediate(resolve))

const check = (arbitrary: FastCheck.Arbitrary<Schedule>, options: { readonly harmless: boolean }) =>
  FastCheck.assert(
    FastCheck.asyncProperty(arbitrary, async (one) => {
      await breathe()
      const exit = run(one, options)
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
      if (exit.value.length > 0) throw new Error(exit.value.join("\n"))
    }),
    { seed: SEED, numRuns: RUNS }
  )

describe("whatever the schedule", () => {
  it("no login ends where nothing harmful happens (I1 to I5)", () =>
    check(
      schedule(
        6_000,
        { weight: 8, arbitrary: call },
        { weight: 5, arbitrary: wait },
        { weight: 3, arbitrary: answer(HARMLESS) },
        { weight: 1, arbitrary: fault("modify", "prepare", "reserve", "get") },
        { weight: 1, arbitrary: end("close") },
        { weight: 2, arbitrary: person }
      ),
      { harmless: true }
    ), LIMIT)

  it("lost answers, crashes, full disks, foreign writes and clocks break no invariant (I1 to I5, I7)", () =>
    check(
      schedule(
        20_000,
        { weight: 8, arbitrary: call },
        { weight: 4, arbitrary: wait },
        { weight: 3, arbitrary: answer(HARMFUL) },
        { weight: 2, arbitrary: fault("modify", "prepare", "reserve", "get", "write", "keep") },
        { weight: 2, arbitrary: end("close", "kill") },
        { weight: 4, arbitrary: foreign },
        { weight: 2, arbitrary: person },
        { weight: 1, arbitrary: clock }
      ),
      { harmless: false }
    ), LIMIT)
})
