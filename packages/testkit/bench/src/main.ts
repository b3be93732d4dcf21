/**
 * The benchmark: measures everything in one run, prints a table, and keeps it as Markdown and JSON.
 *
 * A goal that is missed is shown and fails nothing: a busy machine is no defect. What fails is a race of Lockstep's own
 * in which a token was redeemed twice or a process got no token.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import * as os from "node:os"
import { join } from "node:path"
import * as Bench from "./Bench.js"
import * as Claims from "./Claims.js"
import * as Bridge from "./measure/Bridge.js"
import * as ColdCrowd from "./measure/ColdCrowd.js"
import * as Contention from "./measure/Contention.js"
import * as FleetFaults from "./measure/FleetFaults.js"
import * as FleetTimes from "./measure/FleetTimes.js"
import * as FreshRead from "./measure/FreshRead.js"
import * as HandOff from "./measure/HandOff.js"
import * as Keeper from "./measure/Keeper.js"
import * as Proxy from "./measure/Proxy.js"
import * as Recovery from "./measure/Recovery.js"
import * as RefreshCost from "./measure/RefreshCost.js"
import * as StartUp from "./measure/StartUp.js"
import * as Monotonic from "./Monotonic.js"
import * as Options from "./Options.js"
import * as Peer from "./Peer.js"
import * as Report from "./Report.js"
import type { Results } from "./Results.js"

const commit = (): string => {
  try {
    const git = (...args: ReadonlyArray<string>) =>
      execFileSync("git", args, { cwd: Peer.directory(), encoding: "utf8" }).trim()
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with local changes"}`
  } catch {
    return "unknown"
  }
}

const measure = (options: Options.Options) =>
  Effect.gen(function*() {
    const part = <A, E, R>(name: Options.Part, effect: Effect.Effect<A, E, R>) =>
      Effect.when(effect, () => options.parts.includes(name)).pipe(Effect.map((measured) =>
        measured._tag === "Some"
          ? measured.value
          : {}
      ))
    const isAmong = (name: string) => options.among.length === 0 || options.among.includes(name)
    return {
      // What is fast and alone comes first: the many processes of the races stay until the end.
      ...yield* part("startup", Effect.map(StartUp.measure(options), (startUp) => ({ startUp }))),
      ...yield* part("cold", Effect.map(ColdCrowd.measure(options), (cold) => ({ cold }))),
      ...yield* part("proxy", Effect.map(Proxy.measure(options), (proxy) => ({ proxy }))),
      ...yield* part("keeper", Effect.map(Keeper.measure(options), (keeper) => ({ keeper }))),
      ...yield* part("bridge", Effect.map(Bridge.measure(options), (bridge) => ({ bridge }))),
      ...yield* part("read", Effect.map(FreshRead.measure(options), (read) => ({ read }))),
      ...yield* part(
        "recovery",
        Effect.all({
          recovery: Recovery.measure(options),
          inFlight: Recovery.measureInFlight(options)
        })
      ),
      ...yield* part(
        "handoff",
        Effect.all({
          handOff: HandOff.measure(options),
          rotation: HandOff.measureRotation(options)
        })
      ),
      ...yield* part("contention", Effect.map(Contention.measure(options), (contention) => ({ contention }))),
      ...yield* part("fleet", Effect.map(FleetFaults.measure(options), (trials) => ({ trials }))),
      ...isAmong("lockstep")
        ? yield* part("fleet", Effect.map(FleetTimes.measure(options), (fleet) => ({ fleet })))
        : {},
      ...yield* part("cost", Effect.map(RefreshCost.measure(options), (cost) => ({ cost })))
    } satisfies Partial<Results>
  })

const keep = (results: Results, report: string): string => {
  const directory = join(Peer.directory(), "results")
  mkdirSync(directory, { recursive: true })
  const name = results.surroundings.at.replaceAll(/[:.]/g, "-")
  for (const stem of [name, "latest"]) {
    writeFileSync(join(directory, `${stem}.md`), report)
    writeFileSync(join(directory, `${stem}.json`), `${JSON.stringify(results, undefined, 2)}\n`)
  }
  return join(directory, `${name}.md`)
}

const run = (options: Options.Options) =>
  Effect.gen(function*() {
    const began = Monotonic.now()
    const before = os.loadavg()[0]!
    const at = new Date().toISOString()
    // Nothing of npm is compared with a fleet.
    const isCompared = options.parts.some((part) => part !== "fleet")
    if (isCompared) yield* Bench.progress("peers: installed, or installing them")
    const installed = yield* Effect.either(isCompared ? Peer.install : Effect.void)
    const measured = yield* Effect.provide(measure(options), Bench.layer)
    const results: Results = {
      surroundings: {
        at,
        node: process.versions.node,
        system: `${os.type()} ${os.release()} ${os.arch()}`,
        processor: os.cpus()[0]?.model ?? "unknown",
        cores: os.cpus().length,
        load: { before, after: os.loadavg()[0]! },
        took: Math.round((Monotonic.now() - began) / 1000),
        commit: commit()
      },
      options,
      ...Either.isLeft(installed) ? { peers: installed.left.message } : {},
      ...measured
    }
    const report = Report.make(results, Claims.judge(results))
    yield* Effect.sync(() => {
      console.log(report)
      console.error(`kept in ${keep(results, report)}`)
    })
    if (Claims.broken(results).length > 0) {
      yield* Effect.sync(() => {
        console.error("Lockstep redeemed more than once, or left a process without a token")
        process.exitCode = 1
      })
    }
  })

const options = Either.try({
  try: () => Options.parse(process.argv.slice(2)),
  catch: (cause) => cause instanceof Error ? cause.message : String(cause)
})

if (Either.isLeft(options) || options.right === "help") {
  const text = Either.isLeft(options) ? `${options.left}\n\n${Options.USAGE}` : Options.USAGE
  console.error(text)
  process.exitCode = Either.isLeft(options) ? 2 : 0
} else {
  NodeRuntime.runMain(run(options.right))
}
