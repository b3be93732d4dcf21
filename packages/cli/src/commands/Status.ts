/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Advised from "../Advised.js"
import { Ended } from "../Ended.js"
import * as ExitCode from "../ExitCode.js"
import * as Output from "../Output.js"
import * as StatusView from "../StatusView.js"
import * as Survey from "../Survey.js"

/**
 * What `lockstep status` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: Option.Option<TenantId>
  readonly watch: boolean
  readonly history: boolean
  readonly check: boolean
  readonly json: boolean
}

/** What a script asks `--check` for: the worst that a tenant needs. */
const check = (tenants: StatusView.Tenants): number =>
  tenants.some(Either.isLeft)
    ? ExitCode.Store
    : tenants.some((found) => Either.isRight(found) && found.right.standing.state === "needs_login")
    ? ExitCode.LoginNeeded
    : ExitCode.Done

const render = (tenants: StatusView.Tenants, options: Options) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const store = yield* CredentialStore
    const now = yield* Clock.currentTimeMillis
    if (options.json) {
      const document = options.history ? StatusView.historyJson(tenants) : StatusView.json(tenants, store.location, now)
      return `${JSON.stringify(document)}\n`
    }
    return options.history
      ? StatusView.history(tenants, output.dataStyle)
      : StatusView.table(tenants, { style: output.dataStyle, store: store.location, now })
  })

/** How often a person's screen is redrawn while nothing happens, so that the times on it are true. */
const REDRAW = "1 second"

/**
 * Shows, and shows again at every change. On a terminal the screen is redrawn in place; elsewhere each change is
 * appended once.
 */
const watch = (options: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const output = yield* Output.Output
    const store = yield* CredentialStore
    const changes = yield* store.changes
    const isLive = output.screen.isTerminal && !options.json
    let shown = ""
    let facts = ""
    while (true) {
      const tenants = yield* Survey.all(options.tenant)
      const text = yield* render(tenants, options)
      if (isLive) {
        const lines = shown.split("\n").length - 1
        yield* output.data(`${lines > 0 ? `\u001b[${lines}A\r` : ""}\u001b[J${text}`)
        shown = text
      } else {
        // Times that merely pass are no change.
        const latest = StatusView.facts(tenants)
        if (latest !== facts) yield* output.data(text)
        facts = latest
      }
      yield* Effect.raceFirst(Queue.take(changes), Effect.sleep(REDRAW))
    }
  }))

/**
 * Shows how the logins stand. Never a token, never a request, never a lock.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Option.match(options.tenant, {
    onNone: () => show(options),
    onSome: (tenant) => Advised.withNearest(tenant)(show(options))
  })

const show = (options: Options) =>
  Effect.gen(function*() {
    if (options.watch) return yield* watch(options)
    const tenants = yield* Survey.all(options.tenant)
    const output = yield* Output.Output
    if (!options.check || options.json) yield* output.data(yield* render(tenants, options))
    const code = options.check ? check(tenants) : ExitCode.Done
    if (code !== ExitCode.Done) yield* new Ended({ code })
  })

/**
 * Shows how the logins stand and what to do next.
 *
 * @since 0.1.0
 * @category commands
 */
export const overview = (options: { readonly json: boolean }) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const all: Options = { tenant: Option.none(), watch: false, history: false, check: false, json: options.json }
    const tenants = yield* Survey.all(all.tenant)
    if (tenants.length > 0 || options.json) yield* output.data(yield* render(tenants, all))
    if (!options.json) yield* output.note(`${StatusView.nextStep(tenants)}\n`)
  })
