/**
 * Spans where a tracer was provided that collects them.
 *
 * The tracer that a program has by default drops each span, and making it costs more than the step that it names: dozens of processes that adopt one token on two cores would spend their time on it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Tracer from "effect/Tracer"

const byDefault = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const isCollecting = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean => fiber.currentTracer !== byDefault

/**
 * Runs an effect in a span of this name, as `Effect.withSpan` does, where a tracer was provided; else it only runs it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withSpan: {
  (
    name: string,
    options?: Tracer.SpanOptions
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    name: string,
    options?: Tracer.SpanOptions
  ): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>
} = dual(
  (args) => typeof args[0] !== "string",
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    name: string,
    options?: Tracer.SpanOptions
  ): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withFiberRuntime<A, E, Exclude<R, Tracer.ParentSpan>>((fiber) =>
      isCollecting(fiber)
        ? Effect.withSpan(self, name, options)
        : self as Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>
    )
)

/**
 * Runs one of two effects that do the same: one that shows its steps where a tracer was provided, or one that does not.
 *
 * @since 0.1.0
 * @category combinators
 */
export const whereCollected = <A, E, R>(options: {
  readonly collected: () => Effect.Effect<A, E, R>
  readonly otherwise: () => Effect.Effect<A, E, R>
}): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) => isCollecting(fiber) ? options.collected() : options.otherwise())
