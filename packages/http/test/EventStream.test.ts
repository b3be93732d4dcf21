import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as EventParser from "@lockstep/http/EventParser"
import * as EventStream from "@lockstep/http/EventStream"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine
const bytes = (text: string) => new TextEncoder().encode(text)

const parse = (...chunks: ReadonlyArray<Uint8Array | string>) => {
  const parser = EventParser.make()
  return {
    events: chunks.flatMap((chunk) => parser.feed(typeof chunk === "string" ? bytes(chunk) : chunk)),
    id: parser.lastEventId(),
    retry: parser.retry()
  }
}

const message = (data: string, fields: Partial<EventStream.ServerSentEvent> = {}) => ({
  type: "message",
  data,
  lastEventId: "",
  ...fields
})

describe("the event stream format", () => {
  it.each<readonly [text: string, events: ReadonlyArray<EventStream.ServerSentEvent>]>([
    ["data: a\n\n", [message("a")]],
    ["data:a\r\rdata:b\r\n\r\n", [message("a"), message("b")]],
    ["data: a\ndata:  b\n\n", [message("a\n b")]],
    ["data\n\ndata\ndata\n\n", [message(""), message("\n")]],
    ["\ufeffdata: a\n\n", [message("a")]],
    ["\ufeff\ufeffdata: a\n\ndata: b\n\n", [message("b")]],
    [": a comment\n\n:\n", []],
    ["event: add\ndata: 1\n\ndata: 2\n\n", [message("1", { type: "add" }), message("2")]],
    ["event: add\n\ndata: 2\n\n", [message("2")]],
    ["id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [
      message("a", { lastEventId: "1" }),
      message("b", { lastEventId: "1" }),
      message("c")
    ]],
    ["id: 1\u00002\ndata: a\n\n", [message("a")]],
    ["unknown: 1\ndata : a\nDATA: a\ndata: b\n\n", [message("b")]],
    ["data: no end", []],
    ["data: no blank line\n", []]
  ])("%j", (text, events) => assert.deepStrictEqual(parse(text).events, events))

  it("an id counts when its event is complete, and with an empty event, too", () => {
    assert.strictEqual(parse("id: 1\n\n").id, "1")
    assert.strictEqual(parse("id: 1\ndata: a\n\nid: 2\ndata: b\n").id, "1")
  })

  it("a retry is digits, and nothing else", () => {
    assert.strictEqual(parse("retry: 10\n").retry, 10)
    for (const text of ["retry: 1.5", "retry: -1", "retry: x", "retry:", "retry: 1 "]) {
      assert.isUndefined(parse(`${text}\n`).retry, text)
    }
  })

  it("an event is told with the CR that ends it, and no LF after it makes another", () => {
    assert.deepStrictEqual(parse("data: a\r\n\r").events, [message("a")])
    assert.deepStrictEqual(parse("data: a\r\n\r", "\ndata: b\r", "\n\r\n").events, [message("a"), message("b")])
  })

  it("says the same however the bytes are cut", () => {
    const line = FastCheck.oneof(
      FastCheck.constantFrom(
        "",
        "data",
        "data: x",
        "data:  ä€😀",
        ": c",
        "id: 7",
        "id",
        "event: e",
        "retry: 5",
        "\ufeff"
      ),
      FastCheck.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, " "))
    )
    const text = FastCheck.array(FastCheck.tuple(line, FastCheck.constantFrom("\n", "\r", "\r\n")), { maxLength: 20 })
    FastCheck.assert(
      FastCheck.property(text, FastCheck.array(FastCheck.nat(200), { maxLength: 30 }), (lines, cuts) => {
        const whole = bytes(lines.flat().join(""))
        const at = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length]
        const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end))
        assert.deepStrictEqual(parse(...pieces), parse(whole))
        assert.deepStrictEqual(
          parse(...Array.from(whole, (_, index) => whole.subarray(index, index + 1))),
          parse(whole)
        )
      }),
      { numRuns: 500 }
    )
  })

  it.effect("an event that does not end is an error before memory is", () =>
    Effect.gen(function*() {
      const endless = Stream.repeatValue(bytes("x".repeat(1_000)))
      const error = yield* Effect.flip(Stream.runDrain(EventStream.decode({ maxEventLength: 10_000 })(endless)))
      assert.strictEqual(error._tag, "EventTooLarge")
    }))
})

