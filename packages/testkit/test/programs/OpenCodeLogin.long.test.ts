/**
 * opencode's own login at OpenAI, with opencode itself: OpenAI's names lead to loopback. It takes no lock: Lockstep reads the file
 * and does not share it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "opencode"
const seen = Table.observe(ROW, "opencode")

/** What opencode asks its makers for: the models that there are. */
const MODELS = {
  openai: {
    id: "openai",
    name: "OpenAI",
    env: ["OPENAI_API_KEY"],
    npm: "@ai-sdk/openai",
    models: {
      "gpt-5.5": {
        id: "gpt-5.5",
        name: "GPT",
        release_date: "2026-01-01",
        attachment: false,
        reasoning: true,
        temperature: false,
        tool_call: true,
        limit: { context: 100_000, output: 10_000 },
        options: {}
      }
    }
  }
}

const JSON_TYPE = { "content-type": "application/json" }

describe.skipIf(!Stage.isInstalled("opencode"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "keeps a login that Lockstep takes over as it is, and changes nothing in its file",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make
        const { server } = stage
        const login = yield* server.issue("bob")
        const certificate = SelfSignedCertificate.make(
          "auth.openai.com",
          "chatgpt.com",
          "api.openai.com",
          "models.opencode.ai",
          "models.dev"
        )
        const authority = stage.path("ca.pem")
        writeFileSync(authority, certificate.cert)
        /** The token of the request to a model, which is not played any further. */
        const asked = yield* Deferred.make<string>()
        const port = yield* Recipe.serve((request, response) => {
          let text = ""
          request.on("data", (chunk: Buffer) => {
            text += chunk.toString()
          }).on("end", () => {
            const { pathname } = new URL(request.url ?? "/", "https://x")
            if (pathname === "/api.json") return response.writeHead(200, JSON_TYPE).end(JSON.stringify(MODELS))
            if (pathname === "/backend-api/codex/responses") {
              const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
              Effect.runSync(Deferred.succeed(asked, token))
            }
            if (pathname !== "/oauth/token") return response.writeHead(404, JSON_TYPE).end("{}")
            const refreshToken = new URLSearchParams(text).get("refresh_token") ?? ""
            return void Effect.runPromise(server.refresh(refreshToken)).then(({ body, status }) => {
              response.writeHead(status, JSON_TYPE).end(JSON.stringify(body))
            })
          })
        }, certificate)
        const { url } = yield* LoopbackProxy.make({ port })
        const env = {
          HTTP_PROXY: url,
          HTTPS_PROXY: url,
          http_proxy: url,
          https_proxy: url,
          NO_PROXY: "",
          no_proxy: "",
          NODE_EXTRA_CA_CERTS: authority
        }
        const file = stage.path(".local", "share", "opencode", "auth.json")
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
        writeFileSync(
          file,
          JSON.stringify({
            openai: { type: "oauth", refresh: login.refresh_token, access: login.access_token, expires: 1_000 }
          }),
          { mode: 0o600 }
        )
        const token = yield* Effect.scoped(Effect.gen(function*() {
          const program = yield* stage.start("opencode", ["run", "--pure", "--model", "openai/gpt-5.5", "hi"], env)
          yield* program.closeStdin
          return yield* Deferred.await(asked)
        }))
        const written = readFileSync(file, "utf8")
        assert.strictEqual(
          (JSON.parse(written) as { readonly openai: { readonly access: string } }).openai.access,
          token
        )
        assert.notStrictEqual(token, login.access_token)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })

        const take = ["import", "codex", "--from-tool", "opencode"]
        // Two that refresh one login log each other out: that is said, and has to be meant.
        assert.strictEqual((yield* stage.lockstep(...take)).code, 2)
        const taken = yield* stage.lockstep(...take, "--access-token-only")
        assert.strictEqual(taken.code, 0, taken.stderr)
        const told = yield* stage.lockstep("token", "codex")
        assert.strictEqual(told.stdout, `${token}\n`, told.stderr)
        assert.strictEqual(readFileSync(file, "utf8"), written)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        yield* stage.harness.assertNoLeak
        seen("reads")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "opencode"))
})
