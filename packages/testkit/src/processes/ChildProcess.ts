/**
 * A real process as a scoped resource: started, perhaps at a barrier, listened to, signalled, and never left behind.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { spawn as spawnProcess } from "node:child_process"
import type { Duplex } from "node:stream"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import * as lines from "../internal/lines.js"
import * as processTable from "../internal/processTable.js"
import type * as LeakCheck from "../LeakCheck.js"
import type { Moment, SecretKind } from "../servers/TokenLedger.js"
import { parse } from "./LineProtocol.js"
import type { Message } from "./LineProtocol.js"

/**
 * What to run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command {
  /** The program; Node itself when it is not said. */
  readonly program?: string
  readonly args: ReadonlyArray<string>
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Whether a Node process stops before its program until it is let go. */
  readonly barrier?: boolean
  /** The kinds of secret that its stdout is meant to carry. None. */
  readonly prints?: ReadonlyArray<SecretKind>
}

/**
 * How a process ended, and when, on the monotonic clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly at: bigint
}

/**
 * A process ended before it said what was waited for.
 *
 * @since 0.1.0
 * @category errors
 */
export class EndedEarly extends Data.TaggedError("EndedEarly")<{
  readonly pid: number
  readonly exit: Exit
  readonly stderr: string
}> {
  override get message(): string {
    const how = this.exit.signal ?? `code ${this.exit.code}`
    return `process ${this.pid} ended with ${how} before it said what was waited for\n${this.stderr}`
  }
}

/**
 * A running process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Child {
  readonly pid: number
  /** Waits until it stands at the barrier; since when, by its own clock. */
  readonly ready: Effect.Effect<Moment, EndedEarly>
  /** Lets it go from the barrier. */
  readonly go: Effect.Effect<void>
  /** When it went from the barrier, by its own clock. */
  readonly went: Effect.Effect<Moment, EndedEarly>
  /** When it ended, by its own clock; fails for one that was killed. */
  readonly left: Effect.Effect<Moment, EndedEarly>
  /** Writes one line of JSON to its stdin. */
  readonly send: (message: Message) => Effect.Effect<void>
  /** Writes to its stdin. */
  readonly write: (text: string) => Effect.Effect<void>
  readonly closeStdin: Effect.Effect<void>
  /** What it wrote so far. */
  readonly stdout: Effect.Effect<string>
  readonly stderr: Effect.Effect<string>
  /** The first message on stdout, past or coming, that the predicate accepts. */
  readonly message: (accepts: (message: Message) => boolean) => Effect.Effect<Message, EndedEarly>
  /** Hears every message on stdout, past and coming, in order. */
  readonly listen: (listener: (message: Message) => void) => Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits until a program started at the barrier has dealt with so many signals that it listens to. */
  readonly heard: (count: number) => Effect.Effect<void, EndedEarly>
  /** Waits until a signal has stopped it: one that continues it before is lost. Linux only. */
  readonly stopped: Effect.Effect<void>
  /** Waits until it has ended and its outputs are read to the end. */
  readonly exit: Effect.Effect<Exit>
  /** What it showed to others, for the leak check. */
  readonly evidence: Effect.Effect<ReadonlyArray<LeakCheck.Evidence>>
}

const BARRIER = fileURLToPath(new URL("../../bin/barrier.cjs", import.meta.url))

const isEvent = (event: string) => (message: Message): boolean => message["event"] === event

const momentOf = (message: Message): Moment => {
  const at = message["at"] as { readonly wall: number; readonly monotonic: string }
  return { wall: at.wall, monotonic: BigInt(at.monotonic) }
}

/**
 * Starts a process. When the scope closes it is killed, if it still runs, and its end is awaited.
 *
 * @since 0.1.0
 * @category constructors
 */
