/**
 * The exporters of OTLP. Everything that only telemetry needs is imported here and nowhere else.
 *
 * Each exporter sends what it has when its scope closes. They close side by side, so that a collector which says nothing
 * is waited for once and not three times, and what fails then is not tried again.
 */
import * as OtlpLogger from "@effect/opentelemetry/OtlpLogger"
import * as OtlpMetrics from "@effect/opentelemetry/OtlpMetrics"
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as RoundTrip from "@lockstep/core/RoundTrip"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as NodeRoundTripper from "../NodeRoundTripper.js"
import * as Discreet from "./discreet.js"

export interface Options {
  readonly endpoint: string
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly serviceName: string
  readonly serviceVersion: string | undefined
  readonly shutdownTimeout: Duration.Duration
}

/** What OpenTelemetry says that one export may take. */
const EXPORT_TIMEOUT = Duration.seconds(10)

/**
 * Honours proxies like every other request, and loads what it needs with the first of them: a command has answered by
 * then. Only the status of an answer counts.
 */
const makeFetch = ({ load }: NodeRoundTripper.NodeRoundTripper): typeof globalThis.fetch => {
  let loading: Promise<RoundTrip.RoundTripper> | undefined
  return async (input, init) => {
    const send = await (loading ??= Effect.runPromise(load))
    const { body, headers, method, signal } = init as {
      readonly method: string
      readonly headers: Readonly<Record<string, string>>
      readonly body?: Uint8Array
      readonly signal?: AbortSignal
    }
    const request = { url: String(input), method, headers, body: body && new TextDecoder().decode(body) }
    const trip = send(request, { connect: Duration.toMillis(EXPORT_TIMEOUT), body: 0 })
    signal?.addEventListener("abort", trip.abort)
    await trip.answering
    const progress = trip.progress()
    trip.abort()
    if (progress._tag !== "Answered") throw new Error("no answer")
    const retryAfter = progress.head.headers["retry-after"]
    return new Response(null, {
      status: progress.head.status,
      headers: retryAfter === undefined ? {} : { "retry-after": retryAfter }
    })
  }
}

/** Ends every request in time, and lets nothing be tried again once `isClosing`. */
const bounded = (client: HttpClient.HttpClient, isClosing: () => boolean): HttpClient.HttpClient =>
  HttpClient.transform(client, (response, request) => {
    const failed = () => new HttpClientError.RequestError({ request, reason: isClosing() ? "Encode" : "Transport" })
    return response.pipe(
      Effect.timeoutFail({ duration: EXPORT_TIMEOUT, onTimeout: failed }),
      Effect.catchTag("RequestError", failed)
    )
  })

interface TraceData {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{ attributes: ReadonlyArray<{ readonly key: string }> }>
    }>
  }>
}

// The exporter calls every failure an interruption, too, in two attributes of its own.
const withoutLabels = (data: TraceData): TraceData => {
  for (const span of data.resourceSpans.flatMap((one) => one.scopeSpans.flatMap(({ spans }) => spans))) {
    span.attributes = span.attributes.filter(({ key }) => key !== "span.label" && key !== "status.interrupted")
  }
  return data
}

const json = OtlpSerialization.OtlpSerialization.of({
  traces: (data) => HttpBody.unsafeJson(withoutLabels(data as TraceData)),
  metrics: HttpBody.unsafeJson,
  logs: HttpBody.unsafeJson
})

const silent = Logger.withMinimumLogLevel(LogLevel.None)

const base = (endpoint: string): string => endpoint.replace(/\/+$/, "")

/** Exports traces, metrics and logs until the scope closes. */
export const layer = (options: Options): Layer.Layer<never> =>
  Layer.unwrapScoped(
    Effect.gen(function*() {
      let closing = false
      const scope = yield* Scope.make(ExecutionStrategy.parallel)
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          closing = true
          return Scope.close(scope, Exit.void)
        }).pipe(
          Effect.disconnect,
          Effect.interruptible,
          Effect.timeoutOption(options.shutdownTimeout)
        )
      )

      const client = yield* HttpClient.HttpClient.pipe(
        Effect.provide(Layer.provide(
          FetchHttpClient.layer,
          Layer.succeed(FetchHttpClient.Fetch, makeFetch(yield* NodeRoundTripper.make))
        ))
      )
      const start = <A>(
        exporter: Effect.Effect<A, never, HttpClient.HttpClient | OtlpSerialization.OtlpSerialization | Scope.Scope>
      ): Effect.Effect<A> =>
        Effect.flatMap(Scope.fork(scope, ExecutionStrategy.sequential), (own) =>
          exporter.pipe(
            Effect.provideService(HttpClient.HttpClient, bounded(client, () => closing)),
            Effect.provideService(OtlpSerialization.OtlpSerialization, json),
            Scope.extend(own)
          ))
      const instance = randomUUID()
      const shared = (path: string) => ({
        url: `${base(options.endpoint)}/v1/${path}`,
        headers: Redacted.value(options.headers),
        resource: {
          serviceName: options.serviceName,
          serviceVersion: options.serviceVersion,
          // Every process counts from nothing: without a name of its own its counts would overwrite another's.
          attributes: { "service.instance.id": instance, "process.pid": process.pid }
        }
      })
      yield* start(OtlpMetrics.make(shared("metrics")))
      const tracer = yield* start(OtlpTracer.make(shared("traces")))
      const logger = yield* start(OtlpLogger.make(shared("logs")))
      return Layer.merge(Layer.setTracer(Discreet.tracer(tracer)), Logger.add(Discreet.logger(logger)))
    }).pipe(silent)
  )
