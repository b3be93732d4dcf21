import { assert, describe, it } from "@effect/vitest"
import * as Argv from "../src/line/Argv.js"

const VALUED = ["--min-ttl", "--format", "--code", "--from", "--scope"]

const lexicon = (commands: ReadonlyArray<string>, subcommands = {}): Argv.Lexicon => ({
  commands,
  subcommands,
  takesValue: (name) => VALUED.includes(name)
})

const LEXICON = lexicon(["token", "exec", "status", "login"])

const args = (...line: ReadonlyArray<string>) => Argv.make(line, LEXICON).args

describe("Argv", () => {
  it("finds global options wherever they stand", () => {
    const expected = ["--home", "/x", "token", "--no-refresh", "true", "codex"]
    assert.deepStrictEqual(args("--home", "/x", "token", "codex", "--no-refresh"), expected)
    assert.deepStrictEqual(args("token", "--home", "/x", "codex", "--no-refresh"), expected)
    assert.deepStrictEqual(args("token", "codex", "--no-refresh", "--home", "/x"), expected)
    assert.deepStrictEqual(args("token", "codex", "--home=/x"), ["--home", "/x", "token", "codex"])
  })

  it("moves what was written before the command behind it", () => {
    assert.deepStrictEqual(args("--json", "status"), ["status", "--json", "true"])
    assert.deepStrictEqual(args("--min-ttl", "5m", "token", "codex"), ["token", "--min-ttl", "5m", "codex"])
  })

  it("takes a tenant that is called like a command for a tenant", () => {
    assert.deepStrictEqual(args("token", "status"), ["token", "status"])
    assert.deepStrictEqual(args("--scope", "status", "login"), ["login", "--scope", "status"])
  })

  it("leaves a switch no word that it could take for its value", () => {
    assert.deepStrictEqual(args("token", "--json", "on"), ["token", "--json", "true", "on"])
    assert.deepStrictEqual(args("token", "on", "--json"), ["token", "--json", "true", "on"])
  })

  it("takes no option for the value of another one", () => {
    const { options } = Argv.make(["login", "--scope", "--json", "--code", "-x", "--from=--y"], LEXICON)
    assert.deepStrictEqual(options, [
      { name: "--scope", value: undefined, isGlued: false },
      { name: "--json", value: undefined, isGlued: false },
      { name: "--code", value: "-x", isGlued: false },
      { name: "--from", value: "--y", isGlued: true }
    ])
  })

  it("knows a word in the place of a command that is none", () => {
    assert.deepInclude(Argv.make(["codex", "token"], LEXICON), { command: undefined, words: ["codex", "token"] })
  })

  it("shields the value of a global option that is called like a command", () => {
    assert.deepStrictEqual(args("status", "--store", "token"), ["--store=token", "status"])
    assert.deepStrictEqual(args("status", "--home", "/a=b"), ["--home", "/a=b", "status"])
  })

  it("finds a command behind another one, wherever the options stand", () => {
    const known = lexicon(["vendors", "login"], { vendors: ["secret"] })
    const parse = (...line: ReadonlyArray<string>) => Argv.make(line, known)
    const expected = { command: "vendors secret", args: ["vendors", "secret", "--from", "-", "gemini"] }
    assert.deepInclude(parse("vendors", "secret", "gemini", "--from", "-"), expected)
    assert.deepInclude(parse("vendors", "gemini", "--from", "-", "secret"), expected)
    assert.deepInclude(parse("vendors", "--json"), { command: "vendors", args: ["vendors", "--json", "true"] })
    assert.deepInclude(parse("login", "secret"), { command: "login", args: ["login", "secret"] })
  })

  it("takes --code alone for standard input", () => {
    assert.deepStrictEqual(args("login", "codex", "--code"), ["login", "--code", "-", "codex"])
    assert.deepStrictEqual(args("login", "--code", "--json", "codex"), [
      "login",
      "--code",
      "-",
      "--json",
      "true",
      "codex"
    ])
    assert.deepStrictEqual(args("login", "--code", "abc"), ["login", "--code", "abc"])
    assert.deepStrictEqual(args("login", "--code=abc"), ["login", "--code", "abc"])
  })

  it("leaves what follows -- to the command that is run", () => {
    const argv = Argv.make(["exec", "codex", "--", "curl", "--help", "--home", "/y", "--json"], LEXICON)
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
    assert.isTrue(Argv.make(["token", "a", "--format", "json"], LEXICON).wantsJson)
    assert.isTrue(Argv.make(["token", "a", "--format=json"], LEXICON).wantsJson)
    assert.isFalse(Argv.make(["token", "a", "--format", "env"], LEXICON).wantsJson)
    assert.isFalse(Argv.make(["json", "token"], LEXICON).wantsJson)
    assert.isTrue(Argv.make(["token", "-h"], LEXICON).wantsHelp)
    assert.deepInclude(Argv.make(["help", "status"], LEXICON), { wantsHelp: true, command: "status" })
  })

  it("keeps the log level from the parser", () => {
    assert.deepInclude(Argv.make(["status", "--log-level", "debug"], LEXICON), { args: ["status"], logLevel: "debug" })
    assert.deepInclude(Argv.make(["--log-level=none", "status"], LEXICON), { args: ["status"], logLevel: "none" })
  })
})
