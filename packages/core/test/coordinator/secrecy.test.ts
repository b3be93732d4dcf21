import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError, LockUnavailable, type RefreshError } from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import { Change } from "@lockstep/core/WritableStore"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import type * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Array from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as List from "effect/List"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"

const { tenant } = MemoryMachine

const SECRET = /lockstep-(?:at|rt|it|cs)-/

/** Everything that could be shown outside of the process. */
const makeEvidence = () => {
  const texts: Array<string> = []
  const add = (where: string, ...values: ReadonlyArray<unknown>) => {
    for (const value of values) {
      texts.push(`${where}: ${String(value)}`, `${where}: ${Inspectable.toStringUnknown(value)}`)
    }
  }
  const addCause = (where: string, cause: Cause.Cause<unknown>) => {
    add(where, cause, Cause.pretty(cause, { renderErrorCause: true }))
    for (const error of [...Cause.failures(cause), ...Cause.defects(cause)]) {
      add(where, error, JSON.stringify(error))
      if (error instanceof Error) add(where, error.message, error.stack, error.cause, { ...error })
    }
  }
  const logger = Logger.make<unknown, void>(({ annotations, cause, message, spans }) => {
    add("log", ...Array.ensure(message), ...HashMap.toEntries(annotations).flat(), List.toArray(spans))
    addCause("log", cause)
  })
  const span: Tracer.Tracer["span"] = (name, parent, context, links, startTime, kind) => {
    const attributes = new Map<string, unknown>()
    add("span", name)
    return {
      _tag: "Span",
      name,
      spanId: "1",
      traceId: "1",
      parent,
      context,
      status: { _tag: "Started", startTime },
      attributes,
      links,
      sampled: true,
      kind,
      end: (_time, exit) => {
        if (Exit.isFailure(exit)) addCause(`end of ${name}`, exit.cause)
      },
      attribute: (key, value) => {
        attributes.set(key, value)
        add(`attribute of ${name}`, key, value)
      },
      event: (event, _time, members) => add(`event of ${name}`, event, members),
      addLinks: () => {}
    }
  }
  const tracer = Tracer.make({ span, context: (run) => run() })
  const watch = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.withTracer(tracer),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
  return { texts, addCause, watch }
}

const answer = (one: RedeemAnswer): ScriptedTokenEndpoint.Behaviour => ({ _tag: "Answer", answer: one })
const full = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })

/** Fails like a program with a bug does: with a value that was never meant for other eyes. */
const BUG = Effect.die(new Error("unexpected"))

interface Failure {
  readonly behaviours?: ReadonlyArray<ScriptedTokenEndpoint.Behaviour>
  readonly options?: MemoryMachine.Options
  readonly fields?: Parameters<typeof Scenario.expiredLogin>[1]
  readonly act?: (machine: MemoryMachine.MemoryMachine) => Effect.Effect<unknown, unknown>
}

const failures: Record<string, Failure> = {
  "a granted answer": {},
  "an answer that keeps the refresh token": { behaviours: [{ _tag: "KeepRefreshToken" }] },
  "a dead grant": { behaviours: [Scenario.INVALID_GRANT] },
  "a refused client": { behaviours: [answer(RedeemAnswer.Rejected({ reason: "InvalidClient", detail: "401" }))] },
  "429": { behaviours: [Scenario.rateLimited(30)] },
  "503": { behaviours: [Scenario.SERVER_ERROR] },
  "a request that was never sent": { behaviours: [Scenario.NEVER_SENT] },
  "two lost answers": { behaviours: [Scenario.LOST, Scenario.LOST] },
  "a lost answer of a consumed token": { behaviours: [{ _tag: "ConsumeAndLose" }] },
  "no answer": { behaviours: [{ _tag: "Hang", consume: true }] },
  "the same access token again": { behaviours: [{ _tag: "KeepRefreshToken", accessToken: "lockstep-at-0" }] },
  "a store that cannot be read": { options: { store: { get: () => full } } },
  "a store that cannot be prepared": { options: { store: { prepare: () => full } } },
  "a journal that cannot be written": { options: { journal: { write: () => full } } },
  "no room for the answer": { options: { journal: { reserve: () => full } } },
  "an answer that no file would take": { options: { journal: { keep: () => full } } },
  "a store with a bug": { options: { store: { prepare: () => BUG } } },
  "no refresh token": { fields: { refreshToken: Option.none() } },
  "the end of the login": { fields: { loginExpiresAt: Option.some(10) } },
  "another account": {
    fields: Scenario.of("ann"),
    act: (machine) => machine.write(tenant, machine.server.issue({ ...Scenario.EXPIRED, ...Scenario.of("bob") }))
  },
  "a login that was removed meanwhile": {
    act: (machine) =>
      Effect.sync(() => {
        machine.server.prepare = Effect.orDie(machine.store.modify(tenant, () => Change.Remove({ value: undefined })))
      })
  },
  "a restored snapshot": {
    act: (machine) =>
      Effect.flatMap(machine.read(tenant), (snapshot) =>
        Effect.scoped(Effect.gen(function*() {
          yield* (yield* machine.process).accessToken(tenant)
          yield* machine.write(tenant, Credential.Credential.make({ ...snapshot }))
        })))
  }
}

