/**
 * What a custody leaves to the next holder, at whatever step its holder is killed.
 *
 * The disk is copied at the start and at the end of every step of a redemption, and put back afterwards, copy by copy:
 * what is then opened is what a process finds that comes after a kill at that step.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import type { Credential } from "@lockstep/core/Credential"
import type { Custody, Evidence } from "@lockstep/core/Custody"
import type * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as StepTracer from "../processes/StepTracer.js"
import * as Credentials from "./credentials.js"
import { everything, type Holds } from "./CredentialStoreContract.js"
import * as Custodies from "./custodies.js"

/**
 * A machine whose disk can be put back.
 *
 * @since 0.1.0
 * @category models
 */
export interface Machine<E> {
  /** One more process. */
  readonly open: Effect.Effect<{ readonly custody: Custody["Type"] }, E, Scope.Scope>
  /**
   * Takes a copy of the disk. `putBack` restores it, and with it what a killed process leaves behind; `content` is the
   * same for two copies of the same disk.
   */
  readonly snapshot: () => { readonly content: string; readonly putBack: () => void }
}

/**
 * What was stored before a redemption, and what it stores.
 *
 * @since 0.1.0
 * @category models
 */
export interface Records {
  readonly before: Credential
  readonly after: Credential
}

/**
 * Checks what the next holder reads after a kill. `isCaptured` tells that the answer had been kept by then, `isOver` that
 * the redemption had ended.
 *
 * @since 0.1.0
 * @category testing
 */
export const check = (
  { journal, kept, stored }: Evidence,
  { after, before }: Records,
  { isCaptured, isOver, where }: { readonly isCaptured: boolean; readonly isOver: boolean; readonly where: string }
): void => {
  const has = (record: Credential) => Option.exists(stored, ({ credential }) => Equal.equals(credential, record))
  const isStored = has(after)
  const isSettled = Option.contains(journal.lastRedeem, Custodies.ATTEMPT)
  const isKept = Option.exists(kept, (answer) => Equal.equals(answer, Custodies.answer))
  const isAnnounced = Option.exists(journal.intent, ({ attempt }) => attempt === Custodies.ATTEMPT)
  assert.isTrue(isStored || has(before), `${where}: the old record or the new one`)
  assert.isTrue(Option.isNone(kept) || isKept, `${where}: no answer or this one`)
  assert.isTrue(!isCaptured || isKept || isStored, `${where}: an answer that was kept is not lost`)
  assert.isTrue(!isSettled || isStored, `${where}: settled only once it is stored`)
  assert.isTrue(!isCaptured || isKept || isSettled, `${where}: dropped only once it is settled`)
  assert.isTrue(!(isKept || isStored) || isAnnounced || isSettled, `${where}: announced before it was sent`)
  if (isOver) assert.isTrue(isStored && isSettled && !isKept, `${where}: all of it`)
}

/**
 * Lets the next holder store what was answered, and checks that nothing stands in its way.
 *
 * @since 0.1.0
 * @category testing
 */
export const goOn = (
  custody: Custody["Type"],
  tenant: TenantId.TenantId,
  records: Records,
  circumstances: Parameters<typeof check>[2]
): Effect.Effect<void, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const held = yield* Custodies.hold(custody, tenant)
    const evidence = yield* held.read()
    check(evidence, records, circumstances)
    const { settled } = yield* Custodies.finish(held, evidence, records.after)
    assert.isTrue(Either.isRight(settled), circumstances.where)
    check(yield* held.read(), records, { ...circumstances, isCaptured: true, isOver: true })
  }))

/**
 * Registers the contract's test. `makeMachine` answers with a machine without a login.
 *
 * @since 0.1.0
 * @category testing
 */
export const custodyCrashContract = <E>(
  name: string,
  makeMachine: Effect.Effect<Machine<E>, E, Scope.Scope>,
  { fit, tenants: [TENANT] }: Holds = everything
): void => {
  describe(`Custody after a kill: ${name}`, () => {
    it.scopedLive(
      "at every step of a redemption, the next holder knows what was sent and loses no answer",
      () =>
        Effect.gen(function*() {
          const machine = yield* makeMachine
          const records = { before: fit(Credentials.credential(1)), after: fit(Credentials.credential(2)) }
          const points: Array<Parameters<typeof check>[2] & ReturnType<typeof machine.snapshot>> = []
          let isCaptured = false
          const tracer = StepTracer.layer(({ at, name, within }) => {
            if (name === "lockstep.refresh.capture" && at === "end") isCaptured = true
            const where = `${at} of ${[name, ...within].join(" in ")}`
            points.push({ where, isCaptured, isOver: false, ...machine.snapshot() })
          })
          yield* Effect.scoped(Effect.flatMap(machine.open, ({ custody }) =>
            Effect.zipRight(
              Custodies.login(custody, TENANT, records.before),
              Effect.provide(Custodies.redeem(custody, TENANT, records.after), tracer)
            )))
          points.push({ where: "when all is done", isCaptured, isOver: true, ...machine.snapshot() })
          assert.isAbove(points.length, 20)
          assert.isTrue(isCaptured)
          const played = new Set<string>()
          for (const { content, putBack, ...circumstances } of points) {
            // Many steps change nothing: what the next process finds is what it was found to go on from.
            const found = `${content} ${circumstances.isCaptured} ${circumstances.isOver}`
            if (played.has(found)) continue
            played.add(found)
            putBack()
            yield* Effect.scoped(
              Effect.flatMap(machine.open, ({ custody }) => goOn(custody, TENANT, records, circumstances))
            )
          }
        }),
      180_000
    )
  })
}
