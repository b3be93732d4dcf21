/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialWriter, type Removal } from "@lockstep/core/CredentialWriter"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as Sources from "../token/Sources.js"

/**
 * What `lockstep logout` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: Option.Option<TenantId>
  readonly all: boolean
  /** Removes without asking the server to revoke. */
  readonly local: boolean
  readonly json: boolean
}

const words = ({ removed, revoked }: Removal): string => {
  if (!removed) return "was not logged in"
  switch (revoked._tag) {
    case "Revoked":
      return "logged out, tokens revoked"
    case "Unsupported":
      return "logged out; the server offers no revocation, so the tokens live until they expire"
    case "Failed":
      return "logged out; the tokens were not revoked"
    case "None":
      return "logged out"
  }
}

const targets = (options: Options) =>
  Effect.gen(function*() {
    if (options.all === Option.isSome(options.tenant)) {
      return yield* new UsageError({
        reason: "Arguments",
        message: options.all ? "a tenant and --all exclude each other" : "no login is named",
        advice: "name a tenant, or say --all"
      })
    }
    if (Option.isSome(options.tenant)) return [options.tenant.value]
    const store = yield* CredentialStore
    return [...yield* store.list].sort()
  })

/**
 * Revokes tokens where possible, then removes the login. A failed revocation is a warning: the login is removed.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const writer = yield* CredentialWriter
    const { dataStyle } = yield* Output.Output
    const removals = yield* Effect.forEach(yield* targets(options), (tenant) =>
      Effect.gen(function*() {
        const removal = yield* writer.remove(tenant, { revoke: !options.local })
        if (removal.revoked._tag === "Failed") {
          yield* Output.warn(`the tokens of ${tenant} were not revoked (${removal.revoked.detail})`)
        }
        yield* Sources.warnWhereShadowed(tenant)
        if (!options.json) {
          yield* Output.line(`${dataStyle.bold(Style.printable(tenant))} ${words(removal)}`)
        }
        return { tenant, removed: removal.removed, revoked: removal.revoked._tag.toLowerCase() }
      }))
    if (options.json) return yield* Output.json({ tenants: removals })
    if (removals.length === 0) yield* Output.line("there was no login to end")
  })
