/**
 * The authorization server as a process of its own, for measurements in which it must not share the measuring process's
 * event loop. It says `listening` with its addresses, answers the requests `issue`, `isActive` and `report`, one JSON
 * object per line, and ends with its stdin.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LineProtocol from "../processes/LineProtocol.js"
import * as AuthorizationServer from "./AuthorizationServer.js"

const Request = Schema.Union(
  Schema.Struct({
    id: Schema.String,
    do: Schema.Literal("issue"),
    accountId: Schema.String,
    accessTokenTtl: Schema.optionalWith(Schema.Number, { exact: true })
  }),
  Schema.Struct({ id: Schema.String, do: Schema.Literal("isActive"), token: Schema.String }),
  Schema.Struct({ id: Schema.String, do: Schema.Literal("report") })
)

const Options = Schema.parseJson(Schema.Struct({
  /** Milliseconds. */
  latency: Schema.optionalWith(Schema.Number, { exact: true }),
  rotate: Schema.optionalWith(Schema.Boolean, { exact: true })
}))

const program = (options: AuthorizationServer.Options) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make(options)
    const { clientId, issuer, revocationEndpoint, tokenEndpoint } = server
    const answer = (request: typeof Request.Type): Effect.Effect<unknown> => {
      switch (request.do) {
        case "issue":
          return server.issue(request.accountId, request)
        case "isActive":
          return server.isActive(request.token)
        case "report":
          return Effect.sync(() => ({
            redemptions: server.ledger.redemptions,
            reuses: server.ledger.reuses,
            refusals: server.ledger.refusals,
            revocations: server.ledger.revocations
          }))
      }
    }
    yield* Effect.sync(() => LineProtocol.say("listening", { issuer, tokenEndpoint, revocationEndpoint, clientId }))
    yield* LineProtocol.messages.pipe(
      Stream.mapEffect(Schema.decodeUnknown(Request)),
      Stream.mapEffect(
        (request) => Effect.map(answer(request), (result) => LineProtocol.say("done", { id: request.id, result })),
        { concurrency: 8 }
      ),
      Stream.runDrain,
      Effect.orDie
    )
  })

/**
 * Runs the server with options as JSON: `{"latency": 150}`, latency in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main = (options = "{}"): void =>
  NodeRuntime.runMain(Effect.scoped(Effect.flatMap(Effect.orDie(Schema.decode(Options)(options)), program)))
