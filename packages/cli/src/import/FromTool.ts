/**
 * `lockstep import --from-tool`: takes over the login of another tool, told what that does to the tool.
 *
 * A refresh token that is good for one use has one user. A copy of it makes two, which do not know of each other's
 * refreshes: the second one to use it is taken for a thief, and both are logged out. So the default is no copy, and what
 * is offered instead comes first. The tool's file is read and never written.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import * as ShellWord from "@lockstep/core/ShellWord"
import type { TenantId } from "@lockstep/core/TenantId"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import { ToolEntry } from "@lockstep/tools/imports/ToolEntry"
import type { ToolImport } from "@lockstep/tools/imports/ToolImport"
import * as ToolImports from "@lockstep/tools/imports/ToolImports"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as Question from "../terminal/Question.js"
import * as Candidate from "./Candidate.js"
import * as Findings from "./Findings.js"
import * as Tools from "./Tools.js"

/**
 * What was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  /** `NAME` or `NAME:PATH`. */
  readonly fromTool: string
  readonly entry: Option.Option<string>
  readonly accessTokenOnly: boolean
  readonly shareLogin: boolean
  readonly json: boolean
}

/**
 * A login that is to be stored, and where it came from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Taken {
  readonly credential: Credential
  readonly origin: {
    readonly tool: string
    readonly path: string
    readonly entry: string
  }
}

const input = (message: string, advice: string) => new UsageError({ reason: "Input", message, advice })

const collect = (found: ReadonlyArray<ToolImports.Found>) =>
  Effect.gen(function*() {
    const registry = yield* VendorRegistry
    const now = yield* Clock.currentTimeMillis
    const all = found.flatMap(({ entries, path }) =>
      Either.match(entries, { onLeft: () => [], onRight: (some) => some.map((entry) => ({ entry, path })) })
    )
    return {
      candidates: all.flatMap(({ entry, path }) =>
        ToolEntry.$is("Login")(entry) ? [Candidate.make(entry, path, registry.of(entry.credential), now)] : []
      ),
      others: all.flatMap(({ entry, path }) => ToolEntry.$is("Login")(entry) ? [] : [{ entry, path }]),
      damaged: found.flatMap(({ entries, path }) => Either.isLeft(entries) ? [{ path, damage: entries.left }] : [])
    } satisfies Findings.Findings
  })

const ownLogin = (tenant: TenantId, suggestion: Option.Option<string>): string =>
  `lockstep login ${ShellWord.quote(Option.getOrElse(suggestion, () => tenant))}`

/** What to do where there is nothing to take over. */
const nothing = (tool: ToolImport, findings: Findings.Findings, looked: ReadonlyArray<string>): UsageError => {
  const elsewhere = findings.others.map(({ entry }) => entry).find(ToolEntry.$is("Elsewhere"))
  if (elsewhere !== undefined) return input(`${tool.title} keeps its login in ${elsewhere.place}`, elsewhere.instead)
  const replaced = findings.others.map(({ entry }) => entry).find(ToolEntry.$is("Replaced"))
  if (replaced !== undefined) {
    return input(
      `${tool.title} no longer reads its old files: ${replaced.by} is in use, and holds no login`,
      `log in with ${tool.title}; or name the old file with --from-tool ${tool.name}:PATH, if its tokens were never used since`
    )
  }
  const [damaged] = findings.damaged
  if (damaged !== undefined) {
    return input(
      `${damaged.path} is damaged (${damaged.damage})`,
      `${tool.title} may be writing it: try again, or log in with \`lockstep login VENDOR\``
    )
  }
  const [other] = findings.others
  return other === undefined
    ? input(
      `there is no login of ${tool.title} here (${looked.join(", ") || "none of its files"})`,
      `name its file with --from-tool ${tool.name}:PATH, or log in with \`lockstep login VENDOR\``
    )
    : input(
      `${tool.title} has no login to take over in ${other.path}`,
      "an API key is no login: give it to a program by its variable; for a login, run `lockstep login VENDOR`"
    )
}

const LISTED = 12

