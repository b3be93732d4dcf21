/**
 * What the start of the command understands by itself of `status` and `doctor` is what the parser would have made of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as LookProgram from "../src/LookProgram.js"
import * as Program from "../src/Program.js"
import * as LookLine from "../src/start/LookLine.js"
import * as InProcess from "./support/InProcess.js"

const HOUR = 3600

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-look-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const login = (tenant: string, expiresIn: number): SeededHome.Login => ({
  tenant,
  token_endpoint: "http://127.0.0.1:9/token",
  client_id: "client",
  access_token: FakeToken.make("at"),
  refresh_token: FakeToken.make("rt"),
  expires_at: Math.floor(Date.now() / 1_000) + expiresIn
})

/** Words that a line of these commands is made of, and some that are none of its business. */
const LINES: ReadonlyArray<ReadonlyArray<string>> = [
  [],
  ["--json"],
  ["status"],
  ["status", "--json"],
  ["--json", "status"],
  ["status", "fresh"],
  ["status", "--json", "fresh"],
  ["status", "fresh", "--check"],
  ["status", "expired", "--check", "--json"],
  ["status", "--check"],
  ["status", "--history"],
  ["status", "--history", "--json", "fresh"],
  ["status", "unknown"],
  ["status", "unknown", "--json"],
  ["status", "fresch"],
  ["status", "status"],
  ["status", "token"],
  ["status", "--store", "file"],
  ["status", "--store", "nosuch"],
  ["status", "--store=keyring"],
  ["doctor", "--offline"],
  ["doctor", "--offline", "--json"],
  ["--offline", "doctor"]
]

/** Of every such line the parser has to say what it means. */
const PARSED: ReadonlyArray<ReadonlyArray<string>> = [
  ["token", "fresh"],
  ["status", "--watch"],
  ["status", "a", "b"],
  ["status", "--json", "--json"],
  ["status", "--json=true"],
  ["status", "--offline"],
  ["status", ""],
  ["status", "-v"],
  ["status", "ü"],
  ["status", "--home", ""],
  ["status", "--home"],
  ["status", "--log-level", "debug"],
  ["doctor", "fresh"],
  ["doctor", "--check"],
  ["--offline"],
  ["--", "status"],
  ["--home", "a", "status", "--home=b"],
  ["status", "--no-json"]
]

// The time passes between two runs, and each of the doctor's probes has its own name.
const steady = (text: string): string =>
  text.replace(/\b\d+[smh]( \d+[smh])*\b/g, "TIME").replace(/ {2,}/g, "  ").replace(
    /"(expires_in|now)":\s*-?\d+/g,
    "\"$1\":0"
  )

describe("a line that only looks", () => {
  for (const line of LINES) {
    it.scopedLive(`is what the parser makes of it: lockstep ${line.join(" ")}`, () =>
      Effect.gen(function*() {
        const home = yield* temporary
        yield* SeededHome.write(home, [login("fresh", HOUR), login("expired", -HOUR)])
        const whole = ["--home", home, ...line]
        const parsed = LookLine.parse(whole)
        assert.isDefined(parsed)
        const own = yield* InProcess.running(LookProgram.run(parsed!))
        const theirs = yield* InProcess.running(Program.run(whole))
        assert.strictEqual(own.code, theirs.code)
        assert.strictEqual(steady(own.stdout), steady(theirs.stdout))
        assert.strictEqual(steady(own.stderr), steady(theirs.stderr))
      }))
  }

  for (const line of PARSED) {
    it(`is left to the parser: lockstep ${line.join(" ")}`, () => {
      assert.isUndefined(LookLine.parse(line))
    })
  }
})
