import { assert, describe, it } from "@effect/vitest"
import * as BearerClient from "@lockstep/core/BearerClient"
import * as MemoryMachine from "@lockstep/testkit/MemoryMachine"
import * as Effect from "effect/Effect"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine

describe("a rejected token", () => {
  it.scoped("is recovered from once, and the request is sent again with the new one", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      const client = (yield* use(BearerClient.make({ tenant })))(api.client)
      const response = yield* client.post(`${Stage.API}/things`, {})
      assert.strictEqual(yield* response.text, "welcome")
      assert.deepStrictEqual(api.tokens(), ["lockstep-at-0", "lockstep-at-1"].map(Stage.bearer))
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))
})
