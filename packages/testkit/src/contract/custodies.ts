/**
 * One redemption as a holder makes it, for tests of anything that keeps custody.
 *
 * @since 0.1.0
 */
import type * as Credential from "@lockstep/core/Credential"
import type { Custody, Evidence, Held } from "@lockstep/core/Custody"
import { ProcessIdentity } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { answer as answerOf } from "./journals.js"

type Service = Custody["Type"]

/**
 * The attempt that the redemption makes.
 *
 * @since 0.1.0
 * @category testing
 */
export const ATTEMPT = "attempt-2"

/**
 * The answer that it gets.
 *
 * @since 0.1.0
 * @category testing
 */
export const answer = answerOf(ATTEMPT)

const by = ProcessIdentity.make({ pid: 4711, startTime: "12", bootId: "boot", command: "agent" })

/**
 * A journal that says of the redemption that it is in this state.
 *
 * @since 0.1.0
 * @category testing
 */
export const announced = (
  { journal }: Evidence,
  over: Credential.Stored,
  state: RefreshJournal.Intent["state"]
): RefreshJournal.JournalRecord =>
  RefreshJournal.JournalRecord.make({
    ...journal,
    intent: Option.some(RefreshJournal.Intent.make({
      attempt: ATTEMPT,
      version: over.version,
      fingerprint: answer.fingerprint,
      state,
      sends: 1,
      ambiguous: false,
      at: 1_790_000_000_000,
      endedAt: Option.none(),
      by
    }))
  })

/**
 * A journal that says of the redemption that it is stored.
 *
 * @since 0.1.0
 * @category testing
 */
export const settled = ({ journal }: Evidence, generation: number): RefreshJournal.JournalRecord =>
  RefreshJournal.JournalRecord.make({
    ...journal,
    generation,
    intent: Option.none(),
    lastRedeem: Option.some(ATTEMPT)
  })

/**
 * Holds a tenant, where nothing is looked for.
 *
 * @since 0.1.0
 * @category testing
 */
export const hold = (
  custody: Service,
  tenant: TenantId.TenantId,
  options: Partial<Parameters<Service["hold"]>[1]> = {}
): Effect.Effect<Held, unknown, Scope.Scope> =>
  Effect.flatMap(
    custody.hold(tenant, { timeout: Duration.minutes(1), ...options }),
    (one) => one._tag === "Held" ? Effect.succeed(one.held) : Effect.dieMessage("nothing was looked for")
  )

/**
 * Stores a record, as a login does.
 *
 * @since 0.1.0
 * @category testing
 */
export const login = (
  custody: Service,
  tenant: TenantId.TenantId,
  credential: Credential.Credential
): Effect.Effect<Credential.Stored, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const held = yield* hold(custody, tenant)
    const { journal } = yield* held.read()
    const { value } = yield* held.commit({
      act: "login",
      decide: () => Change.Put({ credential, value: (stored) => stored }),
      settle: (stored) =>
        Option.some({
          journal: RefreshJournal.JournalRecord.make({ ...journal, generation: stored.credential.generation }),
          discard: true
        })
    })
    return value
  }))

/**
 * Makes one redemption from begin to end, under the spans that a refresh has, and asks no server.
 *
 * @since 0.1.0
 * @category testing
 */
export const redeem = (
  custody: Service,
  tenant: TenantId.TenantId,
  next: Credential.Credential
): Effect.Effect<void, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const held = yield* hold(custody, tenant)
    const evidence = yield* held.read()
    const over = yield* evidence.stored
    yield* held.reserve(Option.some(4_096))
    const begun = yield* Effect.withSpan(
      held.begin(Option.some(announced(evidence, over, "sending")), over),
      "lockstep.refresh.intent"
    )
    if (!begun) return yield* Effect.fail("the token moved")
    yield* Effect.withSpan(held.capture(answer), "lockstep.refresh.capture")
    yield* Effect.withSpan(held.note(announced(evidence, over, "consumed")), "lockstep.refresh.consumed")
    yield* finish(held, evidence, next)
  }))

/**
 * Stores what was answered, as the holder that redeemed does, or the next one that finds the answer.
 *
 * @since 0.1.0
 * @category testing
 */
export const finish = (held: Held, evidence: Evidence, next: Credential.Credential) =>
  held.commit({
    act: "refresh",
    decide: () => Change.Put({ credential: next, value: () => undefined }),
    settle: () => Option.some({ journal: settled(evidence, next.generation), discard: true })
  })
