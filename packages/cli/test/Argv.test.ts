import { assert, describe, it } from "@effect/vitest"
import * as Argv from "../src/Argv.js"

const COMMANDS = ["token", "exec", "status"]

const args = (...line: ReadonlyArray<string>) => Argv.make(line, COMMANDS).args

describe("Argv", () => {
  it("finds global options wherever they stand", () => {
    const expected = ["--home", "/x", "token", "codex", "--no-refresh"]
    assert.deepStrictEqual(args("--home", "/x", "token", "codex", "--no-refresh"), expected)
    assert.deepStrictEqual(args("token", "--home", "/x", "codex", "--no-refresh"), expected)
    assert.deepStrictEqual(args("token", "codex", "--no-refresh", "--home", "/x"), expected)
    assert.deepStrictEqual(args("token", "codex", "--home=/x"), ["--home=/x", "token", "codex"])
  })

  it("moves what was written before the command behind it", () => {
    assert.deepStrictEqual(args("--json", "status"), ["status", "--json"])
    assert.deepStrictEqual(args("--min-ttl", "5m", "token", "codex"), ["token", "--min-ttl", "5m", "codex"])
  })

  it("takes a tenant that is called like a command for a tenant", () => {
    assert.deepStrictEqual(args("token", "status"), ["token", "status"])
  })

  it("shields the value of a global option that is called like a command", () => {
    assert.deepStrictEqual(args("status", "--store", "token"), ["--store=token", "status"])
    assert.deepStrictEqual(args("status", "--home", "/a=b"), ["--home", "/a=b", "status"])
  })

  it("finds a command behind another one, wherever the options stand", () => {
    const parse = (...line: ReadonlyArray<string>) => Argv.make(line, ["vendors", "login"], { vendors: ["secret"] })
    const expected = { command: "vendors secret", args: ["vendors", "secret", "gemini", "--from", "-"] }
    assert.deepInclude(parse("vendors", "secret", "gemini", "--from", "-"), expected)
    assert.deepInclude(parse("vendors", "gemini", "--from", "-", "secret"), expected)
    assert.deepInclude(parse("vendors", "--json"), { command: "vendors", args: ["vendors", "--json"] })
    assert.deepInclude(parse("login", "secret"), { command: "login", args: ["login", "secret"] })
  })

  it("takes --code alone for standard input", () => {
    assert.deepStrictEqual(args("login", "codex", "--code"), ["login", "codex", "--code", "-"])
    assert.deepStrictEqual(args("login", "--code", "--json", "codex"), ["login", "--code", "-", "--json", "codex"])
    assert.deepStrictEqual(args("login", "--code", "abc"), ["login", "--code", "abc"])
    assert.deepStrictEqual(args("login", "--code=abc"), ["login", "--code=abc"])
  })

  it("leaves what follows -- to the command that is run", () => {
    const argv = Argv.make(["exec", "codex", "--", "curl", "--help", "--home", "/y", "--json"], COMMANDS)
    assert.isFalse(argv.wantsHelp)
    assert.isFalse(argv.wantsJson)
    const at = argv.args.indexOf("--")
    assert.deepStrictEqual(argv.args.slice(0, at), ["exec", "codex"])
    assert.notInclude(argv.args, "--help")
    assert.deepStrictEqual(argv.args.slice(at + 1).flatMap(Argv.unshield), ["curl", "--help", "--home", "/y", "--json"])
  })

  it("hands a command only what was written behind --", () => {
    assert.deepStrictEqual(args("exec", "codex", "ls").flatMap(Argv.unshield), [])
  })

  it("knows who wants JSON and who wants help", () => {
    assert.isTrue(Argv.make(["token", "a", "--format", "json"], COMMANDS).wantsJson)
    assert.isTrue(Argv.make(["token", "a", "--format=json"], COMMANDS).wantsJson)
    assert.isFalse(Argv.make(["token", "a", "--format", "env"], COMMANDS).wantsJson)
    assert.isFalse(Argv.make(["json", "token"], COMMANDS).wantsJson)
    assert.isTrue(Argv.make(["token", "-h"], COMMANDS).wantsHelp)
    assert.deepInclude(Argv.make(["help", "status"], COMMANDS), { wantsHelp: true, command: "status" })
  })

  it("keeps the log level from the parser", () => {
    assert.deepInclude(Argv.make(["status", "--log-level", "debug"], COMMANDS), { args: ["status"], logLevel: "debug" })
    assert.deepInclude(Argv.make(["--log-level=none", "status"], COMMANDS), { args: ["status"], logLevel: "none" })
  })
})
