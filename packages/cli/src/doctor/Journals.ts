/**
 * What the journals remember: requests without an answer, answers without a store, refusals, waits.
 *
 * @since 0.1.0
 */
import { ReauthorizationRequired } from "@lockstep/core/Errors"
import type * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Verdict from "@lockstep/core/Verdict"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import * as Beginning from "../login/Beginning.js"
import * as Times from "../terminal/Times.js"
import * as State from "../views/State.js"
import * as Survey from "../views/Survey.js"
import * as Finding from "./Finding.js"
import * as Lineage from "./Lineage.js"
import { Subject } from "./Subject.js"

type Waiting = Extract<Verdict.Next, { readonly _tag: "Wait" }>

const WAITS: Readonly<Record<Waiting["why"], string>> = {
  Rest: "an early refresh was refused, and the access token has not expired yet",
  RetryAfter: "the server named the time",
  Backoff: "Lockstep waits longer after each failure",
  EarlierRequest: "the process that sent the last request may still bring its answer"
}

/** A login that has ended, as `lockstep token` will say it. While its access token lasts, nothing is missing yet. */
const needsLogin = (found: Survey.Tenant, now: number): Option.Option<Finding.Finding> =>
  Option.map(
    Option.filter(
      State.loginReason(found, found.credential.expiresAt),
      (reason) => reason !== "NoRefreshToken" || found.access === "Ended"
    ),
    (reason) => {
      const { credential, tenant } = found
      const detail = found.refresh._tag === "Login" ? Option.getOrUndefined(found.refresh.detail) : undefined
      const error = new ReauthorizationRequired({ tenant, reason, detail })
      const why = Lineage.explain(found, now)
      return Finding.problem(
        "login_needed",
        `${error.message}${Option.match(why, { onNone: () => "", onSome: (text) => `: ${text}` })}`,
        Advice.reauthorization(error, Beginning.ofRecord(tenant, credential)),
        tenant
      )
    }
  )

const waits = ({ question, tenant }: Survey.Tenant, { until, why }: Waiting, now: number): Finding.Finding =>
  Finding.remark(
    "cooldown",
    `${tenant} is asked again ${Times.relative(until, now)} (${WAITS[why]})`,
    // A person passes our own backoff, and nothing else.
    Verdict.ofRefresh(question, "person")._tag === "Wait"
      ? "wait"
      : `wait, or ask now with ${Advice.command("refresh", tenant)}`,
    tenant
  )

const answerWaiting = (tenant: TenantId): Finding.Finding =>
  Finding.problem(
    "answer_waiting",
    `${tenant} has new tokens that are not stored yet`,
    `run ${Advice.command("token", tenant)}: it stores them, and nothing is redeemed twice`,
    tenant
  )

const LIVENESS: Readonly<Record<NodeHost.Liveness, string>> = {
  alive: "",
  dead: ", gone",
  unknown: ", on another host or in another container"
}

const intentOpen = (tenant: TenantId, intent: RefreshJournal.Intent, now: number) =>
  Effect.map(NodeHost.liveness(intent.by), (liveness) => {
    const by = `process ${intent.by.pid}${LIVENESS[liveness]}`
    const outcome = intent.ambiguous
      ? `and the server answered with an error of its own (${by}); the next refresh sends it again`
      : `and got no new one (${by}); the next refresh makes the one retry that is safe`
    return Finding.remark(
      "intent_open",
      `${tenant} sent its refresh token ${Times.relative(intent.at, now)} ${outcome}`,
      `run ${Advice.command("token", tenant)} soon: a provider may honour a retry for some seconds only`,
      tenant
    )
  })

const ofTenant = (tenant: TenantId, now: number) =>
  Effect.gen(function*() {
    const found = yield* Survey.one(tenant)
    const { isHeld, refresh } = found
    // What a holder is about to change is not worth a word.
    const open = refresh._tag === "Redeem" && !isHeld ? refresh.previous : Option.none()
    return [
      ...Option.toArray(needsLogin(found, now)),
      ...(refresh._tag === "Wait" ? [waits(found, refresh, now)] : []),
      ...(refresh._tag === "Store" && !isHeld ? [answerWaiting(tenant)] : []),
      ...Option.toArray(yield* Effect.transposeMapOption(open, (intent) => intentOpen(tenant, intent, now)))
    ]
  }).pipe(
    Effect.catchTags({
      CredentialStoreError: (error) => Effect.succeed([Finding.fromError(error, "error", tenant)]),
      ReauthorizationRequired: () => Effect.succeed([])
    })
  )

/** Files of tenants that are not logged in: the tokens in an answer file there are never stored. */
const orphans = Effect.map(
  Subject,
  ({ sidecars, tenants }) =>
    sidecars.flatMap(({ kind, path, tenant }) =>
      kind !== "answer" || Option.isNone(tenant) || tenants.includes(tenant.value)
        ? []
        : [Finding.problem(
          "answer_left",
          `${path} is left of a login that is gone, and may hold tokens`,
          `run ${Advice.command("logout", tenant.value, "--local")}, which removes it`,
          tenant.value
        )]
    )
)

/**
 * Checks what every tenant's journal remembers.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const { tenants, unreachable } = yield* Subject
  const now = yield* Clock.currentTimeMillis
  const findings = yield* Effect.forEach(tenants, (tenant) => ofTenant(tenant, now))
  // As long as the store does not answer, it is not known which logins are gone.
  const left = Option.isNone(unreachable) ? yield* orphans : []
  return { check: "journals", findings: [...findings.flat(), ...left] } satisfies Finding.Checked
})

/**
 * Tells the life of every login in a line, also while the store does not answer.
 *
 * @since 0.1.0
 * @category checks
 */
export const lineage = Effect.gen(function*() {
  const { journal, remembered, tenants } = yield* Subject
  const now = yield* Clock.currentTimeMillis
  const findings = yield* Effect.forEach(
    [...new Set([...tenants, ...remembered])].sort(),
    (tenant) =>
      Effect.match(journal(tenant), {
        onFailure: (error) => tenants.includes(tenant) ? [] : [Finding.fromError(error, "error", tenant)],
        onSuccess: ({ outcomes }) =>
          Option.toArray(Option.map(Lineage.summary(outcomes, now), (text) =>
            Finding.remark(
              "lineage",
              `${tenant}: ${text}`,
              `${Advice.command("status", tenant, "--history")} tells all of it`,
              tenant
            )))
      })
  )
  return { check: "lineage", findings: findings.flat() } satisfies Finding.Checked
})
