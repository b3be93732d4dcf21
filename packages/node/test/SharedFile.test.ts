import { assert, describe, it } from "@effect/vitest"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as AuthJson from "@lockstep/node/AuthJson"
import * as Envelope from "@lockstep/node/Envelope"
import * as FileHome from "@lockstep/node/FileHome"
import { Home } from "@lockstep/node/Home"
import * as SharedFile from "@lockstep/node/SharedFile"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { until } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"

const text = (note: string): string => `{"version": 1, "tenants": {}, "note": "${note}"}\n`

/** A file of a home as one process has it, with a text in it. */
const opened = (format: Partial<SharedFile.Format<AuthJson.Document>> = {}) =>
  Effect.gen(function*() {
    const directory = yield* Homes.temporary
    const path = Path.join(directory, "auth.json")
    Fs.writeFileSync(path, text("first"), { mode: 0o600 })
    let parsed = 0
    const counting: SharedFile.Format<AuthJson.Document> = {
      ...AuthJson.codec,
      ...format,
      parse: (body) => {
        parsed++
        return AuthJson.codec.parse(body)
      }
    }
    const context = yield* Layer.build(
      Layer.merge(Envelope.layerPlain, FileHome.layer({ directory, refuges: [] })).pipe(
        Layer.provideMerge(RefreshPolicy.layerDefaults)
      )
    )
    const file = yield* Effect.provide(Effect.flatMap(Home, (home) => SharedFile.make(home.file, counting)), context)
    return { path, file, parsed: () => parsed }
  })

const append = (what: string) => (document: AuthJson.Document) => ({
  text: Option.some(document.text.replace("\"}", `, ${what}"}`)),
  value: undefined
})

describe("a writer that takes no lock", () => {
  it.scopedLive("comes between look and write, and both are in the file", () =>
    Effect.gen(function*() {
      const { file, path } = yield* opened()
      let decisions = 0
      yield* file.modify((document) =>
        Effect.sync(() => {
          if (decisions++ === 0) Fs.writeFileSync(path, text("first, theirs"))
          return append("ours")(document)
        })
      )
      assert.strictEqual(Fs.readFileSync(path, "utf8"), text("first, theirs, ours"))
      assert.strictEqual(decisions, 2)
    }))

  it.scopedLive("makes the file while it is missing, and both are in it", () =>
    Effect.gen(function*() {
      const { file, path } = yield* opened()
      Fs.rmSync(path)
      let decisions = 0
      yield* file.modify((document) =>
        Effect.sync(() => {
          if (decisions++ === 0) Fs.writeFileSync(path, text("theirs"))
          return append("ours")(document)
        })
      )
      assert.strictEqual(Fs.readFileSync(path, "utf8"), text("theirs, ours"))
    }))

  it.scopedLive("goes on and on, and is told as what keeps us from writing", () =>
    Effect.gen(function*() {
      const { file, path } = yield* opened()
      let decisions = 0
      const error = yield* Effect.flip(file.modify((document) =>
        Effect.sync(() => {
          Fs.writeFileSync(path, text(`theirs ${decisions++}`))
          return append("ours")(document)
        })
      ))
      assert.include(error.message, "another program keeps writing it")
      assert.strictEqual(Fs.readFileSync(path, "utf8"), text(`theirs ${decisions - 1}`))
    }))
})

describe("half a file", () => {
  it.scopedLive("of a tool that writes in place is read again", () =>
    Effect.gen(function*() {
      const { file, parsed, path } = yield* opened({ isWrittenInPlace: true })
      Fs.writeFileSync(path, text("whole").slice(0, 20))
      const reader = yield* Effect.fork(file.read)
      yield* until(() => parsed() > 0)
      Fs.writeFileSync(path, text("whole"))
      assert.strictEqual((yield* Fiber.join(reader)).text, text("whole"))
    }))

  it.scopedLive("that stays half is damaged all the same, and of a file that is only replaced at once", () =>
    Effect.gen(function*() {
      for (const isWrittenInPlace of [true, false]) {
        const { file, parsed, path } = yield* opened({ isWrittenInPlace })
        Fs.writeFileSync(path, text("whole").slice(0, 20))
        assert.strictEqual((yield* Effect.flip(file.read)).reason, "Decode")
        assert.strictEqual(parsed() > 1, isWrittenInPlace)
      }
    }))
})