export const spawn = (command: Command): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ended = yield* Deferred.make<Exit>()
    const shown = new Set<string>()
    const child = yield* Effect.acquireRelease(
      Effect.async<ReturnType<typeof spawnProcess>>((resume) => {
        const barrier = command.barrier === true
        const process_ = spawnProcess(
          command.program ?? process.execPath,
          barrier ? ["--require", BARRIER, ...command.args] : command.args,
          {
            cwd: command.cwd,
            env: barrier ? { ...command.env, TESTKIT_BARRIER: "1" } : command.env,
            stdio: ["pipe", "pipe", "pipe", "pipe"]
          }
        )
        process_.once("spawn", () => resume(Effect.succeed(process_)))
        process_.once("error", (error) => resume(Effect.die(error)))
        process_.once("exit", (code, signal) => {
          Deferred.unsafeDone(ended, Effect.succeed({ code, signal, at: process.hrtime.bigint() }))
        })
      }),
      (process_) =>
        Effect.zipRight(
          Effect.sync(() => process_.exitCode === null && process_.signalCode === null && process_.kill("SIGKILL")),
          Deferred.await(ended)
        )
    )
    const pid = child.pid!
    // Looked at whenever it says something: a title that changed is seen before the process has gone.
    const look = () => {
      for (const line of processTable.commandLines(pid)) shown.add(line)
    }
    const stdout = lines.make(child.stdout!, look)
    const stderr = lines.make(child.stderr!, look)
    const control = child.stdio[3] as Duplex
    const barrier = lines.make(control, look)
    // Writing to a process that has gone is no error of the test that kills it.
    child.stdin!.on("error", () => {})
    look()

    const exit = Effect.zipLeft(
      Deferred.await(ended),
      Effect.all([stdout.ended, stderr.ended], { discard: true })
    )
    const message = (source: lines.Lines, accepts: (message: Message) => boolean) =>
      Effect.flatMap(
        source.find((line) => Option.filter(parse(line), accepts)),
        Option.match({
          onSome: Effect.succeed,
          onNone: () =>
            Effect.flatMap(exit, (end) => Effect.fail(new EndedEarly({ pid, exit: end, stderr: stderr.text() })))
        })
      )
    const write = (text: string) => Effect.sync(() => void child.stdin!.write(text))

    return {
      pid,
      ready: Effect.map(message(barrier, isEvent("ready")), momentOf),
      go: Effect.sync(() => void control.write("\n")),
      went: Effect.map(message(barrier, isEvent("go")), momentOf),
      left: Effect.map(message(barrier, isEvent("exit")), momentOf),
      send: (value) => write(`${JSON.stringify(value)}\n`),
      write,
      closeStdin: Effect.sync(() => void child.stdin!.end()),
      stdout: Effect.sync(stdout.text),
      stderr: Effect.sync(stderr.text),
      message: (accepts) => message(stdout, accepts),
      listen: (listener) => stdout.follow((line) => Option.match(parse(line), { onNone: () => {}, onSome: listener })),
      signal: (signal) =>
        Effect.sync(() => {
          look()
          child.kill(signal)
        }),
      heard: (count) =>
        Effect.asVoid(message(barrier, (said) => said["event"] === "signal" && said["count"] === count)),
      // The parent of a stopped process is told by a signal that Node does not pass on.
      stopped: Effect.repeat(Effect.promise(() => setTimeout(1)), { until: () => processTable.isStopped(pid) }),
      exit,
      evidence: Effect.sync(() => {
        look()
        return [
          { where: `stdout of ${pid}`, text: stdout.text(), permitted: command.prints ?? [] },
          { where: `stderr of ${pid}`, text: stderr.text(), permitted: [] },
          { where: `process title of ${pid}`, text: barrier.text(), permitted: [] },
          { where: `arguments of ${pid}`, text: command.args.join(" "), permitted: [] },
          ...[...shown].map((text) => ({ where: `command line of ${pid} or its children`, text, permitted: [] }))
        ]
      })
    }
  })

/**
 * Lets processes go from the barrier together, once all of them stand at it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const startTogether = (children: ReadonlyArray<Child>): Effect.Effect<void, EndedEarly> =>
  Effect.zipRight(
    Effect.forEach(children, (child) => child.ready, { concurrency: "unbounded", discard: true }),
    Effect.sync(() => {
      // One turn of the event loop: nothing of ours runs between the first and the last.
      for (const child of children) Effect.runSync(child.go)
    })
  )
