/**
 * What the journals remember: requests without an answer, answers without a store, refusals, waits.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { loginAdvice } from "@lockstep/core/Errors"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import { Home } from "@lockstep/node/Home"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Survey from "../Survey.js"
import * as Times from "../Times.js"
import * as Finding from "./Finding.js"

const OBSTACLES: Readonly<Record<string, string>> = {
  NoRefreshToken: "has no refresh token",
  InvalidGrant: "was refused by the authorization server",
  LoginExpired: "has reached the end of its login",
  RegistrationExpired: "is registered with the authorization server no longer",
  Stale: "holds a refresh token that was exchanged already (a restored or copied file?)",
  OutcomeUnknown: "sent its refresh token twice and read no answer",
  RotationLost: "had its refresh token exchanged and lost the answer"
}

const standing = (tenant: TenantId, now: number) =>
  Effect.gen(function*() {
    const journals = yield* RefreshJournal
    const found = yield* Survey.one(tenant)
    const journal = yield* journals.read(tenant)
    const findings: Array<Finding.Finding> = []
    const { obstacle } = found.standing
    if (Option.isSome(obstacle) && obstacle.value._tag === "Login" && obstacle.value.reason !== "NoRefreshToken") {
      const { reason } = obstacle.value
      findings.push(Finding.problem(
        `${tenant} ${OBSTACLES[reason] ?? reason}`,
        reason === "OutcomeUnknown"
          ? `run \`lockstep refresh ${tenant}\` to risk one more attempt, or ${loginAdvice(tenant)}`
          : loginAdvice(tenant)
      ))
    }
    if (Option.isSome(obstacle) && obstacle.value._tag === "Cooldown") {
      findings.push(Finding.remark(`${tenant} is asked again ${Times.relative(obstacle.value.until, now)}`))
    }
    if (Option.isSome(yield* journals.keptAnswer(tenant)) && Option.isNone(found.holder)) {
      findings.push(Finding.problem(
        `${tenant} has new tokens that are not stored yet`,
        `run \`lockstep token ${tenant}\`: it stores them, and nothing is redeemed twice`
      ))
    }
    const { intent } = journal
    if (Option.isSome(intent) && intent.value.state === "sending" && Option.isNone(found.holder)) {
      const alive = yield* NodeHost.isAlive(intent.value.by)
      findings.push(Finding.remark(
        `${tenant} sent its refresh token ${
          Times.relative(intent.value.at, now)
        } and read no answer (process ${intent.value.by.pid}${
          alive ? "" : ", gone"
        }); the next refresh makes the one retry that is safe`
      ))
    }
    return findings
  }).pipe(
    Effect.catchTags({
      CredentialStoreError: (error) => Effect.succeed([Finding.fromError(error)]),
      ReauthorizationRequired: () => Effect.succeed([])
    })
  )

/** Files of tenants that are not logged in: an answer file there holds tokens that nobody will ever store. */
const orphans = (tenants: ReadonlyArray<TenantId>) =>
  Effect.map(Home, (home) => {
    const store = path.basename(home.file)
    const directory = path.dirname(home.file)
    const names = fs.existsSync(directory) ? fs.readdirSync(directory) : []
    return names.flatMap((name) => {
      const sidecar = Option.getOrUndefined(SidecarNames.parse(store, name))
      const tenant = sidecar === undefined ? undefined : Option.getOrUndefined(sidecar.tenant)
      return sidecar?.kind !== "answer" || tenant === undefined || tenants.includes(tenant)
        ? []
        : [Finding.problem(
          `${path.join(directory, name)} is left of a login that is gone, and may hold tokens`,
          `run \`lockstep logout ${tenant} --local\`, which removes it`
        )]
    })
  })

/**
 * Checks what every tenant's journal remembers.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const store = yield* CredentialStore
  const now = yield* Clock.currentTimeMillis
  // A store that cannot be listed is the store check's finding.
  const tenants = yield* Effect.orElseSucceed(store.list, () => [])
  const findings = yield* Effect.forEach([...tenants].sort(), (tenant) => standing(tenant, now))
  const left = yield* Effect.catchAllDefect(orphans(tenants), () => Effect.succeed([]))
  return { check: "journals", findings: [...findings.flat(), ...left] } satisfies Finding.Checked
})
