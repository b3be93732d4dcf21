/** codex at a model provider whose token Lockstep keeps, set up as the page of credential helpers says. */
import { assert, describe, it } from "@effect/vitest"
import * as Programs from "@lockstep/testkit/processes/Programs"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { delimiter, dirname } from "node:path"
import * as Command from "../Command.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "codex, model providers"
const PAGE = readFileSync(new URL("../../../../docs/credential-helpers.md", import.meta.url), "utf8")

/** The setting of the page that has a member. */
const setting = (member: string): string => {
  const found = [...PAGE.matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, code]) => code!).filter((code) =>
    code.includes(member)
  )
  assert.lengthOf(found, 1, member)
  return found[0]!
}

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

/** A model that answers whoever brings a token that is good. */
const model = (isGood: (token: string) => Effect.Effect<boolean>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly server: Server; readonly answered: Array<string> }>((resume) => {
        const answered: Array<string> = []
        const server = createServer((request, response) => {
          const token = (request.headers.authorization ?? "").replace(/^Bearer /, "")
          request.resume().on("end", () => {
            void Effect.runPromise(isGood(token)).then((good) => {
              if (!good) return response.writeHead(401, { "content-type": "application/json" }).end("{}")
              if (!request.url!.endsWith("/responses")) return response.writeHead(404).end()
              answered.push(token)
              return response.writeHead(200, { "content-type": "text/event-stream" }).end(ANSWER)
            })
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, answered })))
      }),
      ({ server }) => Effect.sync(() => void server.close().closeAllConnections())
    ),
    ({ answered, server }) => ({ answered, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  )

const setUp = Effect.gen(function*() {
  const stage = yield* Stage.make
  const { harness, server } = stage
  const revoked = new Set<string>()
  const provider = yield* model((token) =>
    revoked.has(token) ? Effect.succeed(false) : Effect.map(server.introspect(token), ({ active }) => active)
  )
  const home = yield* SeededHome.write(harness.home, [yield* SeededHome.issue(server, "gateway")])
  const bin = stage.path("bin")
  mkdirSync(bin)
  writeFileSync(`${bin}/lockstep`, `#!/bin/sh\nexec "${process.execPath}" "${yield* Command.entry}" "$@"\n`)
  chmodSync(`${bin}/lockstep`, 0o755)
  const config = stage.path(".codex", "config.toml")
  mkdirSync(dirname(config))
  const token = () =>
    (JSON.parse(readFileSync(home, "utf8")) as { tenants: { gateway: { access_token: string } } }).tenants.gateway
      .access_token
  return {
    stage,
    provider,
    token,
    /** The server of the model takes this token for none, although its end is far. */
    revoke: (one: string) => Effect.sync(() => void revoked.add(one)),
    configure: (text: string) =>
      Effect.sync(() => writeFileSync(config, `model = "gpt-5"\nmodel_provider = "gateway"\n${text}`)),
    /** Asks the model once. */
    ask: Effect.gen(function*() {
      const child = yield* stage.start("codex", ["exec", "--skip-git-repo-check", "hi"], {
        PATH: `${bin}${delimiter}${harness.environment["PATH"] ?? ""}`
      })
      yield* child.closeStdin
      return yield* stage.ended(child)
    }).pipe(Effect.scoped, Effect.orDie)
  }
})

const seen = Table.observe(ROW, "codex")

describe.skipIf(!Stage.isInstalled("codex"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "recovers from an expiry by the command of the page, several at once with one redemption",
    () =>
      Effect.gen(function*() {
        const { ask, configure, provider, revoke, stage, token } = yield* setUp
        const before = token()
        yield* configure(setting("timeout_ms").replace("https://gateway.example", provider.url))
        for (const { code, stderr, stdout } of yield* Effect.all([ask, ask], { concurrency: "unbounded" })) {
          assert.strictEqual(code, 0, stderr)
          assert.include(stdout, "hello there")
        }
        assert.notStrictEqual(token(), before)
        assert.deepStrictEqual([...new Set(provider.answered)], [token()])
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })

        // Told of no 401, the command has the same token for it: as the page says.
        yield* revoke(token())
        assert.notStrictEqual((yield* ask).code, 0)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        yield* stage.harness.assertNoLeak
      }),
    240_000
  )

  it.scopedLive(
    "recovers behind the proxy of the page from an expiry, and from a token that is refused while the clock calls it good",
    () =>
      Effect.gen(function*() {
        const { ask, configure, provider, revoke, stage, token } = yield* setUp
        const proxy = yield* stage.harness.spawn({
          args: [yield* Command.entry, "proxy", "gateway", "--to", provider.url, "--json"]
        })
        const { url } = yield* proxy.message((message) => typeof message["url"] === "string")
        yield* configure(setting("/SECRET/v1").replace("http://127.0.0.1:43117/SECRET", String(url)))
        for (const redemptions of [1, 2]) {
          const { code, stderr } = yield* ask
          assert.strictEqual(code, 0, stderr)
          assert.strictEqual(provider.answered.at(-1), token())
          assert.deepStrictEqual(yield* stage.counts, { redemptions, reuses: 0, refusals: 0 })
          yield* revoke(token())
        }
        yield* stage.harness.assertNoLeak
        seen("recipe")
      }),
    240_000
  )

  it.scopedLive(
    "bounds the command by what the setting says",
    () =>
      Effect.gen(function*() {
        const { ask, configure, provider, stage } = yield* setUp
        const slow = stage.path("slow")
        // Longer than the five seconds that codex gives a command where nothing is said.
        writeFileSync(slow, "#!/bin/sh\nsleep 6\nexec lockstep token gateway\n")
        chmodSync(slow, 0o755)
        yield* configure(
          setting("timeout_ms").replace("https://gateway.example", provider.url)
            .replace(/^command = .*$/m, `command = ${JSON.stringify(slow)}`).replace(/^args = .*$/m, "args = []")
        )
        const { code, stderr } = yield* ask
        assert.strictEqual(code, 0, stderr)
        assert.notInclude(stderr, "timed out")
        assert.lengthOf(provider.answered, 1)
      }),
    240_000
  )

  it("stands in the table of the documents as it was seen", () => {
    assert.isTrue(Option.isSome(Programs.find("codex")))
    Table.compare(ROW, "codex")
  })
})
