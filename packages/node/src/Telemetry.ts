/**
 * Traces, metrics and logs for an OpenTelemetry collector, by OTLP over HTTP as JSON.
 *
 * Nothing of it is loaded before it is asked for, and nothing that goes wrong with it shows: a collector that is gone,
 * slow or wrong costs what it was not told, and at the end of the scope at most `shutdownTimeout`.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * Where telemetry goes, and under which name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The collector's base address; `/v1/traces`, `/v1/metrics` and `/v1/logs` are appended. */
  readonly endpoint: string
  /** Sent with every request. They are how collectors are paid, and so secret. */
  readonly headers?: Redacted.Redacted<Readonly<Record<string, string>>>
  /** `lockstep`, where nothing is said. */
  readonly serviceName?: string
  readonly serviceVersion?: string
  /** What is left to send when the scope closes is given up after so long. 500 ms. */
  readonly shutdownTimeout?: Duration.DurationInput
}

const SERVICE_NAME = "lockstep"
const SHUTDOWN_TIMEOUT = Duration.millis(500)

const invalid = (variable: string, message: string) => ConfigError.InvalidData([variable], message)

const isEndpoint = (text: string): boolean =>
  URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol) && new URL(text).username === ""

/**
 * Exports what happens below it. Fails where the endpoint is not an address, or where `@effect/opentelemetry` is not
 * installed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<never, ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    if (!isEndpoint(options.endpoint)) {
      return yield* Effect.fail(
        invalid("OTEL_EXPORTER_OTLP_ENDPOINT", "an http or https address without a password is expected")
      )
    }
    const otlp = yield* Effect.tryPromise({
      try: () => import("./internal/otlp.js"),
      catch: () => ConfigError.Unsupported(["OTEL_EXPORTER_OTLP_ENDPOINT"], "@effect/opentelemetry is not installed")
    })
    return otlp.layer({
      endpoint: options.endpoint,
      headers: options.headers ?? Redacted.make({}),
      serviceName: options.serviceName ?? SERVICE_NAME,
      serviceVersion: options.serviceVersion,
      shutdownTimeout: Duration.decode(options.shutdownTimeout ?? SHUTDOWN_TIMEOUT)
    })
  }))

const decoded = (text: string): Option.Option<string> => Option.liftThrowable(decodeURIComponent)(text.trim())

/** `name=value,name=value`, percent-encoded. The text is never quoted: it is a secret. */
const parseHeaders = (text: string): Option.Option<Record<string, string>> =>
  Option.map(
    Option.all(
      text.split(",").filter((pair) => pair.trim() !== "").map((pair) => {
        const at = pair.indexOf("=")
        return at < 1 ? Option.none() : Option.all([decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))])
      })
    ),
    (pairs) => Object.fromEntries(pairs)
  )

const headers = Config.redacted("OTEL_EXPORTER_OTLP_HEADERS").pipe(
  Config.mapOrFail((text) =>
    Option.match(parseHeaders(Redacted.value(text)), {
      onNone: () => Either.left(invalid("OTEL_EXPORTER_OTLP_HEADERS", "name=value pairs with commas are expected")),
      onSome: (parsed) => Either.right(Redacted.make<Readonly<Record<string, string>>>(parsed))
    })
  ),
  Config.option
)

const filled = (name: string): Config.Config<Option.Option<string>> =>
  Config.option(Config.string(name)).pipe(
    Config.map(Option.flatMap((text) => text.trim() === "" ? Option.none() : Option.some(text.trim())))
  )

/**
 * What OpenTelemetry's own variables ask for: `OTEL_EXPORTER_OTLP_ENDPOINT` switches it on, `OTEL_SDK_DISABLED=true` off;
 * `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_SERVICE_NAME` add to it.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Option.Option<Options>> = Config.all({
  disabled: filled("OTEL_SDK_DISABLED"),
  endpoint: filled("OTEL_EXPORTER_OTLP_ENDPOINT"),
  serviceName: filled("OTEL_SERVICE_NAME"),
  headers
}).pipe(
  Config.map(({ disabled, endpoint, headers, serviceName }) =>
    Option.map(
      Option.filter(endpoint, () => !Option.exists(disabled, (text) => text.toLowerCase() === "true")),
      (address): Options => ({
        endpoint: address,
        ...Option.match(headers, { onNone: () => ({}), onSome: (headers) => ({ headers }) }),
        ...Option.match(serviceName, { onNone: () => ({}), onSome: (serviceName) => ({ serviceName }) })
      })
    )
  )
)

/**
 * Finds out, without reading the rest, that an environment asks for no telemetry: it names no endpoint.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAsked = (env: Readonly<Record<string, string | undefined>>): boolean =>
  (env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "").trim() !== ""

/**
 * Exports what happens below it where the environment asks for that, and is nothing otherwise.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFromEnv = (
  defaults: Omit<Options, "endpoint" | "headers"> = {}
): Layer.Layer<never, ConfigError.ConfigError> =>
  Layer.unwrapEffect(
    Effect.map(
      config,
      Option.match({ onNone: () => Layer.empty, onSome: (options) => layer({ ...defaults, ...options }) })
    )
  )
