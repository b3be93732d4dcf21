/**
 * Calls into another process of this benchmark. What can be called is a record of functions on the other side; input
 * and output travel as JSON lines.
 *
 * @since 0.1.0
 */
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as LineProtocol from "@lockstep/testkit/processes/LineProtocol"
import type * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import * as LockstepStores from "./contender/LockstepStores.js"
import * as Peer from "./Peer.js"

/**
 * What a process can be asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type Handlers = Readonly<Record<string, (input: never) => Effect.Effect<unknown, unknown>>>

type Output<F> = F extends (input: never) => Effect.Effect<infer A, unknown> ? A : never

/**
 * The other process could not do what it was asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class CallFailed extends Data.TaggedError("CallFailed")<{ readonly message: string }> {}

/**
 * Another process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Remote<H extends Handlers> {
  readonly call: <K extends keyof H & string>(
    name: K,
    ...input: Parameters<H[K]>
  ) => Effect.Effect<Output<H[K]>, CallFailed | ChildProcess.EndedEarly>
  readonly child: ChildProcess.Child
}

/**
 * What an error says; what `tryPromise` wraps says more than its wrapper.
 *
 * @since 0.1.0
 * @category getters
 */
export const reasonOf = (error: unknown): string => {
  const inner = Cause.isUnknownException(error) ? error.error : error
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}

/**
 * Answers calls until stdin ends. Calls run side by side.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (handlers: Handlers): Effect.Effect<void> =>
  Effect.zipRight(
    Effect.sync(() => LineProtocol.say("started")),
    Stream.runDrain(Stream.mapEffect(
      LineProtocol.messages,
      (message) =>
        Effect.map(
          Effect.exit(Effect.suspend(() => handlers[String(message["name"])]!(message["input"] as never))),
          (exit) =>
            Exit.isSuccess(exit)
              ? LineProtocol.say("done", { id: message["id"], output: exit.value })
              : LineProtocol.say("failed", { id: message["id"], reason: reasonOf(Cause.squash(exit.cause)) })
        ),
      { concurrency: "unbounded" }
    ))
  )

let calls = 0

/** Where the keyring of the session that the benchmark runs in is asked. */
const session = (): Readonly<Record<string, string>> => {
  const address = process.env["DBUS_SESSION_BUS_ADDRESS"]
  return address === undefined ? {} : {
    DBUS_SESSION_BUS_ADDRESS: address,
    // A bundle lies where the helper of the keyring cannot be found by its package's name.
    [LockstepStores.HELPER]: join(
      dirname(createRequire(join(process.cwd(), "main.js")).resolve("@lockstep/node/package.json")),
      "bin",
      "keyring.cjs"
    )
  }
}

/**
 * Starts the process of an entry in TypeScript, and waits until it answers. Its environment is the harness's clean one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const spawn = <H extends Handlers>(
  harness: ProcessHarness.ProcessHarness,
  entry: string
): Effect.Effect<Remote<H>, ChildProcess.EndedEarly, Scope.Scope> =>
  Effect.gen(function*() {
    const program = yield* Bundle.make(new URL(`../src/${entry}`, import.meta.url))
    const child = yield* harness.spawn({ args: [program], env: { [Peer.VARIABLE]: Peer.directory(), ...session() } })
    yield* child.message(({ event }) => event === "started")
    return {
      child,
      call: (name, ...input) =>
        Effect.gen(function*() {
          const id = ++calls
          yield* child.send({ id, name, input: input[0] })
          const answer = yield* child.message((message) => message["id"] === id)
          if (answer["event"] === "failed") return yield* new CallFailed({ message: String(answer["reason"]) })
          return answer["output"] as Output<H[typeof name]>
        })
    }
  })
