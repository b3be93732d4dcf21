import { assert, describe, it } from "@effect/vitest"
import * as Lines from "../../src/internal/lines.js"
import * as ServerSentEvents from "../../src/internal/serverSentEvents.js"

const STREAM =
  "\uFEFF: hello\r\nid: 1\r\ndata: a\rdata:b\n\nevent: endpoint\ndata: /x\n\nid\nretry: 50\nretry: no\ndata\n\ndata: cut"

const EVENTS = [
  { type: "message", data: "a\nb", id: "1" },
  { type: "endpoint", data: "/x", id: "1" },
  { type: "message", data: "", id: "" }
]

describe("a stream of events", () => {
  it("says the same wherever it is cut into pieces", () => {
    for (let at = 0; at <= STREAM.length; at++) {
      const decoder = ServerSentEvents.make()
      const events = [STREAM.slice(0, at), STREAM.slice(at)].flatMap((piece) => decoder.push(piece))
      assert.deepStrictEqual(events, EVENTS, `cut at ${at}`)
      assert.strictEqual(decoder.retry(), 50)
    }
    const decoder = ServerSentEvents.make()
    assert.deepStrictEqual([...STREAM].flatMap((piece) => decoder.push(piece)), EVENTS)
  })
})

describe("lines", () => {
  it("are put together out of any number of pieces, and no longer than they may be", () => {
    const lines = Lines.make(10)
    assert.deepStrictEqual([..."ab\r\nc\rd\n\ne"].flatMap((piece) => lines.push(piece)), ["ab", "c", "d", ""])
    assert.strictEqual(lines.rest(), "e")
    assert.throws(() => {
      for (let count = 0; count < 11; count++) lines.push("x")
    }, Lines.LineTooLong)
  })
})
