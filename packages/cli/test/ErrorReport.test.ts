import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Errors from "@lockstep/core/Errors"
import * as LoginError from "@lockstep/oauth/LoginError"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Advised } from "../src/errors/Advised.js"
import * as ErrorReport from "../src/errors/ErrorReport.js"
import * as Relayed from "../src/errors/Relayed.js"
import { UsageError } from "../src/line/UsageError.js"
import * as Style from "../src/terminal/Style.js"

const tenant = "codex"
const SECRET = "lockstep-at-ErrorReportTest0123456789"

const errors: ReadonlyArray<readonly [Parameters<typeof ErrorReport.fromError>[0], string, number]> = [
  [new Errors.ReauthorizationRequired({ tenant, reason: "InvalidGrant" }), "ReauthorizationRequired", 3],
  [new Errors.LockTimeout({ lock: tenant, waited: 30_000, holder: Option.none() }), "LockTimeout", 4],
  [new Errors.LockUnavailable({ reason: "Remote", path: "/x" }), "LockUnavailable", 4],
  [new Errors.ProviderTimeout({ tenant, reason: "NoAnswer", waited: 8_000 }), "ProviderTimeout", 5],
  [new Errors.ProviderUnavailable({ tenant, reason: "RateLimited", retryAfter: 1_500 }), "ProviderUnavailable", 5],
  [new Errors.ProviderRejected({ tenant, reason: "InvalidClient" }), "ProviderRejected", 5],
  [new Errors.CredentialStoreError({ reason: "Decode", location: "/x" }), "CredentialStoreError", 6],
  [new Errors.RotationNotPersisted({ tenant, location: "/x", kept: "AnswerFile" }), "RotationNotPersisted", 6],
  [new Errors.CredentialExists({ tenant, account: Option.none() }), "CredentialExists", 2],
  [new LoginError.LoginFailed({ tenant, reason: "AuthorizationPending" }), "LoginFailed", 3],
  [
    new LoginError.LoginUnavailable({ tenant, reason: "PortsTaken", message: "what", advice: "do" }),
    "LoginUnavailable",
    2
  ],
  [new UsageError({ reason: "Input", message: "what", advice: "do" }), "UsageError", 2],
  [ConfigError.InvalidData(["LOCKSTEP", "LOCK_TIMEOUT"], "is too short"), "UsageError", 2]
]

describe("ErrorReport", () => {
  it.each(errors)("tells %s in two lines and with its exit code", (error, tag, exitCode) => {
    const report = ErrorReport.fromError(error)
    assert.strictEqual(report.tag, tag)
    assert.strictEqual(report.exitCode, exitCode)
    const lines = ErrorReport.toText(report, Style.plain).split("\n")
    assert.lengthOf(lines, 3)
    assert.match(lines[0]!, /^lockstep: .+/)
    assert.match(lines[1]!, /^→ .+/)
  })

  it("covers every error of a login", () => {
    const tags = new Set(errors.map(([, tag]) => tag))
    const all: Record<LoginError.LoginError["_tag"], true> = {
      LoginFailed: true,
      LoginUnavailable: true,
      CredentialExists: true,
      CredentialStoreError: true,
      LockTimeout: true,
      LockUnavailable: true,
      ProviderRejected: true,
      ProviderTimeout: true,
      ProviderUnavailable: true
    }
    for (const tag of Object.keys(all)) assert.isTrue(tags.has(tag))
  })

  it("covers every error of a refresh", () => {
    const tags = new Set(errors.map(([, tag]) => tag))
    const all: Record<Errors.RefreshError["_tag"], true> = {
      ReauthorizationRequired: true,
      LockTimeout: true,
      LockUnavailable: true,
      ProviderTimeout: true,
      ProviderUnavailable: true,
      ProviderRejected: true,
      CredentialStoreError: true,
      RotationNotPersisted: true
    }
    for (const tag of Object.keys(all)) assert.isTrue(tags.has(tag))
  })

  it("gives programs the reason, seconds and the holder", () => {
    const report = ErrorReport.fromError(
      new Errors.LockTimeout({
        lock: tenant,
        waited: 30_000,
        holder: Option.some(
          Errors.LockHolder.make({ pid: 7, command: Option.some("x"), startedAt: Option.none(), stopped: true })
        )
      })
    )
    assert.deepInclude((ErrorReport.toJson(report) as { error: object }).error, {
      _tag: "LockTimeout",
      waited: 30,
      exit_code: 4,
      holder: { pid: 7, command: "x", stopped: true }
    })
  })

  it("survives the way through another run's output", () => {
    const report = ErrorReport.fromError(errors[4]![0])
    deepStrictEqual(Relayed.parse(JSON.stringify(ErrorReport.toJson(report))), report)
    deepStrictEqual(ErrorReport.fromError(new Relayed.Relayed({ report })), report)
    assert.strictEqual(Relayed.parse("{").tag, "Unexpected")
    assert.strictEqual(Relayed.parse("null").exitCode, 1)
  })

  it("adds the names that may have been meant", () => {
    const error = new Errors.ReauthorizationRequired({ tenant: "codx", reason: "NotFound" })
    const report = ErrorReport.fromError(new Advised({ error, nearest: ["codex"], advice: "did you mean `codex`?" }))
    assert.deepInclude(report, { tag: "ReauthorizationRequired", advice: "did you mean `codex`?", exitCode: 3 })
    deepStrictEqual(report.details["nearest"], ["codex"])
  })

  it("repeats no value that was typed in the place of an argument", () => {
    const validation = (text: string) => ErrorReport.fromError(ValidationError.invalidValue(HelpDoc.p(text)))
    assert.strictEqual(validation(`Received unknown argument: '${SECRET}'`).message, "there is an argument too many")
    assert.strictEqual(
      validation(`Received unknown argument: '--token=${SECRET}'`).message,
      "there is no option --token"
    )
    assert.notInclude(validation(`Expected one of x, got '${SECRET}'`).message, SECRET)
  })

  it("says what is missing, and names the help of the very command", () => {
    const told = (text: string, command?: string) => {
      const cause = Cause.fail(ValidationError.missingValue(HelpDoc.p(text)))
      const { advice, message } = Option.getOrThrow(ErrorReport.fromCause(cause, command))
      return [message, advice]
    }
    deepStrictEqual(told("Expected to find option: '--to'", "proxy"), [
      "--to is missing",
      "see `lockstep proxy --help`"
    ])
    deepStrictEqual(told("Missing argument <TENANT|URL>", "mcp"), [
      "TENANT|URL is missing",
      "see `lockstep mcp --help`"
    ])
    deepStrictEqual(told("Expected one of the following cases: a, b"), [
      "one of these is expected: a, b",
      "see `lockstep --help`, or `lockstep COMMAND --help`"
    ])
  })

  it("does not repeat the words of an unexpected error", () => {
    const report = ErrorReport.fromCause(Cause.die(new SyntaxError(`Unexpected token in ${SECRET}`)))
    assert.isTrue(Option.isSome(report))
    assert.notInclude(JSON.stringify(report), SECRET)
    assert.strictEqual(Option.getOrThrow(report).exitCode, 1)
    const parse = Schema.decodeUnknownEither(Schema.Struct({ a: Schema.Number }))({ a: SECRET })
    assert.notInclude(JSON.stringify(ErrorReport.fromError(parse._tag === "Left" ? parse.left : parse)), SECRET)
  })

  it("has nothing to tell about an interruption", () => {
    assert.isTrue(Option.isNone(ErrorReport.fromCause(Cause.interrupt(FiberId.none))))
  })
})
