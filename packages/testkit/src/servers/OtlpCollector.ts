/**
 * An OpenTelemetry collector on a loopback socket: takes what is exported by OTLP over HTTP as JSON, and keeps it as it
 * arrived and as what it says.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type * as Net from "node:net"

/**
 * One export, as it arrived.
 *
 * @since 0.1.0
 * @category models
 */
export interface Export {
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/**
 * A span, a data point of a metric, or a log entry: what it is called and what it says of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Record {
  /** The name of a span or a metric; the sentence of a log entry. */
  readonly name: string
  readonly attributes: Readonly<globalThis.Record<string, unknown>>
  /** A counter's or a gauge's value, a histogram's number of entries; of anything else `NaN`. */
  readonly value: number
}

/**
 * A running collector.
 *
 * @since 0.1.0
 * @category models
 */
export interface OtlpCollector {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly url: string
  readonly exports: ReadonlyArray<Export>
  /** The attributes of the resources that exported. */
  readonly resources: () => ReadonlyArray<Readonly<globalThis.Record<string, unknown>>>
  readonly spans: () => ReadonlyArray<Record>
  /** The data points of the last export of each process. */
  readonly metrics: () => ReadonlyArray<Record>
  readonly logs: () => ReadonlyArray<Record>
  /** The status of every answer from now on; `never` is silence. 200. */
  answer: number | "never"
}

interface Attribute {
  readonly key: string
  readonly value: Readonly<globalThis.Record<string, unknown>>
}

type Json = any

const attributesOf = (attributes: ReadonlyArray<Attribute>): globalThis.Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

const bodies = (exports: ReadonlyArray<Export>, path: string): ReadonlyArray<Json> =>
  exports.filter((one) => one.path === path).map(({ text }) => JSON.parse(text) as Json)

const spansOf = (body: Json): ReadonlyArray<Record> =>
  body.resourceSpans.flatMap(({ scopeSpans }: Json) =>
    scopeSpans.flatMap(({ spans }: Json) =>
      spans.map((span: Json) => ({ name: span.name, attributes: attributesOf(span.attributes), value: Number.NaN }))
    )
  )

const pointsOf = (body: Json): ReadonlyArray<Record> =>
  body.resourceMetrics.flatMap(({ scopeMetrics }: Json) =>
    scopeMetrics.flatMap(({ metrics }: Json) =>
      metrics.flatMap(({ gauge, histogram, name, sum }: Json) =>
        (sum ?? gauge ?? histogram).dataPoints.map((point: Json) => ({
          name,
          attributes: attributesOf(point.attributes),
          value: Number(point.asDouble ?? point.asInt ?? point.count)
        }))
      )
    )
  )

const logsOf = (body: Json): ReadonlyArray<Record> =>
  body.resourceLogs.flatMap(({ scopeLogs }: Json) =>
    scopeLogs.flatMap(({ logRecords }: Json) =>
      logRecords.map((record: Json) => ({
        name: String(Object.values(record.body)[0]),
        attributes: attributesOf(record.attributes),
        value: Number.NaN
      }))
    )
  )

const resourceOf = (body: Json): Json => (body.resourceSpans ?? body.resourceMetrics ?? body.resourceLogs)[0].resource

const instanceOf = (body: Json): unknown => attributesOf(resourceOf(body).attributes)["service.instance.id"]

/**
 * Starts a collector that ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<OtlpCollector, never, Scope.Scope> = Effect.gen(function*() {
  const exports: Array<Export> = []
  const server = Http.createServer((request, response) => {
    let text = ""
    request.setEncoding("utf8").on("data", (piece: string) => {
      text += piece
    }).on("end", () => {
      exports.push({ path: request.url ?? "", headers: request.headers, text })
      if (self.answer !== "never") response.writeHead(self.answer, { "content-type": "application/json" }).end("{}")
    })
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const self: OtlpCollector = {
    url: `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}`,
    exports,
    resources: () => exports.map(({ text }) => attributesOf(resourceOf(JSON.parse(text)).attributes)),
    spans: () => bodies(exports, "/v1/traces").flatMap(spansOf),
    metrics: () =>
      [
        ...new Map(bodies(exports, "/v1/metrics").map((body) => [instanceOf(body), body] as const)).values()
      ].flatMap(pointsOf),
    logs: () => bodies(exports, "/v1/logs").flatMap(logsOf),
    answer: 200
  }
  return self
})
