import { assert, describe, it } from "@effect/vitest"
import type * as Race from "@lockstep/testkit/race/Race"
import * as RaceReport from "@lockstep/testkit/race/RaceReport"
import * as TerminalStyle from "@lockstep/testkit/race/TerminalStyle"

const plain = TerminalStyle.make(false)

const runner = (pid: number, members: Partial<Race.Runner> = {}): Race.Runner => ({
  pid,
  tenant: "agent-1",
  exit: 0,
  took: 100 + pid,
  did: "adopted",
  after: pid,
  alive: true,
  why: null,
  ...members
})

const result = (members: Partial<Race.Result> = {}): Race.Result => ({
  processes: 3,
  tenants: 1,
  latency: 150,
  spread: 0.4,
  runners: [runner(1, { did: "redeemed" }), runner(2), runner(3)],
  server: { redemptions: 1, reuses: 0, refusals: 0, revocations: 0 },
  survivors: 3,
  logins: 1,
  leaks: [],
  ...members
})

describe("RaceReport", () => {
  it("shows every process, what the server counted, and which of them have a token that works", () => {
    const text = RaceReport.section("With lockstep", result(), plain)
    assert.match(text, /^ {8}1 {2}redeemed {2}█+.* 101 ms {2}1\.0 ms after the server's answer$/m)
    assert.match(text, /^ {8}3 {2}adopted {3}█+ .* 103 ms/m)
    assert.include(text, "1 redemption · 0 reuses · 0 other refusals · 0 logins revoked")
    assert.include(text, "3 of 3 processes")
    assert.include(text, "none in any output, argument, process title or file name")
  })

  it("says why a process failed, and which token is dead", () => {
    const text = RaceReport.section(
      "Without any lock",
      result({
        runners: [
          runner(1, { did: "redeemed", alive: false }),
          runner(2, { did: "failed", exit: 1, alive: false, after: null, why: "agent-1: invalid_grant" })
        ],
        survivors: 0,
        leaks: [{ where: "stderr of 2", kind: "refresh_token", offset: 3 }]
      }),
      plain
    )
    assert.include(text, "its token is revoked")
    assert.include(text, "agent-1: invalid_grant")
    assert.include(text, "refresh_token in stderr of 2")
  })

  it("leaves out the middle of a long list, and says so", () => {
    const many = Array.from({ length: 64 }, (_, index) => runner(index + 1))
    const text = RaceReport.section("With lockstep", result({ runners: many, processes: 64 }), plain)
    assert.include(text, "⋮  32 more in between")
    assert.include(text, " 64  adopted")
  })

  it("gives a verdict of one line per race", () => {
    const lost = result({
      survivors: 0,
      logins: 0,
      server: { redemptions: 1, reuses: 1, refusals: 1, revocations: 1 }
    })
    assert.deepStrictEqual(RaceReport.verdict({ locked: result(), unlocked: lost }, plain).trim().split("\n"), [
      "✔ With lockstep:    1 redemption, 0 logins revoked, 3 of 3 processes have a token that works.",
      "✘ Without any lock: 1 redemption, 1 login revoked, 0 of 3 processes have a token that works.",
      "✔ The last was done: after 103 ms with lockstep, after 103 ms without any lock."
    ])
  })

  it("paints only where it is wanted", () => {
    const escape = "\u001b["
    assert.notInclude(RaceReport.section("x", result(), plain), escape)
    assert.include(RaceReport.section("x", result(), TerminalStyle.make(true)), escape)
    for (
      const [env, isTerminal, wanted] of [
        [{}, true, true],
        [{}, false, false],
        [{ NO_COLOR: "1" }, true, false],
        [{ NO_COLOR: "" }, true, true],
        [{ FORCE_COLOR: "1" }, false, true],
        [{ FORCE_COLOR: "0" }, true, false],
        [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false, true]
      ] as const
    ) assert.strictEqual(TerminalStyle.isWanted(env, isTerminal), wanted, JSON.stringify(env))
  })

  it("says which crowd was over sooner", () => {
    const slow = result({ runners: [runner(900)] })
    const both = (locked: Race.Result, unlocked: Race.Result) => RaceReport.verdict({ locked, unlocked }, plain)
    assert.include(
      both(result(), slow),
      "✔ The last was done: after 103 ms with lockstep, after 1000 ms without any lock."
    )
    assert.include(
      both(slow, result()),
      "✘ The last was done: after 1000 ms with lockstep, after 103 ms without any lock."
    )
    assert.notInclude(RaceReport.verdict({ unlocked: slow }, plain), "The last was done")
  })
})
