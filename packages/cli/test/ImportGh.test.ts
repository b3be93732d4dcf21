import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import type { Machine } from "@lockstep/tools/imports/ToolImport"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { inspect } from "node:util"
import { gh } from "../src/import/Gh.js"

const token = FakeToken.make("at")

const HOSTS = `github.com:
    git_protocol: https
    users:
        octocat:
            oauth_token: ${token}
        other:
            oauth_token: ${token}
    user: octocat
    oauth_token: ${token}
ghe.example:
    user: me
`

const machineWith = (variables: Readonly<Record<string, string>>): Machine => ({
  userHome: "/home/me",
  variable: (name) => Option.fromNullable(variables[name]),
  names: () => [],
  text: () => "",
  hostname: "host",
  username: "me"
})

const read = (text: string) =>
  gh.formats[0].read({ path: "/h", text, changedAt: 0, companions: new Map(), machine: machineWith({}) })

const place = (variables: Readonly<Record<string, string>>) => gh.formats[0].locate(machineWith(variables))[0]

describe("gh", () => {
  it("looks where gh looks", () => {
    assert.strictEqual(place({}), "/home/me/.config/gh/hosts.yml")
    assert.strictEqual(place({ XDG_CONFIG_HOME: "/x" }), "/x/gh/hosts.yml")
    assert.strictEqual(place({ XDG_CONFIG_HOME: "/x", GH_CONFIG_DIR: "/g" }), "/g/hosts.yml")
  })

  it("has an entry for each token, and says where the others are", () => {
    const entries = Either.getOrThrow(read(HOSTS))
    assert.deepStrictEqual(
      entries.map((entry) => [entry._tag, entry.name]),
      [["Login", "github.com"], ["Login", "github.com/other"], ["Elsewhere", "ghe.example"]]
    )
  })

  it("is bounded: aliases, depth and size", () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n`
    for (
      const text of [
        bomb,
        "[".repeat(100_000),
        "x".repeat(8 * 1024 * 1024),
        "",
        "\0",
        "- a\n- b"
      ]
    ) {
      assert.isTrue(Either.isLeft(read(text)))
    }
    assert.doesNotThrow(() => read("{a: ".repeat(60_000)))
  })

  it("neither throws nor shows a token, whatever the text", () => {
    const piece = FastCheck.constantFrom(
      ":",
      "\n",
      " ",
      "\t",
      "- ",
      "&a ",
      "*a",
      "{",
      "}",
      "[",
      "\"",
      "'",
      "|",
      ">",
      "!!",
      "#",
      "\0",
      "\uFEFF"
    )
    const cut = FastCheck.tuple(FastCheck.nat(HOSTS.length), FastCheck.nat(6), piece)
    FastCheck.assert(
      FastCheck.property(FastCheck.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
        // A cut inside a token would make its rest a name; names are shown.
        const text = cuts.reduce((before, [at, deleted, inserted]) => {
          const start = before.slice(0, at).includes("lockstep-at-") ? before.indexOf("\n", at) : at
          return start === -1 ? before : before.slice(0, start) + inserted + before.slice(start + deleted)
        }, HOSTS)
        const shown = Either.match(read(text), {
          onLeft: String,
          onRight: (entries) => inspect(entries.filter(({ name }) => !name.includes("lockstep")), { depth: 9 })
        })
        assert.isFalse(shown.includes(token.slice(12, 24)))
      }),
      { seed: 1, numRuns: 500 }
    )
  })
})
