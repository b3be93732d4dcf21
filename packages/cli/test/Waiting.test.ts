/**
 * A command that waits for another process's refresh, twice: at the start of the command, and in the program, to which
 * `--log-level` leaves every line. Both end in the same way.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs"
import * as Stage from "./support/Stage.js"

const PATHS = [["the start", []], ["the program", ["--log-level", "warning"]]] as const

/** Whether a process watches a directory, as it does from the moment on at which it waits. */
const watches = (pid: number): boolean => {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).includes("inotify"))
  } catch {
    return false
  }
}

const waiting = (child: ChildProcess.Child): Effect.Effect<void> =>
  Effect.suspend(() => watches(child.pid) ? Effect.void : Effect.fail("not yet" as const)).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("50 seconds"),
    Effect.orDie
  )

type Members = Readonly<Record<string, unknown>>

/** Replaces the stored file as a writer does: whole, and under its name at once. */
const rewrite = (file: string, change: (tenants: Record<string, Members>) => void): void => {
  const content = JSON.parse(readFileSync(file, "utf8")) as { readonly tenants: Record<string, Members> }
  change(content.tenants)
  writeFileSync(`${file}.test`, JSON.stringify(content), { mode: 0o600 })
  renameSync(`${file}.test`, file)
}

const now = () => Math.floor(Date.now() / 1000)

interface Scene {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Before anything waits. */
  readonly before?: (file: string) => void
  /** Once both wait. */
  readonly during?: (
    context: { readonly file: string; readonly children: ReadonlyArray<ChildProcess.Child> }
  ) => Effect.Effect<unknown>
}

/** Both paths, waiting for the same holder at the same time, in the same scene. */
const play = ({ args = [], before, env = {}, during }: Scene) =>
  Effect.gen(function*() {
    const { child: holder, letGo, stage } = yield* Stage.refreshing
    before?.(stage.file)
    const children = yield* Effect.forEach(PATHS, ([, more]) =>
      stage.start(["token", "codex", ...more, ...args], { env }))
    for (const child of children) {
      yield* child.closeStdin
      yield* waiting(child)
    }
    if (during === undefined) {
      yield* letGo
    } else yield* during({ file: stage.file, children })
    const endings = yield* Effect.forEach(children, (child) =>
      Effect.map(stage.finish(child, { prints: true }), ({ code, stderr, stdout }) => ({
        code,
        // How long it waited, and as which process, is its own.
        stderr: stderr.replace(/\d+(\.\d+)? ?(ms|s|seconds?)\b/g, "TIME"),
        stdout: stdout.replace(/"expires_in":\d+/, "").replace(/"waited":[\d.]+/, "")
      })))
    yield* letGo
    yield* holder.exit
    return { endings, requests: stage.server.requests.length }
  })

const agree = ({ endings: [start, program] }: Effect.Effect.Success<ReturnType<typeof play>>) => {
  assert.deepStrictEqual(start, program)
  return start!
}

/** Shortest bounds that the policy accepts. */
const IMPATIENT = {
  LOCKSTEP_REDEEM_LIMIT: "500ms",
  LOCKSTEP_QUIET_TIME: "0",
  LOCKSTEP_PROVIDER_TIMEOUT: "400ms",
  LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "100ms",
  LOCKSTEP_PERSIST_RETRY: "0",
  LOCKSTEP_LOCK_TIMEOUT: "1500ms"
}

describe.runIf(process.platform === "linux")("a command that waits", { timeout: 180_000 }, () => {
  it.scopedLive("adopts what the holder stores", () =>
    Effect.gen(function*() {
      const ended = agree(yield* play({}))
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.match(ended.stdout, /^lockstep-at-/)
    }))

  it.scopedLive("adopts what a program without our locks stores, in the form that was asked for", () =>
    Effect.gen(function*() {
      const ended = agree(
        yield* play({
          args: ["--format", "json"],
          during: ({ file }) =>
            Effect.sync(() =>
              rewrite(file, (tenants) => {
                tenants["codex"] = {
                  ...tenants["codex"],
                  access_token: "lockstep-at-elsewhere",
                  expires_at: now() + 3600,
                  obtained_at: now(),
                  generation: 9
                }
              })
            )
        })
      )
      assert.include(ended.stdout, "lockstep-at-elsewhere")
      assert.include(ended.stdout, "\"generation\":9")
    }))

  it.scopedLive("takes no token of another account", () =>
    Effect.gen(function*() {
      const account = (id: string, more: Members = {}) => (file: string) =>
        rewrite(file, (tenants) => {
          tenants["codex"] = { ...tenants["codex"], account: { id }, ...more }
        })
      const ended = agree(
        yield* play({
          before: account("one"),
          during: ({ file }) =>
            Effect.sync(() =>
              account("two", { access_token: "lockstep-at-two", expires_at: now() + 3600, obtained_at: now() })(file)
            )
        })
      )
      assert.strictEqual(ended.code, 6, ended.stderr)
      assert.include(ended.stderr, "account one was replaced by account two")
    }))

  it.scopedLive("is told of a login that is gone when it has the lock", () =>
    Effect.gen(function*() {
      const { child: holder, letGo, stage } = yield* Stage.refreshing
      const children = yield* Effect.forEach(PATHS, ([, more]) => stage.start(["token", "codex", ...more]))
      for (const child of children) yield* waiting(child)
      rewrite(stage.file, (tenants) => {
        delete tenants["codex"]
      })
      yield* letGo
      yield* holder.exit
      const [start, program] = yield* Effect.forEach(children, (child) => stage.finish(child))
      assert.deepStrictEqual(start, program)
      assert.strictEqual(start!.code, 3)
    }))

  it.scopedLive("settles for a token that is still valid when its patience is over", () =>
    Effect.gen(function*() {
      const ended = agree(
        yield* play({
          env: { LOCKSTEP_STALE_WAIT: "200ms" },
          before: (file) =>
            rewrite(file, (tenants) => {
              tenants["codex"] = {
                ...tenants["codex"],
                access_token: "lockstep-at-old",
                expires_at: now() + 100,
                obtained_at: now() - 3600
              }
            }),
          during: () => Effect.void
        })
      )
      assert.deepStrictEqual([ended.code, ended.stdout], [0, "lockstep-at-old\n"])
    }))

  it.scopedLive("gives up when the holder keeps the lock, and names it", () =>
    Effect.gen(function*() {
      const { endings, requests } = yield* play({ env: IMPATIENT, args: ["--json"], during: () => Effect.void })
      const ended = agree({ endings, requests })
      assert.strictEqual(ended.code, 4)
      assert.include(ended.stdout, "LockTimeout")
      assert.match(ended.stdout, /"holder":\{"pid":\d+/)
      assert.strictEqual(requests, 1)
    }))

  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    it.scopedLive(`ends with ${code} after ${signal}, and has sent nothing`, () =>
      Effect.gen(function*() {
        const { endings, requests } = yield* play({
          during: ({ children }) => Effect.forEach(children, (child) => child.signal(signal))
        })
        assert.deepStrictEqual(endings.map((ended) => ended.code), [code, code])
        assert.strictEqual(requests, 1)
      }))
  }
})