const choose = (
  tool: ToolImport,
  findings: Findings.Findings,
  entry: Option.Option<string>,
  looked: ReadonlyArray<string>
): Either.Either<Candidate.Candidate, UsageError> => {
  const { candidates } = findings
  const matching = candidates.filter(({ name }) => Option.isNone(entry) || name === entry.value)
  const [only, ...more] = matching
  if (only !== undefined && more.length === 0) return Either.right(only)
  if (candidates.length === 0) return Either.left(nothing(tool, findings, looked))
  const names = [...new Set(candidates.map(({ name }) => name))]
  const list = `${names.slice(0, LISTED).join(", ")}${names.length > LISTED ? ", and more" : ""}`
  if (only === undefined) return Either.left(input(`--entry: there is no login of that name`, `choose one of ${list}`))
  return Either.left(
    Option.isNone(entry)
      ? input(`${tool.title} has ${candidates.length} logins: ${list}`, "choose one with --entry NAME")
      : input(
        `--entry: that name is in ${matching.map(({ path }) => path).join(" and in ")}`,
        `choose the file with --from-tool ${tool.name}:PATH`
      )
  )
}

const danger = (tool: ToolImport): string =>
  `${tool.title} goes on using this login. Its refresh token is good for one use: whichever of the two refreshes first ` +
  "logs the other one out."

/** The safe ways, the best one first. */
const instead = (tool: ToolImport, tenant: TenantId, candidate: Candidate.Candidate): ReadonlyArray<string> => {
  const inPlace = ShellWord.quote(Option.getOrElse(candidate.suggestion, () => candidate.name))
  return [
    ...Option.toArray(Option.map(tool.store, (store) => {
      const named = tool.formats.some(({ replacedBy }) => replacedBy !== undefined)
        ? `${store}:${candidate.path}`
        : store
      return `\`lockstep token ${inPlace} --store ${ShellWord.quote(named)}\` shares it`
    })),
    `\`${ownLogin(tenant, candidate.suggestion)}\` makes a login of its own`,
    ...(Option.isSome(candidate.credential.accessToken) ? ["--access-token-only takes what cannot do harm"] : [])
  ]
}

const consent = (tool: ToolImport, options: Options, candidate: Candidate.Candidate) =>
  Effect.gen(function*() {
    if (options.shareLogin) return yield* Output.warn(danger(tool))
    const ways = instead(tool, options.tenant, candidate)
    const agreed = yield* Question.confirm(
      `${danger(tool)}\n${ways.map((way) => `→ ${way}\n`).join("")}`,
      "Share this login all the same?"
    )
    if (!agreed) {
      return yield* new UsageError({
        reason: "Arguments",
        message: `sharing this login with ${tool.title} would log one of the two out`,
        advice: `${ways.join("; ")}; or say --share-login`
      })
    }
  })

const take = (tool: ToolImport, options: Options, candidate: Candidate.Candidate) =>
  Effect.gen(function*() {
    const { credential, refreshing } = candidate
    if (options.accessTokenOnly || refreshing === "None" || refreshing === "Useless") {
      if (Option.isNone(credential.accessToken)) {
        return yield* input(
          `${tool.title} has no access token for ${candidate.name}`,
          `log in with \`${ownLogin(options.tenant, candidate.suggestion)}\``
        )
      }
      return Candidate.accessTokenOnly(candidate)
    }
    if (refreshing === "Rotates") yield* consent(tool, options, candidate)
    return credential
  })

/**
 * Finds the login of a tool, shows what was found and answers with what is to be stored.
 *
 * @since 0.1.0
 * @category commands
 */
export const find = (options: Options) =>
  Effect.gen(function*() {
    const { path, tool } = yield* Tools.parse(options.fromTool)
    const machine = ToolImports.machine()
    const inFiles = yield* Effect.flatMap(ToolImports.find(tool, machine, path), collect)
    const findings = Option.isSome(path) || inFiles.candidates.length > 0
      ? inFiles
      : {
        ...inFiles,
        others: [
          ...(tool.elsewhere?.(machine) ?? []).map((entry) => ({ entry, path: "" })),
          ...inFiles.others
        ]
      }
    const output = yield* Output.Output
    if (!options.json && findings.candidates.length + findings.others.length + findings.damaged.length > 0) {
      const now = yield* Clock.currentTimeMillis
      yield* output.note(
        Findings.table(findings, { style: output.noteStyle, now, columns: Output.fitting(output.noteScreen) })
      )
    }
    const looked = Option.match(path, { onNone: () => ToolImports.places(tool, machine), onSome: (one) => [one] })
    const candidate = yield* choose(tool, findings, options.entry, looked)
    return {
      credential: yield* take(tool, options, candidate),
      origin: { tool: tool.name, path: candidate.path, entry: candidate.name }
    } satisfies Taken
  })
