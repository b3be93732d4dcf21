/**
 * What a program's own login at its vendor, in its own file and under its own locks, is held to, with the program itself: each
 * reads what the other wrote, every other byte stays, and of many processes of both one redeems.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Programs from "@lockstep/testkit/processes/Programs"
import type { TokenEndpointResponse } from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Command from "../Command.js"
import * as Anthropic from "./anthropic.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

export interface VendorLogin {
  readonly program: Programs.Name
  /** What the table calls it. */
  readonly row: string
  /** What `--store` says. */
  readonly store: string
  readonly tenant: string
  readonly file: (stage: Stage.Stage) => string
  /** Further files that the program needs, by path. */
  readonly surroundings: (stage: Stage.Stage) => Readonly<Record<string, string>>
  /** The program's file with a login whose token has ended, and with entries of other programs. */
  readonly text: (login: TokenEndpointResponse) => string
  /** The same text without what a refresh changes. */
  readonly stable: (text: string) => string
  /** The same text with a token whose end has passed. */
  readonly expired: (text: string) => string
  /** The access token that the text holds. */
  readonly token: (text: string) => string
  /** What has the program ask its model once. */
  readonly question: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
}

/** A login of the program's, its vendor on loopback, and both programs over it. */
export const setUp = (login: VendorLogin) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make
    const vendor = yield* Anthropic.make(stage)
    const env = { ...vendor.environment, ...login.environment }
    const file = login.file(stage)
    const read = () => readFileSync(file, "utf8")
    const write = (text: string) => {
      writeFileSync(`${file}.test`, text, { mode: 0o600 })
      renameSync(`${file}.test`, file)
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    write(login.text(yield* stage.server.issue("bob")))
    for (const [path, text] of Object.entries(login.surroundings(stage))) writeFileSync(path, text)
    const entry = yield* Command.entry
    const program = stage.start(login.program, login.question, env)
    const lockstep = stage.harness.spawn({
      args: [entry, "token", login.tenant, "--store", login.store],
      env,
      prints: ["access_token"]
    })
    return {
      stage,
      vendor,
      read,
      program,
      lockstep,
      token: () => login.token(read()),
      expire: Effect.sync(() => write(login.expired(read()))),
      /** The program asks its model once. */
      ask: Effect.gen(function*() {
        const child = yield* program
        yield* child.closeStdin
        const { stderr, stdout } = yield* stage.ended(child)
        assert.include(stdout, Anthropic.WORDS, stderr)
      }).pipe(Effect.scoped, Effect.orDie),
      obtain: Effect.gen(function*() {
        const { code, stderr, stdout } = yield* Effect.flatMap(lockstep, stage.ended)
        assert.strictEqual(code, 0, stderr)
        return stdout.trim()
      }).pipe(Effect.scoped)
    }
  })

export const vendorLoginTests = (login: VendorLogin): void => {
  const { program, row } = login
  const seen = Table.observe(row, program)

  describe.skipIf(!Stage.isInstalled(program))(`${row}, the real program`, () => {
    it.scopedLive(
      "reads what Lockstep writes and writes what Lockstep reads, and every other byte stays",
      () =>
        Effect.gen(function*() {
          const { ask, expire, obtain, read, stage, token, vendor } = yield* setUp(login)
          yield* ask
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
          assert.strictEqual(yield* obtain, token())
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
          seen("reads")

          yield* expire
          const before = read()
          assert.strictEqual(yield* obtain, token())
          assert.notStrictEqual(token(), login.token(before))
          assert.strictEqual(login.stable(read()), login.stable(before))
          const from = vendor.answered.length
          yield* ask
          assert.deepStrictEqual([...new Set(vendor.answered.slice(from))], [token()])
          assert.deepStrictEqual(yield* stage.counts, { redemptions: 2, reuses: 0, refusals: 0 })
          yield* stage.harness.assertNoLeak
          seen("is read")
        }),
      240_000
    )

    it.scopedLive("and Lockstep, many processes each, redeem once an expiry", () =>
      Effect.gen(function*() {
        const { ask, expire, obtain, stage, token } = yield* setUp(login)
        for (const expiry of [1, 2, 3]) {
          yield* expire
          const [, tokens] = yield* Effect.all([
            Effect.all([ask, ask, ask], { concurrency: "unbounded" }),
            Effect.all([obtain, obtain, obtain], { concurrency: "unbounded" })
          ], { concurrency: "unbounded" })
          assert.deepStrictEqual(yield* stage.counts, { redemptions: expiry, reuses: 0, refusals: 0 })
          assert.deepStrictEqual([...new Set(tokens)], [token()])
        }
        yield* stage.harness.assertNoLeak
        seen("shared")
      }), 300_000)

    it("stands in the table of the documents as it was seen", () => Table.compare(row, program))
  })
}