const SSE = { "content-type": "text/event-stream; charset=utf-8" }
const REQUEST = HttpClientRequest.get(`${Stage.API}/events`)

/** A scene in which each connection is answered in turn, and the events are collected. */
const scene = (answers: ReadonlyArray<Stage.Answer>, options: EventStream.Options = {}) =>
  Effect.gen(function*() {
    const { machine, use } = yield* Stage.login()
    const script = [...answers]
    const api = Stage.server((arrived) => (script.shift() ?? Stage.answering(204))(arrived))
    const client = (yield* use(BearerClient.make({ tenant })))(api.client)
    const events: Array<string> = []
    const running = yield* Effect.fork(
      Stream.runForEach(
        EventStream.reconnecting(client, REQUEST, options),
        ({ data }) => Effect.sync(() => events.push(data))
      )
    )
    /** Waits for the next connection, which must not come before so many milliseconds. */
    const after = (millis: number) =>
      Effect.gen(function*() {
        yield* TestClock.adjust(millis - 1)
        assert.strictEqual(yield* Queue.size(api.signals), 0)
        yield* TestClock.adjust(1)
        return yield* Queue.take(api.signals)
      })
    return { machine, api, events, running, after, first: Queue.take(api.signals) }
  })

const lastEventIds = ({ arrivals }: Stage.Server) => arrivals.map(({ headers }) => headers["last-event-id"])

