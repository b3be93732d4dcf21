/**
 * What it costs that a proxy stands in between: the command `lockstep proxy`, beside the bare upstream and beside a proxy
 * of twenty lines that attaches nothing and checks nothing. Four processes on the cores of one machine.
 *
 * @since 0.1.0
 */
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import type { Options } from "../Options.js"
import type { ProxyParty } from "../ProxyParty.js"
import { login } from "../Reader.js"
import * as Remote from "../Remote.js"
import * as Statistics from "../Statistics.js"

/**
 * One way to the upstream. Ratios are to the bare one, of the same round.
 *
 * @since 0.1.0
 * @category models
 */
export interface Passage {
  readonly name: string
  /** Milliseconds of a request, one after the other: the median of each round. */
  readonly latency: Statistics.Summary | undefined
  /** Milliseconds over the bare upstream. */
  readonly added: Statistics.Summary | undefined
  /** Requests per second. */
  readonly rate: Statistics.Summary | undefined
  readonly rateRatio: Statistics.Summary | undefined
  /** Requests per second, over those of the proxy of twenty lines in the same round. */
  readonly rateShare: Statistics.Summary | undefined
  /** Microseconds of processor time that a request costs the process in between. Linux only. */
  readonly processor: Statistics.Summary | undefined
  /** MiB per second of an answer, and of a request. */
  readonly down: Statistics.Summary | undefined
  readonly downRatio: Statistics.Summary | undefined
  readonly up: Statistics.Summary | undefined
  readonly upRatio: Statistics.Summary | undefined
  /** Milliseconds in which each of the held streams says something and hears it. */
  readonly held: Statistics.Summary | undefined
}

/**
 * What was measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measured {
  readonly passages: ReadonlyArray<Passage>
  readonly streams: number
  /** KiB that the proxy's process had in memory at most: before, and when it had held all streams. Linux only. */
  readonly memory: { readonly before: number; readonly after: number } | undefined
}

const BIN = fileURLToPath(new URL("../../../../cli/bin/lockstep.js", import.meta.url))

const BARE = "the bare upstream"
const THROUGH = "a proxy of twenty lines"

/**
 * How the command is called in the table.
 *
 * @since 0.1.0
 * @category constants
 */
export const LOCKSTEP = "lockstep proxy"

const CLIENTS = 32
const STREAMS = 200

/** The most that a process ever had in memory. KiB. */
const peak = (pid: number): number | undefined => {
  try {
    const [, text] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return text === undefined ? undefined : Number(text)
  } catch {
    return undefined
  }
}

/** Microseconds of processor time that a process has used, to a hundredth of a second. */
const used = (pid: number | undefined): number | undefined => {
  if (pid === undefined) return undefined
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  } catch {
    return undefined
  }
}

/**
 * Measures all ways in rounds that take turns.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const { harness, makeHome } = yield* Bench
    const rounds = quick ? 3 : 9
    yield* progress(`the proxy: ${rounds} rounds`)
    const home = yield* makeHome
    yield* SeededHome.write(home, [login(TENANT)])
    const party = Remote.spawn<ProxyParty>(harness, "ProxyParty.ts")
    const [server, between, client] = yield* Effect.all([party, party, party])
    const bare = yield* server.call("upstream")
    const through = yield* between.call("passThrough", { to: bare })
    const proxy = yield* harness.spawn({
      args: [BIN, "proxy", TENANT, "--to", bare, "--json"],
      env: { LOCKSTEP_HOME: home }
    })
    const { url } = yield* proxy.message((message) => typeof message["url"] === "string")
    const ways = [
      [BARE, bare, undefined],
      [THROUGH, through, yield* between.call("pid")],
      [LOCKSTEP, String(url), proxy.pid]
    ] as const

    const load = (url: string, pid: number | undefined, share: number) =>
      Effect.gen(function*() {
        const requests = Math.ceil((quick ? 300 : 1_000) * share)
        const latency = Statistics.median(yield* client.call("latency", { url, requests }))
        const before = used(pid)
        const rate = yield* client.call("rate", { url, requests: requests * 5, clients: CLIENTS })
        const after = used(pid)
        return {
          latency,
          rate,
          processor: before === undefined || after === undefined ? [] : [(after - before) / (requests * 5)],
          down: yield* client.call("down", { url, mebibytes: Math.ceil(256 * share) }),
          up: yield* client.call("up", { url, mebibytes: Math.ceil(256 * share) })
        }
      })

    const measured = new Map(
      ways.map(([name]) => [name as string, [] as Array<Effect.Effect.Success<ReturnType<typeof load>>>])
    )
    for (const [, way, pid] of ways) yield* load(way, pid, 1)
    for (let round = 0; round < rounds; round++) {
      for (const [name, way, pid] of ways) measured.get(name)!.push(yield* load(way, pid, 1))
    }
    const before = peak(proxy.pid)
    const held = new Map<string, ReadonlyArray<number>>()
    for (const [name, way] of ways) {
      held.set(name, yield* client.call("hold", { url: way, streams: STREAMS, rounds: rounds * 3 }))
    }
    const after = peak(proxy.pid)

    const floor = measured.get(BARE)!
    const plain = measured.get(THROUGH)!
    const passages = ways.map(([name]): Passage => {
      const own = measured.get(name)!
      const of = (part: "latency" | "rate" | "down" | "up") => Statistics.summarise(own.map((one) => one[part]))
      const ratio = (part: "rate" | "down" | "up") =>
        Statistics.summarise(own.map((one, round) => one[part] / floor[round]![part]))
      return {
        name,
        latency: of("latency"),
        added: Statistics.summarise(own.map((one, round) => one.latency - floor[round]!.latency)),
        rate: of("rate"),
        rateRatio: ratio("rate"),
        rateShare: Statistics.summarise(own.map((one, round) => one.rate / plain[round]!.rate)),
        processor: Statistics.summarise(own.flatMap((one) => one.processor)),
        down: of("down"),
        downRatio: ratio("down"),
        up: of("up"),
        upRatio: ratio("up"),
        held: Statistics.summarise(held.get(name)!)
      }
    })
    return {
      passages,
      streams: STREAMS,
      memory: before === undefined || after === undefined ? undefined : { before, after }
    } satisfies Measured
  }))
