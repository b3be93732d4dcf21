/**
 * The store itself: whether it answers, what in it is damaged, and whether it is still the one.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import * as AuthJson from "@lockstep/node/AuthJson"
import { Home } from "@lockstep/node/Home"
import { PIN_FILE } from "@lockstep/node/HomePin"
import * as Ownership from "@lockstep/node/Ownership"
import * as MoveNote from "@lockstep/node/stores/MoveNote"
import * as PinRepair from "@lockstep/node/stores/PinRepair"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as StoreDrift from "@lockstep/node/stores/StoreDrift"
import * as WholeFile from "@lockstep/node/WholeFile"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Advice from "../errors/Advice.js"
import * as Beginning from "../login/Beginning.js"
import * as Times from "../terminal/Times.js"
import * as Finding from "./Finding.js"
import { Subject } from "./Subject.js"

/** Everything in `auth.json`, foreign parts included: a reader stops at what it was asked for. */
const plainFile = Effect.gen(function*() {
  const home = yield* Home
  const damaged = (detail: string) =>
    Finding.problem(
      "store_damaged",
      `${home.file} is damaged (${detail}); it is not written until it is repaired`,
      "repair it by hand or restore it; sound entries are still served"
    )
  return yield* WholeFile.read(home.file).pipe(
    Effect.flatMap(Option.match({
      onNone: () => Effect.succeed([]),
      onSome: ({ bytes }) =>
        Effect.map(WholeFile.decodeText(home.file, bytes), (text) =>
          Either.match(AuthJson.parse(text), {
            onLeft: (damage) => [damaged(damage)],
            onRight: (document) => [
              ...Option.toArray(Option.map(AuthJson.findDamage(document), damaged)),
              ...Option.toArray(Option.map(document.movedTo, (target) =>
                Finding.problem(
                  "moved",
                  `the logins of ${home.file} were moved to ${target}`,
                  "start this process again with the new store"
                )))
            ]
          }))
    })),
    Effect.catchAll((error) => Effect.succeed([Finding.fromError(error)]))
  )
})

/** What answers only when it is asked for each record. */
const records = Effect.gen(function*() {
  const { tenants, unreachable } = yield* Subject
  const store = yield* CredentialStore
  const pending = yield* PendingLogins
  if (Option.isSome(unreachable)) {
    return [Finding.fromError(unreachable.value, unreachable.value.reason === "Decode" ? "store_damaged" : "error")]
  }
  const found = yield* Effect.forEach(tenants, (tenant) =>
    Effect.match(store.get(tenant), {
      onSuccess: () => [],
      onFailure: (error) => [
        Finding.fromError(error, error.reason === "Decode" ? "store_damaged" : "error", tenant)
      ]
    }))
  const logins = yield* Effect.match(pending.list, {
    onSuccess: () => [],
    onFailure: (error) => [Finding.fromError(error)]
  })
  return [...found.flat(), ...logins]
})

/** A home that others can enter is what the check of the files tells, with its command. */
const isExposed = (home: Home["Type"]): boolean => {
  try {
    return Ownership.exposureOf(home.directory) !== undefined
  } catch {
    return false
  }
}

/**
 * Finds a pin that no process can work with, and replaces it where that is asked for.
 *
 * @since 0.1.0
 * @category checks
 */
export const pin = (repair: boolean) =>
  Effect.gen(function*() {
    const { home } = yield* NativeHome
    const found = yield* (repair ? PinRepair.repair(home) : PinRepair.find(home)).pipe(
      Effect.map(Option.map(({ detail, store }) => {
        const pinned = `${path.join(home.directory, PIN_FILE)} cannot be used: ${detail}`
        return repair
          ? Finding.remark("pin_repaired", `${pinned}; it was replaced`, "run the command that failed again")
          : Finding.problem(
            "pin_unusable",
            `${pinned}; nothing can be written here`,
            Option.isSome(store)
              ? "run `lockstep doctor --repair`: it puts the locks where this command has them"
              : "repair it by hand or restore it: its files do not tell which store it has"
          )
      })),
      // One that cannot be read is what the check of the store tells.
      Effect.catchAll((error) => Effect.succeed(repair ? Option.some(Finding.fromError(error)) : Option.none()))
    )
    return { check: "pin", findings: Option.toArray(found) } satisfies Finding.Checked
  })

