import { assert, describe, it } from "@effect/vitest"
import * as KeeperApi from "@lockstep/serve/KeeperApi"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync, writeFileSync } from "node:fs"
import * as Stage from "./support/stage.js"

const FILE = new URL("../openapi.json", import.meta.url)

const bodyOf = (text: string): unknown => JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4))

describe("the interface of a keeper", () => {
  it("is written down as the code has it (LOCKSTEP_WRITE_OPENAPI=1 writes it anew)", () => {
    const text = `${JSON.stringify(KeeperApi.openApi(), null, 2)}\n`
    if (process.env["LOCKSTEP_WRITE_OPENAPI"] === "1") writeFileSync(FILE, text)
    assert.strictEqual(readFileSync(FILE, "utf8"), text)
  })

  it.scopedLive("answers what it says that it answers", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const ask = (path: string) =>
        Effect.map(Stage.speak(`${stage.home}/serve.sock`, Stage.head(`GET ${path} HTTP/1.1`)), bodyOf)
      const strict = { onExcessProperty: "error" } as const
      Schema.decodeUnknownSync(KeeperApi.Token, strict)(yield* ask("/v1/tenants/codex/token"))
      Schema.decodeUnknownSync(KeeperApi.Problem, strict)(yield* ask("/v1/tenants/none/token"))
      Schema.decodeUnknownSync(KeeperApi.Problem, strict)(yield* ask("/v1/none"))
      Schema.decodeUnknownSync(KeeperApi.Problem, strict)(yield* ask("/v1/tenants/codex/token?min_ttl=soon"))
      Schema.decodeUnknownSync(Schema.Struct({ tenants: Schema.Array(KeeperApi.Tenant) }), strict)(
        yield* ask("/v1/tenants")
      )
      assert.deepStrictEqual(yield* ask("/v1/openapi.json"), JSON.parse(readFileSync(FILE, "utf8")))
    }))
})
