import { assert, describe, it } from "@effect/vitest"
import type { LoginError } from "@lockstep/oauth/LoginError"
import { mimocode } from "@lockstep/oauth/vendors/Mimocode"
import * as Array from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import { jwt } from "../wire.js"
import * as Stage from "./stage.js"

const { acme, answerTo, key, ok, person, request, tokens, visit } = Stage

/** Everything that could be shown outside of the process. */
const makeEvidence = () => {
  const texts: Array<string> = []
  const add = (value: unknown) => texts.push(String(value), inspect(value, { depth: 8 }), JSON.stringify(value) ?? "")
  const addCause = (cause: Cause.Cause<unknown>) => {
    texts.push(Cause.pretty(cause, { renderErrorCause: true }))
    for (const error of [...Cause.failures(cause), ...Cause.defects(cause)]) {
      add(error)
      if (error instanceof Error) [error.message, error.stack, error.cause].forEach(add)
      if (typeof error === "object" && error !== null && "advice" in error) add(error.advice)
    }
  }
  const logger = Logger.make<unknown, void>(({ annotations, cause, message }) => {
    Array.ensure(message).forEach(add)
    HashMap.toEntries(annotations).flat().forEach(add)
    addCause(cause)
  })
  const tracer = Tracer.make({
    context: (run) => run(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      add(name)
      return {
        _tag: "Span",
        name,
        spanId: "1",
        traceId: "1",
        parent,
        context,
        links,
        kind,
        sampled: true,
        status: { _tag: "Started", startTime },
        attributes,
        attribute: (at, value) => {
          attributes.set(at, value)
          add(value)
        },
        event: (event, _, members) => [event, members].forEach(add),
        addLinks: () => {},
        end: (_, exit) => {
          if (Exit.isFailure(exit)) addCause(exit.cause)
        }
      }
    }
  })
  return {
    texts,
    add,
    addCause,
    layer: Layer.merge(Logger.replace(Logger.defaultLogger, logger), Layer.setTracer(tracer))
  }
}

/** A server that gives back all that it was sent, in every place where words may stand. */
const echo = (sent: Stage.Sent, status: number): Stage.Reply => ({
  status,
  body: {
    error: "invalid_grant",
    error_description: `${sent.body} ${JSON.stringify(sent.params)} ${Object.values(sent.headers).join(" ")}`,
    message: sent.body,
    access_token: status === 400 ? tokens().access_token : undefined
  }
})

const check = (evidence: ReturnType<typeof makeEvidence>, secrets: ReadonlyArray<string>) => {
  assert.isAbove(evidence.texts.length, 10)
  for (const secret of secrets) {
    assert.isAbove(secret.length, 8)
    const shown = evidence.texts.find((text) =>
      text.includes(secret) || text.includes(secret.slice(0, 16)) || text.includes(secret.slice(-16))
    )
    if (shown !== undefined) assert.fail(`a secret is shown in: ${shown.replaceAll(secret, "<secret>").slice(0, 300)}`)
  }
}

const vendor = { ...acme, stateInExchange: true, clientSecretSource: Option.some("a drawer") }

const CLIENT_SECRET = "the-client-secret-of-acme"

/** Runs a flow that ends somehow, and collects the secrets that it had. */
const watched = (
  flow: (
    stage: Stage.Stage,
    evidence: ReturnType<typeof makeEvidence>
  ) => Effect.Effect<ReadonlyArray<string>, LoginError>
) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make({ vendors: [vendor, mimocode] })
    yield* stage.settings.setClientSecret("acme", Redacted.make(CLIENT_SECRET))
    const evidence = makeEvidence()
    const own = yield* Effect.orDie(flow(stage, evidence)).pipe(
      Logger.withMinimumLogLevel(LogLevel.All),
      Effect.provide(evidence.layer)
    )
    const sent = stage.network.requests.flatMap(({ params }) =>
      ["code", "code_verifier", "state", "device_code", "client_secret"].flatMap((name) => params[name] ?? [])
    )
    for (const { metricKey } of yield* Metric.snapshot) evidence.add([metricKey.name, metricKey.tags])
    check(evidence, [...own, ...sent, CLIENT_SECRET])
    assert.isAbove(stage.network.requests.length, 0)
  })

const noted = <A, E>(evidence: ReturnType<typeof makeEvidence>, effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isFailure(exit)) evidence.addCause(exit.cause)
    return exit
  })

const RETURNED = "the-code-that-came-back"

describe("no secret is shown", () => {
  for (const status of [200, 400, 401, 500]) {
    it.effect(`by a login in the browser that is answered ${status}`, () =>
      watched((stage, evidence) =>
        Effect.gen(function*() {
          stage.network.server = (sent) => echo(sent, status)
          const visitor = yield* person
          const fiber = yield* Effect.fork(noted(evidence, stage.login.browser(request(vendor), visitor.self)))
          const url = yield* visitor.url
          evidence.add(yield* visit(stage, answerTo(url, { code: RETURNED })))
          yield* Fiber.join(fiber)
          return [RETURNED, url.searchParams.get("state")!, url.searchParams.get("nonce")!]
        })
      ))
  }

  it.effect("by a login that another nonce ends", () =>
    watched((stage, evidence) =>
      Effect.gen(function*() {
        const granted = tokens({ id_token: jwt({ nonce: "another-nonce-than-ours" }) })
        stage.network.server = () => ok(granted)
        const visitor = yield* person
        const fiber = yield* Effect.fork(noted(evidence, stage.login.browser(request(vendor), visitor.self)))
        const url = yield* visitor.url
        evidence.add(yield* visit(stage, answerTo(url)))
        yield* Fiber.join(fiber)
        return [granted.access_token, granted.refresh_token, "another-nonce-than-ours"]
      })
    ))

  it.effect("by the two steps, whatever is pasted", () =>
    watched((stage, evidence) =>
      Effect.gen(function*() {
        stage.network.server = (sent) => echo(sent, 400)
        const invitation = yield* stage.login.begin(request(vendor))
        const url = new URL("url" in invitation ? invitation.url : "")
        const state = url.searchParams.get("state")!
        const words = encodeURIComponent(`${RETURNED} ${state}`)
        for (
          const text of [
            `${RETURNED}#not-the-state-of-this-login`,
            `${RETURNED}#with#many#parts`,
            `error=invalid_scope&code=${RETURNED}&error_description=${words}&state=${state}`,
            `code=${RETURNED}&code=${RETURNED}&state=${state}`,
            `code=${RETURNED}&state=${state}`
          ]
        ) yield* noted(evidence, stage.login.complete(key, Redacted.make(text)))
        evidence.add(yield* stage.pending.list)
        return [RETURNED, state, "not-the-state-of-this-login"]
      })
    ))

  it.effect("by a device grant", () =>
    watched((stage, evidence) =>
      Effect.gen(function*() {
        stage.network.server = (sent) =>
          sent.params["grant_type"] === undefined
            ? ok({
              device_code: "the-device-code-itself",
              user_code: "AB-CD",
              verification_uri: "https://acme.example/v"
            })
            : echo(sent, 400)
        const fiber = yield* Effect.fork(noted(evidence, stage.login.device(request(vendor), (yield* person).self)))
        yield* Queue.take(stage.network.arrivals)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(fiber)
        yield* stage.login.beginDevice(request(vendor))
        yield* noted(evidence, stage.login.poll(key))
        return ["the-device-code-itself"]
      })
    ))
})
