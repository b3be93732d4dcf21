/**
 * @since 0.1.0
 */
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Clocks from "../doctor/Clocks.js"
import * as Files from "../doctor/Files.js"
import type * as Finding from "../doctor/Finding.js"
import * as Fleet from "../doctor/Fleet.js"
import * as Journals from "../doctor/Journals.js"
import * as Keepers from "../doctor/Keepers.js"
import * as Keyrings from "../doctor/Keyrings.js"
import * as Locks from "../doctor/Locks.js"
import * as Logins from "../doctor/Logins.js"
import * as Room from "../doctor/Room.js"
import * as Sidecars from "../doctor/Sidecars.js"
import * as Stores from "../doctor/Stores.js"
import * as Subject from "../doctor/Subject.js"
import * as Surroundings from "../doctor/Surroundings.js"
import * as Advice from "../errors/Advice.js"
import { Ended } from "../errors/Ended.js"
import * as ExitCode from "../errors/ExitCode.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as StatusView from "../views/StatusView.js"
import type * as Survey from "../views/Survey.js"

/**
 * What `lockstep doctor` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether no server is asked what time it is. */
  readonly offline: boolean
  /** Whether a pin that no process can use is replaced. */
  readonly repair: boolean
  readonly json: boolean
  /** The global options as they were given, for the commands that are advised. */
  readonly globals: ReadonlyArray<string>
}

const checks = (options: Options, pin: Finding.Checked) =>
  Effect.zipWith(Fleet.check, ofHome(options, pin), (fleet, home) => [...fleet, ...home])

const ofHome = (options: Options, pin: Finding.Checked) =>
  Effect.all([
    Effect.succeed(pin),
    Files.files,
    Room.check,
    Stores.store,
    Stores.move,
    Stores.drift,
    Keyrings.check,
    Locks.support,
    Locks.holders,
    Sidecars.check,
    Journals.check,
    Journals.lineage,
    Logins.pending,
    Logins.sources,
    Keepers.check,
    Surroundings.clock,
    Surroundings.network,
    ...(options.offline ? [] : [Clocks.servers])
  ])

const isProblem = (finding: Finding.Finding): boolean => finding.kind === "problem"

const line = ({ advice, kind, message }: Finding.Finding, style: Style.Style): string => {
  const text = Style.printable(message)
  const told = kind === "problem" ? text : style.dim(text)
  return `    ${told}\n    ${style.dim(style.glyphs.arrow)} ${Style.printable(advice)}\n`
}

const render = (checked: ReadonlyArray<Finding.Checked>, style: Style.Style): string =>
  checked.map(({ check, findings }) => {
    const mark = findings.some(isProblem) ? style.red(style.glyphs.cross) : style.green(style.glyphs.tick)
    return `${mark} ${style.bold(check)}\n${findings.map((finding) => line(finding, style)).join("")}`
  }).join("")

/**
 * Checks everything that can be checked from here and says how to repair what it finds. A store that does not answer is
 * one of the findings, and hides no other.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  // First: what is repaired there is found by nothing that comes after it.
  Effect.flatMap(Stores.pin(options.repair), (pin) => Subject.provide(examine(options, pin)))

const examine = (options: Options, pin: Finding.Checked) =>
  Effect.gen(function*() {
    const { home } = yield* NativeHome
    const { name: store } = yield* StoreChoice
    const { journal, remembered } = yield* Subject.Subject
    const output = yield* Output.Output
    const checked = (yield* checks(options, pin)).map((one) => ({
      ...one,
      findings: one.findings.map((finding): Finding.Finding => ({
        ...finding,
        advice: Advice.withGlobals(finding.advice, options.globals)
      }))
    }))
    const problems = checked.flatMap(({ findings }) => findings.filter(isProblem)).length
    if (options.json) {
      // From the journals, which answer when the store does not.
      const lineages = yield* Effect.forEach(remembered, (tenant) =>
        Effect.match(journal(tenant), {
          onFailure: (error): Either.Either<Survey.Lineage, Survey.Damaged> => Either.left({ tenant, error }),
          onSuccess: ({ outcomes }) => Either.right({ tenant, outcomes })
        }))
      yield* Output.json({
        home: home.directory,
        store,
        healthy: problems === 0,
        checks: checked,
        history: StatusView.historyJson(lineages)
      })
    } else {
      yield* output.data(render(checked, output.dataStyle))
      yield* output.note(
        problems === 0 ? `${home.directory} is healthy\n` : `${problems} finding${problems === 1 ? "" : "s"}\n`
      )
    }
    if (problems > 0) yield* new Ended({ code: ExitCode.Unexpected })
  })
