/**
 * A worker process, seen from the test that started it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Bundle from "./Bundle.js"
import type * as ChildProcess from "./ChildProcess.js"
import * as HostIdentity from "./HostIdentity.js"
import type { Message } from "./LineProtocol.js"
import type * as ProcessHarness from "./ProcessHarness.js"
import type { Setup, WorkerCommand } from "./WorkerCommand.js"

/**
 * How a command ended: `done` with a `result`, `failed` with an `error`, or `cancelled`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome extends Message {
  readonly event: "done" | "failed" | "cancelled"
  readonly result?: Message
  readonly error?: Message
}

/**
 * A command that was given.
 *
 * @since 0.1.0
 * @category models
 */
export interface Running {
  /** The name by which it is cancelled. */
  readonly id: string
  /** Waits until it says this: `accepted`, `held`. */
  readonly said: (event: string) => Effect.Effect<Message, ChildProcess.EndedEarly>
  readonly outcome: Effect.Effect<Outcome, ChildProcess.EndedEarly>
}

/**
 * A worker process.
 *
 * @since 0.1.0
 * @category models
 */
export interface RemoteWorker {
  readonly child: ChildProcess.Child
  /** Gives a command and does not wait for it. */
  readonly begin: (command: WorkerCommand) => Effect.Effect<Running>
  /** Gives a command and waits for its outcome. */
  readonly run: (command: WorkerCommand) => Effect.Effect<Outcome, ChildProcess.EndedEarly>
  /** Waits for a step of the product: the start or end of a span. */
  readonly step: (name: string, at: "start" | "end") => Effect.Effect<Message, ChildProcess.EndedEarly>
  /** Waits until it has stopped itself, as its setup says. */
  readonly stopping: Effect.Effect<Message, ChildProcess.EndedEarly>
  /** Ends its input, and waits until it has finished its work. */
  readonly finish: Effect.Effect<ChildProcess.Exit>
}

const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./Worker.ts" : "./Worker.js", import.meta.url)

const OUTCOMES = ["done", "failed", "cancelled"]

/**
 * Starts a worker in the harness's home and waits until it takes commands.
 *
 * @since 0.1.0
 * @category constructors
 */
export const spawn = (
  harness: ProcessHarness.ProcessHarness,
  options: {
    readonly setup?: Setup
    readonly env?: Readonly<Record<string, string>>
    /** The host that it takes itself to be on; this machine, when it is not said. */
    readonly host?: string
    /** Milliseconds by which the clock of that host is ahead. */
    readonly ahead?: number
  } = {}
): Effect.Effect<RemoteWorker, ChildProcess.EndedEarly, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* harness.spawn({
      args: [
        ...Bundle.FLAGS,
        ...options.host === undefined ? [] : HostIdentity.args,
        yield* Bundle.make(ENTRY),
        JSON.stringify(options.setup ?? {})
      ],
      env: { ...options.env, ...options.host === undefined ? {} : HostIdentity.env(options.host, options.ahead) }
    })
    let commands = 0
    const begin = (command: WorkerCommand) =>
      Effect.map(
        Effect.suspend(() => {
          const id = `${command._tag}-${++commands}`
          return Effect.as(child.send({ id, command }), id)
        }),
        (id): Running => ({
          id,
          said: (event) => child.message((message) => message["id"] === id && message["event"] === event),
          outcome: Effect.map(
            child.message((message) => message["id"] === id && OUTCOMES.includes(String(message["event"]))),
            (message) => message as Outcome
          )
        })
      )
    yield* child.message(({ event }) => event === "started")
    return {
      child,
      begin,
      run: (command) => Effect.flatMap(begin(command), ({ outcome }) => outcome),
      step: (name, at) =>
        child.message((message) => message["event"] === "step" && message["name"] === name && message["step"] === at),
      stopping: child.message(({ event }) => event === "stopping"),
      finish: Effect.zipRight(child.closeStdin, child.exit)
    }
  })
