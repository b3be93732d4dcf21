/**
 * What a login that a program and Lockstep share in the program's own file is held to, with the program itself: each
 * reads what the other wrote, every other byte stays, and of many processes of both one redeems.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Programs from "@lockstep/testkit/processes/Programs"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const PROGRAMS = 3
const LOCKSTEPS = 3
const EXPIRIES = 3

export interface Shared {
  readonly program: Programs.Name
  /** What the table calls it. */
  readonly row: string
  /** What `--store` says. */
  readonly store: string | ((stage: Stage.Stage) => string)
  readonly tenant: (stage: Stage.Stage) => string
  readonly file: (stage: Stage.Stage) => string
  /** Further files that the program needs, by path. */
  readonly surroundings: (stage: Stage.Stage) => Readonly<Record<string, string>>
  /** The program's file with the login of the stage and with entries of other programs. */
  readonly text: (stage: Stage.Stage) => string
  /** The same text without what a refresh changes. */
  readonly stable: (text: string) => string
  /** The same text with a token whose end has passed. */
  readonly expired: (text: string) => string
  /** The access token that the text holds. */
  readonly token: (text: string) => string
  /** Has the program do one thing at the server, and waits for its end. */
  readonly use: (stage: Stage.Stage) => Effect.Effect<unknown>
}

export const sharedTests = (shared: Shared): void => {
  const { program } = shared
  const seen = Table.observe(shared.row, program)

  const setUp = Effect.gen(function*() {
    const stage = yield* Stage.make
    const file = shared.file(stage)
    for (const [path, text] of Object.entries({ ...shared.surroundings(stage), [file]: shared.text(stage) })) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      writeFileSync(path, text, { mode: 0o600 })
    }
    const read = () => readFileSync(file, "utf8")
    const store = typeof shared.store === "string" ? shared.store : shared.store(stage)
    return {
      stage,
      read,
      expire: Effect.sync(() => {
        writeFileSync(`${file}.test`, shared.expired(read()), { mode: 0o600 })
        renameSync(`${file}.test`, file)
      }),
      lockstep: Effect.map(
        stage.lockstep("token", shared.tenant(stage), "--store", store),
        ({ code, stderr, stdout }) => {
          assert.strictEqual(code, 0, stderr)
          return stdout.trim()
        }
      ),
      /** The tokens that the server saw since. A program may ask without one whether it needs one. */
      since: (from: number) => [
        ...new Set(stage.resource.requests.slice(from).flatMap(({ token }) => token === undefined ? [] : [token]))
      ]
    }
  })

  describe.skipIf(!Stage.isInstalled(program))(`${shared.row}, the real program`, () => {
    it.scopedLive(
      "reads what Lockstep writes and writes what Lockstep reads, and every other byte stays",
      () =>
        Effect.gen(function*() {
          const { expire, lockstep, read, since, stage } = yield* setUp
          yield* expire
          yield* shared.use(stage)
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
          assert.strictEqual(yield* lockstep, shared.token(read()))
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
          seen("reads")

          yield* expire
          const before = read()
          const token = yield* lockstep
          assert.strictEqual(token, shared.token(read()))
          assert.notStrictEqual(token, shared.token(before))
          assert.strictEqual(shared.stable(read()), shared.stable(before))
          const from = stage.resource.requests.length
          yield* shared.use(stage)
          assert.deepStrictEqual(since(from), [fingerprint(token)])
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 2, reuses: 0, refusals: 0 })
          yield* stage.harness.assertNoLeak
          seen("is read")
        }),
      180_000
    )

    it.scopedLive(
      "and Lockstep, many processes each, redeem once an expiry",
      () =>
        Effect.gen(function*() {
          const { expire, lockstep, read, stage } = yield* setUp
          for (let expiry = 1; expiry <= EXPIRIES; expiry++) {
            yield* expire
            const [, tokens] = yield* Effect.all([
              Effect.all(Array.from({ length: PROGRAMS }, () => shared.use(stage)), { concurrency: "unbounded" }),
              Effect.all(Array.from({ length: LOCKSTEPS }, () => lockstep), { concurrency: "unbounded" })
            ], { concurrency: "unbounded" })
            assert.deepStrictEqual(yield* stage.counts, { redemptions: expiry, reuses: 0, refusals: 0 })
            assert.deepStrictEqual([...new Set(tokens)], [shared.token(read())])
          }
          yield* stage.harness.assertNoLeak
          seen("shared")
        }),
      300_000
    )

    it("stands in the table of the documents as it was seen", () => Table.compare(shared.row, program))
  })
}
