/** git at a server whose password is a token, set up by `lockstep setup git`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "git, credential helper"
const seen = Table.observe(ROW, "git")

const server = (isGood: (token: string) => Effect.Effect<boolean>) => {
  const seen: Array<string> = []
  return Effect.map(
    Recipe.serve((request, response) => {
      const basic = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString()
      const [, password = ""] = basic.split(":")
      void Effect.runPromise(isGood(password)).then((good) => {
        if (!good) return response.writeHead(401, { "www-authenticate": "Basic realm=\"git\"" }).end()
        seen.push(basic)
        return response.writeHead(200, { "content-type": "text/plain" }).end(`${"1".repeat(40)}\trefs/heads/main\n`)
      })
    }),
    (port) => ({ seen, url: `http://127.0.0.1:${port}` })
  )
}

describe.skipIf(!Stage.isInstalled("git"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "reads after an expiry, and with the next command after a token was refused",
    () =>
      Effect.gen(function*() {
        const recipe = yield* Recipe.make("gitlab")
        const { seen: passwords, url } = yield* server(recipe.isGood)
        yield* recipe.write(".gitconfig", "[user]\n\tname = me # myself\n[credential]\n\thelper = store\n")
        yield* recipe.setup(["git", "gitlab", "--to", url])
        const config = readFileSync(recipe.stage.path(".gitconfig"), "utf8")
        assert.isTrue(config.startsWith("[user]\n\tname = me # myself\n[credential]\n\thelper = store\n"), config)
        const read = recipe.run("git", ["ls-remote", `${url}/group/project.git`], { GIT_TERMINAL_PROMPT: "0" })

        const both = yield* Effect.all([read, read], { concurrency: "unbounded" })
        for (const { code, stderr, stdout } of both) {
          assert.strictEqual(code, 0, stderr)
          assert.include(stdout, "refs/heads/main")
        }
        yield* recipe.assertCounts(1)
        assert.deepStrictEqual([...new Set(passwords)], [`oauth2:${recipe.token()}`])

        // git fails with what it has, and says so to the helper.
        yield* recipe.revoke
        assert.notStrictEqual((yield* read).code, 0)
        assert.strictEqual((yield* read).code, 0)
        yield* recipe.assertCounts(2)
        // The helper that stores for every server was not told.
        assert.throws(() => readFileSync(recipe.stage.path(".git-credentials")))
        yield* recipe.stage.harness.assertNoLeak
        seen("recipe")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "git"))
})
