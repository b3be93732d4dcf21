/** Every command and every option that there is: what is wrong with a line is found before anything is done. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Cli from "../src/Cli.js"
import * as Argv from "../src/line/Argv.js"
import * as Grammar from "../src/line/Grammar.js"
import * as ParserEnvironment from "../src/line/ParserEnvironment.js"
import * as InProcess from "./support/InProcess.js"

const COMMANDS = Object.keys(Cli.commands)

/** `secrets` alone asks for the command behind it, whatever else stands there. */
const runs = COMMANDS.filter((name) => name !== "secrets")

const SECRET = "lockstep-at-typed-by-hand"

/** A value that an option takes. */
const valueOf = ({ choices, takes }: Grammar.OptionShape): string =>
  choices[0] ??
    (takes === "DURATION"
      ? "5m"
      : takes === "TIME"
      ? "2026-11-30T18:00:00Z"
      : takes === "N"
      ? "0"
      : takes === "LEVEL"
      ? "debug"
      : "x")

const wordsOf = (grammar: Grammar.Grammar): ReadonlyArray<string> =>
  grammar.words.filter(({ isRequired }) => isRequired).map(() => "x")

/** The options that a command must have, but for one. */
const requiredOf = (grammar: Grammar.Grammar, but?: Grammar.OptionShape): ReadonlyArray<string> =>
  grammar.options.filter((shape) => shape.isRequired && shape !== but).flatMap((shape) => [
    shape.names[0]!,
    valueOf(shape)
  ])

/** Options of the command itself, and the ones that every command has. */
const cases = runs.flatMap((name) => {
  const grammar = Grammar.of(name)
  return grammar.options
    .filter(({ names }) => !["--help", "--version", "--completions"].includes(names[0]!))
    .map((shape) => ({ name, grammar, shape, option: shape.names[0]! }))
})

const folder = mkdtempSync(join(tmpdir(), "lockstep-line-"))
/** Of every line. None makes it. */
const home = join(folder, "home")
afterAll(() => rmSync(folder, { recursive: true }))

interface Told {
  readonly happened: string
  readonly advice: string
}

const toldInTwoLines = (line: ReadonlyArray<string>): Effect.Effect<Told> =>
  Effect.map(InProcess.runLine(line), ({ code, stderr, stdout }) => {
    const what = `${line.join(" ")}\n${stderr}`
    assert.strictEqual(code, 2, what)
    assert.strictEqual(stdout, "", what)
    assert.notInclude(stderr, SECRET)
    const lines = stderr.split("\n")
    assert.lengthOf(lines, 3, what)
    assert.isTrue(lines[0]!.startsWith("lockstep: ") && lines[1]!.startsWith("→ "), what)
    return { happened: lines[0]!.slice("lockstep: ".length), advice: lines[1]!.slice(2) }
  })

const toldAsJson = (line: ReadonlyArray<string>): Effect.Effect<Told> =>
  Effect.map(InProcess.runLine(line), ({ code, stderr, stdout }) => {
    const what = `${line.join(" ")}\n${stderr}${stdout}`
    assert.strictEqual(code, 2, what)
    assert.strictEqual(stderr, "", what)
    assert.notInclude(stdout, SECRET)
    const { error } = JSON.parse(stdout) as { readonly error: Record<string, unknown> }
    assert.deepInclude(error, { _tag: "UsageError", reason: "Arguments", exit_code: 2 }, what)
    return { happened: String(error["message"]), advice: String(error["advice"]) }
  })

/** Whether a line can be told to print JSON, and is not told so yet. */
const hasJson = (line: ReadonlyArray<string>): boolean => {
  const { command } = Argv.make(line, Grammar.lexicon)
  return !line.some((arg) => arg.startsWith("--json")) &&
    Grammar.of(command).options.some(({ names }) => names.includes("--json"))
}

