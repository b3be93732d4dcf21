/**
 * What it costs that a bridge stands in between: calls of a tool by a client of the MCP SDK, directly over Streamable HTTP
 * and through the command `lockstep mcp`. Two and three processes on the cores of one machine.
 *
 * @since 0.1.0
 */
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { Bench, progress } from "../Bench.js"
import type { BridgeParty, Way } from "../BridgeParty.js"
import { TENANT } from "../Contender.js"
import type { Options } from "../Options.js"
import { login } from "../Reader.js"
import * as Remote from "../Remote.js"
import * as Statistics from "../Statistics.js"

/**
 * What was measured. Ratios are to the direct client, of the same round.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measured {
  readonly ways: ReadonlyArray<{
    readonly name: string
    /** Milliseconds of a call, one after the other: the median of each round. */
    readonly latency: Statistics.Summary | undefined
    readonly latencyRatio: Statistics.Summary | undefined
    /** Calls per second, many at one time. */
    readonly rate: Statistics.Summary | undefined
    readonly rateRatio: Statistics.Summary | undefined
  }>
}

const BIN = fileURLToPath(new URL("../../../../cli/bin/lockstep.js", import.meta.url))

const DIRECT = "the client of the SDK, directly"

const AT_ONCE = 32

/**
 * Measures both ways in rounds that take turns.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const { harness, makeHome } = yield* Bench
    const rounds = quick ? 3 : 9
    yield* progress(`the bridge: ${rounds} rounds`)
    const home = yield* makeHome
    yield* SeededHome.write(home, [login(TENANT)])
    const party = Remote.spawn<BridgeParty>(harness, "BridgeParty.ts")
    const [server, client] = yield* Effect.all([party, party])
    const url = yield* server.call("serve")
    const ways: ReadonlyArray<readonly [string, Way]> = [
      [DIRECT, { url }],
      ["lockstep mcp", { url, bridge: { args: [BIN, "mcp", TENANT, "--to", url], home } }]
    ]
    const load = (way: Way, calls: number) =>
      Effect.gen(function*() {
        return {
          latency: Statistics.median(yield* client.call("latency", { way, calls })),
          rate: yield* client.call("rate", { way, calls: calls * 3, atOnce: AT_ONCE })
        }
      })
    const measured = new Map(
      ways.map(([name]) => [name, [] as Array<Effect.Effect.Success<ReturnType<typeof load>>>])
    )
    for (const [, way] of ways) yield* load(way, 100)
    for (let round = 0; round < rounds; round++) {
      for (const [name, way] of ways) measured.get(name)!.push(yield* load(way, quick ? 200 : 500))
    }
    const floor = measured.get(DIRECT)!
    return {
      ways: ways.map(([name]) => {
        const own = measured.get(name)!
        const of = (part: "latency" | "rate") => Statistics.summarise(own.map((one) => one[part]))
        const ratio = (part: "latency" | "rate") =>
          Statistics.summarise(own.map((one, round) => one[part] / floor[round]![part]))
        return {
          name,
          latency: of("latency"),
          latencyRatio: ratio("latency"),
          rate: of("rate"),
          rateRatio: ratio("rate")
        }
      })
    } satisfies Measured
  }))
