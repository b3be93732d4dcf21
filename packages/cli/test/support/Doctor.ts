/**
 * The doctor's report on a stage, held to what holds for every report.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Finding from "../../src/doctor/Finding.js"
import * as Stage from "./Stage.js"

interface Report {
  readonly home: string
  readonly store: string
  readonly healthy: boolean
  readonly checks: ReadonlyArray<Finding.Checked>
  readonly history: { readonly tenants: ReadonlyArray<{ readonly tenant: string }> }
}

/** No advice may split a lock in two, and everything comes with what to do. */
const assertSafe = ({ advice, code }: Finding.Finding): void => {
  assert.property(Finding.CODES, code)
  assert.isString(advice, code)
  assert.isNotEmpty(advice, code)
  assert.notMatch(advice, /(delete|remove|rm|unlink) .*\.lock\b/)
}

/** Runs the doctor. Its exit code says whether there is a problem. */
export const examine = (
  stage: Stage.Stage,
  env: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = ["--offline"]
) =>
  Effect.map(stage.run(["doctor", "--json", ...args], { env }), ({ code, stderr, stdout }) => {
    assert.strictEqual(stderr, "")
    const report = JSON.parse(stdout) as Report
    const findings = report.checks.flatMap(({ check, findings }) => findings.map((finding) => ({ ...finding, check })))
    findings.forEach(assertSafe)
    const problems = findings
      .filter(({ kind }) => kind === "problem")
      .map(({ check, message }) => `${check}: ${message}`)
    assert.strictEqual(code, problems.length === 0 ? 0 : 1, problems.join("\n"))
    assert.strictEqual(report.healthy, problems.length === 0)
    /** The findings of a code, as check, kind and message. */
    const of = (code: Finding.Code) =>
      findings.filter((finding) => finding.code === code).map(({ kind, message }) => `${kind}: ${message}`)
    return { problems, report, findings, of }
  })

export const assertOne = (problems: ReadonlyArray<string>, what: RegExp): void => {
  assert.lengthOf(problems, 1, problems.join("\n"))
  assert.match(problems[0]!, what)
}

/** A home with a login that was refreshed once. */
export const seeded = Effect.tap(
  Stage.make(),
  (stage) => Effect.zipRight(stage.seed({ left: 3600 }), stage.run(["refresh", "codex"]))
)
