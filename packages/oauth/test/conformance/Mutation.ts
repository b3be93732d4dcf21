import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mutants from "./Mutants.js"
import { type Conformance, play, type Scenario } from "./Scenario.js"

/** With `LOCKSTEP_CONFORMANCE=full`, what is said to be unobservable is played through as well. */
const isFull = process.env["LOCKSTEP_CONFORMANCE"] === "full"

/** A mutant that hangs is seen. Real time. */
const PATIENCE = "2 seconds"

/** The scenarios that look at the field come first: most mutants end with the first scenario. */
const inOrder = ({ scenarios }: Conformance, { name }: Mutants.Mutant): ReadonlyArray<Scenario> => {
  const looks = ({ about = [] }: Scenario) => about.some((field) => name.startsWith(`${field}: `))
  return [...scenarios.filter(looks), ...scenarios.filter((scenario) => !looks(scenario))]
}

/** Whether any scenario tells the mutant from the vendor. */
const isSeen = (conformance: Conformance, mutant: Mutants.Mutant): Effect.Effect<boolean> =>
  Effect.reduce(
    inOrder(conformance, mutant),
    false,
    (seen, scenario) =>
      seen
        ? Effect.succeed(true)
        : Effect.map(Effect.exit(play(conformance, scenario, mutant.vendor, PATIENCE)), Exit.isFailure)
  )

/**
 * Shows that the suite of a vendor goes red for everything that can be wrong in its descriptor, but for what is listed
 * with its reason.
 */
export const test = (conformance: Conformance): void =>
  it.live(
    `${conformance.vendor.id}: every mutation of the descriptor turns the suite red`,
    () =>
      Effect.gen(function*() {
        const mutants = Mutants.of(conformance.vendor)
        const listed = new Set(Object.keys(conformance.unobservable))
        assert.includeMembers(mutants.map(({ name }) => name), [...listed], "every entry of the list is a mutant")
        const played = mutants.filter(({ name }) => isFull || !listed.has(name))
        const seen = yield* Effect.forEach(played, (mutant) => isSeen(conformance, mutant), { concurrency: 3 })
        assert.sameMembers(
          played.filter((_, index) => !seen[index]).map(({ name }) => name),
          isFull ? [...listed] : []
        )
      }),
    300_000
  )
