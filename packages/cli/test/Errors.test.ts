import { assert, describe, it } from "@effect/vitest"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/Stage.js"

interface Case {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly arrange?: (stage: Stage.Stage) => Effect.Effect<unknown>
  readonly circumstances?: Stage.Circumstances
  readonly code: number
  readonly tag: string
  readonly reason?: string
  readonly says: RegExp
}

const token = ["token", "codex"]
const expired = (stage: Stage.Stage) => stage.seed({})
const answering = (behaviour: ServerBehaviour.Behaviour) => (stage: Stage.Stage) =>
  Effect.zipRight(stage.seed({}), stage.server.script(behaviour))
const withFile = (text: string) => (stage: Stage.Stage) =>
  Effect.sync(() => {
    mkdirSync(stage.harness.home, { mode: 0o700 })
    writeFileSync(stage.file, text, { mode: 0o600 })
  })

const cases: ReadonlyArray<Case> = [
  {
    name: "an unknown tenant",
    args: token,
    code: 3,
    tag: "ReauthorizationRequired",
    reason: "NotFound",
    says: /codex is not logged in \(looked in \/.*\/home\/auth\.json\)/
  },
  {
    name: "a refresh of a good token without a refresh token",
    args: ["refresh", "codex"],
    arrange: (stage) =>
      Effect.zipRight(stage.seed({ left: 3600 }), stage.change("codex", { refresh_token: undefined })),
    code: 3,
    tag: "ReauthorizationRequired",
    reason: "NoRefreshToken",
    says: /codex has no refresh token, so that it cannot be refreshed; its access token is good and ends in (59m|1h)/
  },
  {
    name: "a refresh of a token that has ended without a refresh token",
    args: ["refresh", "codex"],
    arrange: (stage) => Effect.zipRight(stage.seed({}), stage.change("codex", { refresh_token: undefined })),
    code: 3,
    tag: "ReauthorizationRequired",
    reason: "NoRefreshToken",
    says: /codex has no refresh token, and only a login brings another access token/
  },
  {
    name: "a dead grant",
    args: token,
    arrange: answering(ServerBehaviour.refused("invalid_grant")),
    code: 3,
    tag: "ReauthorizationRequired",
    reason: "InvalidGrant",
    says: /no longer valid/
  },
  {
    name: "a server that asks for patience",
    args: token,
    arrange: answering(ServerBehaviour.rateLimited({ "retry-after": "7" })),
    code: 5,
    tag: "ProviderUnavailable",
    reason: "RateLimited",
    says: /fewer requests/
  },
  {
    name: "a server in trouble",
    args: token,
    arrange: answering(ServerBehaviour.html(502)),
    code: 5,
    tag: "ProviderUnavailable",
    reason: "ServerError",
    says: /error of its own/
  },
  {
    name: "a client that is refused",
    args: token,
    arrange: answering(ServerBehaviour.refused("invalid_client", 401)),
    code: 5,
    tag: "ProviderRejected",
    reason: "InvalidClient",
    says: /refuses this client/
  },
  {
    name: "a redirect",
    args: token,
    arrange: answering(ServerBehaviour.redirect("https://elsewhere.invalid/")),
    code: 5,
    tag: "ProviderRejected",
    reason: "Protocol",
    says: /no token endpoint/
  },
  {
    name: "a damaged file",
    args: token,
    arrange: withFile("{\"version\": 1, \"tenants\": {\"codex\": {\"refresh_token\": \"lockstep-rt-damaged\""),
    code: 6,
    tag: "CredentialStoreError",
    reason: "Decode",
    says: /auth\.json is damaged/
  },
  {
    name: "a file of another version",
    args: ["status"],
    arrange: withFile("{\"version\": 2}"),
    code: 6,
    tag: "CredentialStoreError",
    reason: "Decode",
    says: /auth\.json is damaged/
  },
  {
    name: "a directory in the place of the file",
    args: token,
    arrange: (stage) => Effect.sync(() => mkdirSync(stage.file, { recursive: true, mode: 0o700 })),
    code: 6,
    tag: "CredentialStoreError",
    reason: "Read",
    says: /auth\.json cannot be read/
  },
  {
    name: "a home that is pinned to another lock directory",
    args: token,
    arrange: (stage) =>
      Effect.tap(
        stage.seed({}),
        () =>
          writeFileSync(
            join(stage.harness.home, "store.json"),
            JSON.stringify({ store: "file", lock_dir: "/somewhere", host: "h" })
          )
      ),
    code: 4,
    tag: "LockUnavailable",
    reason: "OtherDomain",
    says: /lock this store elsewhere/
  },
  {
    name: "a store that is not there",
    args: ["status", "--store", "vault"],
    code: 2,
    tag: "UsageError",
    reason: "Configuration",
    says: /--store: there is no store of that name/
  },
  {
    name: "a store variable that names none",
    args: ["status"],
    circumstances: { env: { LOCKSTEP_STORE: "vault:/somewhere" } },
    code: 2,
    tag: "UsageError",
    reason: "Configuration",
    says: /LOCKSTEP_STORE: there is no store of that name/
  },
  {
    name: "another store than the home has",
    args: ["status", "--store", "keyring"],
    arrange: (stage) => stage.seed({}),
    code: 6,
    tag: "CredentialStoreError",
    reason: "Superseded",
    says: /its store is file, and this process was told keyring/
  },
  {
    name: "bounds that contradict each other",
    args: ["status"],
    circumstances: { env: { LOCKSTEP_LOCK_TIMEOUT: "1s" } },
    code: 2,
    tag: "UsageError",
    reason: "Configuration",
    says: /LOCKSTEP_LOCK_TIMEOUT: .*must be longer/
  },
  {
    name: "no home at all",
    args: ["status"],
    circumstances: { env: { HOME: "", LOCKSTEP_HOME: "" } },
    code: 2,
    tag: "UsageError",
    reason: "Configuration",
    says: /LOCKSTEP_HOME/
  },
  {
    name: "an unknown command",
    args: ["tokn", "codex"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /no such command/
  },
  {
    name: "an unknown option",
    args: ["token", "codex", "--min-tll", "5m"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /no option --min-tll/
  },
  {
    name: "a wizard",
    args: ["token", "--wizard"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /no option --wizard/
  },
  {
    name: "a token in the place of an option",
    args: ["token", "codex", "lockstep_at_typed_by_hand"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /an argument too many/
  },
  { name: "no tenant", args: ["token"], code: 2, tag: "UsageError", reason: "Arguments", says: /TENANT/ },
  {
    name: "a tenant with control characters",
    args: ["token", "a\tb"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /512 bytes/
  },
  {
    name: "a malformed duration",
    args: ["token", "codex", "--min-ttl", "soon"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /--min-ttl: a duration/
  },
  {
    name: "an unknown format",
    args: ["token", "codex", "--format", "xml"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /./
  },
  {
    name: "an unknown log level",
    args: ["status", "--log-level", "loud"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /no such level/
  },
  {
    name: "an import from nowhere",
    args: ["import", "codex"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /--from/
  },
  {
    name: "an import of a file that is not there",
    args: ["import", "codex", "--from", "/nowhere"],
    code: 2,
    tag: "UsageError",
    reason: "Input",
    says: /ENOENT/
  },
  {
    name: "an import of something else",
    args: ["import", "codex", "--from", "-"],
    circumstances: { input: "{\"refresh_token\":7}" },
    code: 2,
    tag: "UsageError",
    reason: "Input",
    says: /refresh_token: a string is expected/
  },
  {
    name: "an import over a live login",
    args: ["import", "codex", "--from", "-"],
    arrange: (stage) => stage.seed({ left: 3600 }),
    circumstances: { input: "{\"access_token\":\"lockstep-at-imported\"}" },
    code: 2,
    tag: "CredentialExists",
    says: /is logged in already/
  },
  {
    name: "a logout without a tenant",
    args: ["logout"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /no login is named/
  },
  {
    name: "a logout of one and all",
    args: ["logout", "codex", "--all"],
    code: 2,
    tag: "UsageError",
    reason: "Arguments",
    says: /exclude each other/
  },
  {
    name: "a status of an unknown tenant",
    args: ["status", "codx"],
    arrange: expired,
    code: 3,
    tag: "ReauthorizationRequired",
    reason: "NotFound",
    says: /codx is not logged in/
  },
  {
    name: "a refresh of an unknown tenant",
    args: ["refresh", "codex"],
    code: 3,
    tag: "ReauthorizationRequired",
    reason: "NotFound",
    says: /codex is not logged in/
  }
]

/** Words that only the person knows. */
const UNKNOWN = /\b(URL|ID|VENDOR|FILE|TENANT|COMMAND|CMD…)/

/** The commands that a text names, in backticks, as they are printed. */
const advised = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/`lockstep ([^`]*)`/g)].map(([, line]) => line!).filter((line) => !UNKNOWN.test(line))

/** What is right to say to a command that was advised, although it is no success. */
const HONEST = /no terminal shows the address|is logged in already|the code or address is empty|LOCKSTEP_|--store: /

/** Types every command that an error advises, in a shell, and the ones that those advise. */
const follow = (
  stage: Stage.Stage,
  { stderr }: Stage.Ran,
  env: Readonly<Record<string, string>>,
  depth = 3
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.forEach(depth === 0 ? [] : advised(stderr), (line) =>
    Effect.gen(function*() {
      const ran = yield* stage.shell(`$LOCKSTEP ${line}`, { env: { BROWSER: "none", ...env }, prints: true })
      const what = `\`lockstep ${line}\`: ${ran.stderr}`
      assert.isNotNull(ran.code, what)
      if (ran.code === 2) assert.match(ran.stderr, HONEST, what)
      assert.notMatch(ran.stderr, /something unexpected/, what)
      yield* follow(stage, ran, env, depth - 1)
    }), { discard: true })

describe("an error is told in two lines, or as the only line of JSON", () => {
  for (const { args, arrange, circumstances, code, name, reason, says, tag } of cases) {
    it.scopedLive(`${name}: exit code ${code}`, () =>
      Effect.gen(function*() {
        // Each in a home of its own: an error may leave a cooldown or a mark.
        const run = (more: ReadonlyArray<string>) =>
          Effect.gen(function*() {
            const stage = yield* Stage.make()
            if (arrange !== undefined) yield* arrange(stage)
            const ran = yield* stage.run([...args, ...more], circumstances)
            if (more.length === 0) yield* follow(stage, ran, circumstances?.env ?? {})
            return ran
          })
        const [plain, json] = yield* Effect.all([run([]), run(["--json"])], { concurrency: 2 })
        Stage.assertTold(plain, code, says)
        Stage.assertToldAsJson(json, code, tag, reason)
      }))
  }

  it.scopedLive("a lock that another process keeps: exit code 4, and its name", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const lock = join(stage.harness.home, "auth.json.refresh.codex.lock")
      const holder = yield* stage.harness.spawn({
        program: "flock",
        args: [lock, "sh", "-c", "echo '{\"locked\":true}'; read line"]
      })
      yield* holder.message((message) => message["locked"] === true)
      const bounds = {
        LOCKSTEP_REDEEM_LIMIT: "200ms",
        LOCKSTEP_QUIET_TIME: "10ms",
        LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "100ms",
        LOCKSTEP_PERSIST_RETRY: "100ms",
        LOCKSTEP_LOCK_TIMEOUT: "500ms"
      }
      const ran = yield* stage.run(["token", "codex", "--json"], { env: bounds })
      const error = Stage.assertToldAsJson(ran, 4, "LockTimeout")
      assert.strictEqual((error["holder"] as { command: string }).command, "flock")
      assert.lengthOf(stage.server.requests, 0)
      yield* holder.write("\n")
      assert.strictEqual((yield* stage.run(["token", "codex"], { prints: true })).code, 0)
    }))

  it.scopedLive("suggests the names that were probably meant", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ tenant: "codex" }, { tenant: "codex@work" })
      assert.include((yield* stage.run(["token", "codx"])).stderr, "did you mean `codex`?")
      const error = Stage.assertToldAsJson(
        yield* stage.run(["token", "codex@wrk", "--json"]),
        3,
        "ReauthorizationRequired"
      )
      assert.deepStrictEqual((error["nearest"] as ReadonlyArray<string>)[0], "codex@work")
    }))

  it.scopedLive("changes nothing in a file that it cannot read", () =>
    Effect.gen(function*() {
      const text =
        "{\"version\": 1, \"tenants\": {\"codex\": {\"access_token\": \"\", \"refresh_token\": \"lockstep-rt-kept\"}}}"
      const stage = yield* Stage.make()
      yield* withFile(text)(stage)
      for (const args of [token, ["refresh", "codex"], ["logout", "codex"], ["status", "codex"]]) {
        assert.strictEqual((yield* stage.run(args)).code, 6, args.join(" "))
      }
      const imported = { input: "{\"access_token\":\"lockstep-at-imported\"}" }
      assert.strictEqual((yield* stage.run(["import", "codex", "--from", "-", "--replace"], imported)).code, 6)
      assert.strictEqual(readFileSync(stage.file, "utf8"), text)
    }))

  it.scopedLive("says that the command is not built", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const directory = join(stage.bin, "..", "..", "unbuilt")
      mkdirSync(join(directory, "bin"), { recursive: true })
      const bin = join(directory, "bin", "lockstep.js")
      writeFileSync(bin, readFileSync(stage.bin))
      writeFileSync(join(directory, "bin", "package.json"), readFileSync(join(stage.bin, "..", "package.json")))
      const child = yield* stage.harness.spawn({ args: [bin, "status"] })
      assert.strictEqual((yield* child.exit).code, 1)
      assert.include(yield* child.stderr, "not built yet")
      rmSync(directory, { recursive: true })
    }))
})
