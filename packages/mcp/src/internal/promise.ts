/** Effects for callers who await: what is rejected with is the typed error itself, and no wrapper around it. */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"

export type Run<R = never> = <A, E>(
  effect: Effect.Effect<A, E, R>,
  options?: { readonly signal?: AbortSignal | undefined }
) => Promise<A>

export const settle = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

export const make = <R>(runtime: Runtime.Runtime<R>): Run<R> => async (effect, { signal } = {}) => {
  const exit = await Runtime.runPromiseExit(runtime)(effect, signal === undefined ? {} : { signal })
  if (signal?.aborted === true && Exit.isInterrupted(exit)) throw signal.reason
  return settle(exit)
}
