import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine
const SECRET = /lockstep-(?:at|rt)-\d/

const shown = (value: unknown): string =>
  [
    String(value),
    inspect(value, { depth: 10, showHidden: true }),
    Inspectable.toStringUnknown(value),
    JSON.stringify(value),
    value instanceof Error ? `${value.message} ${value.stack}` : ""
  ].join("\n")

const tracer = (texts: Array<string>) =>
  Tracer.make({
    span: (name, parent, context, links, startTime, kind) => ({
      _tag: "Span",
      name,
      spanId: "1",
      traceId: "1",
      parent,
      context,
      status: { _tag: "Started", startTime },
      attributes: new Map(),
      links,
      sampled: true,
      kind,
      end: () => {},
      attribute: (key, value) => void texts.push(`${key}=${String(value)}`),
      event: (event, _time, attributes) => void texts.push(event, shown(attributes)),
      addLinks: () => {}
    }),
    context: (execution) => execution()
  })

const answers: ReadonlyArray<readonly [string, Stage.Answer]> = [
  ["welcome", Stage.answering(200)],
  ["a 401", Stage.rejecting],
  ["a demand for scope", Stage.answering(403, { "www-authenticate": "Bearer error=\"insufficient_scope\"" })]
]

describe("a token", () => {
  it.scoped.each(answers)("is in nothing that can be seen after %s", ([, answer]) =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(answer)
      const texts: Array<string> = []
      const logger = Logger.make<unknown, void>((entry) =>
        void texts.push(shown(entry.message), shown(entry.annotations))
      )
      const client = (yield* use(BearerClient.make({ tenant })))(api.client)
      const exit = yield* Effect.exit(client.get(Stage.API)).pipe(
        // Even where every header is allowed to be shown.
        Effect.locally(Headers.currentRedactedNames, []),
        Effect.withTracer(tracer(texts)),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      if (exit._tag === "Success") texts.push(shown(exit.value), shown(exit.value.request))
      else texts.push(Cause.pretty(exit.cause), ...Array.from(Cause.failures(exit.cause), shown))
      assert.isAbove(api.arrivals.length, 0)
      assert.isTrue(texts.some((text) => text.includes("http.request.header.authorization")))
      for (const text of texts) assert.notMatch(text, SECRET)
    }))

  it.scoped("is not in the request that an answer or an error points back to", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.answering(200, {}, "{"))
      const client = (yield* use(BearerClient.make({ tenant })))(api.client)
      const request = HttpClientRequest.get(Stage.API)
      const response = yield* client.execute(request)
      assert.strictEqual(response.request, request)
      assert.strictEqual(response.status, 200)
      const damaged = yield* Effect.flip(response.json)
      for (const text of [shown(response), shown(damaged)]) assert.notMatch(text, SECRET)
      api.breakConnections()
      const error = yield* Effect.flip(client.execute(request))
      assert.strictEqual("request" in error ? error.request : undefined, request)
      assert.notMatch(shown(error), SECRET)
    }))

  it.scoped("that is refused is named by its tenant only", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login({ resource: Option.none() })
      const client = (yield* use(BearerClient.make({ tenant })))(Stage.server(Stage.rejecting).client)
      const error = yield* Effect.flip(client.get(`${Stage.API}/secret?key=lockstep-at-9`))
      assert.notMatch(shown(error), SECRET)
    }))
})
