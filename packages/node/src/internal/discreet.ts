/**
 * Telemetry leaves the machine, and what fails may quote what it could not read. So of an error nothing but its tag and
 * its reason is told, of a defect nothing at all, and of a cause in a log no word.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"

/** Tags and reasons are single words of our own making. */
const isWord = (value: unknown): value is string => typeof value === "string" && /^[A-Za-z]{1,40}$/.test(value)

const wordOf = (error: unknown, member: "_tag" | "reason"): Option.Option<string> =>
  Predicate.hasProperty(error, member) ? Option.liftPredicate(isWord)(error[member]) : Option.none()

interface Told {
  readonly error: string
  readonly reason: Option.Option<string>
}

const tell = (cause: Cause.Cause<unknown>): Told =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => ({ error: "Defect", reason: Option.none() }),
    onSome: (error) => ({
      error: Option.getOrElse(wordOf(error, "_tag"), () => "Error"),
      reason: wordOf(error, "reason")
    })
  })

const toError = ({ error, reason }: Told): Error => {
  const told = new Error(Option.getOrElse(reason, () => error))
  told.name = error
  told.stack = error
  return told
}

const end = (span: Tracer.Span): Tracer.Span["end"] => {
  const original = span.end.bind(span)
  return (at, exit) => {
    if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return original(at, exit)
    const told = tell(exit.cause)
    span.attribute("error", told.error)
    if (Option.isSome(told.reason)) span.attribute("reason", told.reason.value)
    original(at, Exit.fail(toError(told)))
  }
}

/** Effect adds the place in the code to a span that fails: a path of this machine. */
const attribute = (span: Tracer.Span): Tracer.Span["attribute"] => {
  const original = span.attribute.bind(span)
  return (key, value) => key === "code.stacktrace" ? undefined : original(key, value)
}

/** Log entries become events of their span, with their cause as text. */
const event = (span: Tracer.Span): Tracer.Span["event"] => {
  const original = span.event.bind(span)
  return (name, at, attributes = {}) => {
    const { "effect.cause": _cause, ...rest } = attributes
    original(name, at, rest)
  }
}

/** The tracer, with errors told by tag and reason. */
export const tracer = (inner: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    span: (...options) => {
      const span = inner.span(...options)
      return Object.assign(span, { attribute: attribute(span), end: end(span), event: event(span) })
    },
    context: (run, fiber) => inner.context(run, fiber)
  })

/** The logger, with causes told by tag and reason. */
export const logger = <A>(inner: Logger.Logger<unknown, A>): Logger.Logger<unknown, A> =>
  Logger.mapInputOptions(inner, (entry: Logger.Logger.Options<unknown>) => {
    if (Cause.isEmpty(entry.cause)) return entry
    const { error, reason } = tell(entry.cause)
    return {
      ...entry,
      cause: Cause.empty,
      annotations: HashMap.union(
        HashMap.fromIterable<string, unknown>([
          ["error", error],
          ...Option.match(reason, { onNone: () => [], onSome: (word) => [["reason", word] as [string, unknown]] })
        ]),
        entry.annotations
      )
    }
  })