describe("a stream of events", () => {
  it.scoped("goes on after its connection ended, with the last id, when the server said to, and ends with a 204", () =>
    Effect.gen(function*() {
      const stage = yield* scene([
        Stage.answering(200, SSE, "retry: 250\nid: ä1\ndata: a\n\nid: 2\ndata: cut off"),
        Stage.answering(200, SSE, "data: b\n\n")
      ])
      yield* stage.first
      yield* stage.after(250)
      yield* stage.after(250)
      yield* Fiber.join(stage.running)
      assert.deepStrictEqual(stage.events, ["a", "b"])
      assert.deepStrictEqual(lastEventIds(stage.api), [undefined, "\u00c3\u00a41", "\u00c3\u00a41"])
      assert.deepStrictEqual(stage.api.arrivals.map(({ headers }) => headers["accept"]), [
        "text/event-stream",
        "text/event-stream",
        "text/event-stream"
      ])
    }))

  it.scoped("waits for 3 seconds where nothing is said, and never less than a tenth of one", () =>
    Effect.gen(function*() {
      const stage = yield* scene([Stage.answering(200, SSE), Stage.answering(200, SSE, "retry: 0\n\n")], {
        lastEventId: "7"
      })
      yield* stage.first
      yield* stage.after(3_000)
      yield* stage.after(100)
      yield* Fiber.join(stage.running)
      assert.deepStrictEqual(lastEventIds(stage.api), ["7", "7", "7"])
    }))

  it.scoped("reconnects with the token that is current then, and recovers from a rejected one", () =>
    Effect.gen(function*() {
      const open = Stage.answering(200, SSE, "retry: 1000\ndata: a\n\n")
      const stage = yield* scene([open, open, Stage.rejecting, open])
      yield* stage.first
      yield* stage.machine.write(
        tenant,
        stage.machine.server.issue({ ...(yield* Scenario.validFor(3_000)), resource: Option.some(Stage.API) })
      )
      yield* TestClock.adjust("1 second")
      yield* Queue.take(stage.api.signals)
      yield* TestClock.adjust("1 second")
      yield* Queue.take(stage.api.signals)
      yield* Queue.take(stage.api.signals)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stage.running)
      assert.deepStrictEqual(
        stage.api.tokens().slice(0, 4),
        ["0", "1", "1", "2"].map((n) => Stage.bearer(`lockstep-at-${n}`))
      )
      assert.deepStrictEqual(stage.machine.server.redemptions, ["lockstep-rt-1"])
    }))

  it.scoped("waits longer from one failure to the next, up to the bound, and not after a success", () =>
    Effect.gen(function*() {
      const failure = Stage.answering(503)
      const stage = yield* scene(
        [failure, failure, failure, failure, failure, Stage.answering(200, SSE), failure, Stage.answering(204)],
        { retry: "1 second", maxRetry: "5 seconds" }
      )
      const times: Array<number> = []
      yield* stage.first
      for (let n = 0; n < 7; n++) {
        let waited = 0
        while ((yield* Queue.size(stage.api.signals)) === 0) {
          yield* TestClock.adjust("50 millis")
          waited += 50
        }
        yield* Queue.take(stage.api.signals)
        times.push(waited)
      }
      yield* Fiber.join(stage.running)
      const between = (n: number, least: number, most: number) => {
        assert.isAtLeast(times[n]!, least)
        assert.isAtMost(times[n]!, most + 50)
      }
      between(0, 1_000, 1_000)
      between(1, 1_500, 2_000)
      between(2, 3_000, 4_000)
      between(3, 3_750, 5_000)
      between(4, 3_750, 5_000)
      between(5, 1_000, 1_000)
      between(6, 1_000, 1_000)
    }))

  it.scoped("goes on when connections break, and when the token cannot be renewed for a while", () =>
    Effect.gen(function*() {
      const stage = yield* scene([Stage.answering(200, SSE, "data: a\n\n"), Stage.answering(200, SSE, "data: b\n\n")])
      yield* stage.first
      yield* stage.machine.write(
        tenant,
        stage.machine.server.issue({ ...Scenario.EXPIRED, resource: Option.some(Stage.API) })
      )
      stage.machine.server.next(Scenario.rateLimited(30))
      yield* stage.after(33_000)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(stage.running)
      assert.deepStrictEqual(stage.events, ["a", "b"])
      assert.deepStrictEqual(stage.machine.server.redemptions, ["lockstep-rt-1"])
    }))

  it.scoped.each<readonly [string, Stage.Answer, string]>([
    ["a 404", Stage.answering(404), "ResponseError(StatusCode)"],
    ["a 401 that no recovery helps against", Stage.rejecting, "ResponseError(StatusCode)"],
    [
      "a demand for scope",
      Stage.answering(403, { "www-authenticate": "Bearer error=\"insufficient_scope\"" }),
      "InsufficientScope"
    ],
    ["something else than events", Stage.answering(200, { "content-type": "text/html" }), "ResponseError(Decode)"]
  ])("fails with %s", ([, answer, expected]) =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const client = (yield* use(BearerClient.make({ tenant })))(Stage.server(answer).client)
      const outcome = yield* Stage.outcome(
        Effect.as(Stream.runDrain(EventStream.reconnecting(client, REQUEST)), { status: 204 }).pipe(
          Effect.catchTag("EventTooLarge", Effect.die)
        )
      )
      assert.strictEqual(outcome, expected)
    }))

  it.scoped("lets its connection go when it is not read any more", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const cancelled = yield* Deferred.make<void>()
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(bytes("data: a\n\n")),
        cancel: () => Effect.runPromise(Effect.asVoid(Deferred.succeed(cancelled, undefined)))
      })
      const api = Stage.server(() => Effect.sync(() => new Response(body, { headers: SSE })))
      const client = (yield* use(BearerClient.make({ tenant })))(api.client)
      const events = yield* Stream.runCollect(Stream.take(EventStream.reconnecting(client, REQUEST), 1))
      assert.deepStrictEqual(Chunk.toReadonlyArray(events).map(({ data }) => data), ["a"])
      yield* Deferred.await(cancelled)
    }))
})