/** Calls everything that a process offers, and lets each end. */
const callEverything = (
  machine: MemoryMachine.MemoryMachine,
  evidence: ReturnType<typeof makeEvidence>
) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const coordinator = yield* Scope.extend(machine.process, scope)
    const rejected = Redacted.make("lockstep-at-0")
    const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      coordinator.accessToken(tenant),
      coordinator.accessToken(tenant, { minTtl: "2 hours" }),
      coordinator.recover(tenant, rejected),
      coordinator.refresh(tenant, { acceptRisk: true }),
      coordinator.peek(tenant),
      machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), { replace: false }),
      machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), { replace: true }),
      machine.writer.login(tenant, Effect.fail("refused"), { replace: true }),
      machine.writer.put(tenant, machine.server.issue(), { replace: false, note: "import" }),
      machine.writer.remove(tenant, { revoke: true })
    ]
    for (const call of calls) {
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("20 seconds")
      yield* TestClock.adjust("20 seconds")
      const exit = yield* Fiber.await(fiber)
      if (Exit.isFailure(exit)) evidence.addCause("error", exit.cause)
      else evidence.texts.push(`token: ${String(exit.value)} ${JSON.stringify(exit.value)}`)
    }
    const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(closing)
  })

/** The metrics of this process, of all its tests. */
const metrics = (): ReadonlyArray<string> =>
  Metric.unsafeSnapshot().flatMap(({ metricKey: { description, name, tags } }) => [
    `metric: ${name}`,
    `metric: ${Option.getOrElse(description, () => "")}`,
    ...tags.map(({ key, value }) => `label of ${name}: ${key}=${value}`)
  ])

const assertNoSecret = (evidence: ReturnType<typeof makeEvidence>) => {
  assert.isAbove(evidence.texts.length, 0)
  const shown = metrics().filter((text) => !text.startsWith("label of leak:"))
  assert.isTrue(shown.some((text) => text === `label of lockstep.lock.wait: tenant=${tenant}`))
  assert.deepStrictEqual([...evidence.texts, ...shown].filter((text) => SECRET.test(text)), [])
}

describe("no error, log, span or metric shows a token", () => {
  it.scoped("that this test could not see", () =>
    Effect.gen(function*() {
      const token = "lockstep-at-0"
      for (
        const leak of [
          Effect.logDebug(token),
          Effect.annotateLogs(Effect.log("message"), { token }),
          Effect.logError("message", Cause.fail(new Error(token))),
          Effect.withSpan(Effect.void, token),
          Effect.withSpan(Effect.void, "span", { attributes: { token } }),
          Effect.withSpan(Effect.annotateCurrentSpan({ token }), "span"),
          Effect.exit(Effect.withSpan(Effect.fail({ token }), "span")),
          Effect.exit(Effect.withSpan(Effect.die(new Error("bug", { cause: token })), "span"))
        ]
      ) {
        const evidence = makeEvidence()
        yield* evidence.watch(leak)
        assert.isTrue(evidence.texts.some((text) => SECRET.test(text)))
      }
      yield* Metric.increment(Metric.tagged(Metric.counter("leak"), "token", token))
      assert.isTrue(metrics().some((text) => SECRET.test(text)))
    }))

  for (const [name, failure] of Object.entries(failures)) {
    it.scoped(`after ${name}`, () =>
      Effect.gen(function*() {
        const evidence = makeEvidence()
        yield* evidence.watch(Effect.gen(function*() {
          const machine = yield* Scenario.expiredLogin(failure.options, failure.fields)
          for (const behaviour of failure.behaviours ?? []) machine.server.next(behaviour)
          if (failure.act !== undefined) yield* failure.act(machine)
          yield* callEverything(machine, evidence)
        }))
        assertNoSecret(evidence)
      }))
  }

  it.scoped("in any step of a refresh, and every step is seen", () =>
    Effect.gen(function*() {
      const evidence = makeEvidence()
      yield* evidence.watch(Effect.flatMap(Scenario.expiredLogin(), (machine) => callEverything(machine, evidence)))
      for (
        const step of ["lock", "reread", "reserve", "intent", "redeem", "capture", "consumed", "persist", "settle"]
      ) {
        assert.include(evidence.texts, `span: lockstep.refresh.${step}`)
      }
      for (
        const step of [
          "login.obtain",
          "login.persist",
          "login.settle",
          "logout.revoke",
          "logout.remove",
          "logout.settle"
        ]
      ) {
        assert.include(evidence.texts, `span: lockstep.${step}`)
      }
      assertNoSecret(evidence)
    }))

  it.scoped("while the disk is full after the answer", () =>
    Effect.gen(function*() {
      for (const isKept of [true, false]) {
        const evidence = makeEvidence()
        let isFull = false
        const whenFull = Effect.suspend(() => isFull ? full : Effect.void)
        yield* evidence.watch(Effect.gen(function*() {
          const machine = yield* Scenario.expiredLogin({
            store: { modify: () => whenFull },
            journal: { keep: () => isKept ? Effect.void : whenFull }
          })
          isFull = true
          yield* callEverything(machine, evidence)
        }))
        assert.isTrue(evidence.texts.some((text) => text.includes("has new tokens, but")))
        assert.include(evidence.texts, "span: lockstep.login.discard")
        assertNoSecret(evidence)
      }
    }))

  it.scoped("while the lock cannot be taken", () =>
    Effect.gen(function*() {
      const evidence = makeEvidence()
      const lock = yield* ControlledLock.make
      lock.fault = new LockUnavailable({ reason: "Permission", path: "/locks" })
      yield* evidence.watch(Effect.flatMap(
        Scenario.expiredLogin({ lock: lock.service }),
        (machine) => callEverything(machine, evidence)
      ))
      assertNoSecret(evidence)
    }))

  it.scoped("and what a caller is given does not show its token when it is printed", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const token = yield* (yield* Scenario.processOn(machine)).accessToken(tenant)
      assert.notMatch(`${String(token)} ${JSON.stringify(token)} ${Inspectable.toStringUnknown(token)}`, SECRET)
      const error: RefreshError = new CredentialStoreError({ reason: "Read", location: "memory" })
      assert.notMatch(Cause.pretty(Cause.fail(error)), SECRET)
    }))
})
