/**
 * What a keeper is worth: to a client that keeps its connection, to a command, and to a crowd of commands that find one
 * expired login.
 *
 * @since 0.1.0
 */
import * as KeeperClient from "@lockstep/serve/KeeperClient"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import * as Monotonic from "../Monotonic.js"
import type { Options } from "../Options.js"
import { login } from "../Reader.js"
import * as Statistics from "../Statistics.js"
import * as ColdCrowd from "./ColdCrowd.js"
import * as StartUp from "./StartUp.js"

/**
 * What was measured. Milliseconds, and ratios to `node -e 0` of the same round.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measured {
  /** A token, for a client whose connection stands. */
  readonly hot: Statistics.Summary | undefined
  readonly requests: number
  /** `lockstep token` that asks the keeper: wall time. */
  readonly command: Statistics.Summary | undefined
  readonly commandRatio: Statistics.Summary | undefined
  readonly crowd: {
    readonly processes: number
    readonly latency: number
    readonly wall: Statistics.Summary | undefined
    /** Without the latency of the provider. */
    readonly ratio: Statistics.Summary | undefined
    readonly redemptions: number
    readonly failed: number
    readonly rounds: number
  }
}

const CROWD = 24

type Environment = Readonly<Record<string, string>>

const keeper = (env: Environment) =>
  Effect.acquireRelease(
    Effect.async<{ readonly socket: string; readonly end: () => void }>((resume) => {
      const child = spawn(process.execPath, [StartUp.BIN, "serve", "--json", "--lazy"], {
        env,
        stdio: ["ignore", "pipe", "inherit"]
      })
      let told = ""
      child.stdout.on("data", (chunk: Buffer) => {
        told += chunk.toString()
        if (!told.includes("\n")) return
        const { socket } = JSON.parse(told) as { readonly socket: string }
        resume(Effect.succeed({ socket, end: () => void child.kill("SIGTERM") }))
      })
    }),
    ({ end }) => Effect.sync(end)
  )

const hot = (socket: string, requests: number) =>
  Effect.promise(async () => {
    const client = KeeperClient.connect({ address: `unix:${socket}`, client: "bench" })
    const took: Array<number> = []
    for (let count = 0; count < requests + 200; count++) {
      const began = Monotonic.now()
      await client.accessToken(TENANT)
      if (count >= 200) took.push(Monotonic.now() - began)
    }
    client.close()
    return Statistics.summarise(took)
  })

/**
 * Measures a keeper of its own home.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ latency, quick }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const { environment, makeHome, provider } = yield* Bench
    const requests = quick ? 1_000 : 5_000
    const rounds = quick ? 7 : 25
    const home = yield* makeHome
    const fresh = login(TENANT)
    yield* SeededHome.write(home, [fresh])
    const env = { ...environment, LOCKSTEP_HOME: home }
    yield* progress(`a keeper: ${requests} requests, ${rounds} rounds of the command`)
    const { socket } = yield* keeper(env)
    const hotly = yield* hot(socket, requests)
    const own: Array<number> = []
    const floor: Array<number> = []
    for (let round = 0; round <= rounds; round++) {
      const nothing = StartUp.timed(["-e", "0"], env)
      const command = StartUp.timed([StartUp.BIN, "token", TENANT], { ...env, LOCKSTEP_SERVE: `unix:${socket}` })
      if (command.stdout !== `${fresh.access_token}\n`) return yield* Effect.dieMessage("it is not the token")
      if (round === 0) continue
      floor.push(nothing.wall)
      own.push(command.wall)
    }

    const turns = quick ? 2 : 5
    yield* progress(`${CROWD} commands beside a keeper: ${turns} rounds`)
    const walls: Array<number> = []
    const ratios: Array<number> = []
    let redemptions = 0
    let failed = 0
    for (let turn = 0; turn <= turns; turn++) {
      yield* Effect.scoped(Effect.gen(function*() {
        yield* provider.call("delay", { latency, requests: 4 * CROWD })
        const [issued] = yield* provider.call("issue", { server: "slow", count: 1 })
        const place = yield* makeHome
        yield* SeededHome.write(place, [{ ...issued!, tenant: TENANT }])
        const there = { ...environment, LOCKSTEP_HOME: place }
        yield* keeper(there)
        const nothing = yield* ColdCrowd.run(CROWD, ["-e", "0"], there)
        const before = yield* provider.call("tally")
        const crowd = yield* ColdCrowd.run(CROWD, [StartUp.BIN, "token", TENANT], there)
        const after = yield* provider.call("tally")
        if (turn === 0) return
        walls.push(crowd.wall)
        ratios.push((crowd.wall - latency) / nothing.wall)
        redemptions += after.redemptions - before.redemptions
        failed += crowd.failed
      }))
    }
    const measured: Measured = {
      hot: hotly,
      requests,
      command: Statistics.summarise(own),
      commandRatio: Statistics.summarise(own.map((wall, index) => wall / floor[index]!)),
      crowd: {
        processes: CROWD,
        latency,
        wall: Statistics.summarise(walls),
        ratio: Statistics.summarise(ratios),
        redemptions,
        failed,
        rounds: turns
      }
    }
    return measured
  }))
