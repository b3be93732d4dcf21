/**
 * How a survey looks, for people and for programs. Holds no token and no way to one.
 *
 * @since 0.1.0
 */
import type { LockHolder } from "@lockstep/core/Errors"
import type { Pending } from "@lockstep/core/PendingLogins"
import type { Outcome } from "@lockstep/core/RefreshJournal"
import * as ShellWord from "@lockstep/core/ShellWord"
import type { KeeperNote } from "@lockstep/serve/KeeperNote"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import * as Beginning from "../login/Beginning.js"
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"
import * as Times from "../terminal/Times.js"
import * as PendingView from "./PendingView.js"
import * as State from "./State.js"
import type * as Survey from "./Survey.js"

/**
 * A survey's answer.
 *
 * @since 0.1.0
 * @category models
 */
export type Tenants = ReadonlyArray<Either.Either<Survey.Tenant, Survey.Damaged>>

/**
 * The lineages that a survey found.
 *
 * @since 0.1.0
 * @category models
 */
export type Lineages = ReadonlyArray<Either.Either<Survey.Lineage, Survey.Damaged>>

const WORDS: Record<State.State, string> = {
  fresh: "fresh",
  expiring: "expiring",
  // Of its access token alone: the login lives, and the next use of it refreshes.
  expired: "refreshes at next use",
  refreshing: "refreshing",
  cooldown: "cooldown",
  needs_login: "needs login"
}

const paint = (state: State.State, style: Style.Style): (text: string) => string => {
  switch (state) {
    case "fresh":
      return style.green
    case "needs_login":
      return style.red
    case "refreshing":
      return style.cyan
    default:
      return style.yellow
  }
}

/** What the next refresh runs into, behind the state. */
const obstacle = (tenant: Survey.Tenant, now: number): string => {
  const reason = State.loginReason(tenant, tenant.credential.expiresAt)
  if (Option.isSome(reason)) {
    return tenant.state === "needs_login" ? ` (${reason.value})` : `, then needs login (${reason.value})`
  }
  return tenant.state === "fresh" || tenant.state === "refreshing" ? "" : Option.match(State.waitsUntil(tenant), {
    onNone: () => "",
    onSome: (until) => ` (asks again ${Times.relative(until, now)})`
  })
}

const accountOf = ({ credential: { account } }: Survey.Tenant): string =>
  Option.getOrElse(Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id)), () => "")

const holderOf = (holder: Option.Option<LockHolder>): string =>
  Option.match(holder, {
    onNone: () => "",
    onSome: ({ command, pid, stopped }) =>
      `${Option.match(command, { onNone: () => "", onSome: (name) => `${name} ` })}${pid}${stopped ? " (stopped)" : ""}`
  })

const lastOutcome = ({ journal }: Survey.Tenant): Option.Option<Outcome> => Option.fromNullable(journal.outcomes[0])

const lastRefresh = (tenant: Survey.Tenant, now: number): string =>
  Option.match(lastOutcome(tenant), {
    onNone: () => "",
    onSome: ({ at, outcome }) => `${outcome} ${Times.relative(at, now)}`
  })

const HEADER = ["TENANT", "STATE", "EXPIRY", "ACCOUNT", "STORE", "SHADOWED BY", "HOLDER", "LAST REFRESH", "SERVER"]

/**
 * Renders the table.
 *
 * @since 0.1.0
 * @category rendering
 */
export const table = (tenants: Tenants, options: {
  readonly style: Style.Style
  /** What the store is called. */
  readonly kind: string
  readonly now: number
  /** How wide the window is. */
  readonly columns: number
}): string => {
  const { now, style } = options
  if (tenants.length === 0) return ""
  return Table.render(
    HEADER,
    tenants.map((found) => {
      if (Either.isLeft(found)) {
        const { error, tenant } = found.left
        const what = `${error.location}${error.detail === undefined ? "" : `: ${error.detail}`}`
        return [style.bold(Style.printable(tenant)), style.red(`damaged (${Style.printable(what)})`)]
      }
      const tenant = found.right
      const { credential, state } = tenant
      return [
        style.bold(Style.printable(tenant.tenant)),
        paint(state, style)(WORDS[state]) + obstacle(tenant, now),
        Option.match(credential.expiresAt, { onNone: () => "unknown", onSome: (at) => Times.relative(at * 1000, now) }),
        Style.printable(accountOf(tenant)),
        options.kind,
        tenant.shadowedBy.join(", "),
        Style.printable(holderOf(tenant.holder)),
        Style.printable(lastRefresh(tenant, now)),
        Style.printable(Option.getOrElse(credential.resource, () => ""))
      ]
    }),
    style,
    options.columns
  )
}

const outcomeJson = (outcome: Outcome) => ({
  at: outcome.at / 1000,
  outcome: outcome.outcome,
  detail: Option.getOrNull(outcome.detail),
  pid: outcome.pid,
  command: outcome.command,
  from: Option.getOrNull(outcome.from),
  to: Option.getOrNull(outcome.to),
  generation: outcome.generation,
  took: Option.getOrNull(Option.map(outcome.took, (millis) => millis / 1000))
})

