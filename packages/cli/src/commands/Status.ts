/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { Pending } from "@lockstep/core/PendingLogins"
import * as Printable from "@lockstep/core/Printable"
import type { TenantId } from "@lockstep/core/TenantId"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as KeeperNote from "@lockstep/serve/KeeperNote"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { Ended } from "../errors/Ended.js"
import * as ExitCode from "../errors/ExitCode.js"
import * as Keys from "../terminal/Keys.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"
import * as PendingView from "../views/PendingView.js"
import * as StatusView from "../views/StatusView.js"
import * as Survey from "../views/Survey.js"

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

/** What a script asks `--check` for: the worst that a tenant needs. Each is the exit code that `lockstep token` has. */
const check = (tenants: StatusView.Tenants): number =>
  tenants.some(Either.isLeft)
    ? ExitCode.Store
    : tenants.some((found) => Either.isRight(found) && found.right.state === "needs_login")
    ? ExitCode.LoginNeeded
    : ExitCode.Done

/** What is shown, and what of it changes by itself as time passes left out. */
interface View {
  readonly text: string
  readonly facts: string
}

const overviewOf = (tenants: StatusView.Tenants, pending: ReadonlyArray<Pending>, json: boolean) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const { location: store } = yield* CredentialStore
    const { name: kind } = yield* StoreChoice
    const now = yield* Clock.currentTimeMillis
    const style = output.dataStyle
    const keeper = KeeperNote.living((yield* NativeHome).home.directory)
    const columns = Output.fitting(output.screen)
    return {
      text: json
        ? `${Printable.json(StatusView.json(tenants, pending, { store, kind, now, keeper }))}\n`
        : [
          StatusView.table(tenants, { style, kind, now, columns }),
          PendingView.table(pending, { style, now, columns }),
          keeper === undefined ? "" : style.dim(StatusView.keeper(keeper))
        ].filter((table) => table !== "").join("\n"),
      facts: JSON.stringify(StatusView.json(tenants, pending, { store, kind, now: 0, keeper }))
    } satisfies View
  })

/** A tenant that is in the middle of its first login is not unknown. */
const survey = (only: Option.Option<TenantId>) =>
  Effect.gen(function*() {
    const pending = yield* Survey.pending(only)
    const tenants = yield* Effect.catchIf(
      Survey.each(only, Survey.one),
      (error) => error._tag === "ReauthorizationRequired" && pending.length > 0,
      () => Effect.succeed([])
    )
    return { tenants, pending }
  })

const history = (options: Options) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const lineages = yield* Survey.each(options.tenant, Survey.lineage)
    const facts = Printable.json(StatusView.historyJson(lineages))
    return {
      text: options.json ? `${facts}\n` : StatusView.history(lineages, output.dataStyle, Output.fitting(output.screen)),
      facts
    } satisfies View
  })

const view = (options: Options) =>
  options.history
    ? history(options)
    : Effect.flatMap(survey(options.tenant), ({ pending, tenants }) => overviewOf(tenants, pending, options.json))

/** How often a person's screen is redrawn while nothing happens, so that the times on it are true. */
const REDRAW = "1 second"

/** The last line, which stays without its end: what is drawn next begins on it. */
const BY_KEY = "q ends this"
const BY_SIGNAL = "Ctrl-C ends this"

/** The rows that a text takes on a screen: long lines are wrapped by the terminal. */
const rows = (text: string, columns: number): number =>
  text.split("\n").slice(0, -1).reduce((sum, line) => sum + Math.max(1, Math.ceil(Table.width(line) / columns)), 0)

/** Hears of the changes of every tenant that it has been told of. Those that are new come with the next look. */
const listen = Effect.gen(function*() {
  const store = yield* CredentialStore
  const heard = yield* Queue.sliding<void>(1)
  const known = new Set<TenantId>()
  const to = (tenant: TenantId) =>
    Effect.gen(function*() {
      if (known.has(tenant)) return
      known.add(tenant)
      const changes = yield* store.changes(tenant)
      yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(changes), Queue.offer(heard, undefined))))
    })
  return { heard, to, list: Effect.orElseSucceed(store.list, () => []) }
})

/**
 * Shows, and shows again at every change. On a terminal the screen is redrawn in place; elsewhere each change is
 * appended once, and times that merely pass are no change.
 */
const draw = (options: Options, lastLine: Option.Option<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const output = yield* Output.Output
    const changes = yield* listen
    let shown: View = { text: "", facts: "" }
    while (true) {
      // Listened to before they are read: a change in between is heard.
      yield* Effect.forEach(Option.isSome(options.tenant) ? [options.tenant.value] : yield* changes.list, changes.to)
      const next = yield* view(options)
      if (Option.isSome(lastLine)) {
        const above = rows(shown.text, output.screen.columns)
        yield* output.data(`${Style.redraw("rest", above)}${next.text}${output.dataStyle.dim(lastLine.value)}`)
      } else if (next.facts !== shown.facts) {
        yield* output.data(next.text)
      }
      shown = next
      yield* Effect.timeoutOption(Queue.take(changes.heard), REDRAW)
    }
  }))

/** On a terminal a key ends it, too. Ctrl-C does everywhere. */
const watch = (options: Options) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const isLive = output.screen.isTerminal && !options.json
    const hasKeys = isLive && output.isInteractive
    const drawn = draw(options, isLive ? Option.some(hasKeys ? BY_KEY : BY_SIGNAL) : Option.none())
    // Safe to interrupt at every operation only with the mask: a race that is cut between its first two waits for ever.
    const untilKey = Effect.uninterruptibleMask((restore) =>
      Effect.raceFirst(restore(Keys.pressed(["q", "Q"])), restore(drawn))
    )
    yield* (hasKeys ? Effect.scoped(untilKey) : drawn).pipe(
      // What comes next on the terminal has a line of its own.
      Effect.ensuring(isLive ? output.data("\n") : Effect.void)
    )
  })

const show = (options: Options) =>
  Effect.gen(function*() {
    if (options.watch) return yield* watch(options)
    const output = yield* Output.Output
    if (!options.check) return yield* output.data((yield* view(options)).text)
    const tenants = yield* Survey.each(options.tenant, Survey.one)
    if (options.json) {
      yield* output.data((yield* overviewOf(tenants, yield* Survey.pending(options.tenant), true)).text)
    }
    const code = check(tenants)
    if (code !== ExitCode.Done) yield* new Ended({ code })
  })

/**
 * Shows how the logins stand. Never a token, never a request, never a lock.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = show

/**
 * Shows how the logins stand and what to do next.
 *
 * @since 0.1.0
 * @category commands
 */
export const overview = (options: { readonly json: boolean }) =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const { pending, tenants } = yield* survey(Option.none())
    const { text } = yield* overviewOf(tenants, pending, options.json)
    yield* output.data(text)
    if (!options.json) yield* output.note(`${StatusView.nextStep(tenants)}\n`)
  })
