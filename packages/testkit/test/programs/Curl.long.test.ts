/** curl with the lines of the page. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "curl"
const seen = Table.observe(ROW, "curl")

describe.skipIf(!Stage.isInstalled("curl"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "asks with a fresh token after an expiry, and once more after it was refused",
    () =>
      Effect.gen(function*() {
        const recipe = yield* Recipe.make("codex")
        const answered: Array<string> = []
        const port = yield* Recipe.serve((request, response) => {
          const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
          void Effect.runPromise(recipe.isGood(token)).then((good) => {
            if (good) answered.push(`${request.url} ${token}`)
            return response.writeHead(good ? 200 : 401).end(good ? "fine\n" : "no\n")
          })
        })
        const to = `http://127.0.0.1:${port}`
        const header = Recipe.example("bash", "--header @<(").replaceAll("https://api.example", to)
        const first = yield* recipe.shell(header)
        assert.deepInclude(first, { code: 0, stdout: "fine\n" }, first.stderr)
        yield* recipe.assertCounts(1)

        // The clock calls it good: told of no 401, the command has the same token. Behind a proxy it is renewed.
        yield* recipe.revoke
        assert.strictEqual((yield* recipe.shell(header)).code, 22)
        yield* recipe.assertCounts(1)
        const behind = Recipe.example("bash", "--config -").replaceAll("https://api.example", to)
        const second = yield* recipe.shell(behind)
        assert.deepInclude(second, { code: 0, stdout: "fine\n" }, second.stderr)
        yield* recipe.assertCounts(2)
        assert.strictEqual(answered.at(-1), `/v1/models ${recipe.token()}`)
        yield* recipe.expire
        assert.strictEqual((yield* recipe.shell(behind)).code, 0)
        yield* recipe.assertCounts(3)
        yield* recipe.stage.harness.assertNoLeak
        seen("recipe")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "curl"))
})
