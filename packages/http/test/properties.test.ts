import { assert, describe, it } from "@effect/vitest"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine

const ORIGINS = [
  Stage.API,
  "https://bound.example",
  "https://elsewhere.example",
  "http://api.example",
  "http://127.0.0.1"
]
const PATHS = ["/a", "/b", "/c"]

const answer = FastCheck.oneof(
  { weight: 2, arbitrary: FastCheck.record({ status: FastCheck.constantFrom(200, 204, 404, 500) }) },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      status: FastCheck.constant(401),
      challenge: FastCheck.constantFrom(
        undefined,
        "Bearer",
        "Bearer error=\"invalid_token\"",
        "Bearer error=\"invalid_request\"",
        "Bearer error=\"insufficient_scope\""
      )
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ status: FastCheck.constant(403) }) },
  {
    weight: 4,
    arbitrary: FastCheck.record({
      status: FastCheck.constantFrom(301, 302, 303, 307, 308),
      location: FastCheck.oneof(
        FastCheck.constantFrom(...PATHS),
        FastCheck.tuple(FastCheck.constantFrom(...ORIGINS), FastCheck.constantFrom(...PATHS)).map((parts) =>
          parts.join("")
        )
      )
    })
  }
)

type Scripted = { readonly status: number; readonly challenge?: string | undefined; readonly location?: string }

const request = FastCheck.record({
  method: FastCheck.constantFrom<Array<"GET" | "POST">>("GET", "POST"),
  origin: FastCheck.constantFrom(...ORIGINS),
  path: FastCheck.constantFrom(...PATHS),
  body: FastCheck.constantFrom<Array<"none" | "text" | "stream">>("none", "text", "stream"),
  /** Seconds that go by before it. */
  after: FastCheck.constantFrom(0, 4, 30)
})

const scene = FastCheck.record({
  requests: FastCheck.array(request, { minLength: 1, maxLength: 8 }),
  answers: FastCheck.infiniteStream(answer)
})

const bodyOf = (kind: "none" | "text" | "stream"): Stage.Init["body"] =>
  kind === "none" ? undefined : kind === "text" ? "text" : new Blob(["stream"]).stream() as ReadableStream<Uint8Array>

const describeArrival = ({ authorization, method, url }: Stage.Arrived) => `${method} ${url} ${authorization ?? "none"}`

describe.each(Stage.KINDS)("whatever servers answer, %s", (_name, make) => {
  it.scoped("lets no token leave, sends little twice, and renews a token once per call", () =>
    Effect.gen(function*() {
      const scenes = FastCheck.sample(scene, { numRuns: 60, seed: 7 })
      for (const { answers, requests } of scenes) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { machine, use } = yield* Stage.login()
          const script = answers[Symbol.iterator]()
          const api = Stage.server((arrived) => {
            const { challenge, location, status } = script.next().value as Scripted
            return Stage.answering(status, {
              ...(challenge === undefined ? {} : { "www-authenticate": challenge }),
              ...(location === undefined ? {} : { location })
            })(arrived)
          })
          const bound = [Stage.API, "https://bound.example"]
          const call = yield* use(make(api, { tenant, origins: bound }))
          for (const { after, body, method, origin, path } of requests) {
            yield* TestClock.adjust(`${after} seconds`)
            const from = api.arrivals.length
            const renewed = machine.server.redemptions.length
            const result = yield* Stage.outcome(
              call(`${origin}${path}`, { method, body: method === "GET" ? undefined : bodyOf(body) })
            )
            const arrived = api.arrivals.slice(from)
            const story = `${result}: ${arrived.map(describeArrival).join(", ")}`

            if (!bound.includes(origin)) assert.deepStrictEqual(arrived, [], story)
            // The token is where the request was made, up to the first step out of that origin, and not a step further.
            const left = arrived.findIndex(({ url }) => new URL(url).origin !== origin)
            for (const [index, { authorization, url }] of arrived.entries()) {
              assert.strictEqual(authorization !== undefined, left < 0 || index < left, story)
              if (authorization !== undefined) assert.strictEqual(new URL(url).origin, origin, story)
            }
            // No body leaves its origin.
            for (const one of arrived) {
              if (new URL(one.url).origin !== origin) assert.isNotOk(one.body, story)
            }
            assert.isAtMost(machine.server.redemptions.length - renewed, 1, story)
            assert.isAtMost(arrived.length, 22, story)
            // Two tokens at most are tried, the second one after the first.
            const tokens = arrived.flatMap(({ authorization }) => authorization ?? [])
            assert.isAtMost(new Set(tokens).size, 2, story)
            assert.deepStrictEqual(tokens, [...tokens].sort((a, b) => a.length - b.length || (a < b ? -1 : 1)), story)
          }
          assert.deepStrictEqual(machine.server.reuses, [])
        }))
      }
    }))
})
