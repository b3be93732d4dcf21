import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parse as parseToml } from "smol-toml"
import { parse as parseYaml } from "yaml"
import * as JsonSettings from "../src/setup/JsonSettings.js"
import * as KubeConfig from "../src/setup/KubeConfig.js"
import type { Edit } from "../src/setup/SettingsFile.js"
import * as Toml from "../src/setup/Toml.js"
import * as Stage from "./support/Stage.js"

const PAGE = readFileSync(new URL("../../../docs/credential-helpers.md", import.meta.url), "utf8")

/** The example of the page that has a member. */
const example = (language: string, member: string): string => {
  const found = [...PAGE.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, one, code]) =>
    one === language && code!.includes(member)
  )
  assert.lengthOf(found, 1, member)
  return found[0]![2]!
}

const none = () => false
const ours = () => true

const right = (edited: Either.Either<Edit, string>): Edit => {
  if (Either.isLeft(edited)) return assert.fail(edited.left)
  return edited.right
}

/** Every text is there still, in its order. */
const assertKeeps = (after: string, ...kept: ReadonlyArray<string>) => {
  let from = 0
  for (const text of kept) {
    const at = after.indexOf(text, from)
    assert.isAtLeast(at, 0, `${JSON.stringify(text)} is gone from\n${after}`)
    from = at + text.length
  }
}

describe("a table in TOML", () => {
  const wanted: Toml.Wanted = {
    path: ["model_providers", "gateway"],
    table: { name: "gateway", auth: { command: "lockstep", args: ["token", "gateway"], timeout_ms: 30_000 } }
  }
  const edit = (text: string, isOurs = none, more: Partial<Toml.Wanted> = {}) =>
    Toml.edit(Option.some(text), { ...wanted, ...more }, isOurs)

  it("is put behind everything else, and found there", () => {
    const text = "# mine\nmodel = 'gpt-5'   # of late\nbig = 9_007_199_254_740_993\n\n[tui]\nx = 1"
    const first = right(edit(text))
    assert.strictEqual(first.state, "absent")
    assert.isTrue(first.text.startsWith(`${text}\n\n[model_providers.gateway]\n`), first.text)
    assert.deepInclude(right(edit(first.text)), { state: "same", text: first.text })
    assert.strictEqual(right(Toml.edit(Option.none(), wanted, none)).text, Toml.render(wanted))
  })

  it("takes the place of its predecessor, and of that alone", () => {
    const before = "a = 1\n# ours\n"
    const old =
      "[model_providers.gateway]\nname = \"x\"\n[ model_providers . \"gateway\" . auth ]\ncommand = \"lockstep\"\n"
    const behind =
      "\n# theirs\n[model_providers.other]\nname = '''\n[model_providers.gateway]\n'''\n\n[[list]]\ny = 2\n"
    const changed = right(edit(before + old + behind, ours))
    assert.strictEqual(changed.state, "outdated")
    assert.strictEqual(changed.text, before + Toml.render(wanted) + behind)
    assert.strictEqual(right(edit(before + old + behind)).state, "other")
    const crlf = (before + old + behind.replace(/'''[\s\S]*'''/, "'x'")).replaceAll("\n", "\r\n")
    const there = right(edit(crlf, ours)).text
    assert.notMatch(there, /[^\r]\n/)
    assert.strictEqual(
      there,
      (before + Toml.render(wanted) + behind.replace(/'''[\s\S]*'''/, "'x'")).replaceAll("\n", "\r\n")
    )
  })

  it("keeps members that a person added to it", () => {
    const more = Toml.render(wanted).replace("name = ", "wire_api = \"responses\"\nname = ")
    assert.deepStrictEqual(right(edit(more)), { state: "same", text: more })
  })

  it("chooses by a member of the root, and of no table", () => {
    const choice = ["model_provider", "gateway"] as const
    const text = "[x]\nmodel_provider = \"y\"\n"
    const added = right(edit(text, none, { choice }))
    assert.strictEqual(added.state, "absent")
    assert.isTrue(added.text.startsWith(`model_provider = "gateway"\n\n${text}`), added.text)
    const other = right(edit("model_provider = 'openai'  # now\n", none, { choice }))
    assert.strictEqual(other.state, "other")
    assert.strictEqual((parseToml(other.text) as { model_provider: string }).model_provider, "gateway")
    assert.strictEqual(right(edit(added.text, none, { choice })).state, "same")
  })

  it("is not put into a text that is not understood, or where it would touch another", () => {
    for (const text of ["a = ", "model_providers = { gateway = { name = 'x' } }\n", "model_providers = 1\n"]) {
      assert.isTrue(Either.isLeft(edit(text)), text)
    }
    const told = Either.getOrElse(Either.flip(edit("token = \"s3cret\" oops")), () => "")
    assert.notInclude(told, "s3cret")
  })

  it("is what the page says", () => {
    const page = parseToml(example("toml", ".auth]"))
    const self = {
      name: "gateway",
      base_url: "https://gateway.example/v1",
      auth: {
        command: "lockstep",
        args: ["token", "gateway", "--max-wait", "25s"],
        timeout_ms: 30_000
      }
    }
    assert.deepEqual(JSON.parse(JSON.stringify(page)), { model_providers: { gateway: self } })
  })
})

