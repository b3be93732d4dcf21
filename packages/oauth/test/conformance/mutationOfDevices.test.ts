import { assert, it } from "@effect/vitest"
import { generic as descriptor } from "@lockstep/oauth/OAuthVendor"
import * as Mutants from "./Mutants.js"
import * as Mutation from "./Mutation.js"
import { copilot } from "./vendors/Copilot.js"
import { generic } from "./vendors/Generic.js"
import { kiro } from "./vendors/Kiro.js"
import { xai } from "./vendors/Xai.js"

it("every field of a descriptor is mutated, or is known to be no part of the wire", () => {
  assert.sameMembers([...Mutants.fields, ...Object.keys(Mutants.NOT_WIRE)], Object.keys(descriptor))
})

for (const conformance of [xai, copilot, kiro, generic]) Mutation.test(conformance)
