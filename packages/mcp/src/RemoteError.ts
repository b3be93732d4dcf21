/**
 * Why a message did not reach a server, or an answer did not come back.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as JsonRpc from "./JsonRpc.js"

const REASONS = {
  Unreachable: "cannot be reached",
  Status: "refused the message",
  Unauthorized: "refuses the login",
  Content: "answered with something that is no message",
  AnswerLost: "ended the connection before it answered; whether it did what it was asked is unknown",
  SessionLost: "has forgotten the session and would not begin another one",
  Closed: "closed the connection"
} as const

const ADVICE = {
  Unreachable: "check the address and the network, then try again",
  Status: "check the request and the address of the server",
  Unauthorized: "run `lockstep status`; if the login is good there, the server does not honour it",
  Content: "check that the address is the one of an MCP server",
  AnswerLost: "try again if doing it twice does no harm",
  SessionLost: "restart the client",
  Closed: "restart the client"
} as const

/**
 * The exchange with the server failed: see `reason`. Neither a body nor an address with a query is ever quoted.
 *
 * @since 0.1.0
 * @category errors
 */
export class RemoteError extends Schema.TaggedError<RemoteError>()("RemoteError", {
  reason: Schema.Literal("Unreachable", "Status", "Unauthorized", "Content", "AnswerLost", "SessionLost", "Closed"),
  /** The server's origin. */
  origin: Schema.String,
  /** The HTTP status, where there was one. */
  status: Schema.optional(Schema.Number),
  /** A code such as ECONNREFUSED, a media type, and the like. */
  detail: Schema.optional(Schema.String),
  /** The server's own JSON-RPC error, where it sent one. */
  rpc: Schema.optional(Schema.Struct({
    code: Schema.Number,
    message: Schema.String,
    data: Schema.optional(Schema.Unknown)
  }))
}) {
  override get message(): string {
    const detail = [this.status === undefined ? undefined : `HTTP ${this.status}`, this.detail]
      .filter((part) => part !== undefined)
    return `${this.origin} ${REASONS[this.reason]}${detail.length === 0 ? "" : ` (${detail.join(", ")})`}`
  }
  get advice(): string {
    return ADVICE[this.reason]
  }
}

const text = (value: unknown): string | undefined => typeof value === "string" ? value : undefined

/**
 * Tells an error to the client whose request it ended: `_tag`, `reason`, `advice` and the seconds to wait in `data`.
 * What is not ours is told by its name alone, since it may quote anything.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toRpcError = (error: unknown): JsonRpc.RpcError => {
  if (error instanceof RemoteError && error.rpc !== undefined) return error.rpc
  const of = (name: string): unknown =>
    typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined
  const tag = text(of("_tag"))
  const message = text(of("message"))
  const advice = text(of("advice"))
  if (tag === undefined || message === undefined || advice === undefined) {
    const name = text(of("name")) ?? "Error"
    return {
      code: JsonRpc.ErrorCode.Internal,
      message: `the message could not be delivered (${name})`,
      data: { _tag: "Unexpected", reason: name }
    }
  }
  const retryAfter = of("retryAfter")
  return {
    code: JsonRpc.ErrorCode.Internal,
    message: `${message}: ${advice}`,
    data: {
      _tag: tag,
      reason: text(of("reason")) ?? null,
      message,
      advice,
      ...(text(of("tenant")) === undefined ? {} : { tenant: of("tenant") }),
      ...(typeof of("status") === "number" ? { status: of("status") } : {}),
      ...(typeof retryAfter === "number" ? { retry_after: retryAfter / 1000 } : {})
    }
  }
}
