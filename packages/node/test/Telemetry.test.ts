import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as Telemetry from "@lockstep/node/Telemetry"
import * as OtlpCollector from "@lockstep/testkit/servers/OtlpCollector"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { setTimeout } from "node:timers/promises"
import { vi } from "vitest"

const SECRET = "lockstep-rt-that-nobody-may-see"

const withEnv = (env: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))

const read = (env: Readonly<Record<string, string>>) => withEnv(env)(Telemetry.config)

const endpoint = (collector: OtlpCollector.OtlpCollector) => ({ endpoint: collector.url })

/** An address without a listener. */
const nowhere = Effect.scoped(Effect.map(OtlpCollector.make, ({ url }) => url))

/** Real time, for what really travels. */
const pause = Effect.promise(() => setTimeout(2))

/** Waits, in real time, until something has arrived. */
const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.asVoid(Effect.repeat(pause, { until: condition }))

/** Something of each kind to export. */
const happen = Effect.withSpan(Effect.logWarning("a sentence"), "step").pipe(
  Effect.zipRight(Metric.increment(Metric.counter("lockstep.test")))
)

class Refused extends Data.TaggedError("Refused")<{ readonly reason: string; readonly cause: unknown }> {
  override get message() {
    return `refused ${SECRET}`
  }
}

describe("OpenTelemetry's variables", () => {
  const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" }

  it.effect("ask for nothing without an endpoint, or where the SDK is disabled", () =>
    Effect.gen(function*() {
      for (
        const env of [
          {},
          { OTEL_EXPORTER_OTLP_ENDPOINT: " " },
          { OTEL_SERVICE_NAME: "agent" },
          { ...ENDPOINT, OTEL_SDK_DISABLED: "true" },
          { ...ENDPOINT, OTEL_SDK_DISABLED: "True" }
        ]
      ) {
        assertEquals(yield* read(env), Option.none())
      }
      assert.isTrue(Option.isSome(yield* read({ ...ENDPOINT, OTEL_SDK_DISABLED: "false" })))
    }))

  it.effect("name the service, and headers that are secret", () =>
    Effect.gen(function*() {
      const options = Option.getOrThrow(
        yield* read({
          ...ENDPOINT,
          OTEL_SERVICE_NAME: "agent",
          OTEL_EXPORTER_OTLP_HEADERS: `x-key=${SECRET}%3D%2C, x-team = two%20words,`
        })
      )
      assert.strictEqual(options.serviceName, "agent")
      assert.notInclude(JSON.stringify(options), SECRET)
      deepStrictEqual(Redacted.value(options.headers!), { "x-key": `${SECRET}=,`, "x-team": "two words" })
    }))

  it.effect("that are none are an error, which does not show them", () =>
    Effect.gen(function*() {
      for (const headers of [SECRET, `=${SECRET}`, `x-key=%${SECRET}`]) {
        const error = yield* Effect.flip(read({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: headers }))
        assert.include(String(error), "OTEL_EXPORTER_OTLP_HEADERS")
        assert.notInclude(`${String(error)} ${JSON.stringify(error)}`, SECRET)
      }
      for (const address of ["4318", "ftp://127.0.0.1", `http://me:${SECRET}@127.0.0.1`]) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(Telemetry.layer({ endpoint: address }))))
        assert.isTrue(Exit.isFailure(exit))
        const text = Exit.match(exit, { onSuccess: () => "", onFailure: (cause) => Cause.pretty(cause) })
        assert.include(text, "OTEL_EXPORTER_OTLP_ENDPOINT")
        assert.notInclude(text, SECRET)
      }
    }))
})

describe("a program without @effect/opentelemetry", () => {
  it.scoped("is told what is missing, once it asks for an export", () =>
    Effect.gen(function*() {
      vi.doMock("../src/internal/otlp.js", () => {
        throw new Error("Cannot find package")
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.doUnmock("../src/internal/otlp.js")))
      yield* Effect.provide(happen, Telemetry.layerFromEnv()).pipe(withEnv({}))
      const exit = yield* Effect.exit(Effect.provide(happen, Telemetry.layer({ endpoint: "http://127.0.0.1:9" })))
      assert.include(
        Exit.match(exit, { onSuccess: () => "", onFailure: (cause) => Cause.pretty(cause) }),
        "@effect/opentelemetry is not installed"
      )
    }))
})

