/**
 * Every codec on texts that no sane program wrote. A case is known by a seed and its number; `LOCKSTEP_FUZZ_CASES` says how
 * many there are of each.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Mutations from "@lockstep/testkit/homes/Mutations"
import { inspect } from "node:util"
import * as Samples from "../imports/samples.js"
import * as Seed from "./seed.js"
import * as Subjects from "./subjects.js"

const CASES = Number(process.env["LOCKSTEP_FUZZ_CASES"] ?? 100)

/** Milliseconds after which something hangs. */
const PATIENCE = 120_000

/** Any eight characters of the random part of a planted secret: whatever quotes a text in parts is seen, too. */
const PIECES = new Set(
  Object.values(Samples.tokens).flatMap((token) => {
    const tail = token.replace(/^lockstep-..-/, "")
    return Array.from({ length: tail.length - 7 }, (_, i) => tail.slice(i, i + 8))
  })
)

const leaks = (shown: ReadonlyArray<unknown>): boolean => {
  const text = `${inspect(shown, { depth: 12, maxStringLength: null })}${JSON.stringify(shown)}`
  for (const piece of PIECES) if (text.includes(piece)) return true
  return false
}

const examine = (subject: Subjects.Subject, text: string, which: string): void => {
  let verdict: Subjects.Verdict
  try {
    verdict = subject.read(text)
  } catch (cause) {
    // Its message may quote the text, which would hide what is wrong behind a leak of the test's own.
    return assert.fail(`${which}: threw ${(cause as Error).name} ${(cause as Error).stack?.split("\n")[1] ?? ""}`)
  }
  assert.deepStrictEqual(verdict.broken, [], which)
  assert.isFalse(leaks(verdict.shown), `${which}: shows a secret`)
}

describe("fuzz", () => {
  Seed.announce("codecs")

  it("plants secrets that a leak would show", () => {
    assert.isTrue(leaks([`…${Samples.tokens.rt.slice(12, 24)}…`]))
    assert.isFalse(leaks(["tenants.codex.refresh_token: empty"]))
  })

  describe.each(Subjects.all)("$name", (subject) => {
    it("reads its own text", () => {
      assert.isAbove(subject.seeds.length, 0)
      subject.seeds.forEach((seed, i) => examine(subject, seed, `seed text ${i}`))
    })

    it(`neither throws nor tells nor spoils, ${CASES} times`, () => {
      for (let i = 0; i < CASES; i++) {
        const mutant = Mutations.mutate(subject.seeds[i % subject.seeds.length]!, Seed.random(i))
        examine(subject, mutant, Seed.ofCase(i))
      }
    }, PATIENCE)

    it("stands what is huge, deep or odd", () => {
      for (const [name, text] of Mutations.extremes(subject.seeds[0]!)) examine(subject, text, name)
    }, PATIENCE)
  })
})