const tenantJson = (tenant: Survey.Tenant, { kind, now }: { readonly kind: string; readonly now: number }) => {
  const { credential } = tenant
  return {
    tenant: tenant.tenant,
    state: tenant.state,
    reason: Option.getOrNull(State.loginReason(tenant, credential.expiresAt)),
    cooldown_until: Option.getOrNull(Option.map(State.waitsUntil(tenant), (until) => until / 1000)),
    expires_at: Option.getOrNull(credential.expiresAt),
    expires_in: Option.getOrNull(Option.map(credential.expiresAt, (at) => Math.floor(at - now / 1000))),
    login_expires_at: Option.getOrNull(credential.loginExpiresAt),
    account: Option.getOrNull(Option.map(credential.account, ({ id, label }) => ({
      id: Option.getOrNull(id),
      label: Option.getOrNull(label)
    }))),
    vendor: Option.getOrNull(credential.vendor),
    issuer: Option.getOrNull(credential.issuer),
    resource: Option.getOrNull(credential.resource),
    store: kind,
    generation: credential.generation,
    holder: Option.getOrNull(Option.map(tenant.holder, ({ command, pid, stopped }) => ({
      pid,
      command: Option.getOrNull(command),
      stopped
    }))),
    last_refresh: Option.getOrNull(Option.map(lastOutcome(tenant), outcomeJson)),
    shadowed_by: tenant.shadowedBy
  }
}

const damagedJson = ({ error, tenant }: Survey.Damaged) => ({
  tenant,
  state: "damaged",
  error: { _tag: error._tag, reason: error.reason, message: error.message, advice: error.advice }
})

/**
 * Renders the document of `--json`. Times are seconds since the epoch, spans are seconds.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (
  tenants: Tenants,
  pending: ReadonlyArray<Pending>,
  options: {
    readonly store: string
    readonly kind: string
    readonly now: number
    readonly keeper: KeeperNote | undefined
  }
): unknown => ({
  store: options.store,
  ...(options.keeper === undefined
    ? {}
    : { keeper: { pid: options.keeper.pid, socket: options.keeper.socket ?? null, url: options.keeper.url ?? null } }),
  tenants: tenants.map(Either.match({ onLeft: damagedJson, onRight: (tenant) => tenantJson(tenant, options) })),
  pending: PendingView.json(pending, options.now)
})

/**
 * Says which keeper hands out these logins.
 *
 * @since 0.1.0
 * @category rendering
 */
export const keeper = (note: KeeperNote): string =>
  `kept by process ${note.pid}, at ${
    Style.printable([note.socket, note.shared, note.url].filter((one) => one !== undefined).join(", "))
  }\n`

/**
 * Renders every tenant's lineage, newest first.
 *
 * @since 0.1.0
 * @category rendering
 */
export const history = (tenants: Lineages, style: Style.Style, columns: number): string =>
  tenants.map((found) => {
    if (Either.isLeft(found)) {
      const { error, tenant } = found.left
      return `${style.bold(Style.printable(tenant))}\n${style.red(Style.printable(error.message))}\n`
    }
    const { outcomes, tenant } = found.right
    if (outcomes.length === 0) return `${style.bold(Style.printable(tenant))}\n${style.dim("nothing yet")}\n`
    const rows = outcomes.map((outcome) =>
      [
        Times.local(outcome.at),
        outcome.outcome + Option.match(outcome.detail, { onNone: () => "", onSome: (detail) => ` (${detail})` }),
        String(outcome.generation),
        [...Option.toArray(outcome.from), ...Option.toArray(outcome.to)].join(` ${style.glyphs.arrow} `),
        Option.match(outcome.took, { onNone: () => "", onSome: (took) => `${Math.round(took)} ms` }),
        `${outcome.command} ${outcome.pid}`
      ].map(Style.printable)
    )
    return `${style.bold(Style.printable(tenant))}\n${
      Table.render(["WHEN", "OUTCOME", "GENERATION", "REFRESH TOKEN", "TOOK", "BY"], rows, style, columns)
    }`
  }).join("\n")

/**
 * Renders the document of `--history --json`.
 *
 * @since 0.1.0
 * @category rendering
 */
export const historyJson = (tenants: Lineages): unknown => ({
  tenants: tenants.map(Either.match({
    onLeft: damagedJson,
    onRight: (tenant) => ({ tenant: tenant.tenant, outcomes: tenant.outcomes.map(outcomeJson) })
  }))
})

/**
 * What a person does next.
 *
 * @since 0.1.0
 * @category getters
 */
export const nextStep = (tenants: Tenants): string => {
  if (tenants.length === 0) {
    return "No logins yet. Log in with `lockstep login VENDOR` (`lockstep vendors` shows them), or take a login over " +
      "with `lockstep import TENANT --from FILE`."
  }
  const damaged = tenants.find(Either.isLeft)
  if (damaged !== undefined) return "Run `lockstep doctor`: it says what is damaged and how to repair it."
  for (const found of tenants) {
    if (Either.isRight(found) && found.right.state === "needs_login") {
      const { credential, refresh, tenant } = found.right
      const reason = refresh._tag === "Login" ? refresh.reason : "InvalidGrant"
      return `To renew ${tenant}, ${
        Advice.reauthorization({ tenant, reason }, Beginning.ofRecord(tenant, credential))
      }.`
    }
  }
  const first = tenants.find(Either.isRight)
  return `Print a token with \`lockstep token ${
    first === undefined ? "TENANT" : ShellWord.quote(first.right.tenant)
  }\`; see \`lockstep --help\`.`
}
