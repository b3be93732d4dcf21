import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as LeakCheck from "@lockstep/testkit/LeakCheck"
import * as OtlpCollector from "@lockstep/testkit/servers/OtlpCollector"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { inject } from "vitest"
import * as LoginStage from "./support/LoginStage.js"
import * as Doc from "./support/ObservabilityDoc.js"
import * as Stage from "./support/Stage.js"

const KEY = "the-key-of-the-collector"

/** A collector, and the environment of a command that exports to it. */
const listening = Effect.map(OtlpCollector.make, (collector) => ({
  collector,
  env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: `x-key=${encodeURIComponent(KEY)}` }
}))

/** Added by the exporter itself, and by Effect to its own metrics. */
const UNDOCUMENTED_FIELDS = ["fiberId"]
const isOurs = ({ name }: OtlpCollector.Record): boolean => !name.startsWith("effect_fiber_")

/** Whether a record has the name that a row of the page promises, and no other labels or attributes than that. */
const promised =
  (rows: ReadonlyArray<Doc.Row>, more: ReadonlyArray<string>) => (record: OtlpCollector.Record): boolean =>
    rows.some(({ members, name }) =>
      name === record.name && Object.keys(record.attributes).every((key) => [...members, ...more].includes(key))
    )

const assertDocumented = (collector: OtlpCollector.OtlpCollector): void => {
  assert.isNotEmpty(collector.spans())
  assert.isNotEmpty(collector.metrics().filter(isOurs))
  const isSpan = promised(Doc.spans, ["error", "reason"])
  const isMetric = promised(Doc.metrics, ["unit"])
  assert.deepStrictEqual(collector.spans().filter((one) => !isSpan(one)), [])
  assert.deepStrictEqual(collector.metrics().filter((one) => isOurs(one) && !isMetric(one)), [])
  const fields = collector.logs().flatMap(({ attributes }) => Object.keys(attributes))
  assert.deepStrictEqual(fields.filter((one) => ![...Doc.logFields, ...UNDOCUMENTED_FIELDS].includes(one)), [])
}

const valueOf = (collector: OtlpCollector.OtlpCollector, name: string, labels: Readonly<Record<string, string>>) =>
  collector.metrics().find((one) =>
    one.name === name && Object.entries(labels).every(([key, value]) => one.attributes[key] === value)
  )?.value

const assertNoToken = ({ exports }: OtlpCollector.OtlpCollector): void => {
  for (const { path, text } of exports) {
    assert.isNull(text.match(FakeToken.PATTERN), path)
    assert.notInclude(text, KEY, path)
  }
}

describe("the command exports", () => {
  it.scopedLive("the spans and metrics of a refresh, under the names of the page, and no token", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { collector, env } = yield* listening
      yield* stage.seed({ left: -60 })
      const ran = yield* stage.run(["token", "codex"], { env: { ...env, OTEL_SERVICE_NAME: "hooks" }, prints: true })
      assert.deepStrictEqual([ran.code, ran.stderr], [0, ""])
      assert.strictEqual(ran.stdout.trim(), (yield* stage.stored())!["access_token"])
      assertDocumented(collector)
      assertNoToken(collector)
      const spans = collector.spans().map(({ name }) => name)
      assert.includeMembers(spans, [
        "lockstep.command",
        "lockstep.refresh",
        ...["lock", "reread", "prepare", "reserve", "intent", "redeem", "capture", "persist", "settle"].map((step) =>
          `lockstep.refresh.${step}`
        )
      ])
      const command = collector.spans().find(({ name }) => name === "lockstep.command")
      assert.deepStrictEqual(command?.attributes, { command: "token", exit_code: 0 })
      assert.strictEqual(valueOf(collector, "lockstep.redemptions", { tenant: "codex", outcome: "Granted" }), 1)
      assert.strictEqual(valueOf(collector, "lockstep.lock.wait", { lock: "Tenant", outcome: "Acquired" }), 1)
      assert.strictEqual(valueOf(collector, "lockstep.flights", {}), 0)
      for (const resource of collector.resources()) {
        assert.strictEqual(resource["service.name"], "hooks")
        assert.isString(resource["service.instance.id"])
      }
      assert.deepStrictEqual(new Set(collector.exports.map(({ headers }) => headers["x-key"])), new Set([KEY]))
    }))

  it.scopedLive("what failed by its tag and reason, and the entries of the log with their fields", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { collector, env } = yield* listening
      const { refreshToken } = yield* stage.seed({ left: 60 })
      yield* stage.server.script(ServerBehaviour.refused("slow_down", 429, `not ${refreshToken} again`))
      const ran = yield* stage.run(["token", "codex"], { env, prints: true })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assertDocumented(collector)
      assertNoToken(collector)
      const problem = { tenant: "codex", error: "ProviderUnavailable", reason: "RateLimited" }
      assert.strictEqual(valueOf(collector, "lockstep.stale_served", problem), 1)
      const [entry, ...more] = collector.logs()
      assert.deepStrictEqual(more, [])
      assert.deepInclude(entry?.attributes, problem)
      assert.include(entry?.name, "still valid and is served")
      const { attributes } = collector.spans().find(({ name }) => name === "lockstep.refresh")!
      assert.deepInclude(attributes, problem)
    }))

  it.scopedLive("an unknown outcome", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { collector, env } = yield* listening
      yield* stage.seed({ left: -60 })
      yield* stage.server.script(ServerBehaviour.reply("Reset"), ServerBehaviour.reply("Reset"))
      const ran = yield* stage.run(["token", "codex"], { env: { ...env, LOCKSTEP_QUIET_TIME: "0" } })
      assert.strictEqual(ran.code, 3, ran.stderr)
      assertDocumented(collector)
      assertNoToken(collector)
      assert.strictEqual(valueOf(collector, "lockstep.unknown_outcomes", { tenant: "codex" }), 2)
      assert.strictEqual(valueOf(collector, "lockstep.retries", { tenant: "codex" }), 1)
      assert.strictEqual(
        valueOf(collector, "lockstep.failures", { error: "ReauthorizationRequired", reason: "OutcomeUnknown" }),
        1
      )
    }))

  it.scopedLive("a login, whose code, verifier and tokens stay with it", () =>
    Effect.gen(function*() {
      const stage = yield* LoginStage.make
      const { collector, env } = yield* listening
      const begun = yield* stage.run([...stage.at("acme"), "--no-browser"], { env })
      const answer = yield* stage.authorize(begun.stdout.trim(), "alice")
      const ended = yield* stage.run(["login", "acme", "--code", "-"], { env, input: `${answer.href}\n` })
      assert.strictEqual(ended.code, 0, ended.stderr)
      yield* stage.run(["refresh", "acme"], { env })
      yield* stage.run(["logout", "acme"], { env })
      assertDocumented(collector)
      const evidence = collector.exports.map(({ path, text }) => ({ where: path, text, permitted: [] }))
      assert.isAbove(stage.secrets().length, 5)
      assert.deepStrictEqual(LeakCheck.find(stage.secrets(), evidence), [])
      assert.includeMembers(collector.spans().map(({ name }) => name), ["lockstep.login.exchange", "lockstep.logout"])
      assert.strictEqual(valueOf(collector, "lockstep.logins", { tenant: "acme", outcome: "Stored" }), 1)
    }))
})