describe("a user of kubectl", () => {
  const wanted = (more: Partial<KubeConfig.Wanted> = {}): KubeConfig.Wanted => ({
    name: "me",
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      interactiveMode: "Never",
      command: "lockstep",
      args: ["token", "cluster", "--format", "kubernetes"]
    },
    context: Option.none(),
    ...more
  })
  const edit = (text: string, isOurs = none, more: Partial<KubeConfig.Wanted> = {}) =>
    KubeConfig.edit(Option.some(text), wanted(more), isOurs)

  const HEAD = `apiVersion: v1 # as ever
clusters:
- cluster: {server: "https://cluster.example:6443"}   # the one
  name: c
contexts:
- context:
    cluster: c
    user: 'other'  # for now
  name: prod
- name: test
  context: {cluster: c, user: other}
`
  const OTHER = "  - name: other\n    user:\n      token: \"0x10\"\n"

  it("is put behind the others, as they are indented, and found there", () => {
    for (const item of [OTHER, OTHER.replace(/^ {2}/gm, "")]) {
      const text = `${HEAD}users:\n${item}# the end\nkind: Config\n`
      const { state, text: after } = right(edit(text))
      assert.strictEqual(state, "absent")
      assertKeeps(after, HEAD, item, "# the end\nkind: Config\n")
      assert.include(after, `\n${item.startsWith(" ") ? "  " : ""}- name: me\n`)
      assert.deepStrictEqual(right(edit(after)), { state: "same", text: after })
    }
  })

  it("is put into every way of writing a list", () => {
    for (
      const users of [
        "",
        "users: []\n",
        "users:\n",
        "users: null\n",
        "users: [ {name: other, user: {}} ]\n",
        "users: ~ # none\n"
      ]
    ) {
      const { text } = right(edit(HEAD + users))
      assertKeeps(text, HEAD)
      assert.strictEqual(right(edit(text)).state, "same", users)
    }
    const json = JSON.stringify({ kind: "Config", users: [{ name: "other", user: { token: "x" } }], big: 1 })
    const inJson = right(edit(json)).text
    assert.strictEqual((JSON.parse(inJson) as { users: ReadonlyArray<unknown> }).users.length, 2)
    assert.lengthOf(
      (JSON.parse(right(edit("{\"kind\":\"Config\"}")).text) as { users: ReadonlyArray<unknown> }).users,
      1
    )
    assert.strictEqual(right(KubeConfig.edit(Option.none(), wanted(), none)).state, "absent")
    const windows = right(edit(`${HEAD}users:\n${OTHER}`.replaceAll("\n", "\r\n"))).text
    assert.notMatch(windows, /[^\r]\n/)
  })

  it("takes the place of its predecessor, and of that alone", () => {
    const old = "  - name: me\n    user:\n      exec: {command: lockstep, args: [old]}\n"
    const text = `${HEAD}users:\n${old}  # behind\n${OTHER}`
    assert.strictEqual(right(edit(text)).state, "other")
    const { state, text: after } = right(edit(text, ours))
    assert.strictEqual(state, "outdated")
    assertKeeps(after, HEAD, "  # behind\n", OTHER)
    assert.notInclude(after, "old")
    assert.strictEqual(right(edit(after)).state, "same")
  })

  it("becomes a context's, in block and in flow, and comments stay", () => {
    const text = `${HEAD}users:\n${OTHER}`
    const block = right(edit(text, none, { context: Option.some("prod") })).text
    assert.include(block, "    user: me  # for now\n")
    const flow = right(edit(text, none, { context: Option.some("test") })).text
    assert.include(flow, "  context: {cluster: c, user: me}\n")
    assert.strictEqual(right(edit(flow, none, { context: Option.some("test") })).state, "same")
    assert.isTrue(Either.isLeft(edit(text, none, { context: Option.some("absent") })))
  })

  it("keeps names that YAML would read as something else", () => {
    for (const name of ["on", "1", "a: b", "codex@work", "mcp:linear", "- x", "#", "é'\""]) {
      const { text } = right(edit(HEAD, none, { name, context: Option.some("prod") }))
      assert.strictEqual(right(edit(text, none, { name, context: Option.some("prod") })).state, "same", text)
    }
  })

  it("is not put into a text that is not understood", () => {
    for (const text of ["a: [", "a: 1\n---\nb: 2\n", "- 1\n", "users: {}\n", "users: 3\n", "x: &a [1]\nusers: *a\n"]) {
      assert.isTrue(Either.isLeft(edit(text)), text)
    }
  })

  it("is what the page says", () => {
    const { users } = parseYaml(example("yaml", "exec:")) as { readonly users: unknown }
    assert.deepStrictEqual(users, (parseYaml(KubeConfig.render(wanted())) as { readonly users: unknown }).users)
  })
})

