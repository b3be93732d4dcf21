/**
 * Answers that were kept and not stored when a move begins: they belong to the store that they were kept for.
 */
import { Custody, type Evidence, type Held } from "@lockstep/core/Custody"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { Host } from "@lockstep/core/Host"
import * as LogFields from "@lockstep/core/LogFields"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Verdict from "@lockstep/core/Verdict"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as AnswerFile from "../AnswerFile.js"
import type * as Sidecars from "./sidecars.js"

/** A login that was answered and not stored belongs to the store that it was kept for. */
const refuseKept = (tenant: TenantId, location: string) =>
  new CredentialStoreError({
    reason: "Write",
    location,
    detail: `${tenant} has new tokens that are not stored yet`,
    remedy: `run \`lockstep token ${tenant}\` first: it stores them`
  })

/** Another process may still have the answer, and would store it where the logins are no more. */
const refuseLost = (tenant: TenantId, location: string) =>
  new CredentialStoreError({
    reason: "Write",
    location,
    detail: `${tenant} was refreshed, and its new tokens are in no file`,
    remedy:
      `end the other processes that use it, then run \`lockstep login ${tenant}\` or \`lockstep logout ${tenant}\``
  })

/** What a refresh of each login would do. Whether a vendor rotates is not known here: it is taken for one that does. */
const nextOf = Effect.gen(function*() {
  const host = yield* Host
  const policy = yield* RefreshPolicy
  return (evidence: Evidence) =>
    Verdict.ofRefresh({
      evidence,
      policy,
      traits: () => ({ rotates: true, margin: Option.none(), rotationGroup: Option.none() }),
      fingerprint: (credential) => Fingerprint.ofCredential(host, credential)
    })
})

/**
 * Stores what was answered and not stored, by the transaction that knows how, which may redeem where the answer has run
 * out meanwhile. What it fails with does not matter here: what is still unstored is found while everything is held.
 */
export const storeKept = (tenants: ReadonlyArray<TenantId>) =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const custody = yield* Custody
    const next = yield* nextOf
    for (const tenant of tenants) {
      const evidence = yield* Effect.option(custody.read(tenant))
      if (Option.exists(evidence, (one) => next(one)._tag === "Store")) {
        yield* Effect.catchAll(
          coordinator.refresh(tenant, { acceptRisk: false }),
          (error) => Effect.annotateLogs(Effect.logDebug(error.message), LogFields.ofError(tenant, error))
        )
      }
    }
  }).pipe(Effect.withSpan("lockstep.move.store"))

/** Refuses while an answer is kept that belongs to a stored login, or is said to be and is not found. */
export const refuseUnstored = (held: ReadonlyMap<TenantId, Held>) =>
  Effect.gen(function*() {
    const custody = yield* Custody
    const next = yield* nextOf
    for (const [tenant, one] of held) {
      const verdict = next(yield* one.read())
      const location = custody.journalOf(tenant)
      if (verdict._tag === "Store") return yield* refuseKept(tenant, location)
      if (verdict._tag === "Login" && verdict.reason === "RotationLost") return yield* refuseLost(tenant, location)
    }
  })

/** Removes answers that belong to no record, reservations among them. */
export const drop = (answers: ReadonlyArray<Sidecars.AnswerAt>) =>
  Effect.withSpan(
    Effect.forEach(answers, ({ path }) => AnswerFile.drop(path), { discard: true }),
    "lockstep.move.answers"
  )
