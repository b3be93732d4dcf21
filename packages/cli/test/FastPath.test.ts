import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Core from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileHome from "@lockstep/node/FileHome"
import * as CredentialSources from "@lockstep/oauth/CredentialSources"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { execFileSync } from "node:child_process"
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as FastPath from "../src/FastPath.js"
import * as Output from "../src/Output.js"
import * as Sources from "../src/Sources.js"
import * as FixedClock from "./support/FixedClock.js"

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const TOKEN = "lockstep-at-FastPathTest"

const ask = (home: string, now: number, change: Partial<FastPath.Question> = {}): string | undefined =>
  FastPath.answer({
    args: ["token", "codex"],
    env: { LOCKSTEP_HOME: home },
    now,
    platform: "linux",
    read: FastPath.readFile,
    ...change
  })

const inHome = <A>(use: (home: string) => A): A => {
  const home = mkdtempSync(join(tmpdir(), "lockstep-fast-"))
  try {
    return use(home)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

const entry = (members: Record<string, unknown> = {}) => ({
  token_endpoint: "https://auth.invalid/token",
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

/** The full path, to which the clock says `now` and whose every request would be noticed. */
const full = (home: string, now: number, name = "codex", env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    let requests = 0
    const fetch = Layer.succeed(Fetch.Fetch, {
      load: Effect.suspend(() => {
        requests++
        return Effect.fail({ detail: "no network in this test" })
      })
    })
    const tenant = TenantId.make(name)
    const layer = Core.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(
        FileHome.layer({ directory: home }),
        Layer.provide(OAuthTokenEndpoint.layerBuiltIn, fetch),
        Layer.provide(CredentialSources.layer, VendorRegistry.layerBuiltIn),
        Layer.succeed(Output.Output, { ...Output.makeProcess(), note: () => Effect.void })
      )),
      Layer.provide(RefreshPolicy.layerDefaults),
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env)))))
    )
    const token = yield* Effect.gen(function*() {
      const source = yield* Sources.choose(tenant, Option.none())
      return Option.isSome(source)
        ? yield* Sources.token(tenant, source.value, Option.none())
        : yield* Effect.flatMap(RefreshCoordinator, (coordinator) => coordinator.accessToken(tenant))
    }).pipe(
      Effect.map((one) => Redacted.value(one.token)),
      Effect.option,
      Effect.provide(layer),
      Effect.withClock(FixedClock.make(now))
    )
    return { token, requests }
  })

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
          const home = mkdtempSync(join(tmpdir(), "lockstep-fast-"))
          yield* Effect.gen(function*() {
            writeFileSync(join(home, "auth.json"), text, { mode: 0o600 })
            const fast = ask(home, now)
            if (fast === undefined) return
            said.set(name, (said.get(name) ?? 0) + 1)
            const slow = yield* full(home, now)
            deepStrictEqual(slow, { token: Option.some(fast), requests: 0 }, `${name} at ${now}`)
          }).pipe(Effect.ensuring(Effect.sync(() => rmSync(home, { recursive: true, force: true }))))
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
        "a damaged sibling": 2,
        "a short lifetime": 1,
        "a vendor with a margin of its own": 1,
        "a token from the future": 3
      })
    }))

  it.live("leaves a tenant to the full command for which a variable is set", () =>
    Effect.gen(function*() {
      const home = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-fast-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const names = Object.entries(SourceVariables.table)
      const tenants = Object.fromEntries(names.flatMap(([vendor]) => [[vendor, entry()], [`${vendor}@work`, entry()]]))
      writeFileSync(join(home, "auth.json"), JSON.stringify({ version: 1, tenants }), { mode: 0o600 })
      for (const [vendor, variables] of names) {
        for (const { name } of variables) {
          for (const [value, expected] of [["from-the-environment", "from-the-environment"], [" ", TOKEN]] as const) {
            const env = { [name]: value }
            const fast = (tenant: string) =>
              ask(home, NOW, { args: ["token", tenant], env: { LOCKSTEP_HOME: home, ...env } })
            const slow = (tenant: string) => Effect.map(full(home, NOW, tenant, env), ({ token }) => token)
            assert.isUndefined(fast(vendor), name)
            deepStrictEqual(yield* slow(vendor), Option.some(expected), name)
            assert.strictEqual(fast(`${vendor}@work`), TOKEN, name)
            deepStrictEqual(yield* slow(`${vendor}@work`), Option.some(TOKEN), name)
          }
        }
      }
    }).pipe(Effect.scoped))

  it("leaves options, variables and tenants that it does not know to the full command", () => {
    inHome((home) => {
      writeFileSync(join(home, "auth.json"), file(entry()))
      assert.strictEqual(ask(home, NOW), TOKEN)
      assert.strictEqual(ask(home, NOW, { args: ["token", "codex", "--format", "raw"] }), TOKEN)
      for (
        const args of [
          [],
          ["token"],
          ["status", "codex"],
          ["token", "codex", "--format", "json"],
          ["token", "codex", "--format", "git"],
          ["token", "codex", "--format", "kubernetes"],
          ["token", "codex", "--min-ttl", "5m"],
          ["token", "codex", "--no-refresh"],
          ["token", "--", "codex"],
          ["token", "--home", home],
          ["--json", "token", "codex"]
        ]
      ) assert.isUndefined(ask(home, NOW, { args }), args.join(" "))
      for (const name of ["LOCKSTEP_STORE", "LOCKSTEP_MARGIN", "LOCKSTEP_LOCK_DIR", "LOCKSTEP_SOMETHING_NEW"]) {
        assert.isUndefined(ask(home, NOW, { env: { LOCKSTEP_HOME: home, [name]: "" } }), name)
      }
      assert.isUndefined(ask(home, NOW, { env: { LOCKSTEP_HOME: "relative" } }))
      assert.isUndefined(ask(home, NOW, { env: {} }))
      assert.isUndefined(ask(home, NOW, { platform: "win32" }))
    })
  })

  it("finds the home of the user", () => {
    inHome((user) => {
      mkdirSync(join(user, ".lockstep"))
      writeFileSync(join(user, ".lockstep", "auth.json"), file(entry()))
      assert.strictEqual(ask("", NOW, { env: { HOME: user } }), TOKEN)
    })
  })

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

  it("knows no vendor with a larger margin", () =>
    Effect.gen(function*() {
      const { all } = yield* VendorRegistry.VendorRegistry
      for (const { id, margin } of all) {
        assert.isAtMost(
          Option.match(margin, { onNone: () => 0, onSome: Duration.toMillis }),
          FastPath.VENDOR_MARGIN,
          id
        )
      }
    }).pipe(Effect.provide(VendorRegistry.layerBuiltIn), Effect.runPromise))
})