describe("members in JSON", () => {
  const entry = { command: "lockstep", args: ["mcp", "mcp:linear"], env: { LOCKSTEP_HOME: "/h" } }
  const wanted: ReadonlyArray<JsonSettings.Wanted> = [{ path: ["mcpServers", "linear"], value: entry }]
  const edit = (text: string, isOurs = none) => JsonSettings.edit(Option.some(text), wanted, isOurs)

  it("are put beside the others, and every other byte stays", () => {
    const text = `{\n\t"n": 18446744073709551615,\n\t"mcpServers": {\n\t\t"a": {"url":"\\u00e9"}\n\t},\n\t"z": 1e3\n}\n`
    const { state, text: after } = right(edit(text))
    assert.strictEqual(state, "absent")
    assertKeeps(
      after,
      `{\n\t"n": 18446744073709551615,\n\t"mcpServers": {\n\t\t"a": {"url":"\\u00e9"}`,
      "\t\t\"linear\": {",
      "\n\t},\n\t\"z\": 1e3\n}\n"
    )
    assert.deepStrictEqual((JSON.parse(after) as { mcpServers: object }).mcpServers, { a: { url: "é" }, linear: entry })
    assert.deepStrictEqual(right(edit(after)), { state: "same", text: after })
  })

  it("replace an entry of another's making as a whole, and add to one of ours", () => {
    const text = JSON.stringify({ mcpServers: { linear: { type: "http", url: "https://x" }, b: 1 } })
    const replaced = right(edit(text))
    assert.strictEqual(replaced.state, "other")
    assert.deepStrictEqual((JSON.parse(replaced.text) as { mcpServers: object }).mcpServers, { b: 1, linear: entry })
    const old = JSON.stringify({ mcpServers: { linear: { ...entry, args: ["mcp", "x"], timeout: 5 } } })
    const updated = right(edit(old, ours))
    assert.strictEqual(updated.state, "outdated")
    assert.deepStrictEqual(JSON.parse(updated.text), { mcpServers: { linear: { ...entry, timeout: 5 } } })
  })

  it("are not put into a text that is not understood, or below what is no object", () => {
    for (const text of ["{", "[]", "// c\n{}", "{\"mcpServers\": []}", "{\"mcpServers\": null}"]) {
      assert.isTrue(Either.isLeft(edit(text)), text)
    }
    assert.strictEqual(right(edit("  \n")).state, "absent")
  })

  it("are what the page says", () => {
    const page = JSON.parse(example("json", "\"mcpServers\"")) as { readonly mcpServers: { readonly linear: object } }
    assert.deepStrictEqual(page.mcpServers.linear, { ...entry, env: { LOCKSTEP_HOME: "/home/me/.lockstep" } })
    const claude = JSON.parse(example("json", "apiKeyHelper")) as object
    const settings: ReadonlyArray<JsonSettings.Wanted> = [
      { path: ["apiKeyHelper"], value: "lockstep token gateway" },
      { path: ["env", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"], value: "60000", isDefault: true }
    ]
    assert.deepStrictEqual(JSON.parse(JsonSettings.render(settings)), claude)
  })
})

describe("lockstep setup", () => {
  const make = Effect.gen(function*() {
    const stage = yield* Stage.make()
    yield* stage.seed(...["gateway", "gitlab", "cluster", "mcp:linear"].map((tenant) => ({ tenant, left: 3600 })))
    const bin = join(stage.harness.environment["TMPDIR"]!, "bin")
    mkdirSync(bin)
    writeFileSync(join(bin, "lockstep"), `#!/bin/sh\nexec "${process.execPath}" "${stage.bin}" "$@"\n`)
    chmodSync(join(bin, "lockstep"), 0o755)
    const env = { PATH: `${bin}:${process.env["PATH"] ?? ""}` }
    return {
      stage,
      user: stage.harness.environment["HOME"]!,
      setup: (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}) =>
        stage.run(["setup", ...args], { env: { ...env, ...more } })
    }
  })

  const EVERY: ReadonlyArray<readonly [file: string, args: ReadonlyArray<string>]> = [
    [".gitconfig", ["git", "gitlab", "--to", "https://gitlab.example"]],
    [".kube/config", ["kubectl", "cluster"]],
    [".claude/settings.json", ["claude-code", "gateway", "--to", "https://gateway.example"]],
    [".codex/config.toml", ["codex", "gateway", "--to", "https://gateway.example/v1"]],
    [".codex/config.toml", ["mcp", "mcp:linear", "--client", "codex"]],
    [".cursor/mcp.json", ["mcp", "mcp:linear", "--client", "cursor"]],
    [".gemini/settings.json", ["mcp", "mcp:linear", "--client", "gemini"]],
    ["clients.json", ["mcp", "mcp:linear", "--file", "clients.json"]]
  ]

  it.scopedLive("shows what it would write and changes nothing; with --write it writes once, and says so", () =>
    Effect.gen(function*() {
      const { setup, stage, user } = yield* make
      for (const [file, args] of EVERY) {
        const path = join(user, file)
        const before = statSync(path, { throwIfNoEntry: false })?.mtimeMs
        const shown = yield* setup(args)
        assert.deepInclude(shown, { code: 0 }, shown.stderr)
        assert.include(shown.stdout, "lockstep")
        // The home is named: other programs are started without a person's environment.
        assert.include(shown.stdout, stage.harness.home)
        assert.match(shown.stderr, /: this is not there yet; --write puts it there\n/)
        assert.strictEqual(statSync(path, { throwIfNoEntry: false })?.mtimeMs, before)
        const written = yield* setup([...args, "--write", "--json"])
        assert.strictEqual(written.code, 0, written.stdout)
        assert.deepInclude(JSON.parse(written.stdout), {
          consumer: args[0],
          tenant: args[1],
          state: "absent",
          written: true
        })
        const text = readFileSync(path, "utf8")
        const again = yield* setup([...args, "--write"])
        assert.match(again.stdout, /^unchanged: /)
        assert.strictEqual(readFileSync(path, "utf8"), text)
        assert.match((yield* setup(args)).stderr, /: this is there already\n/)
      }
    }))

  it.scopedLive("leaves what is another's without --replace, and changes what is its own", () =>
    Effect.gen(function*() {
      const { setup, stage, user } = yield* make
      yield* stage.shell("git config --global credential.https://gitlab.example.helper store")
      const theirs: ReadonlyArray<readonly [file: string, text: string]> = [
        [".kube/config", "users:\n- name: cluster\n  user: {token: t}\n"],
        [
          ".claude/settings.json",
          "{\"apiKeyHelper\": \"vault read\", \"env\": {\"CLAUDE_CODE_API_KEY_HELPER_TTL_MS\": \"5\"}}"
        ],
        [".codex/config.toml", "[model_providers.gateway]\nname = \"g\"\n[mcp_servers.linear]\nurl = \"https://x\"\n"],
        [".cursor/mcp.json", "{\"mcpServers\": {\"linear\": {\"url\": \"https://x\"}}}"],
        [".gemini/settings.json", "{\"mcpServers\": {\"linear\": {\"httpUrl\": \"https://x\"}}}"],
        ["clients.json", "{\"mcpServers\": {\"linear\": {\"command\": \"x\"}}}"]
      ]
      for (const [file, text] of theirs) {
        mkdirSync(dirname(join(user, file)), { recursive: true })
        writeFileSync(join(user, file), text)
      }
      for (const [file, args] of EVERY) {
        const text = readFileSync(join(user, file), "utf8")
        Stage.assertTold(yield* setup([...args, "--write"]), 2, /what is there is not from this command/)
        assert.strictEqual(readFileSync(join(user, file), "utf8"), text)
        assert.match((yield* setup(args)).stderr, /another form/)
        assert.match((yield* setup([...args, "--write", "--replace"])).stdout, /^written: /)
        // Another home is another setting of ours.
        const moved = yield* setup([...args, "--write", "--home", join(user, "other")])
        assert.match(moved.stdout, /^written: /, moved.stderr)
        assert.include(readFileSync(join(user, file), "utf8"), join(user, "other"))
      }
      const settings = JSON.parse(readFileSync(join(user, ".claude/settings.json"), "utf8")) as { readonly env: object }
      assert.deepInclude(settings.env, { CLAUDE_CODE_API_KEY_HELPER_TTL_MS: "5" })
    }))

  it.scopedLive("keeps the link and the mode of a file, and is refused what it cannot read", () =>
    Effect.gen(function*() {
      const { setup, user } = yield* make
      const real = join(user, "dotfiles.toml")
      writeFileSync(real, "model = \"m\"\n", { mode: 0o644 })
      mkdirSync(join(user, ".codex"))
      symlinkSync(real, join(user, ".codex", "config.toml"))
      const args = ["codex", "gateway", "--to", "https://gateway.example/v1", "--write"]
      assert.strictEqual((yield* setup(args)).code, 0)
      assert.isTrue(lstatSync(join(user, ".codex", "config.toml")).isSymbolicLink())
      assert.strictEqual(statSync(real).mode & 0o777, 0o644)
      assert.isTrue(readFileSync(real, "utf8").startsWith("model = \"m\"\n\n[model_providers.gateway]"))

      writeFileSync(real, "api_key = \"s3cret\" oops")
      const refused = yield* setup(args)
      Stage.assertTold(refused, 2, /config\.toml: is not TOML that can be read/)
      assert.notInclude(refused.stderr, "s3cret")
      assert.strictEqual(readFileSync(real, "utf8"), "api_key = \"s3cret\" oops")
    }))

  it.scopedLive("writes where the program looks, and a command that is there", () =>
    Effect.gen(function*() {
      const { setup, stage, user } = yield* make
      const elsewhere = join(user, "elsewhere")
      const second = join(user, "second")
      writeFileSync(second, "contexts:\n- name: prod\n  context: {cluster: c, user: x}\n")
      yield* setup(["codex", "gateway", "--to", "https://g.example", "--write"], { CODEX_HOME: elsewhere })
      yield* setup(["claude-code", "gateway", "--write"], { CLAUDE_CONFIG_DIR: elsewhere })
      yield* setup(["kubectl", "cluster", "--context", "prod", "--write"], {
        KUBECONFIG: `${join(elsewhere, "first")}:${second}`
      })
      assert.include(readFileSync(join(elsewhere, "config.toml"), "utf8"), "command = \"lockstep\"")
      assert.include(readFileSync(join(elsewhere, "settings.json"), "utf8"), "lockstep token gateway")
      assert.include(readFileSync(second, "utf8"), "user: cluster")
      // A command that no search path has is named by its own path.
      const bare = yield* stage.run(["setup", "mcp", "mcp:linear"], { env: { PATH: "/nowhere/node_modules/.bin" } })
      const { command } = (JSON.parse(bare.stdout) as { mcpServers: { linear: { command: string } } }).mcpServers.linear
      assert.strictEqual(command, process.execPath)
    }))

  it.scopedLive("says what is missing", () =>
    Effect.gen(function*() {
      const { setup } = yield* make
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["git", "gitlab", "--to", "http://gitlab.example"], /--to: the https address/],
        [["git", "gitlab", "--to", "https://u:p@gitlab.example"], /--to: the https address/],
        [["codex", "gateway", "--to", "gateway.example"], /--to: the https address/],
        [["codex", "gateway"], /--to/],
        [["mcp", "mcp:linear", "--write"], /which client/],
        [["mcp", "mcp:linear", "--client", "claude-code", "--write"], /claude could not be run \(ENOENT\)/],
        [["kubectl", "cluster", "--context", "prod", "--write"], /has no context prod/]
      ]
      for (const [args, what] of cases) Stage.assertTold(yield* setup(args), 2, what)
      const unknown = yield* setup(["git", "gitlba", "--to", "https://gitlab.example"])
      assert.strictEqual(unknown.code, 0)
      assert.match(unknown.stderr, /gitlba is not logged in yet: `lockstep login /)
    }))
})
