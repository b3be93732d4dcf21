/**
 * Watches a program's spans as they start and end, so that a process can be stopped exactly at a named step without a
 * hook in the program.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as LineProtocol from "./LineProtocol.js"

/**
 * A span that starts or ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly name: string
  readonly at: "start" | "end"
  /** The spans around it, innermost first. */
  readonly within: ReadonlyArray<string>
  /** What the program told about it so far, events included. */
  readonly attributes: Readonly<Record<string, unknown>>
  /** What it is about: the tenant that it or a span around it names. */
  readonly tenant: string | undefined
}

/**
 * Which step, and which time that it comes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Point {
  readonly span: string
  readonly at: "start" | "end"
  /** Only below this span. */
  readonly within?: string
  /** The first time, when it is not said. */
  readonly occurrence?: number
}

let spans = 0

const namesAround = (parent: Option.Option<Tracer.AnySpan>): ReadonlyArray<string> =>
  Option.isSome(parent) && parent.value._tag === "Span"
    ? [parent.value.name, ...namesAround(parent.value.parent)]
    : []

const tenantOf = (parent: Option.Option<Tracer.AnySpan>): string | undefined => {
  if (Option.isNone(parent) || parent.value._tag !== "Span") return undefined
  const own = parent.value.attributes.get("tenant")
  return typeof own === "string" ? own : tenantOf(parent.value.parent)
}

const observe =
  (onStep: (step: Step) => void): Tracer.Tracer["span"] => (name, parent, context, links, startTime, kind) => {
    const spanId = String(++spans)
    const attributes = new Map<string, unknown>()
    const within = namesAround(parent)
    const linked = [...links]
    let status: Tracer.SpanStatus = { _tag: "Started", startTime }
    const around = tenantOf(parent)
    const report = (at: Step["at"]) =>
      onStep({
        name,
        at,
        within,
        attributes: Object.fromEntries(attributes),
        tenant: typeof attributes.get("tenant") === "string" ? String(attributes.get("tenant")) : around
      })
    report("start")
    return {
      _tag: "Span",
      name,
      spanId,
      traceId: Option.match(parent, { onNone: () => spanId, onSome: (span) => span.traceId }),
      parent,
      context,
      get status() {
        return status
      },
      attributes,
      links: linked,
      sampled: true,
      kind,
      end: (endTime, exit) => {
        status = { _tag: "Ended", startTime, endTime, exit }
        report("end")
      },
      attribute: (key, value) => void attributes.set(key, value),
      event: (event, _time, members = {}) => void attributes.set(`event ${event}`, members),
      addLinks: (more) => void linked.push(...more)
    }
  }

/**
 * Calls `onStep`, synchronously and on the fiber concerned, at the start and the end of every span.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (onStep: (step: Step) => void): Layer.Layer<never> =>
  Layer.setTracer(Tracer.make({ span: observe(onStep), context: (run) => run() }))

/**
 * Calls `act` when the point is reached, once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const atPoint = (point: Point, act: (step: Step) => void): (step: Step) => void => {
  let left = point.occurrence ?? 1
  return (step) => {
    const reached = step.name === point.span && step.at === point.at &&
      (point.within === undefined || step.within.includes(point.within))
    if (reached && --left === 0) act(step)
  }
}

/**
 * Ends or stops this very process at a point, by a signal that nothing can catch or delay. It says so first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const signalSelfAt = (point: Point, signal: "SIGKILL" | "SIGSTOP"): (step: Step) => void =>
  atPoint(point, ({ at, name }) => {
    LineProtocol.say("stopping", { span: name, step: at, signal })
    process.kill(process.pid, signal)
  })
