/**
 * The proxy between raw requests and raw answers, on real sockets, for as long as it is told: `LOCKSTEP_FUZZ_MILLIS`. Every
 * run has a fresh seed, which it prints; `LOCKSTEP_FUZZ_SEED` and `LOCKSTEP_FUZZ_CASE` play one case again.
 *
 * Beside the cases an exchange is held open that none of them may end.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Mutations from "@lockstep/testkit/homes/Mutations"
import * as Effect from "effect/Effect"
import { randomInt } from "node:crypto"
import * as Net from "node:net"
import * as Oracle from "./fuzz/oracle.js"
import * as Wire from "./fuzz/wire.js"
import * as Client from "./support/client.js"
import * as Stage from "./support/stage.js"
import * as Upstream from "./support/upstream.js"

const variable = (name: string): number | undefined => {
  const text = process.env[name]
  return text === undefined || text === "" ? undefined : Number(text)
}

const SEED = variable("LOCKSTEP_FUZZ_SEED") ?? randomInt(2 ** 31)
const ONLY = variable("LOCKSTEP_FUZZ_CASE")
const MILLIS = variable("LOCKSTEP_FUZZ_MILLIS") ?? 20_000

/** Cases that are under way at one time, each with a proxy of its own. */
const LANES = 4

/** Milliseconds until a client that is answered no more leaves, and until something hangs. */
const LEAVES = 50
const HANGS = 10_000

const ofCase = (number: number): string => `LOCKSTEP_FUZZ_SEED=${SEED} LOCKSTEP_FUZZ_CASE=${number}`

process.stderr.write(`the proxy is fuzzed with LOCKSTEP_FUZZ_SEED=${SEED}\n`)

/** Behind every case: the connection ends with its answer. */
const LAST = "\r\n\r\nGET /no-secret HTTP/1.1\r\nHost: x\r\n\r\n"

/** A proxy before a server that answers with whatever is its turn. */
const lane = Effect.gen(function*() {
  const connections = new Set<{ text: string }>()
  let answer: Wire.Answer = { bytes: "", cut: 0, end: "reset" }
  let beat = () => {}
  const upstream = yield* Upstream.makeRaw((socket) => {
    const seen = { text: "" }
    let answered = 0
    socket.on("data", (chunk) => {
      seen.text += chunk.toString("latin1")
      if (seen.text.startsWith("GET /api/held ")) {
        if (answered++ === 0) socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        beat = () => socket.write("5\r\nbeat;\r\n")
        return
      }
      connections.add(seen)
      const heads = seen.text.split("\r\n\r\n").length - 1
      if (heads <= answered) return
      answered = heads
      socket.write(answer.bytes.slice(0, answer.cut), "latin1")
      setImmediate(() => {
        if (socket.destroyed) return
        const rest = answer.bytes.slice(answer.cut)
        if (answer.end === "end") socket.end(rest, "latin1")
        else if (rest !== "") socket.write(rest, "latin1")
        if (answer.end === "reset") socket.resetAndDestroy()
      })
    })
  })
  const stage = yield* Stage.make({
    to: `${upstream.url}/api`,
    limits: { responseTimeout: 500, headersTimeout: 500, keep: 1_000, grace: 50 }
  })
  // A 401 renews it.
  const tokens = new Set([yield* stage.accessToken])
  const held = yield* Client.open(`${stage.url}held`)

  const fill = (text: string): Buffer =>
    Buffer.from(
      text.replaceAll(Wire.SECRET, stage.secret).replaceAll(Wire.HOST, `127.0.0.1:${stage.port}`),
      "latin1"
    )

  const speak = (text: string) =>
    Effect.async<string>((resume) => {
      let said = ""
      const socket = Net.connect(stage.port, "127.0.0.1", () => socket.write(fill(text + LAST)))
      const leaves = setTimeout(() => socket.end(), LEAVES)
      const hangs = setTimeout(() => socket.destroy(new Error("hangs")), HANGS)
      let failed = ""
      socket.on("data", (chunk) => {
        said += chunk.toString("latin1")
      })
      socket.on("error", (error) => {
        failed = error.message
      })
      socket.on("close", () => {
        clearTimeout(leaves)
        clearTimeout(hangs)
        resume(failed === "hangs" ? Effect.succeed("the connection hangs") : Effect.succeed(said))
      })
    })

  const play = (number: number) =>
    Effect.gen(function*() {
      const next = Mutations.random((SEED * 1_000_003 + number) >>> 0)
      const request = Wire.request(next)
      answer = Wire.answer(next)
      connections.clear()
      const said = yield* speak(request)
      yield* Client.until(() => stage.proxy.streams() === 1).pipe(
        Effect.timeoutFail({ duration: HANGS, onTimeout: () => new Error(`an exchange hangs: ${ofCase(number)}`) }),
        Effect.orDie
      )
      tokens.add(yield* stage.accessToken)
      // A `Location` leads back through the proxy: to the client that has the secret anyway.
      const hidden = request.includes(Wire.SECRET) ? [...tokens] : [...tokens, stage.secret]
      const wrong = [
        ...Oracle.ofClient(said, hidden),
        ...[...connections].flatMap(({ text }) =>
          Oracle.ofUpstream(text, { host: `127.0.0.1:${upstream.port}`, tokens })
        ),
        ...(!request.includes(Wire.SECRET) && connections.size > 0 ? ["a request without the secret passes"] : [])
      ]
      assert.deepStrictEqual(wrong, [], ofCase(number))
      beat()
      yield* held.reads("beat;")
    })

  return { play }
})

describe("fuzz", () => {
  it.scopedLive(
    `no request and no answer breaks what is promised, for ${MILLIS} ms`,
    () =>
      Effect.gen(function*() {
        const thrown: Array<unknown> = []
        const note = (error: unknown) => void thrown.push(error)
        yield* Effect.acquireRelease(
          Effect.sync(() => process.on("uncaughtException", note).on("unhandledRejection", note)),
          () => Effect.sync(() => process.off("uncaughtException", note).off("unhandledRejection", note))
        )
        const until = performance.now() + MILLIS
        let number = ONLY ?? 0
        const run = Effect.flatMap(lane, ({ play }) =>
          Effect.whileLoop({
            while: () => thrown.length === 0 && performance.now() < until && (ONLY === undefined || number === ONLY),
            body: () => {
              const own = number++
              return Effect.zipRight(
                play(own),
                Effect.sync(() => assert.deepStrictEqual(thrown, [], `at about ${ofCase(own)}`))
              )
            },
            step: () => {}
          }))
        yield* Effect.all(Array.from({ length: ONLY === undefined ? LANES : 1 }, () => run), {
          concurrency: "unbounded",
          discard: true
        })
        process.stderr.write(`${number} cases\n`)
        assert.isAbove(number, 0)
      }),
    MILLIS + 120_000
  )
})
