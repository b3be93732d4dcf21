/**
 * Which transactions of this process are under way and hold their tenant's lock, read off the spans that they open.
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

/** A refresh, and its wait for the lock, at whose successful end the lock is held. */
const REFRESH = "lockstep.refresh"
const REFRESH_LOCK = "lockstep.refresh.lock"

/** A login, and what it does first with the lock in its hands. */
const LOGIN = "lockstep.login"
const LOGIN_OBTAIN = "lockstep.login.obtain"

const WORDS: Readonly<Record<string, string>> = { [REFRESH]: "the refresh", [LOGIN]: "the login" }

/**
 * The flights of this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Flights {
  /** What holds a lock at this moment: `the refresh of codex`. */
  readonly holding: () => ReadonlyArray<string>
  /** Calls back as soon as no lock is held; at once where none is. */
  readonly whenIdle: (callback: () => void) => void
  /** Watches every span of the program that it is provided to. */
  readonly layer: Layer.Layer<never>
}

const flightOf = (span: Tracer.AnySpan | undefined): Tracer.Span | undefined => {
  let current = span
  while (current !== undefined && current._tag === "Span") {
    if (Object.hasOwn(WORDS, current.name)) return current
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

  const onLocked = (span: Tracer.Span) => {
    const flight = flightOf(span)
    if (flight === undefined) return
    const tenant = flight.attributes.get("tenant")
    held.set(flight, `${WORDS[flight.name]} of ${typeof tenant === "string" ? tenant : "a tenant"}`)
  }

  const onEnd = (span: Tracer.Span, exit: Exit.Exit<unknown, unknown>) => {
    if (span.name === REFRESH_LOCK && Exit.isSuccess(exit)) onLocked(span)
    if (held.delete(span) && held.size === 0) {
      const callbacks = waiting
      waiting = []
      for (const callback of callbacks) callback()
    }
  }

  const watch = (tracer: Tracer.Tracer): Tracer.Tracer =>
    Tracer.make({
      span: (name, ...rest) => {
        const span = tracer.span(name, ...rest)
        if (name === LOGIN_OBTAIN) onLocked(span)
        if (Object.hasOwn(WORDS, name) || name === REFRESH_LOCK) {
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
