import { assert, it } from "@effect/vitest"
import { generic } from "@lockstep/oauth/OAuthVendor"
import * as Mutants from "./Mutants.js"
import * as Mutation from "./Mutation.js"
import { all } from "./vendors/All.js"

it("every field of a descriptor is mutated, or is known to be no part of the wire", () => {
  assert.sameMembers([...Mutants.fields, ...Object.keys(Mutants.NOT_WIRE)], Object.keys(generic))
})

for (const conformance of all) Mutation.test(conformance)
