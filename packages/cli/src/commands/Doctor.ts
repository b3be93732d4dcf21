/**
 * @since 0.1.0
 */
import { Home } from "@lockstep/node/Home"
import * as Effect from "effect/Effect"
import * as Files from "../doctor/Files.js"
import type * as Finding from "../doctor/Finding.js"
import * as Journals from "../doctor/Journals.js"
import * as Locks from "../doctor/Locks.js"
import * as Logins from "../doctor/Logins.js"
import * as Surroundings from "../doctor/Surroundings.js"
import { Ended } from "../Ended.js"
import * as ExitCode from "../ExitCode.js"
import * as Output from "../Output.js"
import * as Style from "../Style.js"

/**
 * What `lockstep doctor` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly json: boolean
}

const checks = Effect.all([
  Files.files,
  Files.store,
  Locks.support,
  Locks.holders,
  Journals.check,
  Logins.pending,
  Logins.sources,
  Surroundings.clock,
  Surroundings.network
])

const isProblem = (finding: Finding.Finding): boolean => finding.kind === "problem"

const render = (checked: ReadonlyArray<Finding.Checked>, style: Style.Style): string =>
  checked.map(({ check, findings }) => {
    const mark = findings.some(isProblem) ? style.red("✗") : style.green("✓")
    const lines = findings.map((finding) =>
      finding.advice === null
        ? `    ${style.dim(Style.printable(finding.message))}\n`
        : `    ${Style.printable(finding.message)}\n    ${style.dim("→")} ${Style.printable(finding.advice)}\n`
    )
    return `${mark} ${style.bold(check)}\n${lines.join("")}`
  }).join("")

/**
 * Checks everything that can be checked from here and says how to repair what it finds.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const home = yield* Home
    const output = yield* Output.Output
    const checked = yield* checks
    const problems = checked.flatMap(({ findings }) => findings.filter(isProblem)).length
    if (options.json) {
      yield* Output.json({ home: home.directory, healthy: problems === 0, checks: checked })
    } else {
      yield* output.data(render(checked, output.dataStyle))
      yield* output.note(
        problems === 0 ? `${home.directory} is healthy\n` : `${problems} finding${problems === 1 ? "" : "s"}\n`
      )
    }
    if (problems > 0) yield* new Ended({ code: ExitCode.Unexpected })
  })
