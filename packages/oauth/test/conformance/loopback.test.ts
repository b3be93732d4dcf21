import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Flows from "./Flows.js"
import * as RealPort from "./RealPort.js"
import { checkRecord, type Conformance, play, type Scenario, seconds } from "./Scenario.js"
import { all } from "./vendors/All.js"

/** A whole login by browser, but that the vendor is on this machine. */
const atRealPort = ({ facts }: Conformance): Scenario => ({
  name: "a login by browser comes back to a real port, and the page says that it is stored",
  callback: RealPort.layer,
  run: (stage) =>
    Effect.gen(function*() {
      const shown = yield* Deferred.make<string>()
      const brought: Array<string> = []
      yield* Flows.browser(stage, facts, {}, (location) =>
        Effect.sync(() => {
          brought.push(...location.searchParams.values())
          // The page comes once the login is stored: the test does not wait for it before.
          void RealPort.open(location).then((page) => Deferred.unsafeDone(shown, Effect.succeed(page)))
          return undefined
        }))
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
      const page = yield* Deferred.await(shown)
      assert.include(page, "You are logged in")
      assert.include(page, facts.tenant)
      // Neither the page nor its address repeats the code, the state or the sealed key.
      assert.isNotEmpty(brought)
      assert.isTrue(brought.every((value) => !page.includes(value)))
    })
})

describe.each(
  all.filter(({ vendor }) => vendor.methods.includes("browser") || vendor.methods.includes("key"))
    .map((conformance) => [conformance.vendor.id, conformance] as const)
)("%s", (_, conformance) => {
  const scenario = atRealPort(conformance)
  it.live(scenario.name, () => play(conformance, scenario, conformance.vendor, "20 seconds"))
})