/** Runs a line that must be refused: with exit code 2, in two lines and as JSON, and with nothing done. */
const refused = (line: ReadonlyArray<string>, ...says: ReadonlyArray<string | RegExp>) =>
  Effect.gen(function*() {
    // A line that names its home itself, or names it wrongly, gets none.
    const place = line.some((arg) => arg.startsWith("--home")) ? [] : ["--home", home]
    const told = yield* line.some((arg) => arg.startsWith("--json"))
      ? toldAsJson([...place, ...line])
      : toldInTwoLines([...place, ...line])
    for (const one of says) {
      if (typeof one === "string") assert.include(told.happened, one, line.join(" "))
      else assert.match(told.happened, one, line.join(" "))
    }
    if (hasJson(line)) assert.deepStrictEqual(yield* toldAsJson(["--json", ...place, ...line]), told)
    assert.deepStrictEqual(readdirSync(folder), [], line.join(" "))
    return told
  })

const parse = (line: ReadonlyArray<string>) =>
  CommandDescriptor.parse(
    Cli.root.descriptor,
    ["lockstep", ...Argv.make(line, Grammar.lexicon).args],
    CliConfig.make({ showBuiltIns: false })
  ).pipe(Effect.provide(ParserEnvironment.layer))

describe("a line that is wrong", () => {
  it.effect("has an option that the command does not know", () =>
    Effect.forEach(["", ...runs], (name) => {
      const line = [...name.split(" ").filter((word) => word !== ""), ...wordsOf(Grammar.of(name || undefined))]
      return refused([...line, "--bogus"], "there is no option --bogus").pipe(
        Effect.zipRight(refused([...line, `--bogus=${SECRET}`], "there is no option --bogus")),
        Effect.zipRight(refused([...line, `--${SECRET}.1`], "there is an option that is not known"))
      )
    }))

  it.effect("has an option without its value: at the end, before the next option, and empty", () =>
    Effect.forEach(cases.filter(({ shape }) => shape.takes !== undefined), ({ grammar, name, option, shape }) => {
      // Alone it means something.
      if (Object.hasOwn(Argv.IMPLIED, option)) return Effect.void
      const line = [...name.split(" "), ...wordsOf(grammar), ...requiredOf(grammar, shape)]
      const says = [`${option}: its value is missing`, ...(shape.choices.length > 0 ? shape.choices : [shape.takes!])]
      return refused([...line, option], ...says).pipe(
        Effect.zipRight(refused([...name.split(" "), option, "--log-level", "debug", ...wordsOf(grammar)], ...says)),
        Effect.when(() => option !== "--log-level"),
        Effect.zipRight(refused([...line, `${option}=`], ...says)),
        Effect.zipRight(refused([...line, option, ""], ...says))
      )
    }))

  it.effect("has a choice that is none", () =>
    Effect.forEach(cases.filter(({ shape }) => shape.choices.length > 0), ({ grammar, name, option, shape }) =>
      refused(
        [...name.split(" "), ...wordsOf(grammar), ...requiredOf(grammar, shape), option, SECRET],
        `${option}: `,
        shape.choices.join(", ")
      )))

  it.effect("has an option twice that is read once", () =>
    Effect.forEach(cases.filter(({ shape }) => !shape.repeats), ({ grammar, name, option, shape }) => {
      const once = shape.takes === undefined ? [option] : [option, valueOf(shape)]
      return refused(
        [...name.split(" "), ...wordsOf(grammar), ...requiredOf(grammar, shape), ...once, ...once],
        `${option} is there twice`
      )
    }))

  it.effect("gives a switch a value", () =>
    Effect.forEach(
      cases.filter(({ shape }) => shape.takes === undefined),
      ({ grammar, name, option }) =>
        refused([...name.split(" "), ...wordsOf(grammar), `${option}=${SECRET}`], `${option} is a switch`)
    ))

  it.effect("lacks an option that the command must have", () =>
    Effect.forEach(
      cases.filter(({ shape }) => shape.isRequired),
      ({ grammar, name, option, shape }) =>
        refused([...name.split(" "), ...wordsOf(grammar), ...requiredOf(grammar, shape)], `${option} is missing; `)
    ))

  it.effect("lacks an argument, or has one too many", () =>
    Effect.forEach(runs, (name) => {
      const grammar = Grammar.of(name)
      const line = [...name.split(" "), ...requiredOf(grammar)]
      const first = grammar.words.find(({ isRequired }) => isRequired)
      return Effect.void.pipe(
        Effect.zipRight(first === undefined ? Effect.void : refused(line, `${first.name} is missing`)),
        Effect.zipRight(
          grammar.words.some(({ repeats }) => repeats)
            ? Effect.void
            : refused([...line, ...grammar.words.map(() => "x"), SECRET], /too many|no such command/)
        )
      )
    }))

  it.effect("has a command behind -- where none is run", () =>
    Effect.forEach(runs.filter((name) => name !== "exec"), (name) => {
      const grammar = Grammar.of(name)
      return refused([...name.split(" "), ...requiredOf(grammar), ...wordsOf(grammar), "--", SECRET], "behind --")
    }))

  it.effect("names a command that is none, and is told what was probably meant", () =>
    Effect.gen(function*() {
      for (const name of runs.filter((one) => !one.includes(" "))) {
        const mistyped = `${name.slice(0, 1)}${name.slice(2)}`
        if (COMMANDS.includes(mistyped)) continue
        const { advice } = yield* refused([mistyped, "codex"], "there is no such command")
        assert.include(advice, `\`${name}\``, mistyped)
        yield* refused([mistyped, "codex", "--help"], "there is no such command")
        yield* refused(["help", mistyped], "there is no such command")
      }
      assert.include((yield* refused(["store", "mvoe"], "store has no such command")).advice, "`store move`")
      assert.notInclude((yield* refused([SECRET], "there is no such command")).advice, "did you mean")
    }))

  it.effect("names what has the option, or what it was probably meant to be", () =>
    Effect.gen(function*() {
      assert.include((yield* refused(["token", "x", "--scope", "y"])).advice, "`login` has it")
      assert.include((yield* refused(["token", "x", "--min-tll", "5m"])).advice, "did you mean `--min-ttl`?")
      assert.include((yield* refused(["token", "x", "--format", "jsn"])).advice, "did you mean `json`?")
      assert.notInclude((yield* refused(["status", "--bogus", "--history"])).happened, "--history")
      assert.include((yield* refused(["login", "--issuer", "--client-id", "x"])).happened, "--issuer")
    }))
})

