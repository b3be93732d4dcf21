/**
 * gh logs in with a token, at servers of loopback under GitHub's names. Debian's version keeps it in `hosts.yml`; later ones
 * keep it in the keyring, and leave there that it is so. The token that Lockstep keeps reaches gh by its variable.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Programs from "@lockstep/testkit/processes/Programs"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import * as Command from "../Command.js"
import * as GitHub from "./github.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "gh"
const seen = Table.observe(ROW, "gh")
const TOKEN = "gho_lockstepGh00000000000000000000000000"

describe.skipIf(!Stage.isInstalled("gh"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "keeps a login that Lockstep takes over as it is, and gets it back in a variable",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make
        const entry = yield* Command.entry
        const github = yield* GitHub.make(TOKEN)
        const authority = stage.path("ca.pem")
        writeFileSync(authority, github.certificate.cert)
        const env = { ...Programs.ENVIRONMENT, ...github.environment(authority) }

        const login = yield* stage.harness.spawn({ program: "gh", args: ["auth", "login", "--with-token"], env })
        yield* login.write(`${TOKEN}\n`)
        yield* login.closeStdin
        const ended = yield* stage.ended(login)
        assert.strictEqual(ended.code, 0, ended.stderr)
        const file = stage.path(".config", "gh", "hosts.yml")
        const written = readFileSync(file, "utf8")

        const run = (...args: ReadonlyArray<string>) =>
          Effect.flatMap(stage.harness.spawn({ args: [entry, ...args], env, prints: ["access_token"] }), stage.ended)
        const taken = yield* run("import", "gh", "--from-tool", "gh")
        assert.strictEqual(taken.code, 0, taken.stderr)
        const told = yield* run("token", "gh")
        assert.strictEqual(told.stdout, `${TOKEN}\n`, told.stderr)
        assert.strictEqual(readFileSync(file, "utf8"), written)
        seen("reads")

        // What the command says to do where gh keeps its token in the keyring.
        const piped = yield* stage.harness.spawn({
          program: "sh",
          args: [
            "-c",
            "gh auth token --hostname github.com | \"$0\" \"$@\" --from -",
            process.execPath,
            entry,
            "import",
            "piped"
          ],
          env
        })
        const imported = yield* stage.ended(piped)
        assert.strictEqual(imported.code, 0, imported.stderr)
        assert.strictEqual((yield* run("token", "piped")).stdout, `${TOKEN}\n`)

        // No login of its own: what it sends is what it was given.
        const from = github.requests.length
        const asked = yield* run(
          "exec",
          "gh",
          "--env",
          "GH_TOKEN",
          "--",
          "env",
          `GH_CONFIG_DIR=${stage.path("none")}`,
          "gh",
          "api",
          "user"
        )
        assert.strictEqual(asked.code, 0, asked.stderr)
        assert.include(asked.stdout, GitHub.USER)
        assert.deepStrictEqual(github.requests.slice(from), [{ host: "api.github.com", path: "/user", token: TOKEN }])
        seen("recipe")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "gh"))
})