describe("the command does without a collector", () => {
  /** A refusal and a refresh, which are the same with these environments as without any telemetry. */
  const same = (...environments: ReadonlyArray<Readonly<Record<string, string>>>) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 60 })
      const refused = ["token", "nobody", "--log-level", "all"]
      const plain = yield* stage.run(refused)
      assert.strictEqual(plain.code, 3)
      for (const env of environments) assert.deepStrictEqual(yield* stage.run(refused, { env }), plain)
      const granted = yield* stage.run(["token", "codex"], { env: environments[0]!, prints: true })
      assert.deepStrictEqual([granted.code, granted.stderr], [0, ""])
      assert.strictEqual(granted.stdout.trim(), (yield* stage.stored())!["access_token"])
      assert.lengthOf(stage.server.redemptions, 1)
    })

  it.scopedLive("that is not there", () =>
    Effect.gen(function*() {
      const url = yield* Effect.scoped(Effect.map(OtlpCollector.make, (collector) => collector.url))
      yield* same({ OTEL_EXPORTER_OTLP_ENDPOINT: url })
    }))

  it.scopedLive("that never answers", () =>
    Effect.gen(function*() {
      const { collector, env } = yield* listening
      collector.answer = "never"
      yield* same(env)
      assert.includeMembers(collector.exports.map(({ path }) => path), ["/v1/traces", "/v1/metrics"])
    }))

  it.scopedLive("that refuses what it is sent", () =>
    Effect.gen(function*() {
      const { collector, env } = yield* listening
      collector.answer = 503
      yield* same(env)
      assert.isNotEmpty(collector.exports)
    }))

  it.scopedLive("whose address or headers are malformed", () =>
    same(
      { OTEL_EXPORTER_OTLP_ENDPOINT: "4318" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_HEADERS: KEY }
    ))
})

describe("nothing is exported", () => {
  it.scopedLive("where OpenTelemetry is switched off", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { collector, env } = yield* listening
      yield* stage.seed({ left: -60 })
      yield* stage.run(["token", "codex"], { env: { ...env, OTEL_SDK_DISABLED: "TRUE" }, prints: true })
      assert.lengthOf(stage.server.redemptions, 1)
      assert.deepStrictEqual(collector.exports, [])
    }))

  it.scopedLive("by the fast path, which answers all the same", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { collector, env } = yield* listening
      const { accessToken } = yield* stage.seed({ left: 3_600 })
      const ran = yield* stage.run(["token", "codex"], { env, prints: true })
      assert.deepStrictEqual(ran, { code: 0, stdout: `${accessToken}\n`, stderr: "" })
      assert.deepStrictEqual(collector.exports, [])
    }))
})

describe("the bundle", () => {
  const dist = join(dirname(dirname(inject("lockstep"))), "dist")
  const textOf = (file: string) => readFileSync(join(dist, file), "utf8")
  const isExporter = (text: string): boolean => text.includes("resourceSpans")

  it.each(["program", "refresh", "look"])(
    "has the exporters in a chunk that nothing loads at the start: %s",
    (name) => {
      const chunks = readdirSync(join(dist, name)).map((file) => `${name}/${file}`)
      assert.lengthOf(chunks.filter((file) => isExporter(textOf(file))), 1)
      const seen = new Set<string>()
      const visit = (file: string): void => {
        if (seen.has(file)) return
        seen.add(file)
        for (const [, wanted] of textOf(file).matchAll(/(?<!__import\()require\("(\.{1,2}\/[\w/-]+\.js)"\)/g)) {
          visit(join(dirname(file), wanted!))
        }
      }
      visit(`${name}.js`)
      assert.isAbove(seen.size, 1)
      assert.deepStrictEqual([...seen].filter((file) => isExporter(textOf(file))), [])
    }
  )
})
