/**
 * codex's own login, with codex itself. Its refresh goes to loopback by its own variable; its vendor's other servers are not
 * there. Lockstep reads the file and does not share it: what two codex processes do to one login is shown as well.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Recipe from "./recipe.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "codex"
const seen = Table.observe(ROW, "codex")

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** What codex reads of an id token. It looks at no signature. */
const idToken = `${part({ alg: "none" })}.${
  part({
    email: "a@example.com",
    exp: 9_999_999_999,
    "https://api.openai.com/auth": { chatgpt_account_id: "acct", chatgpt_plan_type: "pro", chatgpt_user_id: "u" }
  })
}.c2ln`

const setUp = Effect.gen(function*() {
  const stage = yield* Stage.make
  const { server } = stage
  const login = yield* server.issue("bob")
  const port = yield* Recipe.serve((request, response) => {
    let body = ""
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString()
    }).on("end", () => {
      const json = { "content-type": "application/json" }
      if (request.url !== "/oauth/token") return response.writeHead(404, json).end("{}")
      const { refresh_token } = JSON.parse(body) as { readonly refresh_token: string }
      return void Effect.runPromise(server.refresh(refresh_token)).then(({ body, status }) => {
        const granted = status === 200 ? { ...body, id_token: idToken } : body
        response.writeHead(status, json).end(JSON.stringify(granted))
      })
    })
  })
  const file = stage.path(".codex", "auth.json")
  mkdirSync(dirname(file), { mode: 0o700 })
  const tokens = {
    id_token: idToken,
    access_token: login.access_token,
    refresh_token: login.refresh_token,
    account_id: "acct"
  }
  // As of now: codex refreshes by itself what it refreshed long ago.
  const text = { auth_mode: "chatgpt", OPENAI_API_KEY: null, tokens, last_refresh: new Date().toISOString() }
  writeFileSync(file, JSON.stringify(text), { mode: 0o600 })
  const config = [
    "cli_auth_credentials_store = \"file\"",
    `chatgpt_base_url = "http://127.0.0.1:${port}/backend-api"`,
    ""
  ]
  writeFileSync(stage.path(".codex", "config.toml"), config.join("\n"))
  return {
    stage,
    login,
    read: () => readFileSync(file, "utf8"),
    token: () => (JSON.parse(readFileSync(file, "utf8")) as { tokens: { access_token: string } }).tokens.access_token,
    /** Has a codex of its own refresh the login, as an editor may ask it to. */
    refresh: Effect.gen(function*() {
      const child = yield* stage.start("codex", ["app-server"], {
        CODEX_REFRESH_TOKEN_URL_OVERRIDE: `http://127.0.0.1:${port}/oauth/token`
      })
      yield* child.send({ id: 0, method: "initialize", params: { clientInfo: { name: "test", version: "1" } } })
      yield* child.message((message) => message["id"] === 0)
      yield* child.send({ method: "initialized" })
      yield* child.send({ id: 1, method: "getAuthStatus", params: { includeToken: false, refreshToken: true } })
      yield* child.message((message) => message["id"] === 1)
    }).pipe(Effect.scoped, Effect.orDie)
  }
})

describe.skipIf(!Stage.isInstalled("codex"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "keeps a login that Lockstep takes over as it is, and changes nothing in its file",
    () =>
      Effect.gen(function*() {
        const { login, read, refresh, stage, token } = yield* setUp
        yield* refresh
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        assert.notStrictEqual(token(), login.access_token)
        const written = read()
        // Two that refresh one login log each other out: that is said, and has to be meant.
        const refused = yield* stage.lockstep("import", "codex", "--from-tool", "codex")
        assert.strictEqual(refused.code, 2)
        const taken = yield* stage.lockstep("import", "codex", "--from-tool", "codex", "--access-token-only")
        assert.strictEqual(taken.code, 0, taken.stderr)
        const told = yield* stage.lockstep("token", "codex")
        assert.strictEqual(told.stdout, `${token()}\n`, told.stderr)
        assert.strictEqual(read(), written)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        yield* stage.harness.assertNoLeak
        seen("reads")
      }),
    240_000
  )

  it.scopedLive(
    "loses a login that two processes of its own refresh at the same time, as the page says",
    () =>
      Effect.gen(function*() {
        const { refresh, stage } = yield* setUp
        const held = yield* stage.server.requests.hold
        yield* Effect.all([
          refresh,
          refresh,
          Effect.gen(function*() {
            yield* Queue.take(held.arrivals)
            yield* Queue.take(held.arrivals)
            yield* held.release
          })
        ], { concurrency: "unbounded" })
        assert.deepInclude(yield* stage.counts, { redemptions: 1, reuses: 1 })
        assert.lengthOf(stage.server.ledger.revocations, 1)
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "codex"))
})
