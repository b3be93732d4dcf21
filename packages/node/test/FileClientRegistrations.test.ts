import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { RegisteredClient } from "@lockstep/core/ClientRegistrations"
import { clientRegistrationsContract } from "@lockstep/testkit/contract/ClientRegistrationsContract"
import { open, temporary, twoViews } from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as SealedHomes from "./support/sealedHomes.js"

clientRegistrationsContract(
  "auth.json",
  Effect.map(twoViews, ([a, b]) => [a.registrations, b.registrations] as const)
)

const ISSUER = "https://id.example"

const client = RegisteredClient.make({
  clientId: "dyn-1",
  clientSecret: Option.some(Redacted.make("lockstep-rt-of-a-client"))
})

describe("registrations in auth.json", () => {
  it.scopedLive("leave every other byte as it is, and what does not decode counts as absent", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const file = Path.join(directory, "auth.json")
      const before = `{ "version": 1,\n  "x": 1e3, "tenants": {},
  "clients": { "a": { "client_id": "kept", "later": 18446744073709551615 }, "b": { "client_id": "" }, "c": [1] } }\n`
      Fs.writeFileSync(file, before, { mode: 0o600 })
      const { registrations } = yield* open(directory)
      assert.deepStrictEqual(
        (yield* registrations.list).map(({ client: { clientId }, issuer }) => [issuer, clientId]),
        [["a", "kept"]]
      )
      assertEquals(yield* registrations.get("b"), Option.none())
      yield* registrations.put(ISSUER, client)
      const after = Fs.readFileSync(file, "utf8")
      assert.isTrue(after.startsWith(before.slice(0, before.indexOf("\"c\": [1]") + "\"c\": [1]".length)), after)
      yield* registrations.put("b", client)
      assert.isTrue(Option.isSome(yield* registrations.get("b")))
    }))

  it.scopedLive("are sealed where the store is", () =>
    Effect.gen(function*() {
      const [{ registrations }] = yield* SealedHomes.twoViews
      yield* registrations.put(ISSUER, client)
      const { directory, file } = yield* SealedHomes.withKeyFile
      const opened = yield* SealedHomes.open(directory, { file })
      yield* opened.registrations.put(ISSUER, client)
      assert.deepStrictEqual(SealedHomes.leaks(directory), [])
      assert.isFalse([...SealedHomes.snapshot(directory).values()].some((text) => text.includes("dyn-1")))
    }))
})
