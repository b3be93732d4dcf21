/** The scripts of the shells, in the shells themselves where they are installed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Cli from "../src/Cli.js"
import * as Argv from "../src/line/Argv.js"
import * as Completions from "../src/line/Completions.js"
import * as Grammar from "../src/line/Grammar.js"
import * as LineFault from "../src/line/LineFault.js"
import * as Stage from "./support/Stage.js"

const has = (shell: string): boolean => spawnSync(shell, ["--version"]).status === 0

const LOGINS = ["codex", "codex@work", "mcp:linear", "it's $(touch /tmp/lockstep-completed) mine"]

/** What a shell offers for a line that ends at the cursor. */
type Offers = (line: string) => ReadonlyArray<string>

const BASH = `source "$SCRIPT"
COMP_LINE="$LINE" COMP_POINT=\${#LINE}
read -r -a COMP_WORDS <<<"$LINE"
case "$LINE" in *" ") COMP_WORDS+=("") ;; esac
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_lockstep
printf '%s\\n' "\${COMPREPLY[@]}"`

const FISH = `source $SCRIPT; complete -C "$LINE" | string replace -r '\\t.*' ''`

const ZSH = `compdef() { :; }
compadd() { shift; printf '%s\\n' "$@"; }
_files() { :; }
source "$SCRIPT"
words=("\${(@s: :)LINE}") CURRENT=\${#words}
_lockstep`

const SHELLS = { bash: BASH, zsh: ZSH, fish: FISH } as const

const stage = Effect.gen(function*() {
  const made = yield* Stage.make()
  yield* made.seed(...LOGINS.map((tenant) => ({ tenant })))
  const directory = join(dirname(made.harness.home), "bin")
  mkdirSync(directory, { recursive: true })
  const program = join(directory, "lockstep")
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${made.bin}' "$@"\n`)
  chmodSync(program, 0o755)
  return (shell: keyof typeof SHELLS): Offers => {
    const script = join(directory, `completions.${shell}`)
    writeFileSync(script, Completions.script(shell))
    return (line) => {
      const ran = spawnSync(shell, ["-c", SHELLS[shell]], {
        encoding: "utf8",
        env: {
          PATH: `${directory}:${process.env["PATH"]}`,
          HOME: dirname(made.harness.home),
          LOCKSTEP_HOME: made.harness.home,
          SCRIPT: script,
          LINE: line
        }
      })
      assert.strictEqual(ran.stderr, "", `${shell}: ${line}`)
      return ran.stdout.split("\n").filter((word) => word !== "").sort()
    }
  }
})

for (const shell of ["bash", "zsh", "fish"] as const) {
  describe(`the completions of ${shell}`, () => {
    it.scopedLive.skipIf(!has(shell))(
      "offer commands, options, each choice and the logins",
      () =>
        Effect.gen(function*() {
          const offers = (yield* stage)(shell)
          const begins = (line: string, ...words: ReadonlyArray<string>) => {
            const offered = offers(line)
            for (const word of words) assert.include(offered, word, line)
            return offered
          }
          begins("lockstep ", "token", "login", "store", "--home")
          begins("lockstep tok", "token")
          begins("lockstep store ", "move", "--json")
          begins("lockstep --home /x store move --to ", "file", "keyring", "secrets", "postgres")
          const formats = begins("lockstep token codex --format ", "raw", "json", "kubernetes")
          assert.lengthOf(formats.filter((word) => word.startsWith("-")), 0)
          begins("lockstep token c", "codex", "codex@work")
          const logins = begins("lockstep token ", "codex", "codex@work", "--min-ttl")
          assert.isTrue(logins.some((word) => word.includes("touch")), "a login with a strange name is offered, too")
          // Nothing that was called like a command of the shell has run.
          assert.strictEqual(spawnSync("test", ["-e", "/tmp/lockstep-completed"]).status, 1)
          begins("lockstep login --auth-method ", "client_secret_basic", "private_key_jwt")
          assert.deepStrictEqual(offers("lockstep token codex --min-ttl ").filter((word) => word.startsWith("--")), [])
        })
    )
  })
}

describe("what completions offer", () => {
  it("is accepted by the command line, and every option is offered", () => {
    const script = Completions.script("bash")
    let offered = 0
    for (const [, command = "", words = ""] of script.matchAll(/^ {4}"([^|"]*)"\) printf '%s\\n' ([^;]*)/gm)) {
      const grammar = Grammar.of(command === "" ? undefined : command)
      const list = words.trim().split(" ")
      for (const { names } of grammar.options) {
        if (["--completions", "--version"].includes(names[0]!)) continue
        assert.include(list, names[0], command)
      }
      for (const word of list) {
        if (["help", "completions"].includes(word) || word === "--help" || word === "--version") continue
        offered++
        const line = [...command.split(" "), word].filter((one) => one !== "")
        const fault = LineFault.of(Argv.make(line, Grammar.lexicon))
        // It may lack something yet; it knows every word.
        if (Option.isSome(fault)) assert.notMatch(fault.value.message, /there is no|no such|too many/, line.join(" "))
      }
    }
    assert.isAbove(offered, Object.keys(Cli.commands).length * 4)
  })
})