describe("a line that is right", () => {
  it.effect("is read alike with = and without", () =>
    Effect.forEach(
      cases.filter(({ shape }) => shape.takes !== undefined),
      ({ grammar, name, option, shape }) =>
        Effect.gen(function*() {
          if (option === "--log-level") return
          const line = [...name.split(" "), ...wordsOf(grammar), ...requiredOf(grammar, shape)]
          const apart = yield* parse([...line, option, valueOf(shape)])
          const glued = yield* parse([...line, `${option}=${valueOf(shape)}`])
          assert.strictEqual(apart._tag, "UserDefined")
          if (apart._tag !== "UserDefined") return
          assert.deepStrictEqual(apart.leftover, [])
          assert.strictEqual(JSON.stringify(glued), JSON.stringify(apart), `${name} ${option}`)
        })
    ))

  it.effect("is read alike wherever its options stand, all of them at once", () =>
    Effect.forEach(runs, (name) =>
      Effect.gen(function*() {
        const grammar = Grammar.of(name)
        const own = grammar.options.filter(({ names }) =>
          !["--help", "--version", "--completions", "--log-level", "--home", "--store"].includes(names[0]!)
        )
        const all = own.flatMap((shape) =>
          shape.takes === undefined ? [shape.names[0]!] : [shape.names[0]!, valueOf(shape)]
        )
        // Words that a switch could take for its value.
        const words = grammar.words.map(() => "on")
        const before = yield* parse([...all, ...name.split(" "), ...words])
        const behind = yield* parse([...name.split(" "), ...words, ...all])
        assert.strictEqual(JSON.stringify(before), JSON.stringify(behind), name)
        assert.strictEqual(before._tag === "UserDefined" ? before.leftover.length : -1, 0, name)
        if (words.length > 0 && name !== "exec") assert.include(JSON.stringify(before), "\"on\"", name)
      })))

  it("has one meaning for an option, whichever command has it", () => {
    for (const { name, option, shape } of cases) {
      assert.strictEqual(Grammar.valued().has(option), shape.takes !== undefined, `${name} ${option}`)
    }
  })
})
