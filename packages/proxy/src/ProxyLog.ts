/**
 * What is told of exchanges: a span where spans are collected, a warning for each that failed, and a line for the log of
 * each that ended. Neither the secret nor the query is among it: both open doors.
 *
 * What is not collected is not made.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Tracer from "effect/Tracer"
import * as ProxyExchange from "./ProxyExchange.js"
import type * as ProxyProblem from "./ProxyProblem.js"

type Begin = (
  exchange: ProxyExchange.ProxiedRequest,
  done: (problem: Option.Option<ProxyProblem.ProxyProblem>) => void
) => () => void

/**
 * Begins exchanges, and tells of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyLog {
  readonly begin: (context: ProxyExchange.Context) => Begin
  readonly onEnd: (exchange: ProxyExchange.ProxiedRequest, bytes: number, millis: number) => void
}

const spanOf = (tracer: Tracer.Tracer, now: bigint): Tracer.Span =>
  tracer.span("lockstep.proxy.exchange", Option.none(), Context.empty(), [], now, "server")

/** A span like those of the default tracer goes nowhere, whatever tracer stands around that one. */
const collects = (tracer: Tracer.Tracer, now: bigint): boolean =>
  spanOf(tracer, now).constructor !==
    spanOf(Context.get(DefaultServices.liveServices, Tracer.Tracer), now).constructor

/**
 * Makes one that tells its tale where this effect has its log and its spans.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (tenant: TenantId): Effect.Effect<ProxyLog> =>
  Effect.gen(function*() {
    const tell = Runtime.runFork(yield* Effect.runtime<never>())
    const tracer = yield* Effect.tracer
    const clock = yield* Effect.clock
    const level = yield* FiberRef.get(FiberRef.currentMinimumLogLevel)
    const isDebugging = LogLevel.lessThanEqual(level, LogLevel.Debug)
    const isTraced = collects(tracer, clock.unsafeCurrentTimeNanos())

    const warn = ({ advice, detail, kind }: ProxyProblem.ProxyProblem): void =>
      void tell(Effect.annotateLogs(Effect.logWarning(detail), { tenant, reason: kind, advice }))

    const plain = (context: ProxyExchange.Context): Begin => (exchange, done) =>
      ProxyExchange.begin(context, exchange, (problem) => {
        if (Option.isSome(problem)) warn(problem.value)
        done(problem)
      })

    const traced = (context: ProxyExchange.Context): Begin => (exchange, done) => {
      const now = () => clock.unsafeCurrentTimeNanos()
      const span = spanOf(tracer, now())
      span.attribute("tenant", tenant)
      const close = (exit: Exit.Exit<void, ProxyProblem.ProxyProblem>): void => {
        if (span.status._tag === "Started") span.end(now(), exit)
      }
      const within: ProxyExchange.Context = {
        ...context,
        run: (effect, end) => context.run(Effect.withParentSpan(effect, span), end)
      }
      const leave = plain(within)(exchange, (problem) => {
        close(Option.match(problem, { onNone: () => Exit.void, onSome: Exit.fail }))
        done(problem)
      })
      return () => {
        close(Exit.interrupt(FiberId.none))
        leave()
      }
    }

    return {
      begin: isTraced ? traced : plain,
      onEnd: ({ path, request, response }, bytes, millis) => {
        if (!isDebugging) return
        tell(Effect.annotateLogs(Effect.logDebug(`${request.method} /${path}`), {
          tenant,
          status: response.headersSent ? response.statusCode : "none",
          whole: response.writableFinished,
          bytes,
          millis: Math.round(millis)
        }))
      }
    }
  })
