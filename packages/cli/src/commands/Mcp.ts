/**
 * @since 0.1.0
 */
import * as BearerFetch from "@lockstep/http/BearerFetch"
import * as Bridge from "@lockstep/mcp/Bridge"
import * as LineTransport from "@lockstep/mcp/LineTransport"
import * as RemoteError from "@lockstep/mcp/RemoteError"
import * as RemoteTransport from "@lockstep/mcp/RemoteTransport"
import * as NodeFetch from "@lockstep/node/NodeFetch"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Advice from "../errors/Advice.js"
import type { Words } from "../errors/Advice.js"
import * as Advised from "../errors/Advised.js"
import { UsageError } from "../line/UsageError.js"
import * as BridgeTarget from "../mcp/BridgeTarget.js"
import * as HeaderFile from "../mcp/HeaderFile.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"

/**
 * What `lockstep mcp` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** A tenant, or the address of a server. */
  readonly target: string
  readonly to: Option.Option<string>
  readonly transport: RemoteTransport.Kind
  readonly headerFrom: Option.Option<string>
  /** The global options as they were given, for the commands that are advised. */
  readonly globals: ReadonlyArray<string>
}

/** The server is told that the session is over, and not waited for when it does not care. */
const GOODBYE = Duration.seconds(2)

/** Standard output belongs to the client: what is written settles when there is room for more. */
const write = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const { stdout } = process
    if (stdout.write(text)) return resolve()
    const done = (end: () => void) => () => {
      stdout.off("drain", drained).off("error", failed).off("close", failed)
      end()
    }
    const drained = done(resolve)
    const failed = done(() => reject(new Error("the client no longer reads")))
    stdout.on("drain", drained).on("error", failed).on("close", failed)
  })

/** No bounds of time: a tool may take hours, and a stream may be quiet for as long. The client ends what it has enough of. */
const UNBOUNDED = { headersTimeout: 0, bodyTimeout: 0 }

/** What a person who starts it at a terminal is told. */
const tell = (text: string) =>
  Effect.flatMap(
    Output.Output,
    (output) => output.isInteractive ? output.note(`${output.noteStyle.dim(Style.printable(text))}\n`) : Effect.void
  )

/** Tells an error to the client, whose person reads what to do about it at a terminal. */
const tellWith = (beginning: Words, globals: Words) => (error: unknown) =>
  RemoteError.toRpcError(
    Advice.isAdvising(error)
      ? Object.create(error, { advice: { value: Advice.withGlobals(Advice.of(error, beginning), globals) } })
      : error
  )

const connect = ({ headers, target, transport }: {
  readonly target: BridgeTarget.BridgeTarget
  readonly transport: RemoteTransport.Kind
  readonly headers: Readonly<Record<string, string>>
}) =>
  Effect.gen(function*() {
    const { isBound, tenant, url } = target
    const fetch = (yield* NodeFetch.pooled(url.href, UNBOUNDED)) as unknown as BearerFetch.FetchLike
    // A login that names its server may only ever go there, also after it was replaced.
    const options = { tenant, fetch, ...(isBound ? {} : { origins: [url.origin] }) }
    const server = yield* RemoteTransport.make({
      kind: transport,
      url,
      headers,
      fetch: yield* BearerFetch.make(options),
      background: yield* BearerFetch.make({ ...options, background: true })
    })
    yield* Effect.addFinalizer(() =>
      Effect.promise(() => server.terminate()).pipe(
        Effect.disconnect,
        Effect.interruptible,
        Effect.timeoutOption(GOODBYE)
      )
    )
    return server
  })

/**
 * Speaks MCP over standard input and output, and passes every message on to a server with a fresh token, until the
 * client ends. Always uses the stored login.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const target = yield* BridgeTarget.find(options.target, options.to)
    const headers = yield* Option.match(options.headerFrom, {
      onNone: () => Effect.succeed(Redacted.make({})),
      onSome: HeaderFile.read
    })
    const server = yield* connect({ target, transport: options.transport, headers: Redacted.value(headers) }).pipe(
      Effect.catchTag("NodeFetchUnavailable", ({ detail }) =>
        new UsageError({ reason: "Configuration", message: detail, advice: "correct or unset that setting" }))
    )
    yield* tell(`lockstep: speaks MCP on standard input for ${target.url.origin} as ${target.tenant}; Ctrl-D ends it`)
    yield* Effect.orDie(Bridge.run({
      client: LineTransport.make({ input: process.stdin, write }),
      server,
      toRpcError: tellWith(yield* Advised.beginningOf(target.tenant), options.globals)
    }))
  }).pipe(Effect.scoped)
