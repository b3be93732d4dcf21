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

export const make = <R>(runtime: Runtime.Runtime<R>): Run<R> => (effect, options) =>
  Runtime.runPromiseExit(runtime)(effect, options?.signal === undefined ? undefined : { signal: options.signal }).then(
    settle
  )
