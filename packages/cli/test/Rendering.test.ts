import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as AccessToken from "@lockstep/core/AccessToken"
import { Account } from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Nearest from "../src/line/Nearest.js"
import * as Style from "../src/terminal/Style.js"
import * as Table from "../src/terminal/Table.js"
import * as Times from "../src/terminal/Times.js"
import * as TokenFormat from "../src/token/TokenFormat.js"

describe("Style", () => {
  const colours = (env: Record<string, string>, isTTY: boolean) => !Style.forStream({ isTTY }, env).isPlain

  it("colours a terminal and nothing else", () => {
    assert.isTrue(colours({}, true))
    assert.isFalse(colours({}, false))
  })

  it("obeys NO_COLOR, FORCE_COLOR, CLICOLOR and TERM", () => {
    assert.isFalse(colours({ NO_COLOR: "1", FORCE_COLOR: "1" }, true))
    assert.isTrue(colours({ NO_COLOR: "" }, true))
    assert.isTrue(colours({ FORCE_COLOR: "1" }, false))
    assert.isFalse(colours({ FORCE_COLOR: "0" }, true))
    assert.isTrue(colours({ CLICOLOR_FORCE: "1" }, false))
    assert.isFalse(colours({ CLICOLOR: "0" }, true))
    assert.isFalse(colours({ TERM: "dumb" }, true))
  })

  it("has nothing beyond ASCII of its own where the locale has not", () => {
    const of = (env: Record<string, string>) => Style.isAscii(Style.forStream({ isTTY: true }, env))
    assert.isTrue(of({ LANG: "C" }))
    assert.isTrue(of({ LC_ALL: "POSIX", LANG: "en_US.UTF-8" }))
    assert.isTrue(of({ LC_CTYPE: "en_US.ISO-8859-1" }))
    assert.isFalse(of({ LC_ALL: "", LANG: "C.UTF-8" }))
    assert.isFalse(of({ LANG: "de_DE.utf8" }))
    assert.isFalse(of({}))
    assert.strictEqual(Style.spell("a → b…", Style.inAscii(Style.coloured)), "a -> b...")
    assert.strictEqual(Style.spell("a → b…", Style.plain), "a → b…")
  })

  it("lets no text steer the terminal", () => {
    assert.strictEqual(Style.printable("a\u001b[2Jb\u202ec\rd\ne\u2028f"), "a\ufffd[2Jb\ufffdc\ufffdd\ufffde\ufffdf")
  })

  it("lets only its own sequences through to a terminal, and lines", () => {
    const own = `${Style.coloured.bold("a")}\n${Style.redraw("rest", 3)}\tb\n${Style.redraw("line")}${
      Style.redraw("rest")
    }`
    assert.strictEqual(Style.harmless(own), own)
    assert.strictEqual(own, "\u001b[1ma\u001b[22m\n\u001b[3A\r\u001b[J\tb\n\r\u001b[K\r\u001b[J")
    assert.strictEqual(Style.harmless("\u001b[J\u001b[3A\u001b[K"), "\ufffd[J\ufffd[3A\ufffd[K")
    assert.strictEqual(
      Style.harmless("\u001b]0;title\u0007\u001b[2J\u009b1mx\ry\u2028\u202e\u200b\ud800"),
      "\ufffd]0;title\ufffd\ufffd[2J\ufffd1mx\ufffdy\ufffd\ufffd\ufffd\ufffd"
    )
  })
})

describe("Table", () => {
  it("aligns by the columns that a text takes, and drops what is empty everywhere", () => {
    const text = Table.render(["A", "B", "C"], [["x", "", "1"], ["日本", "", "2"], ["e\u0301e", "", "3"]], Style.plain)
    assert.strictEqual(text, "A     C\nx     1\n日本  2\ne\u0301e    3\n")
  })

  it("is a list for each row where the window is too narrow", () => {
    const rows = [["codex", "refreshes at next use", "in 1h"], ["mcp:linear", "fresh", ""]]
    const header = ["TENANT", "STATE", "EXPIRY"]
    assert.strictEqual(
      Table.render(header, rows, Style.plain, 32),
      "codex\n  STATE   refreshes at next use\n  EXPIRY  in 1h\nmcp:linear\n  STATE   fresh\n"
    )
    assert.match(Table.render(header, rows, Style.plain, 60), /^TENANT {6}STATE/)
    for (const columns of [40, 45, 60]) {
      const text = Table.render(
        header,
        [["codex@work", "expiring (asks again in 59m 59s)", "in 1m"]],
        Style.plain,
        columns
      )
      for (const line of text.split("\n")) assert.isAtMost(Table.width(line), columns)
    }
  })

  it("counts the columns of a terminal: wide, emoji, combined and invisible characters", () => {
    const cases: ReadonlyArray<readonly [string, number]> = [
      ["abc", 3],
      ["日本", 4],
      ["e\u0301", 1],
      ["𠀀", 2],
      ["〿", 1],
      ["👩‍💻", 2],
      ["1️⃣", 2],
      ["a\u200bb", 2],
      ["é", 1]
    ]
    for (const [text, columns] of cases) {
      assert.strictEqual(Table.width(text), columns, text)
    }
  })

  it("does not count colour as width", () => {
    assert.strictEqual(Table.width(Style.coloured.red("abc")), 3)
  })
})

