/**
 * What the journals remember: requests without an answer, answers without a store, refusals, waits.
 *
 * @since 0.1.0
 */
import { presented } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { loginAdvice } from "@lockstep/core/Errors"
import * as Host from "@lockstep/core/Host"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Survey from "../Survey.js"
import * as Times from "../Times.js"
import * as Finding from "./Finding.js"
import * as Lineage from "./Lineage.js"
import { Subject } from "./Subject.js"

const OBSTACLES: Readonly<Record<string, string>> = {
  NoRefreshToken: "has no refresh token",
  InvalidGrant: "was refused by the authorization server",
  LoginExpired: "has reached the end of its login",
  RegistrationExpired: "is registered with the authorization server no longer",
  Stale: "holds a refresh token that was exchanged already (a restored or copied file?)",
  OutcomeUnknown: "sent its refresh token twice and read no answer",
  RotationLost: "had its refresh token exchanged and lost the answer"
}

const needsLogin = (tenant: TenantId, reason: string, why: Option.Option<string>): Finding.Finding =>
  Finding.problem(
    "login_needed",
    `${tenant} ${OBSTACLES[reason] ?? reason}${Option.match(why, { onNone: () => "", onSome: (text) => `: ${text}` })}`,
    reason === "OutcomeUnknown"
      ? `run \`lockstep refresh ${tenant} --accept-risk\` to risk one more attempt, or ${loginAdvice(tenant)}`
      : loginAdvice(tenant),
    tenant
  )

const WAITS: Readonly<Record<string, string>> = {
  server: "the server named the time",
  backoff: "Lockstep waits longer after each failure"
}

const standing = (tenant: TenantId, now: number) =>
  Effect.gen(function*() {
    const journals = yield* RefreshJournal
    const store = yield* CredentialStore
    const host = yield* Host.Host
    const found = yield* Survey.one(tenant)
    const journal = yield* journals.read(tenant)
    const stored = yield* store.get(tenant)
    const fingerprint = Option.map(
      Option.flatMap(stored, ({ credential }) => presented(credential)),
      (token) => Host.fingerprint(host, token)
    )
    const findings: Array<Finding.Finding> = []
    const { obstacle } = found.standing
    if (Option.isSome(obstacle) && obstacle.value._tag === "Login" && obstacle.value.reason !== "NoRefreshToken") {
      findings.push(needsLogin(tenant, obstacle.value.reason, Lineage.explain(journal, fingerprint, now)))
    }
    if (Option.isSome(obstacle) && obstacle.value._tag === "Cooldown") {
      const why = Option.match(journal.cooldown, { onNone: () => "", onSome: ({ source }) => ` (${WAITS[source]})` })
      findings.push(Finding.remark(
        "cooldown",
        `${tenant} is asked again ${Times.relative(obstacle.value.until, now)}${why}`,
        `wait, or ask now with \`lockstep refresh ${tenant}\``,
        tenant
      ))
    }
    if (Option.isSome(yield* journals.keptAnswer(tenant)) && Option.isNone(found.holder)) {
      findings.push(Finding.problem(
        "answer_waiting",
        `${tenant} has new tokens that are not stored yet`,
        `run \`lockstep token ${tenant}\`: it stores them, and nothing is redeemed twice`,
        tenant
      ))
    }
    const { intent } = journal
    if (Option.isSome(intent) && intent.value.state === "sending" && Option.isNone(found.holder)) {
      const alive = yield* NodeHost.isAlive(intent.value.by)
      findings.push(Finding.remark(
        "intent_open",
        `${tenant} sent its refresh token ${
          Times.relative(intent.value.at, now)
        } and read no answer (process ${intent.value.by.pid}${
          alive ? "" : ", gone"
        }); the next refresh makes the one retry that is safe`,
        `run \`lockstep token ${tenant}\` soon: a provider may honour a retry for some seconds only`,
        tenant
      ))
    }
    return findings
  }).pipe(
    Effect.catchTags({
      CredentialStoreError: (error) => Effect.succeed([Finding.fromError(error, "error", tenant)]),
      ReauthorizationRequired: () => Effect.succeed([])
    })
  )

/** Files of tenants that are not logged in: an answer file there holds tokens that nobody will ever store. */
const orphans = Effect.map(
  Subject,
  ({ sidecars, tenants }) =>
    sidecars.flatMap(({ kind, path, tenant }) =>
      kind !== "answer" || Option.isNone(tenant) || tenants.includes(tenant.value)
        ? []
        : [Finding.problem(
          "answer_left",
          `${path} is left of a login that is gone, and may hold tokens`,
          `run \`lockstep logout ${tenant.value} --local\`, which removes it`,
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
  const findings = yield* Effect.forEach(tenants, (tenant) => standing(tenant, now))
  // Nobody knows which logins are gone as long as the store does not answer.
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
  const { remembered, tenants } = yield* Subject
  const journals = yield* RefreshJournal
  const now = yield* Clock.currentTimeMillis
  const findings = yield* Effect.forEach(
    [...new Set([...tenants, ...remembered])].sort(),
    (tenant) =>
      Effect.match(journals.read(tenant), {
        onFailure: (error) => tenants.includes(tenant) ? [] : [Finding.fromError(error, "error", tenant)],
        onSuccess: (journal) =>
          Option.toArray(Option.map(Lineage.summary(journal, now), (text) =>
            Finding.remark(
              "lineage",
              `${tenant}: ${text}`,
              `\`lockstep status ${tenant} --history\` tells all of it`,
              tenant
            )))
      })
  )
  return { check: "lineage", findings: findings.flat() } satisfies Finding.Checked
})