describe("the export", () => {
  it.scoped("sends everything when its scope closes, under one name and with its headers", () =>
    Effect.gen(function*() {
      const collector = yield* OtlpCollector.make
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/base/`,
        OTEL_EXPORTER_OTLP_HEADERS: "x-key=value",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test"
      }
      yield* happen.pipe(
        Effect.provide(Telemetry.layerFromEnv({ serviceName: "agent", serviceVersion: "1.2.3" })),
        withEnv(env)
      )
      deepStrictEqual(collector.exports.map(({ path }) => path).sort(), [
        "/base/v1/logs",
        "/base/v1/metrics",
        "/base/v1/traces"
      ])
      const resources = collector.resources()
      for (const resource of resources) {
        assert.deepInclude(resource, {
          "service.name": "agent",
          "service.version": "1.2.3",
          "deployment.environment": "test",
          "process.pid": process.pid
        })
        assert.isString(resource["service.instance.id"])
        assert.strictEqual(resource["service.instance.id"], resources[0]!["service.instance.id"])
      }
      for (const { headers } of collector.exports) assert.strictEqual(headers["x-key"], "value")
    }))

  it.scoped("tells of errors their tag and reason, of defects and of causes in the log nothing", () =>
    Effect.gen(function*() {
      const collector = yield* OtlpCollector.make
      const refused = new Refused({ reason: "Denied", cause: SECRET })
      const wordy = new Refused({ reason: `because of ${SECRET}`, cause: SECRET })
      const defect = Effect.die(new Error(SECRET, { cause: SECRET }))
      const failing: ReadonlyArray<Effect.Effect<void, unknown>> = [
        Effect.withSpan(Effect.fail(refused), "refused"),
        Effect.withSpan(Effect.fail(wordy), "wordy"),
        Effect.withSpan(Effect.fail(SECRET), "text"),
        Effect.withSpan(defect, "defect"),
        Effect.withSpan(Effect.logError("a sentence", Cause.fail(refused)), "logged")
      ]
      yield* Effect.provide(
        Effect.forEach(failing, (one) => Effect.exit(one)),
        Telemetry.layer(endpoint(collector))
      )
      const spans = Object.fromEntries(collector.spans().map(({ attributes, name }) => [name, attributes]))
      deepStrictEqual(spans, {
        refused: { error: "Refused", reason: "Denied" },
        wordy: { error: "Refused" },
        text: { error: "Error" },
        defect: { error: "Defect" },
        logged: {}
      })
      const [entry] = collector.logs()
      assert.strictEqual(entry?.name, "a sentence")
      assert.deepInclude(entry?.attributes, { error: "Refused", reason: "Denied" })
      for (const { path, text } of collector.exports) {
        assert.notInclude(text, SECRET, path)
        assert.notInclude(text, import.meta.url, path)
      }
    }))

  it.scoped("waits for a collector that says nothing until its time is over, for all three at once", () =>
    Effect.gen(function*() {
      const collector = yield* OtlpCollector.make
      collector.answer = "never"
      const fiber = yield* Effect.fork(Effect.provide(happen, Telemetry.layer(endpoint(collector))))
      yield* until(() => collector.exports.length === 3)
      yield* TestClock.adjust("499 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
    }))

  it.effect("does not wait for a collector that is gone, and says nothing of it", () =>
    Effect.gen(function*() {
      const url = yield* nowhere
      const said: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void said.push(String(message)))
      // The test's clock stands still: to try again would be to wait for ever.
      yield* Effect.provide(happen, Telemetry.layer({ endpoint: url })).pipe(
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      deepStrictEqual(said, ["a sentence"])
    }))

  it.scoped("says nothing while it goes on, either, and tries again", () =>
    Effect.gen(function*() {
      const collector = yield* OtlpCollector.make
      collector.answer = 503
      const said: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void said.push(String(message)))
      const logs = () => collector.exports.filter(({ path }) => path === "/v1/logs").length
      const fiber = yield* Effect.fork(
        Effect.provide(Effect.zipRight(happen, Effect.never), Telemetry.layer(endpoint(collector))).pipe(
          Logger.withMinimumLogLevel(LogLevel.All),
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
      )
      for (const times of [1, 2, 3, 4]) {
        yield* Effect.repeat(Effect.zipRight(TestClock.adjust("1 second"), pause), { until: () => logs() >= times })
      }
      yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(fiber)
      deepStrictEqual(said, ["a sentence"])
    }))
})
