/** codex at a model provider whose token Lockstep keeps, set up as the page of credential helpers says. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "codex, model providers"

const ITEM = { type: "message", role: "assistant", id: "m", content: [{ type: "output_text", text: "hello there" }] }
const USAGE = {
  input_tokens: 1,
  input_tokens_details: null,
  output_tokens: 1,
  output_tokens_details: null,
  total_tokens: 2
}

/** The stream of one short answer of a model. */
const ANSWER = [
  { type: "response.created", response: { id: "r" } },
  { type: "response.output_item.done", item: ITEM },
  { type: "response.completed", response: { id: "r", usage: USAGE } }
].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")

/** A model that answers a request with a token that is good. */
const model = (isGood: (token: string) => Effect.Effect<boolean>) => {
  const answered: Array<string> = []
  return Effect.map(
    Recipe.serve((request, response) => {
      const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
      request.resume().on("end", () => {
        void Effect.runPromise(isGood(token)).then((good) => {
          if (!good) return response.writeHead(401, { "content-type": "application/json" }).end("{}")
          if (!request.url!.endsWith("/responses")) return response.writeHead(404).end()
          answered.push(token)
          return response.writeHead(200, { "content-type": "text/event-stream" }).end(ANSWER)
        })
      })
    }),
    (port) => ({ answered, url: `http://127.0.0.1:${port}` })
  )
}

const setUp = Effect.gen(function*() {
  const recipe = yield* Recipe.make("gateway")
  return {
    recipe,
    provider: yield* model(recipe.isGood),
    configure: (text: string) =>
      recipe.write(".codex/config.toml", `model = "gpt-5"\nmodel_provider = "gateway"\n${text}`),
    /** Asks the model once. */
    ask: recipe.run("codex", ["exec", "--skip-git-repo-check", "hi"]),
    /** The same, without the retries of a request that was refused, which codex makes some seconds apart. */
    askOnce: recipe.run("codex", [
      "exec",
      "--skip-git-repo-check",
      ...["request_max_retries", "stream_max_retries"].flatMap((name) => ["-c", `model_providers.gateway.${name}=0`]),
      "hi"
    ])
  }
})

const seen = Table.observe(ROW, "codex")

describe.skipIf(!Stage.isInstalled("codex"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "recovers from an expiry as it was set up, several at once with one redemption",
    () =>
      Effect.gen(function*() {
        const { ask, askOnce, provider, recipe } = yield* setUp
        const before = recipe.token()
        const present = "# mine\nmodel = \"gpt-5\"  # of late\n"
        yield* recipe.write(".codex/config.toml", present)
        yield* recipe.setup(["codex", "gateway", "--to", `${provider.url}/v1`, "--default"])
        assert.include(readFileSync(recipe.stage.path(".codex", "config.toml"), "utf8"), present)
        for (const { code, stderr, stdout } of yield* Effect.all([ask, ask], { concurrency: "unbounded" })) {
          assert.strictEqual(code, 0, stderr)
          assert.include(stdout, "hello there")
        }
        assert.notStrictEqual(recipe.token(), before)
        assert.deepStrictEqual([...new Set(provider.answered)], [recipe.token()])
        yield* recipe.assertCounts(1)

        // Told of no 401, the command has the same token for it: as the page says.
        yield* recipe.revoke
        const answered = provider.answered.length
        const refused = yield* askOnce
        assert.notStrictEqual(refused.code, 0)
        assert.include(refused.stderr, "401")
        assert.lengthOf(provider.answered, answered)
        yield* recipe.assertCounts(1)
        yield* recipe.stage.harness.assertNoLeak
      }),
    240_000
  )

  it.scopedLive(
    "recovers behind the proxy of the page from an expiry, and from a token that is refused while the clock calls it good",
    () =>
      Effect.gen(function*() {
        const { ask, configure, provider, recipe } = yield* setUp
        const proxy = yield* recipe.proxy(provider.url)
        yield* configure(Recipe.example("toml", "/SECRET/v1").replace(Recipe.PROXY, proxy))
        for (const redemptions of [1, 2]) {
          const { code, stderr } = yield* ask
          assert.strictEqual(code, 0, stderr)
          assert.strictEqual(provider.answered.at(-1), recipe.token())
          yield* recipe.assertCounts(redemptions)
          yield* recipe.revoke
        }
        yield* recipe.stage.harness.assertNoLeak
        seen("recipe")
      }),
    240_000
  )

  it.scopedLive("bounds the command by what the setting of the page says", () =>
    Effect.gen(function*() {
      const { ask, configure, provider, recipe } = yield* setUp
      const slow = recipe.stage.path("slow")
      // Longer than the five seconds that codex gives a command where nothing is said.
      writeFileSync(slow, "#!/bin/sh\nsleep 6\nexec lockstep token gateway\n")
      chmodSync(slow, 0o755)
      yield* configure(
        Recipe.example("toml", "timeout_ms").replace("https://gateway.example", provider.url)
          .replace(/^command = .*$/m, `command = ${JSON.stringify(slow)}`).replace(/^args = .*$/m, "args = []")
      )
      const { code, stderr } = yield* ask
      assert.strictEqual(code, 0, stderr)
      assert.notInclude(stderr, "timed out")
      assert.lengthOf(provider.answered, 1)
    }), 240_000)

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "codex"))
})