/**
 * Reads the store whole and names every damage by its place.
 *
 * @since 0.1.0
 * @category checks
 */
export const store = Effect.gen(function*() {
  const home = yield* Home
  const { chosen } = yield* StoreChoice
  const checked = yield* Effect.either(home.check)
  const isTold = isExposed(home) || (yield* Effect.orElseSucceed(PinRepair.find(home), Option.none)).pipe(Option.isSome)
  const superseded = Either.match(checked, {
    onLeft: (error) => isTold ? [] : [Finding.fromError(error)],
    onRight: () => []
  })
  const isPlain = chosen._tag === "Native" && chosen.store.name === "file"
  const inside = Either.isLeft(checked) ? [] : yield* isPlain ? plainFile : records
  return { check: "store", findings: [...superseded, ...inside] } satisfies Finding.Checked
})

/**
 * Looks for a move that was cut off: copies of tokens may lie in the store that the home does not have.
 *
 * @since 0.1.0
 * @category checks
 */
export const move = Effect.gen(function*() {
  const { home } = yield* NativeHome
  const findings = yield* Effect.match(MoveNote.unfinished(home), {
    onFailure: (error) => [Finding.fromError(error)],
    onSuccess: Option.match({
      onNone: () => [],
      onSome: ({ by, from, to }) => [
        Finding.problem(
          "move_unfinished",
          `a move from ${from} to ${to} by ${by} was cut off: both stores may hold tokens`,
          `finish it with \`lockstep store move --to ${to}\`, or take it back with \`lockstep store move --to ${from}\``
        )
      ]
    })
  })
  return { check: "move", findings } satisfies Finding.Checked
})

/** What to do about a login that is in a store which the home does not have. */
const lost = (tenant: string, store: string) =>
  Effect.gen(function*() {
    const { home } = yield* NativeHome
    const registry = yield* VendorRegistry
    const login = `log in anew with ${Advice.command(...Beginning.ofName(registry, tenant))}`
    const pin = yield* Effect.orElseSucceed(home.pin, () => Option.none())
    // A home that has a store of its own is refused another one.
    return Option.isSome(pin) || fs.existsSync(home.file)
      ? login
      : `make the store that has it available again, and say \`--store ${store}\`, or ${login}`
  })

/**
 * Explains where another store was chosen automatically than before: the login that seems to be gone is in the other one.
 *
 * @since 0.1.0
 * @category checks
 */
export const drift = Effect.gen(function*() {
  const { home } = yield* NativeHome
  const { tenants } = yield* Subject
  const now = yield* Clock.currentTimeMillis
  const traces = yield* StoreDrift.read(home)
  const drifted = [...traces].flatMap(([tenant, trace]) =>
    Option.toArray(Option.map(trace.before, (before) => ({ tenant, trace, before })))
  )
  const findings = yield* Effect.forEach(drifted, ({ before, tenant, trace }) => {
    const what = `${tenant} was kept in the store ${before.store} until ${trace.by} chose ${trace.store} for it ${
      Times.relative(trace.at * 1000, now)
    }`
    return tenants.some((one) => one === tenant)
      ? Effect.succeed(
        Finding.remark(
          "drift",
          `${what}; it is logged in there by now`,
          "leave it: the next login there forgets this",
          tenant
        )
      )
      : Effect.map(
        lost(tenant, before.store),
        (advice) => Finding.problem("drift", `${what}, and is not logged in there`, advice, tenant)
      )
  })
  return { check: "drift", findings } satisfies Finding.Checked
})
