/**
 * Looks for the next file, line or environment on which the start of the command and the program disagree. Another seed
 * each time, printed, so that a run that failed can be repeated with `LOCKSTEP_SEED`; bounded in time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { full, judged } from "./support/TwoPaths.js"

const SEED = Number(process.env["LOCKSTEP_SEED"] ?? 1 + Math.floor(Math.random() * (2 ** 31 - 2)))

/** Milliseconds of search; `LOCKSTEP_FUZZ_MILLIS` makes it longer. */
const SEARCH = Number(process.env["LOCKSTEP_FUZZ_MILLIS"] ?? 5_000)

const SECONDS = 1_800_000_000

/** A small generator of numbers (mulberry32), so that a seed is all of a run. */
const generator = (seed: number) => {
  let state = seed
  const next = (): number => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
  return {
    chance: (share: number) => next() < share,
    below: (count: number) => Math.floor(next() * count),
    one: <A>(values: ReadonlyArray<A>): A => values[Math.floor(next() * values.length)]!
  }
}

type Random = ReturnType<typeof generator>

/** A JSON text as it stands, for what `JSON.stringify` would not write. */
class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const write = (value: unknown): string =>
  value instanceof Raw
    ? value.text
    : Array.isArray(value)
    ? `[${value.map(write).join(",")}]`
    : typeof value === "object" && value !== null
    ? `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}:${write(one)}`).join(",")}}`
    : JSON.stringify(value)

const TIMES = [
  SECONDS + 3_600,
  SECONDS + 301,
  SECONDS + 299,
  SECONDS + 121,
  SECONDS + 119,
  SECONDS + 1,
  SECONDS,
  SECONDS - 1,
  SECONDS - 3_600,
  SECONDS + 61,
  SECONDS + 59,
  1,
  0,
  -1,
  0.5,
  SECONDS + 0.25,
  8.64e12,
  8.64e12 + 1,
  1e15,
  1e300
]

const odd = (random: Random): unknown =>
  random.one<unknown>([
    null,
    true,
    "",
    " ",
    "soon",
    "a\nb",
    "caf\u00e9",
    "\u001b[31m",
    0,
    -1,
    1.5,
    2 ** 53,
    [],
    {},
    { a: 1 },
    [[1]],
    new Raw("1e999"),
    new Raw("-0"),
    new Raw("1E400"),
    new Raw("\"\\u0041\""),
    new Raw("{\"a\":1,\"a\":2}"),
    new Raw(`${"[".repeat(997)}${"]".repeat(997)}`),
    new Raw(`${"[".repeat(999)}${"]".repeat(999)}`),
    new Raw(`${"{\"a\":".repeat(998)}1${"}".repeat(998)}`),
    "x".repeat(5_000)
  ])

const MEMBERS = [
  "vendor",
  "issuer",
  "token_endpoint",
  "client_id",
  "client_secret",
  "client_secret_expires_at",
  "access_token",
  "refresh_token",
  "id_token",
  "token_type",
  "scope",
  "resource",
  "expires_at",
  "obtained_at",
  "login_expires_at",
  "account",
  "generation",
  "last_redeem",
  "extra",
  "__proto__",
  "constructor"
]

const record = (random: Random): Record<string, unknown> => {
  const made: Record<string, unknown> = {
    token_endpoint: "http://127.0.0.1:1/token",
    client_id: "client",
    access_token: "lockstep-at-FastPathFuzz",
    refresh_token: "lockstep-rt-FastPathFuzz",
    expires_at: random.one(TIMES),
    obtained_at: random.one(TIMES)
  }
  if (random.chance(0.5)) made["vendor"] = random.one(["codex", "kiro", "mcp", "generic", "nobody", "mimocode"])
  if (random.chance(0.3)) {
    made["account"] = { id: random.one([null, "1", 1]), label: random.one([null, "me", "\u202e"]) }
  }
  for (let changes = random.below(3); changes > 0; changes--) {
    const name = random.one(MEMBERS)
    if (random.chance(0.2)) delete made[name]
    else Object.defineProperty(made, name, { value: odd(random), enumerable: true, configurable: true, writable: true })
  }
  return made
}

/** A text of `auth.json`; sometimes hurt. */
const text = (random: Random): string => {
  const tenants: Record<string, unknown> = { codex: record(random) }
  if (random.chance(0.3)) {
    tenants[random.one(["other", "Codex", "co\u0064ex ", "__proto__"])] = random.chance(0.5)
      ? record(random)
      : odd(random)
  }
  const root: Record<string, unknown> = { version: random.chance(0.95) ? 1 : odd(random), tenants }
  if (random.chance(0.2)) root[random.one(["pending", "moved_to", "note", "deep"])] = odd(random)
  let written = write(root)
  if (random.chance(0.1)) written = `\uFEFF${written}`
  if (random.chance(0.1)) {
    written = written.replace("\"codex\"", random.one(["\"c\\u006fdex\"", "\"codex\":1,\"codex\"", "\"cod\\u0065x\""]))
  }
  if (random.chance(0.1)) {
    written = written.replace("\"access_token\"", "\"access_token\":\"lockstep-at-twice\",\"access_token\"")
  }
  if (random.chance(0.1)) {
    const at = random.below(written.length)
    written = written.slice(0, at) + random.one(["", ",", "}", "\"", "\u0000", " ", "1"]) +
      written.slice(at + random.below(3))
  }
  return written
}

const OPTIONS: ReadonlyArray<ReadonlyArray<string>> = [
  ["--format", "json"],
  ["--format=header"],
  ["--format", "env"],
  ["--format", "git"],
  ["--format=kubernetes"],
  ["--json"],
  ["--min-ttl", "5m"],
  ["--min-ttl=0"],
  ["--min-ttl", "1.5h"],
  ["--min-ttl", "5 minutes"],
  ["--max-wait", "9s"],
  ["--source", "stored"],
  ["--store", "file"],
  ["--home", "HOME_/"],
  ["--home=HOME_/../HOME"],
  ["--no-refresh"]
]

const VARIABLES: ReadonlyArray<readonly [name: string, values: ReadonlyArray<string>]> = [
  ["LOCKSTEP_MARGIN", ["0", "1h", "119s", "", "1 s", "x"]],
  ["LOCKSTEP_STALE_WAIT", ["0", "1s", "-1"]],
  ["LOCKSTEP_LOCK_TIMEOUT", ["22s", "23s", "1h"]],
  ["LOCKSTEP_QUIET_TIME", ["7.5s", "8s", "0"]],
  ["LOCKSTEP_TRUST_LOCKS", ["true", "1", "no", "maybe"]],
  ["LOCKSTEP_SERVE_UNPERSISTED", ["false", "0", "?"]],
  ["LOCKSTEP_STORE", ["", "file", "keyring", "auto"]],
  ["LOCKSTEP_KEYRING_TIMEOUT", ["x", "1s"]],
  ["LOCKSTEP_NO_INPUT", ["", "1"]],
  ["CODEX_API_KEY", ["", "lockstep-cs-env"]],
  ["UNRELATED", ["1"]]
]

const examine = (random: Random, which: string): Effect.Effect<"spoke" | "waited" | "silent"> =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-fuzz-"))),
    (home) =>
      Effect.gen(function*() {
        writeFileSync(join(home, "auth.json"), text(random), { mode: 0o600 })
        if (random.chance(0.3)) {
          writeFileSync(
            join(home, "store.json"),
            write(random.one<unknown>([
              { store: "file", lock_dir: null, host: "h" },
              { store: "file", lock_dir: "/x", host: "h" },
              { store: "file", host: "h", more: 1 },
              { store: "file", lock_dir: null },
              { store: "keyring", lock_dir: null, host: "h" },
              odd(random)
            ]))
          )
        }
        const line = ["token", "codex"]
        for (let options = random.below(3); options > 0; options--) {
          const option = random.one(OPTIONS).map((word) =>
            word.replace("HOME_", home).replace("/HOME", `/${home.split("/").at(-1)}`)
          )
          line.splice(random.below(line.length + 1), 0, ...option)
        }
        const env: Record<string, string> = {
          LOCKSTEP_HOME: random.chance(0.8) ? home : `${home}/../${home.split("/").at(-1)}/.`
        }
        for (let variables = random.below(3); variables > 0; variables--) {
          const [name, values] = random.one(VARIABLES)
          env[name] = random.one(values)
        }
        const now = SECONDS * 1_000
        const { judgement, text: fast } = judged(line, env, now)
        if (fast !== undefined) {
          const slow = yield* full(line, env, now)
          assert.deepStrictEqual(slow, { code: 0, stdout: `${fast}\n`, stderr: "" }, which)
          return "spoke"
        }
        if (judgement._tag !== "Refresh") return "silent"
        // What is settled for is what the program would settle for.
        const peeked = yield* full(["token", "codex", "--no-refresh", "--source", "stored"], env, now)
        const isAsked = line.some((word) => word.startsWith("--min-ttl"))
        if (
          judgement.settle === undefined
            ? !isAsked && peeked.code === 0
            : peeked.stdout !== `${judgement.settle.token}\n`
        ) {
          assert.fail(`${which}: settles for something else (${peeked.code})`)
        }
        return "waited"
      }),
    (home) => Effect.sync(() => rmSync(home, { recursive: true, force: true }))
  )

describe("the two paths of the command", () => {
  it.live("agree on whatever is made up", () =>
    Effect.gen(function*() {
      console.log(`two paths: LOCKSTEP_SEED=${SEED} repeats this run`)
      const counts = { spoke: 0, waited: 0, silent: 0 }
      const end = performance.now() + SEARCH
      for (let number = 0; performance.now() < end; number++) {
        counts[yield* examine(generator(SEED + number), `LOCKSTEP_SEED=${SEED}, case ${number}`)]++
        // A case ends without a timer or a socket; between two of them the test's runner is heard.
        yield* Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))
      }
      // A search that finds only silence has looked at nothing.
      assert.isAbove(counts.spoke, 0)
      assert.isAbove(counts.waited, 0)
    }), SEARCH + 120_000)
})
