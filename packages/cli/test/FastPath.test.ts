import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as VendorMargins from "@lockstep/oauth/VendorMargins"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import * as ExitCode from "../src/errors/ExitCode.js"
import type * as InProcess from "./support/InProcess.js"
import { full, judged } from "./support/TwoPaths.js"

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const TOKEN = "lockstep-at-FastPathTest"

const ask = (
  home: string,
  now: number,
  change: { readonly args?: ReadonlyArray<string>; readonly env?: Readonly<Record<string, string | undefined>> } = {}
): string | undefined => judged(change.args ?? ["token", "codex"], change.env ?? { LOCKSTEP_HOME: home }, now).text

const inHome = <A>(use: (home: string) => A): A => {
  const home = mkdtempSync(join(tmpdir(), "lockstep-fast-"))
  try {
    return use(home)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

const entry = (members: Record<string, unknown> = {}) => ({
  token_endpoint: "http://127.0.0.1:1/token",
  client_id: "client",
  access_token: TOKEN,
  refresh_token: "lockstep-rt-FastPathTest",
  expires_at: SECONDS + 3600,
  obtained_at: SECONDS - 60,
  generation: 1,
  ...members
})

const file = (members: Record<string, unknown>, root: Record<string, unknown> = {}): string =>
  JSON.stringify({
    version: 1,
    tenants: { other: entry({ access_token: "lockstep-at-other" }), codex: members },
    ...root
  })

/** A file with a member so deep: its own depth, below the root. */
const deep = (depth: number): string => file(entry()).replace(/}$/, `,"deep":${"[".repeat(depth)}${"]".repeat(depth)}}`)

/** Files that the full command answers, refuses, or refreshes; at clocks around the bounds of each. */
const files: ReadonlyArray<readonly [name: string, text: string]> = [
  ["an ordinary record", file(entry())],
  ["no expiry", file(entry({ expires_at: null }))],
  ["no time of issue", file(entry({ obtained_at: undefined }))],
  ["a short lifetime", file(entry({ expires_at: SECONDS + 100, obtained_at: SECONDS }))],
  [
    "a vendor with a margin of its own",
    file(entry({ vendor: "codex", expires_at: SECONDS + 200, obtained_at: SECONDS - 3600 }))
  ],
  ["an unknown vendor", file(entry({ vendor: "someone", expires_at: SECONDS + 400 }))],
  ["a token from the future", file(entry({ obtained_at: SECONDS + 600, expires_at: SECONDS + 4000 }))],
  ["an access token alone", file({ access_token: TOKEN })],
  ["a refresh token alone", file({ refresh_token: "lockstep-rt-FastPathTest" })],
  ["an empty access token", file(entry({ access_token: "" }))],
  ["an empty refresh token", file(entry({ refresh_token: "" }))],
  ["a scope that is a list", file(entry({ scope: ["a"] }))],
  ["an expiry in words", file(entry({ expires_at: "soon" }))],
  ["an expiry of zero", file(entry({ expires_at: 0 }))],
  ["a negative generation", file(entry({ generation: -1 }))],
  ["a generation with a fraction", file(entry({ generation: 1.5 }))],
  ["an account", file(entry({ account: { id: "1", label: null } }))],
  ["an account that is a text", file(entry({ account: "me" }))],
  ["an account with a number", file(entry({ account: { id: 1 } }))],
  ["a registration that ended", file(entry({ client_secret_expires_at: SECONDS - 1 }))],
  ["an end of the registration in words", file(entry({ client_secret_expires_at: "never" }))],
  ["a way to prove itself", file(entry({ token_endpoint_auth_method: "client_secret_post" }))],
  ["a way to prove itself that is a number", file(entry({ token_endpoint_auth_method: 1 }))],
  ["an end of the login", file(entry({ login_expires_at: SECONDS - 1 }))],
  ["unknown members", file(entry({ extra: { big: 1, list: [{ a: 1 }] } }), { note: "x" })],
  ["members a thousand deep", deep(999)],
  ["a member a thousand and one deep", deep(1_001)],
  ["an expiry beyond the calendar", file(entry({ expires_at: 1e300 }))],
  ["a damaged sibling", file(entry(), { tenants: { codex: entry(), other: entry({ access_token: 1 }) } })],
  ["a foreign entry", file({ api_key: "lockstep-cs-foreign" })],
  ["no such tenant", JSON.stringify({ version: 1, tenants: { other: entry() } })],
  ["no tenants", JSON.stringify({ version: 1 })],
  ["another version", JSON.stringify({ version: 2, tenants: { codex: entry() } })],
  ["no version", JSON.stringify({ tenants: { codex: entry() } })],
  ["a store that was moved", file(entry(), { moved_to: "keyring" })],
  [
    "a tenant that is there twice",
    `{"version":1,"tenants":{"codex":${JSON.stringify(entry({ access_token: "lockstep-at-a" }))},"codex":${
      JSON.stringify(entry())
    }}}`
  ],
  [
    "a tenant that is there twice, once escaped",
    `{"version":1,"tenants":{"c\\u006fdex":${JSON.stringify(entry({ access_token: "lockstep-at-a" }))},"codex":${
      JSON.stringify(entry())
    }}}`
  ],
  [
    "a member that is there twice",
    file(entry()).replace("\"client_id\":", "\"access_token\":\"lockstep-at-b\",\"client_id\":")
  ],
  ["a version that is there twice", file(entry()).replace("{", "{\"version\":2,")],
  ["a tenant that inherits", `{"version":1,"tenants":{"__proto__":{"codex":${JSON.stringify(entry())}}}}`],
  ["half of a file", file(entry()).slice(0, -20)],
  ["a byte order mark", `\uFEFF${file(entry())}`],
  ["an empty file", ""],
  ["a list", "[]"]
]

const clocks = [NOW, NOW - 3_600_000, NOW + 3_479_999, NOW + 3_480_001, NOW + 3_600_001]

const answer = (text: string): InProcess.Ran => ({ code: 0, stdout: `${text}\n`, stderr: "" })

/** Lines and environments in which a hook may ask, beside the plainest. `HOME_` stands for the home. */
const ways: ReadonlyArray<readonly [args: ReadonlyArray<string>, env: Readonly<Record<string, string>>]> = [
  [["token", "codex"], {}],
  [["token", "codex", "--format", "json"], {}],
  [["token", "codex", "--json"], { LOCKSTEP_NO_INPUT: "1", LOCKSTEP_SOMETHING_NEW: "x" }],
  [["token", "--format=header", "codex"], {}],
  [["token", "codex", "--format", "env"], {}],
  [["token", "codex", "--format", "git"], {}],
  [["token", "codex", "--format", "kubernetes"], {}],
  [["token", "codex", "--min-ttl", "30m"], {}],
  [["token", "codex", "--min-ttl=90", "--source", "stored"], { CODEX_API_KEY: "lockstep-cs-elsewhere" }],
  [["token", "codex", "--max-wait", "5s"], { LOCKSTEP_MARGIN: "0" }],
  [["--home", "HOME_", "token", "codex"], { LOCKSTEP_HOME: "/nowhere" }],
  [["token", "codex", "--store", "file"], { LOCKSTEP_MARGIN: "30m", LOCKSTEP_STORE: " " }],
  [["token", "codex"], { LOCKSTEP_LOCK_TIMEOUT: "40s", LOCKSTEP_STALE_WAIT: "1s", LOCKSTEP_TRUST_LOCKS: "true" }]
]

const filled = (words: ReadonlyArray<string>, home: string): ReadonlyArray<string> =>
  words.map((word) => word.replace("HOME_", home))

const within = <A, E>(use: (home: string) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-fast-"))),
    use,
    (home) => Effect.sync(() => rmSync(home, { recursive: true, force: true }))
  )

describe("FastPath", () => {
  it("answers no token that cannot leave as text", () =>
    inHome((home) => {
      for (const token of ["a\nb", "a\u0000", "caf\u00e9", "a\u2028"]) {
        writeFileSync(join(home, "auth.json"), file(entry({ access_token: token })))
        assert.isUndefined(ask(home, NOW))
      }
      writeFileSync(join(home, "auth.json"), file(entry()))
      assert.strictEqual(ask(home, NOW), TOKEN)
    }))

  it.live("says nothing that the full command would not say, on the same files at the same clocks", () =>
    Effect.gen(function*() {
      const said = new Map<string, number>()
      for (const [name, text] of files) {
        for (const now of clocks) {
          yield* within((home) =>
            Effect.gen(function*() {
              writeFileSync(join(home, "auth.json"), text, { mode: 0o600 })
              const fast = ask(home, now)
              if (fast === undefined) return
              said.set(name, (said.get(name) ?? 0) + 1)
              const slow = yield* full(["token", "codex"], { LOCKSTEP_HOME: home }, now)
              deepStrictEqual(slow, answer(fast), `${name} at ${now}`)
            })
          )
        }
      }
      // And it does speak where a hook asks: a table of silence would prove nothing.
      deepStrictEqual(Object.fromEntries(said), {
        "an ordinary record": 2,
        "no expiry": 4,
        "no time of issue": 3,
        "an unknown vendor": 1,
        "an access token alone": 5,
        "an account": 2,
        "a registration that ended": 2,
        "a way to prove itself": 2,
        "an end of the login": 2,
        "unknown members": 2,
        "members a thousand deep": 2,
        "a damaged sibling": 2,
        "a short lifetime": 1,
        "a vendor with a margin of its own": 1,
        "a token from the future": 3
      })
    }))

  it.live("answers in every form, with every option and variable that hooks use, as the full command does", () =>
    within((home) =>
      Effect.gen(function*() {
        const spoken: Array<number> = []
        const members = { account: { id: "1", label: "a \"b\"" }, token_type: "DPoP", generation: 7 }
        writeFileSync(join(home, "auth.json"), file(entry(members)), { mode: 0o600 })
        for (const [at, [args, env]] of ways.entries()) {
          const [line, variables] = [filled(args, home), { LOCKSTEP_HOME: home, ...env }]
          const fast = ask(home, NOW, { args: line, env: variables })
          if (fast === undefined) continue
          spoken.push(at)
          deepStrictEqual(yield* full(line, variables, NOW), answer(fast), args.join(" "))
        }
        deepStrictEqual(spoken, [...ways.keys()])
      })
    ))

  it.live("settles for what the full command settles for, and refreshes what it would", () =>
    Effect.gen(function*() {
      const counts = { settled: 0, ended: 0 }
      for (const [name, text] of files) {
        for (const now of clocks) {
          yield* within((home) =>
            Effect.gen(function*() {
              writeFileSync(join(home, "auth.json"), text, { mode: 0o600 })
              const { judgement } = judged(["token", "codex"], { LOCKSTEP_HOME: home }, now)
              if (judgement._tag !== "Refresh") return
              const peeked = yield* full(["token", "codex", "--no-refresh"], { LOCKSTEP_HOME: home }, now)
              if (judgement.settle === undefined) {
                counts.ended++
                assert.notStrictEqual(peeked.code, 0, `${name} at ${now}`)
              } else {
                counts.settled++
                assert.strictEqual(peeked.stdout, `${judgement.settle.token}\n`, `${name} at ${now}`)
              }
            })
          )
        }
      }
      assert.isAbove(counts.settled, 5)
      assert.isAbove(counts.ended, 5)
    }))

  it.live("leaves a tenant to the full command for which a variable is set", () =>
    within((home) =>
      Effect.gen(function*() {
        const names = Object.entries(SourceVariables.table)
        const tenants = Object.fromEntries(
          names.flatMap(([vendor]) => [[vendor, entry()], [`${vendor}@work`, entry()]])
        )
        writeFileSync(join(home, "auth.json"), JSON.stringify({ version: 1, tenants }), { mode: 0o600 })
        for (const [vendor, variables] of names) {
          for (const { name } of variables) {
            for (const [value, expected] of [["from-the-environment", "from-the-environment"], [" ", TOKEN]] as const) {
              const env = { LOCKSTEP_HOME: home, [name]: value }
              const fast = (tenant: string) => ask(home, NOW, { args: ["token", tenant], env })
              const slow = (tenant: string) => Effect.map(full(["token", tenant], env, NOW), ({ stdout }) => stdout)
              assert.isUndefined(fast(vendor), name)
              assert.strictEqual(yield* slow(vendor), `${expected}\n`, name)
              assert.strictEqual(fast(`${vendor}@work`), TOKEN, name)
              assert.strictEqual(yield* slow(`${vendor}@work`), `${TOKEN}\n`, name)
            }
          }
        }
      })
    ))

  it("leaves options, variables and tenants that it does not know to the full command", () => {
    inHome((home) => {
      writeFileSync(join(home, "auth.json"), file(entry()))
      assert.strictEqual(ask(home, NOW), TOKEN)
      for (
        const args of [
          [],
          ["token"],
          ["status", "codex"],
          ["token", "codex", "more"],
          ["token", "codex", "--format", "xml"],
          ["token", "codex", "--format", "json", "--format", "json"],
          ["token", "codex", "--min-ttl", "5 minutes"],
          ["token", "codex", "--min-ttl"],
          ["token", "codex", "--min-ttl", "-5"],
          ["token", "codex", "--no-refresh"],
          ["token", "codex", "--source", "CODEX_API_KEY"],
          ["token", "codex", "--store", "keyring"],
          ["token", "codex", "--log-level", "debug"],
          ["token", "--", "codex"],
          ["token", "--home", home],
          ["token", "codex", "--home", " "],
          ["token", "codex", "--help"]
        ]
      ) assert.isUndefined(ask(home, NOW, { args }), args.join(" "))
      for (
        const [name, value] of [
          ["LOCKSTEP_STORE", "keyring"],
          ["LOCKSTEP_MARGIN", ""],
          ["LOCKSTEP_MARGIN", "soon"],
          ["LOCKSTEP_PROVIDER_TIMEOUT", "0"],
          ["LOCKSTEP_LOCK_TIMEOUT", "20s"],
          ["LOCKSTEP_QUIET_TIME", "8s"],
          ["LOCKSTEP_TRUST_LOCKS", "perhaps"],
          ["LOCKSTEP_SERVE_UNPERSISTED", "2"]
        ] as const
      ) assert.isUndefined(ask(home, NOW, { env: { LOCKSTEP_HOME: home, [name]: value } }), `${name}=${value}`)
      assert.isUndefined(ask(home, NOW, { env: {} }))
    })
  })

  it.live("takes every bound for what the full command takes it for, and refuses none that it would take", () =>
    within((home) =>
      Effect.gen(function*() {
        writeFileSync(join(home, "auth.json"), file(entry()), { mode: 0o600 })
        for (const name of ["MARGIN", "STALE_WAIT", "REDEEM_LIMIT", "LOCK_TIMEOUT", "QUIET_TIME", "RETURN_WAIT"]) {
          for (const value of ["0", "1", "23s", "22.5s", "1h", "7500ms", "", "x", "1e3"]) {
            const env = { LOCKSTEP_HOME: home, [`LOCKSTEP_${name}`]: value }
            // With all of its time before it, and with so little left that only a smaller margin serves it.
            for (const now of [NOW, NOW + 3_541_000]) {
              const { judgement, text } = judged(["token", "codex"], env, now)
              const which = `${name}=${value} at ${now}`
              if (text !== undefined) deepStrictEqual(yield* full(["token", "codex"], env, now), answer(text), which)
              if (judgement._tag === "Doubt") {
                assert.strictEqual((yield* full(["token", "codex"], env, now)).code, ExitCode.Usage, which)
              }
            }
          }
        }
      })
    ))

  it.live("finds the home that the full command finds, however it is written", () =>
    within((user) =>
      Effect.gen(function*() {
        const home = join(user, ".lockstep")
        mkdirSync(home, { mode: 0o700 })
        mkdirSync(join(user, "elsewhere", "deep"), { recursive: true })
        mkdirSync(join(user, "elsewhere", ".lockstep"), { mode: 0o700 })
        writeFileSync(join(home, "auth.json"), file(entry()))
        writeFileSync(
          join(user, "elsewhere", ".lockstep", "auth.json"),
          file(entry({ access_token: "lockstep-at-deep" }))
        )
        symlinkSync(join(user, "elsewhere", "deep"), join(user, "link"))
        symlinkSync(home, join(user, "home"))
        mkdirSync(join(user, "linked"), { mode: 0o700 })
        symlinkSync(join(home, "auth.json"), join(user, "linked", "auth.json"))
        const here = relative(process.cwd(), home)
        for (
          const env of [
            { HOME: user },
            { HOME: user, LOCKSTEP_HOME: "" },
            { LOCKSTEP_HOME: home },
            { LOCKSTEP_HOME: `${home}/` },
            { LOCKSTEP_HOME: here },
            { LOCKSTEP_HOME: `${user}/link/../.lockstep` },
            { LOCKSTEP_HOME: `${user}//elsewhere/./../.lockstep` },
            { LOCKSTEP_HOME: `${user}/home` },
            { LOCKSTEP_HOME: `${user}/linked` }
          ]
        ) {
          const line = ["token", "codex", "--json"]
          const fast = ask("", NOW, { args: line, env })
          deepStrictEqual(yield* full(line, env, NOW), answer(fast ?? "nothing"), JSON.stringify(env))
        }
      })
    ))

  it("leaves a home that is pinned to another store, or whose pin it does not understand", () => {
    inHome((home) => {
      writeFileSync(join(home, "auth.json"), file(entry()))
      const pinned = (pin: unknown) => {
        writeFileSync(join(home, "store.json"), typeof pin === "string" ? pin : JSON.stringify(pin))
        return ask(home, NOW)
      }
      assert.strictEqual(pinned({ store: "file", lock_dir: null, host: "h" }), TOKEN)
      assert.strictEqual(pinned({ store: "file", lock_dir: "/locks", host: "h" }), TOKEN)
      assert.isUndefined(pinned({ store: "keyring", lock_dir: null, host: "h" }))
      assert.isUndefined(pinned({ store: "file", lock_dir: 1, host: "h" }))
      assert.isUndefined(pinned({ store: "file" }))
      assert.isUndefined(pinned("{"))
    })
  })

  it("leaves a name that is written in two ways", () => {
    inHome((home) => {
      const tenants = { K: entry(), "\u212a": entry({ access_token: "lockstep-at-kelvin" }) }
      writeFileSync(join(home, "auth.json"), JSON.stringify({ version: 1, tenants }))
      assert.isUndefined(ask(home, NOW, { args: ["token", "K"] }))
    })
  })

  it("neither hangs on a FIFO in the place of the file nor believes it", () => {
    inHome((home) => {
      const path = join(home, "auth.json")
      execFileSync("mkfifo", [path])
      assert.isUndefined(ask(home, NOW))
      // A reader that stays keeps in the pipe what a writer left there.
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      writeFileSync(path, file(entry()))
      assert.isUndefined(ask(home, NOW))
      closeSync(reader)
    })
  })

  it("knows the margin of every vendor, and none whose logins revoke each other", () =>
    Effect.gen(function*() {
      const { all } = yield* VendorRegistry.VendorRegistry
      deepStrictEqual(
        Object.fromEntries(all.flatMap(({ id, margin }) =>
          Option.match(margin, { onNone: () => [], onSome: (one) => [[id, Duration.toMillis(one)] as const] })
        )),
        VendorMargins.table
      )
      // Their group's lock comes before the tenant's, which the start of the command takes first.
      deepStrictEqual(
        all.filter(({ siblingsRevoke }) =>
          siblingsRevoke
        ).map(({ id }) => id),
        []
      )
    }).pipe(Effect.provide(VendorRegistry.layerBuiltIn), Effect.runPromise))
})
