/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { StoreKind } from "@lockstep/node/HomePin"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import * as MoveNote from "@lockstep/node/stores/MoveNote"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import { Chosen, type ChosenBy, StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as StoreDrift from "@lockstep/node/stores/StoreDrift"
import * as StoreMove from "@lockstep/node/stores/StoreMove"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"

const REASONS: Readonly<Record<ChosenBy, string>> = {
  option: "as --store says",
  environment: "as LOCKSTEP_STORE says",
  pin: "as this home is pinned",
  auto: "found out, because auto was asked for",
  default: "because nothing else is said"
}

interface Drifted {
  readonly tenant: string
  readonly from: StoreDrift.Choice
  readonly to: StoreDrift.Choice
}

/** The tenants for which another store was chosen than before, without a login or a move that explains it. */
const drifted = (traces: StoreDrift.Traces): ReadonlyArray<Drifted> =>
  [...traces].flatMap(([tenant, trace]) =>
    Option.match(trace.before, {
      onNone: () => [],
      onSome: (from) => [{ tenant, from, to: StoreDrift.Choice.make(trace) }]
    })
  )

const facts = Effect.gen(function*() {
  const { chosen, chosenBy, isAutomatic, name } = yield* StoreChoice
  const { location } = yield* CredentialStore
  const { home } = yield* NativeHome
  const pin = yield* home.pin
  return {
    store: name,
    location,
    chosenBy,
    isAutomatic,
    home: home.directory,
    pinned: Option.map(pin, ({ store }) => store),
    drift: drifted(yield* StoreDrift.read(home)),
    move: chosen._tag === "Native" ? yield* MoveNote.unfinished(home) : Option.none<MoveNote.Note>()
  }
})

/**
 * Shows which store is used, where it is, and how it was chosen.
 *
 * @since 0.1.0
 * @category commands
 */
export const show = (options: { readonly json: boolean }) =>
  Effect.gen(function*() {
    const { chosenBy, drift, home, isAutomatic, location, move, pinned, store } = yield* facts
    if (options.json) {
      return yield* Output.json({
        store,
        location,
        chosen_by: chosenBy,
        automatic: isAutomatic,
        home,
        pinned: Option.getOrNull(pinned),
        drift: drift.map(({ from, tenant, to }) => ({
          tenant,
          from: from.store,
          to: to.store,
          at: to.at,
          by: to.by,
          before: from.at
        })),
        unfinished_move: Option.getOrNull(Option.map(move, ({ at, from, to }) => ({ from, to, at })))
      })
    }
    const { dataStyle } = yield* Output.Output
    const now = yield* Clock.currentTimeMillis
    yield* Output.line(`${dataStyle.bold(store)}: ${Style.printable(location)}, ${REASONS[chosenBy]}`)
    for (const { from, tenant, to } of drift) {
      yield* Output.warn(
        `${Style.printable(tenant)} was kept in ${from.store} until ${
          Times.relative(to.at * 1000, now)
        }, when ${to.by} ` +
          `chose ${to.store}`
      )
    }
    if (Option.isSome(move)) {
      const { from, to } = move.value
      yield* Output.warn(`a move from ${from} to ${to} was cut off; repeat it with \`lockstep store move --to ${to}\``)
    }
  })

/**
 * What `lockstep store move` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface MoveOptions {
  readonly to: StoreKind
  readonly json: boolean
}

const refuseTool = (title: string) =>
  new UsageError({
    reason: "Arguments",
    message: `${title} keeps its file where it is: nothing is moved into it or out of it`,
    advice: "leave out --store, or log in again where the login is to be"
  })

const count = (number: number, one: string, more: string): string => `${number} ${number === 1 ? one : more}`

const words = ({ finished, from, location, pending, tenants, to }: StoreMove.Moved): string =>
  Option.match(from, {
    onNone: () => finished ? `the move to ${to} is finished: ${location}` : `the store is ${to} already: ${location}`,
    onSome: (kind) =>
      `${count(tenants.length, "login", "logins")} moved from ${kind} to ${to}: ${location}${
        pending === 0 ? "" : `, and ${count(pending, "unfinished login", "unfinished logins")}`
      }`
  })

/**
 * Moves all logins to another store.
 *
 * @since 0.1.0
 * @category commands
 */
export const move = (options: MoveOptions) =>
  Effect.gen(function*() {
    const { chosen, chosenBy } = yield* StoreChoice
    if (Chosen.$is("Tool")(chosen)) return yield* refuseTool(chosen.tool.title)
    const moved = yield* Effect.provide(StoreMove.move(options.to), NativeKeyring.layer)
    if (options.json) {
      yield* Output.json({
        from: Option.getOrNull(moved.from),
        to: moved.to,
        location: moved.location,
        tenants: moved.tenants,
        pending: moved.pending,
        finished: moved.finished
      })
    } else {
      yield* Output.line(Style.printable(words(moved)))
    }
    if (chosenBy === "environment" && Option.isSome(moved.from)) {
      yield* Output.warn(`LOCKSTEP_STORE names another store than ${moved.to}: unset it, or nothing is found any more`)
    }
  })
