/**
 * Logins in the making, and variables that come before stored ones.
 *
 * @since 0.1.0
 */
import { LOCAL_USER } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import { CredentialSources } from "@lockstep/oauth/CredentialSources"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import * as Times from "../terminal/Times.js"
import * as PendingView from "../views/PendingView.js"
import * as Survey from "../views/Survey.js"
import * as Finding from "./Finding.js"
import { Subject } from "./Subject.js"

const ofUser = (user: string) => user === LOCAL_USER ? [] : ["--user", user]

/**
 * Names the logins that are unfinished.
 *
 * @since 0.1.0
 * @category checks
 */
export const pending = Effect.gen(function*() {
  const now = yield* Clock.currentTimeMillis
  const all = yield* Survey.pending(Option.none())
  return {
    check: "logins",
    findings: all.map(({ login, tenant, user }) =>
      Finding.remark(
        "login_pending",
        `a login of ${tenant} by ${user} waits for its second step; it is dropped ${
          Times.relative(PendingView.endOf(login) * 1000, now)
        }`,
        `finish it, or drop it with ${Advice.command("login", tenant, ...ofUser(user), "--cancel")}`,
        tenant
      )
    )
  } satisfies Finding.Checked
})

/**
 * Names the variables that answer for a vendor's default tenant, and what each of them shadows. Their values are secrets.
 *
 * @since 0.1.0
 * @category checks
 */
export const sources = Effect.gen(function*() {
  const registry = yield* VendorRegistry
  const environment = yield* CredentialSources
  const { tenants: stored } = yield* Subject
  const findings = yield* Effect.forEach(
    registry.all,
    ({ id }) =>
      Effect.map(environment.environment(TenantId.make(id)), ([winner, ...others]) => {
        if (winner === undefined) return []
        const shadowed = [
          ...others.map(({ name }) => name),
          ...(stored.some((tenant) => tenant === id) ? ["the stored login"] : [])
        ]
        return [Finding.remark(
          "shadowed",
          `${winner.name} is set: it answers for ${id}${
            shadowed.length === 0 ? "" : `, and comes before ${shadowed.join(" and ")}`
          }`,
          "unset it, or say --source stored, to use the stored login",
          id
        )]
      })
  )
  return { check: "sources", findings: findings.flat() } satisfies Finding.Checked
})
