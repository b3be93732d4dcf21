/** Every page of help: what it shows can be typed, and it fits a narrow window. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Cli from "../src/Cli.js"
import * as Argv from "../src/line/Argv.js"
import * as Grammar from "../src/line/Grammar.js"
import * as HelpPage from "../src/line/HelpPage.js"
import * as LineFault from "../src/line/LineFault.js"
import * as Manual from "../src/line/Manual.js"
import * as Style from "../src/terminal/Style.js"
import * as Table from "../src/terminal/Table.js"

const { pages } = Manual.book()

/** The words of a line as a shell takes them. */
const words = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)

describe("the help", () => {
  it("has examples on every page, and each of them is a line that the command accepts", () => {
    assert.deepStrictEqual(Object.keys(pages).sort(), ["", ...Object.keys(Cli.commands)].sort())
    for (const [name, { lists }] of Object.entries(pages)) {
      const [, examples = []] = lists.find(([title]) => title === "examples") ?? []
      assert.isTrue(examples.some(([line]) => line.startsWith(`lockstep ${name}`)), name)
      for (const [line, about] of examples) {
        assert.isNotEmpty(about)
        const [program, ...args] = words(line)
        assert.strictEqual(program, "lockstep")
        const fault = LineFault.of(Argv.make(args, Grammar.lexicon))
        // `secrets` is nothing without the command behind it.
        assert.isTrue(Option.isNone(fault), `${line}: ${Option.getOrNull(fault)?.message}`)
      }
    }
  })

  it("names every choice of every option", () => {
    for (const name of Object.keys(Cli.commands)) {
      const text = pages[name]!.lists.flatMap(([, items]) => items).map((item) => item.join(" ")).join("\n")
      for (const choice of Grammar.of(name).options.flatMap(({ choices }) => choices)) {
        assert.include(text, choice, name)
      }
    }
  })

  it.each([40, 60, 80, 100, 200])("fits %i columns", (columns) => {
    for (const page of Object.values(pages)) {
      for (const line of HelpPage.render(page, { style: Style.plain, columns }).split("\n")) {
        // One word cannot be broken: an address, or a line to be copied.
        assert.isTrue(Table.width(line) <= columns || !line.trim().includes(" "), `${columns}: ${line}`)
      }
    }
  })

  it("is ASCII where the locale is, and says the same", () => {
    const style = Style.inAscii(Style.plain)
    for (const page of Object.values(pages)) {
      assert.match(HelpPage.render(page, { style, columns: 80 }), /^[\n\x20-\x7e]*$/)
    }
  })
})
