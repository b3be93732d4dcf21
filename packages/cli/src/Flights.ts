/**
 * Which refreshes of this process are under way and hold their lock, read off the spans that a flight opens.
 *
 * Signals need to know (whether Ctrl-Z may stop the process, what a person waits for after Ctrl-C), and the transaction
 * has no business knowing of signals.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"

/** The whole flight; and its wait for the tenant's lock, at whose successful end the lock is held. */
const FLIGHT = "lockstep.refresh"
const LOCK = "lockstep.refresh.lock"

/**
 * The flights of this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flights {
  /** Tenants whose lock is held at this moment. */
  readonly holding: () => ReadonlyArray<string>
  /** Calls back as soon as no lock is held; at once where none is. */
  readonly whenIdle: (callback: () => void) => void
  /** Watches every span of the program that it is provided to. */
  readonly layer: Layer.Layer<never>
}

const flightOf = (span: Tracer.AnySpan | undefined): Tracer.Span | undefined => {
  let current = span
  while (current !== undefined && current._tag === "Span") {
    if (current.name === FLIGHT) return current
    current = current.parent._tag === "Some" ? current.parent.value : undefined
  }
  return undefined
}

/**
 * Starts with no flight.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Flights => {
  const held = new Map<Tracer.Span, string>()
  let waiting: Array<() => void> = []

  const onEnd = (span: Tracer.Span, exit: Exit.Exit<unknown, unknown>) => {
    if (span.name === LOCK && Exit.isSuccess(exit)) {
      const flight = flightOf(span)
      const tenant = flight?.attributes.get("tenant")
      if (flight !== undefined) held.set(flight, typeof tenant === "string" ? tenant : "a tenant")
    }
    if (span.name === FLIGHT && held.delete(span) && held.size === 0) {
      const callbacks = waiting
      waiting = []
      for (const callback of callbacks) callback()
    }
  }

  const watch = (tracer: Tracer.Tracer): Tracer.Tracer =>
    Tracer.make({
      span: (name, ...rest) => {
        const span = tracer.span(name, ...rest)
        if (name === FLIGHT || name === LOCK) {
          const end = span.end.bind(span)
          span.end = (at, exit) => {
            end(at, exit)
            onEnd(span, exit)
          }
        }
        return span
      },
      context: (run, fiber) => tracer.context(run, fiber)
    })

  return {
    holding: () => [...held.values()],
    whenIdle: (callback) => held.size === 0 ? callback() : void waiting.push(callback),
    layer: Layer.unwrapEffect(Effect.map(Effect.tracer, (tracer) => Layer.setTracer(watch(tracer))))
  }
}
