/** Real clients of both lines of the SDK at a real MCP server, whose tokens come and go. */
import { assert, describe, it } from "@effect/vitest"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as V2 from "@modelcontextprotocol/client"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stage from "./stage.js"

const { LINES, TENANT, rejection, tagOf } = Stage

for (const line of LINES) {
  const connected = (stage: Stage.Stage) =>
    Effect.gen(function*() {
      const process = yield* stage.process
      const transport = yield* process.transport()
      const { connect, session } = line.open(stage.resource.url, transport)
      yield* Effect.promise(connect)
      yield* Effect.addFinalizer(() => Effect.promise(session.close))
      return { ...process, session, transport }
    })

  describe(`a client of ${line.name}`, () => {
    it.scopedLive("recovers once from a rejected token, however many calls it was rejected for", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { access_token } = yield* stage.seed()
        const { invited, session } = yield* connected(stage)
        yield* stage.resource.rejectFromNow(access_token)
        const texts = yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 32 }, (_, index) => session.call("echo", { text: String(index) })))
        )
        assert.deepStrictEqual(texts, Array.from({ length: 32 }, (_, index) => String(index)))
        assert.strictEqual(stage.server.ledger.redemptions.length, 1)
        assert.deepStrictEqual([stage.server.ledger.reuses, invited], [[], []])
      }))

    it.scopedLive("takes over what another process has refreshed, and rotates nothing again", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { access_token } = yield* stage.seed()
        const { session } = yield* connected(stage)
        yield* (yield* stage.process).coordinator.refresh(TENANT)
        yield* stage.resource.rejectFromNow(access_token)
        assert.strictEqual(yield* Effect.promise(() => session.call("echo", { text: "here" })), "here")
        assert.strictEqual(stage.server.ledger.redemptions.length, 1)
      }))

    it.scopedLive("is logged in by a person where there was no login, and only the server is shown the token", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const stage = yield* Stage.make({
          intercept: (request) => {
            if (request.url !== "/mcp") seen.push(`${request.url} ${request.headers.authorization ?? "nothing"}`)
            return false
          }
        })
        const process = yield* stage.process
        const transport = yield* process.transport()
        const first = line.open(stage.resource.url, transport)
        const error = yield* rejection(first.connect())
        assert.match(String(error), /unauthorized/i)
        const answer = yield* process.agree
        yield* Effect.promise(() => first.session.finish(answer))

        const second = line.open(stage.resource.url, yield* process.transport())
        yield* Effect.promise(second.connect)
        assert.strictEqual(yield* Effect.promise(() => second.session.call("echo", { text: "hello" })), "hello")
        assert.deepStrictEqual([...stage.resource.tokens], [fingerprint(yield* stage.accessToken)])
        assert.isNotEmpty(seen)
        for (const one of seen) assert.match(one, / nothing$/)
        yield* Effect.promise(second.session.close)
      }))

    it.scopedLive("says what to do where no person can be sent to a browser", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const process = yield* stage.process
        const { connect } = line.open(stage.resource.url, yield* process.unattended)
        assert.strictEqual(tagOf(yield* rejection(connect())), "LoginRequired")
        if (line.name === "v2") {
          // The probe for a version wraps what it does not know.
          const client = new V2.Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "auto" } })
          const transport = new V2.StreamableHTTPClientTransport(new URL(stage.resource.url), yield* process.unattended)
          assert.strictEqual(tagOf(yield* rejection(client.connect(transport))), "LoginRequired")
        }
        assert.deepStrictEqual(stage.server.registrations, [])
      }))

    it.scopedLive("steps up to what a tool wants, and keeps what it had", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed()
        const { agree, invited, session } = yield* connected(stage)
        const error = yield* rejection(session.call("write", { text: "x" }))
        assert.match(String(error), /unauthorized/i)
        assert.include(invited[0]?.searchParams.get("scope"), "files:write")
        assert.include(invited[0]?.searchParams.get("scope"), "mcp:use")
        const answer = yield* agree
        yield* Effect.promise(() => session.finish(answer))
        assert.notStrictEqual(yield* Effect.promise(() => session.call("write", { text: "x" })), "")
        assert.strictEqual(stage.server.ledger.redemptions.length, 0)
      }))

    it.scopedLive("ends its session without refreshing", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { access_token } = yield* stage.seed()
        const { session } = yield* connected(stage)
        yield* stage.resource.rejectFromNow(access_token)
        const error = yield* rejection(session.terminate())
        assert.match(String(error), /terminate/)
        assert.strictEqual(stage.server.ledger.redemptions.length, 0)
        assert.deepInclude(stage.resource.requests.at(-1), { http: "DELETE", status: 401 })
      }))

    it.scopedLive("listens again with the token that is good then, and refreshes for no stream", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { access_token } = yield* stage.seed()
        const opened = yield* stage.resource.arrivals.hold
        const process = yield* stage.process
        const { connect, session } = line.open(stage.resource.url, yield* process.transport())
        const connecting = connect()
        /** Lets everything pass until the stream is opened, and answers with nothing more. */
        const untilStream = Effect.gen(function*() {
          while (true) {
            const arrival = yield* Queue.take(opened.arrivals)
            yield* arrival.pass
            if (arrival.who === "GET") return
          }
        })
        /** Says something until a listener is there, and waits until it is heard. */
        const heard = Effect.gen(function*() {
          const told = yield* Deferred.make<void>()
          session.onNotification(() => Deferred.unsafeDone(told, Effect.void))
          yield* Effect.repeat(Effect.zipLeft(stage.resource.announce("news"), Effect.sleep("20 millis")), {
            until: (streams) => streams > 0
          })
          yield* Deferred.await(told)
        })
        yield* untilStream
        yield* Effect.promise(() => connecting)
        yield* heard
        yield* stage.resource.rejectFromNow(access_token)
        yield* stage.resource.cut
        // It is told that its token is no good, and waits.
        yield* stage.untilWaiting
        assert.deepInclude(stage.resource.requests.at(-1), { http: "GET", status: 401 })
        assert.strictEqual(stage.server.ledger.redemptions.length, 0)
        assert.deepStrictEqual(process.invited, [])

        const called = session.call("echo", { text: "on" })
        yield* untilStream
        yield* opened.release
        assert.strictEqual(yield* Effect.promise(() => called), "on")
        assert.strictEqual(stage.server.ledger.redemptions.length, 1)
        yield* heard
        assert.strictEqual(
          stage.resource.requests.findLast(({ http }) => http === "GET")?.token,
          fingerprint(yield* stage.accessToken)
        )
        yield* Effect.promise(session.close)
      }))
  })
}

describe("the fetch of a transport", () => {
  it.scopedLive("takes no token where the stored one does not belong", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed()
      const other = yield* Stage.make()
      const process = yield* stage.process
      const { fetch } = yield* process.transport({ serverUrl: other.resource.url })
      const error = yield* rejection(fetch(other.resource.url, { method: "POST", body: "{}" }))
      assert.strictEqual(tagOf(error), "RequestRefused")
      assert.deepStrictEqual(other.resource.requests, [])
    }))

  it.scopedLive("lets go of a stream that waits when its session is closed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { access_token } = yield* stage.seed()
      yield* stage.resource.rejectFromNow(access_token)
      const { fetch } = yield* (yield* stage.process).transport()
      const controller = new AbortController()
      const waiting = fetch(stage.resource.url, {
        headers: { "mcp-session-id": "s", authorization: `Bearer ${access_token}` },
        signal: controller.signal
      })
      yield* stage.untilWaiting
      controller.abort(new Error("closed"))
      assert.include(String(yield* rejection(waiting)), "closed")
      assert.isTrue(Option.isSome(yield* stage.stored))
    }))
})
