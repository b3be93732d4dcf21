/**
 * Gemini CLI's own login at Google, with Gemini CLI itself: Google's names lead to loopback. It takes no lock, and Google's
 * refresh tokens stay what they are: Lockstep reads the file and does not share it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "Gemini CLI"
const seen = Table.observe(ROW, "gemini")

const JSON_TYPE = { "content-type": "application/json" }

describe.skipIf(!Stage.isInstalled("gemini"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "keeps a login that Lockstep takes over as it is, and changes nothing in its file",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make
        const { server } = stage
        const login = yield* server.issue("bob")
        const certificate = SelfSignedCertificate.make(
          "oauth2.googleapis.com",
          "www.googleapis.com",
          "cloudcode-pa.googleapis.com",
          "play.googleapis.com"
        )
        const authority = stage.path("ca.pem")
        writeFileSync(authority, certificate.cert)
        const port = yield* Recipe.serve((request, response) => {
          let text = ""
          request.on("data", (chunk: Buffer) => {
            text += chunk.toString()
          }).on("end", () => {
            const { pathname } = new URL(request.url ?? "/", "https://x")
            if (pathname !== "/token") return response.writeHead(404, JSON_TYPE).end("{}")
            const refreshToken = new URLSearchParams(text).get("refresh_token") ?? ""
            return void Effect.runPromise(server.refresh(refreshToken)).then(({ body, status }) => {
              // As Google answers: the refresh token is the one that was sent.
              const { refresh_token: _, ...rest } = body as Readonly<Record<string, unknown>>
              response.writeHead(status, JSON_TYPE).end(JSON.stringify(rest))
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
        const file = stage.path(".gemini", "oauth_creds.json")
        mkdirSync(dirname(file), { mode: 0o700 })
        writeFileSync(
          stage.path(".gemini", "settings.json"),
          JSON.stringify({ security: { auth: { selectedType: "oauth-personal" }, folderTrust: { enabled: false } } })
        )
        writeFileSync(
          file,
          JSON.stringify({
            access_token: login.access_token,
            refresh_token: login.refresh_token,
            scope: "https://www.googleapis.com/auth/cloud-platform",
            token_type: "Bearer",
            expiry_date: 1_000
          }),
          { mode: 0o600 }
        )
        const program = yield* stage.start("gemini", ["-p", "hi"], env)
        yield* program.closeStdin
        // It has refreshed by then; a model is not played to it.
        yield* stage.ended(program)
        const written = readFileSync(file, "utf8")
        const { access_token: token } = JSON.parse(written) as { readonly access_token: string }
        assert.notStrictEqual(token, login.access_token)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })

        const taken = yield* stage.lockstep("import", "gemini", "--from-tool", "gemini")
        assert.strictEqual(taken.code, 0, taken.stderr)
        const told = yield* stage.lockstep("token", "gemini")
        assert.strictEqual(told.stdout, `${token}\n`, told.stderr)
        assert.strictEqual(readFileSync(file, "utf8"), written)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        yield* stage.harness.assertNoLeak
        seen("reads")
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "gemini"))
})
