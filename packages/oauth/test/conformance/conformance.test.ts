import { describe, it } from "@effect/vitest"
import { play } from "./Scenario.js"
import { all } from "./vendors/All.js"

for (const conformance of all) {
  describe(conformance.vendor.id, () => {
    for (const scenario of conformance.scenarios) {
      it.live(scenario.name, () => play(conformance, scenario, conformance.vendor, "20 seconds"))
    }
  })
}
