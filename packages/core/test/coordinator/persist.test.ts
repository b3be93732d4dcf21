import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import { RevokeAnswer } from "@lockstep/core/TokenEndpoint"
import { Change, WritableStore } from "@lockstep/core/WritableStore"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const { failing, processOn, untilAllWait } = Scenario

/** A refresh that is on its way while another program does something to the record. */
const during = <A, E>(
  fields: Parameters<typeof Scenario.expiredLogin>[1],
  act: (machine: MemoryMachine.MemoryMachine) => Effect.Effect<A, E>,
  options?: MemoryMachine.Options
) =>
  Effect.gen(function*() {
    const machine = yield* Scenario.expiredLogin(options, fields)
    const gate = yield* Deferred.make<void>()
    machine.server.next({ _tag: "GrantLate", gate })
    const coordinator = yield* processOn(machine)
    const caller = yield* Effect.fork(Scenario.outcome(coordinator.accessToken(tenant)))
    yield* Queue.take(machine.server.arrivals)
    const other = yield* act(machine)
    yield* Deferred.succeed(gate, undefined)
    const answer = yield* Fiber.join(caller)
    yield* untilAllWait
    return { machine, coordinator, answer, other }
  })

const remove = (machine: MemoryMachine.MemoryMachine) =>
  machine.store.modify(tenant, () => Change.Remove({ value: undefined }))

describe("an answer is written over the refresh token that was redeemed, and over nothing else", () => {
  it.scoped("a record whose metadata changed meanwhile is merged again, and its other members stay", () =>
    Effect.gen(function*() {
      const { answer, machine } = yield* during(
        { scope: Option.some("a") },
        (machine) =>
          Effect.flatMap(machine.read(tenant), (credential) =>
            machine.write(
              tenant,
              Credential.Credential.make({ ...credential, resource: Option.some("https://rs.example") })
            ))
      )
      assert.strictEqual(answer, "lockstep-at-1")
      const stored = yield* machine.read(tenant)
      assertEquals(stored.resource, Option.some("https://rs.example"))
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.strictEqual(stored.generation, 3)
      assert.deepStrictEqual(machine.server.revocations, [])
    }))

  it.scoped("another login of the same account stays and is served, and ours is not revoked: both may be of one family", () =>
    Effect.gen(function*() {
      const { answer, machine, other } = yield* during(
        Scenario.of("ann"),
        (machine) =>
          Effect.flatMap(
            Scenario.validFor(3_600),
            (valid) => machine.write(tenant, machine.server.issue({ ...valid, ...Scenario.of("ann") }))
          )
      )
      assert.strictEqual(answer, Redacted.value(Option.getOrThrow(other.accessToken)))
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
      assert.deepStrictEqual(machine.server.revocations, [])
    }))

  it.scoped("another login whose access token has run out is not served but refreshed", () =>
    Effect.gen(function*() {
      const { answer, machine } = yield* during(
        {},
        (machine) => machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
      )
      assert.strictEqual(answer, "lockstep-at-3")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-2"])
      assert.deepStrictEqual(machine.server.revocations, [])
    }))

  it.scoped("another account's login stays and is not served to callers that asked for the first", () =>
    Effect.gen(function*() {
      const { answer, machine } = yield* during(
        Scenario.of("ann"),
        (machine) =>
          Effect.flatMap(
            Scenario.validFor(3_600),
            (valid) => machine.write(tenant, machine.server.issue({ ...valid, ...Scenario.of("bob") }))
          )
      )
      assert.strictEqual(answer, "CredentialStoreError(Superseded)")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
    }))

  it.scoped("a login that was removed meanwhile stays removed, and ours is revoked", () =>
    Effect.gen(function*() {
      const { answer, machine } = yield* during({}, remove)
      assert.strictEqual(answer, "ReauthorizationRequired(Removed)")
      assert.isTrue(Option.isNone(yield* machine.store.get(tenant)))
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
    }))

  it.scoped("a revocation that never ends holds up neither the caller nor the end of the process for long", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.revoke = Effect.never
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const scope = yield* Scope.make()
      const coordinator = yield* Scope.extend(machine.process, scope)
      const caller = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* remove(machine)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(caller), "ReauthorizationRequired(Removed)")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Option.isSome(yield* Fiber.poll(closing)))
    }))

  it.scoped("a revocation is made also when the process is ending, and its end is waited for", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.revoke = Effect.as(Effect.sleep("1 second"), RevokeAnswer.Revoked())
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const scope = yield* Scope.make()
      const coordinator = yield* Scope.extend(machine.process, scope)
      yield* Effect.fork(coordinator.accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* untilAllWait
      yield* remove(machine)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(closing)))
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
    }))
})

