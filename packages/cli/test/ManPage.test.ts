import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { inject } from "vitest"
import { page } from "../man-page.mjs"
import type { HelpBook } from "../src/line/HelpPage.js"

const bin = inject("lockstep")
const book = JSON.parse(readFileSync(join(dirname(bin), "..", "dist", "help.json"), "utf8")) as HelpBook

describe("the man page", () => {
  it("has every command with every option of its help", () => {
    const text = page(book, "1.2.3").replaceAll("\\-", "-")
    for (const name of book.commands) {
      assert.include(text, `.SH LOCKSTEP ${name.toUpperCase()}\n`)
      for (const [, list] of book.pages[name]!.lists) {
        for (const [item] of list) assert.include(text, item.replaceAll("\\", "\\e"))
      }
    }
  })

  it("gives no line of text to roff as a request", () => {
    const text = page({
      commands: [],
      subcommands: {},
      valued: [],
      pages: { "": { about: [".so /etc/passwd"], usage: "'x", lists: [] } }
    }, "1")
    assert.include(text, "\n\\&.so /etc/passwd")
    assert.include(text, "\n\\&'x")
  })
})

describe("lockstep completions", () => {
  const run = (...args: ReadonlyArray<string>) => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8" })

  it("prints the script of a shell, and names the shells otherwise", () => {
    const { status, stdout } = run("completions", "bash")
    assert.strictEqual(status, 0)
    assert.strictEqual(stdout, run("--completions", "bash").stdout)
    for (const wrong of [["completions"], ["completions", "tcsh"]]) {
      const { status, stderr } = run(...wrong)
      assert.strictEqual(status, 2)
      for (const shell of ["bash", "fish", "zsh"]) assert.include(stderr, shell)
    }
  })
})
