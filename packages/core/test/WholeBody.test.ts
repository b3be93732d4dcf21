import { assert, describe, it } from "@effect/vitest"
import * as WholeBody from "@lockstep/core/WholeBody"

const bytes = (text: string) => new TextEncoder().encode(text)

const stream = (pieces: ReadonlyArray<Uint8Array | Error>) => {
  const state = { pulled: 0, isCancelled: false }
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const piece = pieces[state.pulled++]
      if (piece === undefined) controller.close()
      else if (piece instanceof Error) controller.error(piece)
      else controller.enqueue(piece)
    },
    cancel: () => {
      state.isCancelled = true
    }
  }, { highWaterMark: 0 })
  return { body, state }
}

describe("a body that is read whole", () => {
  it("is absent, empty, in one piece or in many, in the middle of a character", async () => {
    assert.deepStrictEqual(await WholeBody.read(null), { text: "", end: "Whole" })
    assert.deepStrictEqual(await WholeBody.read(stream([]).body), { text: "", end: "Whole" })
    const tick = bytes("\u2713")
    const pieces = [bytes("a"), tick.subarray(0, 1), tick.subarray(1), bytes("b")]
    assert.deepStrictEqual(await WholeBody.read(stream(pieces).body), { text: "a\u2713b", end: "Whole" })
  })

  it("is known to be cut", async () => {
    assert.deepStrictEqual(await WholeBody.read(stream([bytes("a"), new Error("reset")]).body), {
      text: "a",
      end: "Cut"
    })
  })

  it("is read to the limit and let go of there, where it has no end", async () => {
    const fits = stream([bytes("12"), bytes("34")])
    assert.deepStrictEqual(await WholeBody.read(fits.body, 4), { text: "1234", end: "Whole" })
    const endless = stream(Array.from({ length: 100 }, () => bytes("12")))
    assert.deepStrictEqual(await WholeBody.read(endless.body, 4), { text: "1212", end: "TooLarge" })
    assert.deepStrictEqual(endless.state, { pulled: 3, isCancelled: true })
  })

  it("has a limit where none is named", async () => {
    const mebi = new Uint8Array(1024 * 1024)
    const endless = stream(Array.from({ length: 100 }, () => mebi))
    assert.strictEqual((await WholeBody.read(endless.body)).end, "TooLarge")
    assert.strictEqual(endless.state.pulled, 2)
  })
})
