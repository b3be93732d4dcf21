/** Claude Code at a gateway whose key Lockstep keeps, set up by `lockstep setup claude-code` and by the page. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Anthropic from "./anthropic.js"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "Claude Code, gateway key"
const seen = Table.observe(ROW, "claude")

const gateway = (isGood: (token: string) => Effect.Effect<boolean>) => {
  const answered: Array<string> = []
  return Effect.map(
    Recipe.serve((request, response) => {
      const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
      request.resume().on("end", () => {
        void Effect.runPromise(isGood(token)).then((good) => {
          const json = { "content-type": "application/json" }
          if (!good) {
            const error = { type: "error", error: { type: "authentication_error", message: "no" } }
            return response.writeHead(401, json).end(JSON.stringify(error))
          }
          if (new URL(request.url ?? "/", "http://x").pathname !== "/v1/messages") {
            return response.writeHead(404, json).end("{}")
          }
          answered.push(token)
          return response.writeHead(200, { "content-type": "text/event-stream" }).end(Anthropic.ANSWER)
        })
      })
    }),
    (port) => ({ answered, url: `http://127.0.0.1:${port}` })
  )
}

const ask = (recipe: Effect.Effect.Success<ReturnType<typeof Recipe.make>>) =>
  Effect.zipRight(
    recipe.write(".claude.json", JSON.stringify({ hasCompletedOnboarding: true })),
    recipe.run("claude", ["-p", "hi", "--model", "claude-opus-4-1"])
  )

describe.skipIf(!Stage.isInstalled("claude"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "answers after an expiry, several at once with one redemption, as it was set up",
    () =>
      Effect.gen(function*() {
        const recipe = yield* Recipe.make("gateway")
        const { answered, url } = yield* gateway(recipe.isGood)
        yield* recipe.setup(["claude-code", "gateway", "--to", url])
        for (
          const { code, stderr, stdout } of yield* Effect.all([ask(recipe), ask(recipe)], { concurrency: "unbounded" })
        ) {
          assert.strictEqual(code, 0, stdout + stderr)
          assert.include(stdout, Anthropic.WORDS)
        }
        assert.deepStrictEqual([...new Set(answered)], [recipe.token()])
        yield* recipe.assertCounts(1)
        yield* recipe.stage.harness.assertNoLeak
      }),
    240_000
  )

  it.scopedLive(
    "answers behind the proxy of the page, after an expiry, and after a token that is refused while the clock calls it good",
    () =>
      Effect.gen(function*() {
        const recipe = yield* Recipe.make("gateway")
        const { answered, url } = yield* gateway(recipe.isGood)
        const proxy = yield* recipe.proxy(url)
        yield* recipe.write(".claude/settings.json", Recipe.example("json", Recipe.PROXY).replace(Recipe.PROXY, proxy))
        for (const redemptions of [1, 2]) {
          const { code, stderr, stdout } = yield* ask(recipe)
          assert.strictEqual(code, 0, stdout + stderr)
          assert.strictEqual(answered.at(-1), recipe.token())
          yield* recipe.assertCounts(redemptions)
          yield* recipe.revoke
        }
        yield* recipe.stage.harness.assertNoLeak
        seen("recipe")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "claude"))
})
