import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { echo, make } from "./support/McpBridgeStage.js"

describe("lockstep mcp, a dozen times", () => {
  it.scopedLive("refreshes once for a dozen bridges", () =>
    Effect.gen(function*() {
      const stage = yield* make()
      const clients = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index % 2 === 0 ? "v1" as const : "v2" as const),
        (line) => stage.connect(line),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(clients, (client) => echo(client, "x"), { concurrency: "unbounded" })
      yield* stage.resource.rejectFromNow(yield* stage.stored)
      yield* Effect.forEach(clients, (client) => echo(client, "x"), { concurrency: "unbounded" })
      assert.lengthOf(stage.server.ledger.redemptions, 2)
      assert.lengthOf(stage.server.ledger.reuses, 0)
      yield* stage.finish
    }))
})
