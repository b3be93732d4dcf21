/**
 * The transport of the MCP TypeScript SDK, as far as messages are passed on by it. A type of our own, which those of v1
 * and v2 fit.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Message } from "./JsonRpc.js"

/**
 * What goes with a request.
 *
 * @since 0.1.0
 * @category models
 */
export interface SendOptions {
  /** Ends the wait for the answer, where each request has a stream of its own. */
  readonly requestSignal?: AbortSignal
  /** Told when that stream has ended, and an answer that has not come will not come. */
  readonly onRequestStreamEnd?: () => void
  /** All that v1 of the SDK knows of these; a bridge does not say it. */
  readonly relatedRequestId?: string | number
}

/**
 * One side of a connection over which messages come and go.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  start(): Promise<void>
  /** Settles when the message is taken: for some transports, when a request is answered. */
  // eslint-disable-next-line typescript/no-explicit-any
  send(message: any, options?: SendOptions): Promise<void>
  close(): Promise<void>
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  /** A transport that waits for what this answers reads no faster than the other side takes. */
  // eslint-disable-next-line typescript/no-explicit-any
  onmessage?: ((message: any) => any) | undefined
  sessionId?: string | undefined
  setProtocolVersion?: ((version: string) => void) | undefined
}

/**
 * Hands a message to the listener, and waits until it is taken.
 *
 * @since 0.1.0
 * @category combinators
 */
export const emit = async (transport: Transport, message: Message): Promise<void> => {
  await transport.onmessage?.(message)
}

/**
 * What `send` answers for a fiber that sends: it is interrupted by the signal, and rejects with the error itself.
 *
 * @since 0.1.0
 * @category conversions
 */
export const settle = (
  fiber: Fiber.RuntimeFiber<void, unknown>,
  { requestSignal }: SendOptions = {}
): Promise<void> => {
  const abort = () => fiber.unsafeInterruptAsFork(FiberId.none)
  requestSignal?.addEventListener("abort", abort, { once: true })
  return new Promise((resolve, reject) => {
    fiber.addObserver((exit) => {
      requestSignal?.removeEventListener("abort", abort)
      if (Exit.isSuccess(exit)) resolve()
      else reject(Cause.squash(exit.cause))
    })
  })
}