describe("Times", () => {
  it("shows the two largest units", () => {
    assert.strictEqual(Times.span(0), "0s")
    assert.strictEqual(Times.span(59_400), "59s")
    assert.strictEqual(Times.span(3_600_000), "1h")
    assert.strictEqual(Times.span(3_660_000), "1h 1m")
    assert.strictEqual(Times.span(90_061_000), "1d 1h")
  })

  it("says on which side of now a moment lies", () => {
    assert.strictEqual(Times.relative(61_000, 1_000), "in 1m")
    assert.strictEqual(Times.relative(1_000, 61_000), "1m ago")
    assert.strictEqual(Times.relative(1_000, 1_200), "now")
  })
})

describe("Nearest", () => {
  const names = ["codex", "codex@work", "anthropic-oauth", "mcp:linear"]

  it("suggests what was probably meant, nearest first", () => {
    deepStrictEqual(Nearest.find("codx", names), ["codex"])
    deepStrictEqual(Nearest.find("ocdex", names), ["codex"])
    deepStrictEqual(Nearest.find("codex@wrok", names), ["codex@work", "codex"])
    deepStrictEqual(Nearest.find("anthropic", names), ["anthropic-oauth"])
  })

  it("suggests nothing that is far away", () => {
    deepStrictEqual(Nearest.find("github", names), [])
    deepStrictEqual(Nearest.find("x", ["abc"]), [])
  })
})

describe("TokenFormat", () => {
  const token = (text: string, tokenType = "Bearer") =>
    new AccessToken.AccessToken({
      tenant: TenantId.make("codex"),
      token: Redacted.make(text),
      tokenType,
      scope: Option.none(),
      resource: Option.none(),
      expiresAt: Option.some(1_000),
      account: Option.some(Account.make({ id: Option.none(), label: Option.some("a") })),
      generation: 3
    })
  const render = (format: TokenFormat.TokenFormat, text = "lockstep-at-1") =>
    TokenFormat.render(token(text), {
      format,
      source: "stored",
      store: Option.some("/home/auth.json"),
      now: 940_500
    })

  it("answers git and kubernetes as their helpers do", () => {
    assert.strictEqual(render("git"), "username=oauth2\npassword=lockstep-at-1\npassword_expiry_utc=1000")
    deepStrictEqual(JSON.parse(render("kubernetes")), {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "lockstep-at-1", expirationTimestamp: "1970-01-01T00:16:40Z" }
    })
  })

  it("prints every other form on one line", () => {
    assert.strictEqual(render("raw"), "lockstep-at-1")
    assert.strictEqual(render("header"), "Authorization: Bearer lockstep-at-1")
    assert.strictEqual(render("env"), "LOCKSTEP_TOKEN=lockstep-at-1")
    deepStrictEqual(JSON.parse(render("json")), {
      access_token: "lockstep-at-1",
      token_type: "Bearer",
      expires_at: 1_000,
      expires_in: 59,
      tenant: "codex",
      account: { id: null, label: "a" },
      source: "stored",
      generation: 3,
      store: "/home/auth.json"
    })
  })

  it("writes the header for a client that wants an object, too", () => {
    deepStrictEqual(JSON.parse(render("headers-json", "a\"b")), { Authorization: "Bearer a\"b" })
  })

  it("sends as a bearer token whatever wants no proof of possession", () => {
    const options = { format: "header", source: "stored", store: Option.none(), now: 0 } as const
    deepStrictEqual(
      ["Bearer", "user", "access_token", "DPoP"].map((type) => TokenFormat.render(token("t", type), options)),
      ["Bearer", "Bearer", "Bearer", "DPoP"].map((scheme) => `Authorization: ${scheme} t`)
    )
  })

  it("quotes for a shell what a shell would take apart", () => {
    assert.strictEqual(render("env", "a'b $(c)"), "LOCKSTEP_TOKEN='a'\\''b $(c)'")
  })
})
