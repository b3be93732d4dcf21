/** Has a client of MCP ask its server `files` what it offers, and waits for the answer. No model is asked. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Stage from "./stage.js"

type Environment = Readonly<Record<string, string>>

interface Status {
  readonly name: string
  readonly tools: Readonly<Record<string, unknown>>
}

/** What an editor does that shows the MCP servers of codex. */
export const codex = (stage: Stage.Stage, env: Environment = {}): Effect.Effect<void> =>
  Effect.gen(function*() {
    const child = yield* stage.start("codex", ["app-server"], env)
    yield* child.send({ id: 0, method: "initialize", params: { clientInfo: { name: "test", version: "1" } } })
    yield* child.message((message) => message["id"] === 0)
    yield* child.send({ method: "initialized" })
    yield* child.send({ id: 1, method: "mcpServerStatus/list", params: {} })
    const answer = yield* child.message((message) => message["id"] === 1)
    const { data } = answer["result"] as { readonly data: ReadonlyArray<Status> }
    const files = data.find(({ name }) => name === "files")
    assert.property(files?.tools, "echo", JSON.stringify(answer))
  }).pipe(Effect.scoped, Effect.orDie)

const list = (program: "claude" | "gemini") => (stage: Stage.Stage, env: Environment = {}): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { stderr, stdout } = yield* Effect.flatMap(stage.start(program, ["mcp", "list"], env), stage.ended)
    assert.include(stdout + stderr, "Connected")
  }).pipe(Effect.scoped)

export const claude = list("claude")

export const gemini = list("gemini")