describe("what the answer omits", () => {
  it.scoped("refresh token, scope, resource and account are kept", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, {
        scope: Option.some("openid offline_access"),
        resource: Option.some("https://rs.example"),
        ...Scenario.of("ann")
      })
      const before = yield* machine.read(tenant)
      machine.server.next({ _tag: "KeepRefreshToken" })
      const token = yield* (yield* processOn(machine)).accessToken(tenant)
      const after = yield* machine.read(tenant)
      assert.strictEqual(valueOf(token), "lockstep-at-1")
      for (const member of ["refreshToken", "scope", "resource", "account", "clientId", "tokenEndpoint"] as const) {
        assertEquals<unknown>(after[member], before[member])
      }
    }))

  it.scoped("the expiry of the old access token is not taken for the new one's", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "Grant", grant: { expiresAt: Option.none() } })
      yield* (yield* processOn(machine)).accessToken(tenant)
      assertEquals((yield* machine.read(tenant)).expiresAt, Option.none())
    }))
})

describe("durable before visible (I3)", () => {
  /** Ports that write what they do into one list. */
  const recorded = () => {
    const steps: Array<string> = []
    const step = <A, E>(name: string, effect: Effect.Effect<A, E>) =>
      Effect.zipLeft(effect, Effect.sync(() => void steps.push(name)))
    const options: MemoryMachine.Options = {
      wrapStore: (store) =>
        WritableStore.of({
          ...store,
          prepare: (one) => step("room in the store", store.prepare(one)),
          modify: (one, decide) => step("persist", store.modify(one, decide))
        }),
      wrapJournal: (journal) =>
        RefreshJournal.of({
          ...journal,
          reserveAnswer: (one, bytes) => step("room for the answer", journal.reserveAnswer(one, bytes)),
          keepAnswer: (one, answer) => step("capture", journal.keepAnswer(one, answer)),
          dropAnswer: (one) => step("drop", journal.dropAnswer(one)),
          write: (one, record) =>
            step(
              Option.match(record.intent, { onNone: () => "settle", onSome: (intent) => intent.state }),
              journal.write(one, record)
            )
        })
    }
    return { steps, step, options }
  }

  it.scoped("room, intent, request, capture, persist, publish, settle, drop: in this order", () =>
    Effect.gen(function*() {
      const { options, step, steps } = recorded()
      const machine = yield* Scenario.expiredLogin(options)
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* processOn(machine)
      const caller = yield* Effect.fork(step("publish", coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      steps.push("request")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(caller)
      yield* untilAllWait
      assert.deepStrictEqual(
        steps.filter((name) => name !== "publish"),
        [
          "room in the store",
          "room for the answer",
          "sending",
          "request",
          "capture",
          "consumed",
          "persist",
          "settle",
          "drop"
        ]
      )
      assert.isAbove(steps.indexOf("publish"), steps.indexOf("persist"))
    }))

  it.scoped("no caller sees the token before the write is done, and no caller waits for what comes after it", () =>
    Effect.gen(function*() {
      const persisting = yield* Deferred.make<void>()
      const settling = yield* Deferred.make<void>()
      const arrived = yield* Queue.unbounded<string>()
      let isRefreshing = false
      const machine = yield* Scenario.expiredLogin({
        wrapStore: (store) =>
          WritableStore.of({
            ...store,
            modify: (one, decide) =>
              Effect.zipRight(
                isRefreshing ? Effect.zipRight(arrived.offer("persist"), Deferred.await(persisting)) : Effect.void,
                store.modify(one, decide)
              )
          }),
        journal: {
          write: (record) =>
            Option.isNone(record.intent)
              ? Effect.zipRight(arrived.offer("settle"), Deferred.await(settling))
              : Effect.void
        }
      })
      isRefreshing = true
      const coordinator = yield* processOn(machine)
      const caller = yield* Effect.fork(coordinator.accessToken(tenant))
      assert.strictEqual(yield* Queue.take(arrived), "persist")
      yield* untilAllWait
      assert.isTrue(Option.isNone(yield* Fiber.poll(caller)))
      yield* Deferred.succeed(persisting, undefined)
      assert.strictEqual(yield* Queue.take(arrived), "settle")
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-1")
      yield* Deferred.succeed(settling, undefined)
    }))

  it.scoped("a token that is rejected while its flight still settles is redeemed anew", () =>
    Effect.gen(function*() {
      const settling = yield* Deferred.make<void>()
      const machine = yield* Scenario.expiredLogin({
        journal: { write: (record) => Option.isNone(record.intent) ? Deferred.await(settling) : Effect.void }
      })
      const coordinator = yield* processOn(machine)
      const { token } = yield* coordinator.accessToken(tenant)
      const recovering = yield* Effect.fork(coordinator.recover(tenant, token))
      const refreshing = yield* Effect.fork(coordinator.refresh(tenant))
      yield* untilAllWait
      yield* Deferred.succeed(settling, undefined)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(valueOf(yield* Fiber.join(recovering)), "lockstep-at-2")
      assert.strictEqual(valueOf((yield* Fiber.join(refreshing)).token), "lockstep-at-2")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-1"])
    }))
})

describe("what can fail without spending the refresh token comes first", () => {
  const full = (one: TenantId) =>
    new CredentialStoreError({ reason: "Write", location: `memory:${one}`, detail: "ENOSPC" })

  /** How much room is taken, in bytes. */
  const watchRoom = () => {
    const room = { bytes: 0, taken: 0 }
    const wrapJournal = (journal: RefreshJournal["Type"]) =>
      RefreshJournal.of({
        ...journal,
        // Room may be taken although it was not enough.
        reserveAnswer: (one, bytes) =>
          Effect.zipRight(
            Effect.sync(() => {
              room.bytes = bytes
              room.taken++
            }),
            journal.reserveAnswer(one, bytes)
          ),
        dropAnswer: (one) => Effect.tap(journal.dropAnswer(one), () => Effect.sync(() => room.bytes = 0))
      })
    return { room, wrapJournal }
  }

  const spendsNothing = (name: string, options: MemoryMachine.Options, answer = "CredentialStoreError(Write)") =>
    it.scoped(`${name}: nothing is sent, and the room is given back`, () =>
      Effect.gen(function*() {
        const { room, wrapJournal } = watchRoom()
        const machine = yield* Scenario.expiredLogin({ ...options, wrapJournal })
        const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(caller), answer)
        assert.deepStrictEqual(machine.server.requests, [])
        assert.strictEqual(room.bytes, 0)
        assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
      }))

  spendsNothing("a store that cannot be written", { store: { prepare: full } })
  spendsNothing("no room for the answer", { journal: { reserve: full } })
  spendsNothing("a journal that cannot be written", { journal: { write: () => full(tenant) } })
  spendsNothing(
    "no time left for an answer",
    { journal: { reserve: () => Effect.sleep("14 seconds") } },
    "ProviderUnavailable(NoTime)"
  )

  it.scoped("room is given back by a process that ends before it sends", () =>
    Effect.gen(function*() {
      const { room, wrapJournal } = watchRoom()
      const machine = yield* Scenario.expiredLogin({ wrapJournal, journal: { reserve: () => Effect.never } })
      const scope = yield* Scope.make()
      yield* Effect.fork((yield* Scope.extend(machine.process, scope)).accessToken(tenant))
      yield* untilAllWait
      assert.isAbove(room.bytes, 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(room.bytes, 0)
    }))

  it.scoped("the room holds the record and what servers like to add", () =>
    Effect.gen(function*() {
      let largest = 0
      const machine = yield* Scenario.expiredLogin({
        wrapJournal: (journal) =>
          RefreshJournal.of({
            ...journal,
            reserveAnswer: (one, bytes) =>
              Effect.zipRight(Effect.sync(() => largest = bytes), journal.reserveAnswer(one, bytes))
          })
      }, { scope: Option.some("s".repeat(10_000)) })
      yield* (yield* processOn(machine)).accessToken(tenant)
      assert.isAbove(largest, 10_000 + 16 * 1024)
    }))

  it.scoped("room that was made for a request that was refused is given back when another login is adopted", () =>
    Effect.gen(function*() {
      const { room, wrapJournal } = watchRoom()
      const machine = yield* Scenario.expiredLogin({ wrapJournal })
      machine.server.prepare = Effect.asVoid(
        Effect.flatMap(Scenario.validFor(3_600), (valid) => machine.write(tenant, machine.server.issue(valid)))
      )
      machine.server.next(Scenario.INVALID_GRANT)
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      assert.strictEqual(room.taken, 1)
      assert.strictEqual(room.bytes, 0)
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).mark))
    }))
})
